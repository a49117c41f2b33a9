/** From a declaration to the policies that say it. */
import { withReviewDay } from "./annotations";
import { bypassDocuments, bypassesOf, noteBypasses } from "./bypasses";
import { calicoDocuments } from "./dialects/calico";
import { ciliumDocuments, proxiedDnsName } from "./dialects/cilium";
import { clusterNetworkPolicyDocuments } from "./dialects/cluster-network-policy";
import { istioDocuments } from "./dialects/istio";
import { kubernetesDocuments } from "./dialects/kubernetes";
import { isDnsAlone } from "./dialects/network-policy";
import type { ClusterSecurityDeclaration } from "./declaration";
import { Dialect, PolicyLayout, PolicyMode, Tier } from "./declaration";
import type { DraftDocument, Plan, PlannedDns, PlannedMetadataAccess } from "./documents";
import { logicalNameOf, stagedPrefix } from "./documents";
import type { DeclarationProblem } from "./errors";
import { DeclarationError } from "./errors";
import { apiServerName, namespacesWithLimitedDns, namespacesWithoutDns, noteLimitedDns } from "./dns-limits";
import { plannedPeer } from "./halves";
import { metadataServices } from "./metadata-services";
import type { Model } from "./model";
import { isObjectName } from "./names";
import { orderDocuments } from "./order";
import { resolve } from "./resolve/resolve";
import { withTenantPolicies } from "./tenant-policies";
import { exceptionsOf, tenantAccess } from "./tenants";
import { Shortfalls } from "./unsupported";

/**
 * Plans a declaration: checks it as a whole, derives both halves of every flow in the chosen dialect, and puts the
 * policies into an order in which nothing is cut off on the way and nothing is left open at the end.
 *
 * @throws DeclarationError with every problem at once; nothing has been registered then.
 */
export function plan(declaration: ClusterSecurityDeclaration): Plan {
  return planModel(
    resolve(declaration),
    (model, shortfalls) => withTenantPolicies(model, wholeDocuments(model, shortfalls)),
    (model) => wholeDocuments(model, new Shortfalls()),
  );
}

/**
 * Plans the flows of a declaration alone, without DNS, tiers and default deny, which {@link plan} puts in place.
 *
 * @throws DeclarationError with every problem at once.
 */
export function planFlows(declaration: ClusterSecurityDeclaration): Plan {
  // what isolates stands elsewhere, so a policy for each workload mostly has nothing to protect here
  const model = { ...resolve(declaration), layout: declaration.layout ?? PolicyLayout.PerFlow };
  return planModel(
    model,
    (resolved, shortfalls) => {
      const flows = flowsAlone(networkDocuments(resolved, shortfalls));
      return [...flows, ...bypassDocuments(resolved, flows).filter(({ stage }) => stage !== "mesh")];
    },
    (resolved) => wholeDocuments(resolved, new Shortfalls()),
  );
}

/** Without what isolates pods that have no flow; nothing comes after what is left out. */
function flowsAlone(drafts: readonly DraftDocument[]): readonly DraftDocument[] {
  const kept = drafts.filter(
    (draft) => (draft.stage === "flows" && !isDnsAlone(draft)) || draft.object.metadata.name === proxiedDnsName,
  );
  const names = new Set(kept.map(logicalNameOf));
  return kept.map((draft) =>
    draft.after === undefined ? draft : { ...draft, after: draft.after.filter((name) => names.has(name)) },
  );
}

/**
 * Plans the mesh's policies of a declaration alone, for clusters whose network policies come from elsewhere.
 *
 * @throws DeclarationError with every problem at once.
 */
export function planMesh(declaration: ClusterSecurityDeclaration): Plan {
  return planModel(
    resolve(declaration),
    (model, shortfalls) => [
      ...istioDocuments(model, shortfalls),
      ...bypassDocuments(model, []).filter(({ stage }) => stage !== "flows"),
    ],
    (model) => wholeDocuments(model, new Shortfalls()),
  );
}

function wholeDocuments(model: Model, shortfalls: Shortfalls): readonly DraftDocument[] {
  const drafts = [...networkDocuments(model, shortfalls), ...istioDocuments(model, shortfalls), ...tenantAccess(model)];
  return [...drafts, ...bypassDocuments(model, drafts)];
}

/** Writes the policies of a declaration that was read, and says what it could not. */
type Writer = (model: Model, shortfalls: Shortfalls) => readonly DraftDocument[];

/**
 * A plan of what a writer makes of a declaration: named, ordered, with everything that is said about it.
 *
 * @param whole Policies of which the writer makes a part, or writes once the mode is `enforce`: names may be given to all
 *   of them. Defaults to what it writes.
 */
