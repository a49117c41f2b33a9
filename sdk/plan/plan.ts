/** From a declaration to the policies that say it. */
import { calicoDocuments } from "./dialects/calico";
import { ciliumDocuments, proxiedDnsName } from "./dialects/cilium";
import { istioDocuments } from "./dialects/istio";
import { kubernetesDocuments } from "./dialects/kubernetes";
import type { ClusterSecurityDeclaration } from "./declaration";
import { Dialect, Tier } from "./declaration";
import type { DraftDocument, Plan } from "./documents";
import type { DeclarationProblem } from "./errors";
import { DeclarationError } from "./errors";
import { describePeer } from "./halves";
import type { Model } from "./model";
import { isDnsSubdomain } from "./names";
import { logicalNameOf, orderDocuments } from "./order";
import { resolve } from "./resolve/resolve";
import { tenantAccess } from "./tenants";
import { Shortfalls } from "./unsupported";

/**
 * Plans a declaration: checks it as a whole, derives both halves of every flow in the chosen dialect, and puts the
 * policies into an order in which nothing is cut off on the way and nothing is left open at the end.
 *
 * @throws DeclarationError with every problem at once; nothing has been registered then.
 */
export function plan(declaration: ClusterSecurityDeclaration): Plan {
  return planPart(declaration, () => true);
}

/**
 * Plans the flows of a declaration alone, without DNS, tiers and default deny, which {@link plan} puts in place.
 *
 * @throws DeclarationError with every problem at once.
 */
export function planFlows(declaration: ClusterSecurityDeclaration): Plan {
  return planPart(declaration, (draft) => draft.stage === "flows" || draft.object.metadata.name === proxiedDnsName);
}

/**
 * Plans the mesh's policies of a declaration alone, for clusters whose network policies come from elsewhere.
 *
 * @throws DeclarationError with every problem at once.
 */
export function planMesh(declaration: ClusterSecurityDeclaration): Plan {
  return planPart(declaration, (draft) => draft.stage === "mesh");
}

function planPart(declaration: ClusterSecurityDeclaration, isIncluded: (draft: DraftDocument) => boolean): Plan {
  const model = resolve(declaration);
  const shortfalls = new Shortfalls();
  const drafts = rename(write(model, shortfalls).filter(isIncluded), model.policyNames);
  const warnings = shortfalls.settle(model.unsupported);
  refuseSharedNames(drafts);
  return {
    dialect: model.dialect,
    documents: orderDocuments(drafts, model.services),
    warnings,
    namespaces: [...model.namespaces.values()]
      .filter((namespace) => namespace.tier !== Tier.Platform || !namespace.existing || hasLabels(namespace))
      .map(({ name, tier, existing, labels }) => ({ name, tier, existing, labels })),
    exemptNamespaces: model.exempt,
    flows: model.flows.map(({ from, to, ports, reason, owner, expires }) => ({
      from: describePeer(from),
      to: describePeer(to),
      ports,
      reason,
      owner,
      ...(expires === undefined ? {} : { expires }),
    })),
  };
}

function hasLabels(namespace: { labels: Readonly<Record<string, string>> }): boolean {
  return Object.keys(namespace.labels).length > 0;
}

function write(model: Model, shortfalls: Shortfalls): readonly DraftDocument[] {
  return [...networkDocuments(model, shortfalls), ...istioDocuments(model, shortfalls), ...tenantAccess(model)];
}

function networkDocuments(model: Model, shortfalls: Shortfalls): readonly DraftDocument[] {
  switch (model.dialect) {
    case Dialect.Cilium:
      return ciliumDocuments(model, shortfalls);
    case Dialect.Kubernetes:
      return kubernetesDocuments(model, shortfalls);
    case Dialect.Calico:
      return calicoDocuments(model, shortfalls);
  }
}

/** Gives policies the names that the declaration wants, and refuses wishes that no policy has. */
function rename(drafts: readonly DraftDocument[], names: ReadonlyMap<string, string>): readonly DraftDocument[] {
  if (names.size === 0) return drafts;
  const used = new Set<string>();
  const renamed = drafts.map((draft) => {
    const { metadata } = draft.object;
    const derived = [...names.keys()].find((name) => hasDerivedName(metadata.name, name));
    if (derived === undefined) return draft;
    used.add(derived);
    const name = metadata.name.slice(0, metadata.name.length - derived.length) + (names.get(derived) ?? derived);
    return { ...draft, object: { ...draft.object, metadata: { ...metadata, name } } };
  });
  const unknown = [...names.keys()].filter((name) => !used.has(name));
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

/** A dialect may put its tier and the namespace before the derived name, as Calico does. */
function hasDerivedName(name: string, derived: string): boolean {
  return name === derived || name.endsWith(`.${derived}`);
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
    } else if (!isDnsSubdomain(draft.object.metadata.name)) {
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
