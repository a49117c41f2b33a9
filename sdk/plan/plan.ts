/** From a declaration to the policies that say it. */
import { withReviewDay } from "./annotations";
import { asEnforced, meshWriter, networkDocuments, policyName } from "./apis/registry";
import { breakGlassDocuments, breakGlassOf } from "./break-glass/documents";
import { bypassDocuments, bypassesOf, noteBypasses } from "./bypasses";
import type { ClusterSecurityDeclaration } from "./declaration";
import { PolicyLayout, Tier } from "./declaration";
import { apiServerName, namespacesWithLimitedDns, namespacesWithoutDns, noteLimitedDns } from "./dns-limits";
import type { DraftDocument, Plan, PlannedDns, PlannedFlow, PlannedWorkload } from "./documents";
import { logicalNameOf, rolloutAnnotation } from "./documents";
import { flowId } from "./flow-id";
import { openNamespaces, plannedPeer } from "./halves";
import type { Model, ModelWorkload } from "./model";
import { metadataAccessOf, noteEndedExceptions, noteMetadataAccess, noteOverdueReviews } from "./notes";
import { orderDocuments } from "./order";
import { refuseSharedNames, rename, withNames } from "./policy-names";
import { resolve } from "./resolve/resolve";
import { tenantAccess } from "./tenants/access";
import { exceptionsOf } from "./tenants/exceptions";
import { withTenantPolicies } from "./tenants/policies";
import { noteUndenied, undeniedAnnotations, undeniedOf } from "./undenied";
import { Shortfalls } from "./unsupported";

/**
 * Plans a declaration: checks it as a whole, derives both sides of every flow in the chosen policy API, and puts the
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
  const kept = drafts.filter(({ stage, servesFlows = stage === "flows" }) => servesFlows);
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
      ...meshWriter.policies(model, shortfalls),
      ...bypassDocuments(model, []).filter(({ stage }) => stage !== "flows"),
    ],
    (model) => wholeDocuments(model, new Shortfalls()),
  );
}

function wholeDocuments(model: Model, shortfalls: Shortfalls): readonly DraftDocument[] {
  const drafts = [
    ...networkDocuments(model, shortfalls),
    ...meshWriter.policies(model, shortfalls),
    ...tenantAccess(model),
  ];
  return [...drafts, ...bypassDocuments(model, drafts), ...breakGlassDocuments(model)];
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
  const named = withNames(wished, policyName);
  const drafts = withReviewDay(named, model.reviewBy);
  noteMetadataAccess(model, shortfalls);
  noteLimitedDns(model, shortfalls);
  noteEndedExceptions(model, shortfalls);
  noteBypasses(model, shortfalls);
  noteUndenied(model, shortfalls);
  noteOverdueReviews(model, shortfalls);
  const warnings = shortfalls.settle(model.unsupported);
  refuseSharedNames(drafts);
  return {
    dialect: model.dialect,
    mode: model.mode,
    documents: orderDocuments(drafts, model.services),
    warnings,
    namespaces: [...model.namespaces.values()]
      .filter(
        (namespace) =>
          namespace.tier !== Tier.Platform ||
          !namespace.existing ||
          hasLabels(namespace) ||
          openNamespaces(model).includes(namespace.name),
      )
      .map(({ name, tier, existing, mode, labels, rollout }) => ({
        name,
        tier,
        existing,
        mode,
        labels,
        annotations: { ...rolloutAnnotations(rollout), ...undeniedAnnotations(model, name) },
      })),
    exemptNamespaces: model.exempt,
    flows: plannedFlows(model),
    workloads: [...model.workloads.values()].map(plannedWorkload),
    ...(model.reviewBy === undefined ? {} : { reviewBy: model.reviewBy }),
    enforcerAudits: model.enforcerAudits,
    ...(model.mesh === undefined ? {} : { mesh: model.mesh.mode }),
    dns: plannedDns(model),
    tenants: model.tenants.map(({ name, namespaces, policyEditors }) => ({ name, namespaces, policyEditors })),
    exceptions: exceptionsOf(model),
    metadataAccess: metadataAccessOf(model),
    bypasses: bypassesOf(model),
    breakGlass: breakGlassOf(model),
    undenied: undeniedOf(model),
  };
}

function plannedWorkload(workload: ModelWorkload): PlannedWorkload {
  const { name, namespace, tier, labels, hostNetwork, denyExternal } = workload;
  return { name, namespace, tier, labels, hostNetwork, denyExternal };
}

/** The flows of a declaration as they were understood. */
export function plannedFlows({ flows }: Model): readonly PlannedFlow[] {
  return flows.map(({ from, to, ports, reason, owner, expires, critical, reviewBy }) => ({
    id: flowId({ from, to, ports }),
    from: plannedPeer(from),
    to: plannedPeer(to),
    ports,
    reason,
    owner,
    ...(critical ? { critical } : {}),
    ...(expires === undefined ? {} : { expires }),
    ...(reviewBy === undefined ? {} : { reviewBy }),
  }));
}

function rolloutAnnotations(rollout: string | undefined): Readonly<Record<string, string>> {
  return rollout === undefined ? {} : { [rolloutAnnotation]: rollout };
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