export function planModel(model: Model, write: Writer, whole?: (model: Model) => readonly DraftDocument[]): Plan {
  const shortfalls = new Shortfalls();
  const wished = rename(write(model, shortfalls), model.policyNames, () => whole?.(asEnforced(model)) ?? []);
  const named = withNames(wished, ({ object }) => nameForApi(object));
  const drafts = withReviewDay(named, model.reviewBy);
  noteMetadataAccess(model, shortfalls);
  noteLimitedDns(model, shortfalls);
  noteEndedExceptions(model, shortfalls);
  noteBypasses(model, shortfalls);
  noteOverdueReviews(model, shortfalls);
  const warnings = shortfalls.settle(model.unsupported);
  refuseSharedNames(drafts);
  return {
    dialect: model.dialect,
    mode: model.mode,
    documents: orderDocuments(drafts, model.services),
    warnings,
    namespaces: [...model.namespaces.values()]
      .filter((namespace) => namespace.tier !== Tier.Platform || !namespace.existing || hasLabels(namespace))
      .map(({ name, tier, existing, mode, labels }) => ({ name, tier, existing, mode, labels })),
    exemptNamespaces: model.exempt,
    flows: model.flows.map(({ from, to, ports, reason, owner, expires, critical, reviewBy }) => ({
      from: plannedPeer(from),
      to: plannedPeer(to),
      ports,
      reason,
      owner,
      ...(critical ? { critical } : {}),
      ...(expires === undefined ? {} : { expires }),
      ...(reviewBy === undefined ? {} : { reviewBy }),
    })),
    dns: plannedDns(model),
    tenants: model.tenants.map(({ name, namespaces, policyEditors }) => ({ name, namespaces, policyEditors })),
    exceptions: exceptionsOf(model),
    metadataAccess: metadataAccessOf(model),
    bypasses: bypassesOf(model),
  };
}

function plannedDns(model: Model): PlannedDns {
  const { namespace, labels, port } = model.dns;
  const closedTo = namespacesWithoutDns(model);
  const limitedFor = namespacesWithLimitedDns(model).filter(
    (name) => !closedTo.includes(name) && !(model.dnsNames.get(name) ?? []).includes(apiServerName),
  );
  return { namespace, labels, port, closedTo, limitedFor };
}

function hasLabels(namespace: { labels: Readonly<Record<string, string>> }): boolean {
  return Object.keys(namespace.labels).length > 0;
}

/** An exception is never silent: the plan names it, and so does whatever prints the plan's warnings. */
function noteMetadataAccess(model: Model, shortfalls: Shortfalls): void {
  for (const { workload, service, owner } of metadataAccessOf(model)) {
    shortfalls.note(
      "metadata-exception",
      `workloads ${workload} (${service}, ${owner})`,
      "Workloads may reach a credential service of the cloud although metadata endpoints are closed.",
      "Review them with their owners.",
    );
  }
}

function noteEndedExceptions(model: Model, shortfalls: Shortfalls): void {
  for (const { tenant, from, to, expires, owner, state } of exceptionsOf(model)) {
    if (state === "open") continue;
    const what = state === "closed" ? "and nothing passes any more" : "and it still lets traffic pass";
    shortfalls.note(
      "exception-ended",
      `tenants ${tenant}: ${from} → ${to} (${owner}, until ${expires}, ${what})`,
      "The last day of an exception between tenants is over.",
      "Renew it with its owner, or remove it.",
    );
  }
}

function noteOverdueReviews({ asOf, flows, reviewBy }: Model, shortfalls: Shortfalls): void {
  if (asOf === undefined) return;
  const note = (path: string): void =>
    shortfalls.note(
      "review-overdue",
      path,
      "The day by which somebody was to look at it again has passed.",
      "Review it with its owner, and set the next day.",
    );
  if (reviewBy !== undefined && reviewBy < asOf) note("reviewBy");
  for (const flow of flows) {
    if (flow.reviewBy !== undefined && flow.reviewBy !== reviewBy && flow.reviewBy < asOf) note(flow.path);
  }
}

function metadataAccessOf(model: Model): readonly PlannedMetadataAccess[] {
  return [...model.workloads.values()].flatMap(({ id, metadataAccess }) =>
    metadataAccess.map(({ service, reason, owner, expires }): PlannedMetadataAccess => {
      const { ranges, ports } = metadataServices[service];
      const end = expires === undefined ? {} : { expires };
      return { workload: id, service, addresses: ranges.map(({ cidr }) => cidr), ports, reason, owner, ...end };
    }),
  );
}

/** The network's policies of a declaration, in its dialect. */
export function networkDocuments(declared: Model, shortfalls: Shortfalls): readonly DraftDocument[] {
  // an enforcer that only reports does so for every policy, whatever its dialect
  const model = declared.enforcerAudits ? asEnforced(declared) : declared;
  switch (model.dialect) {
    case Dialect.Cilium:
      return ciliumDocuments(model, shortfalls);
    case Dialect.Kubernetes:
      return kubernetesDocuments(model, shortfalls);
    case Dialect.Calico:
      return calicoDocuments(model, shortfalls);
    case Dialect.ClusterNetworkPolicy:
      return clusterNetworkPolicyDocuments(model, shortfalls);
  }
}

function asEnforced(model: Model): Model {
  const mode = PolicyMode.Enforce;
  const namespaces = new Map([...model.namespaces].map(([name, namespace]) => [name, { ...namespace, mode }]));
  return { ...model, mode, namespaces };
}

/** Gives policies the names that the declaration wants, and refuses wishes that no policy has, here or elsewhere. */
function rename(
  drafts: readonly DraftDocument[],
  names: ReadonlyMap<string, string>,
  elsewhere: () => readonly DraftDocument[],
): readonly DraftDocument[] {
  if (names.size === 0) return drafts;
  const used = new Set<string>();
  const renamed = withNames(drafts, ({ object: { metadata } }) => {
    const derived = [...names.keys()].find((name) => hasDerivedName(metadata.name, name));
    if (derived === undefined) return metadata.name;
    used.add(derived);
    return metadata.name.slice(0, metadata.name.length - derived.length) + (names.get(derived) ?? derived);
  });
  const unused = [...names.keys()].filter((name) => !used.has(name));
  const others = unused.length === 0 ? [] : elsewhere();
  const unknown = unused.filter((name) => !others.some(({ object }) => hasDerivedName(object.metadata.name, name)));
  if (unknown.length > 0) {
    throw new DeclarationError(
      unknown.map((name) => ({
        path: `policyNames.${name}`,
        kind: "name",
        message: "is not the derived name of a policy of this plan",
        fix: "Remove it, or write the name that the plan gives.",
      })),
    );
  }
  return renamed;
}

/** Documents with other names, by which others know them too. */
function withNames(
  drafts: readonly DraftDocument[],
  nameOf: (draft: DraftDocument) => string,
): readonly DraftDocument[] {
  const renamed = drafts.map((draft): DraftDocument => {
    const { object } = draft;
    const name = nameOf(draft);
    return name === object.metadata.name
      ? draft
      : { ...draft, object: { ...object, metadata: { ...object.metadata, name } } };
  });
  const moved = new Map(drafts.map((draft, index) => [logicalNameOf(draft), logicalNameOf(renamed[index] ?? draft)]));
  return renamed.map((draft) =>
    draft.after === undefined ? draft : { ...draft, after: draft.after.map((name) => moved.get(name) ?? name) },
  );
}

/**
 * A name as the object's API takes it. In the name of a Calico policy the dot after its tier is the only one (libcalico-go,
 * validator/v3: `networkPolicyNameRegex`, `globalNetworkPolicyNameRegex`); two hyphens take the place of others.
 */
function nameForApi({ apiVersion, kind, metadata: { name }, spec }: DraftDocument["object"]): string {
  if (!apiVersion.startsWith("projectcalico.org/") || !kind.endsWith("Policy")) return name;
  const tier = (spec as { readonly tier?: unknown } | undefined)?.tier;
  const prefix = typeof tier === "string" && name.startsWith(`${tier}.`) ? `${tier}.` : "";
  return prefix + name.slice(prefix.length).replaceAll(".", "--");
}

/** A dialect may put its tier and the namespace before the derived name, as Calico does, and that it is staged. */
function hasDerivedName(name: string, derived: string): boolean {
  return [derived, `${stagedPrefix}${derived}`].some((own) => name === own || name.endsWith(`.${own}`));
}

/** Two policies of one name would be one object in the cluster: the later would overwrite the earlier. */
function refuseSharedNames(drafts: readonly DraftDocument[]): void {
  const problems: DeclarationProblem[] = [];
  const seen = new Set<string>();
  for (const draft of drafts) {
    const name = logicalNameOf(draft);
    if (seen.has(name)) {
      problems.push({
        path: `policy ${name}`,
        kind: "name",
        message: "would stand for two different policies",
        fix: "Rename one of the workloads, services or peers that its name is made of.",
      });
    } else if (!isObjectName(draft.object.metadata.name)) {
      problems.push({
        path: `policy ${name}`,
        kind: "name",
        message: "would have a name that Kubernetes does not take",
        fix: "Shorten the names of the workloads that it is made of.",
      });
    }
    seen.add(name);
  }
  if (problems.length > 0) throw new DeclarationError(problems);
}
