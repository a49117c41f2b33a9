/** Plans one tenant by itself, for clusters of which nothing else is declared in the same program. */
import type {
  ClusterFacts,
  ClusterSecurityDeclaration,
  FlowDeclaration,
  NamespaceDeclaration,
  TenantDeclaration,
  UnsupportedHandling,
  WorkloadDeclaration,
  Dialect,
} from "../declaration";
import { asApplied, networkWriters } from "../apis/registry";
import { DenyScope } from "../declaration";
import type { DraftDocument, Plan } from "../documents";
import { DeclarationError } from "../errors";
import { guardDocuments, guardWarnings } from "../guards";
import type { Model, ModelTenant } from "../model";
import type { ApplicationPresets } from "../presets/index";
import { planModel } from "../plan";
import { homeOf } from "../resolve/tenant-of";
import { resolve } from "../resolve/resolve";
import { tenantAccess } from "./access";
import { withTenantPolicies } from "./policies";
import type { Shortfalls } from "../unsupported";

/** A tenant with everything that belongs to it. */
export interface TenantPlanDeclaration {
  /** The tenant. */
  tenant: TenantDeclaration;
  /** The others who share the cluster: their names and namespaces. Nothing is made for them. Defaults to none. */
  neighbours?: TenantDeclaration[];
  /** Defaults to `cilium`. */
  dialect?: Dialect;
  /** Facts about the cluster; every one has a default. */
  cluster?: ClusterFacts;
  /** Namespaces that are always tier 0, whose pods no policy selects. */
  exemptNamespaces?: string[];
  /** The tenant's namespaces, and those of others that its flows touch. Those of neighbours need not be named. */
  namespaces?: NamespaceDeclaration[];
  /** Workloads: what flows connect. */
  workloads?: WorkloadDeclaration[];
  /** The tenant's flows: within it, and to and from what belongs to no tenant. */
  flows?: FlowDeclaration[];
  /** Databases, queues and the like in the tenant's namespaces. */
  applications?: ApplicationPresets;
  /** What to do with parts of the declaration that the policy API cannot express. Defaults to `warn`. */
  unsupported?: UnsupportedHandling;
  /** The day it is, `2027-03-31`: exceptions that ended before it are reported. Components take the current day. */
  asOf?: string;
  /** The day by which the policies are looked at again, `2027-05-01`; written onto each. Defaults to none. */
  reviewBy?: string;
}

/**
 * Plans the boundary of one tenant: in each of its namespaces a baseline that closes everything but DNS and with it the
 * metadata endpoints, the deny of its neighbours, its flows and its policies, and who may edit them. All of it lies in its
 * own namespaces or names them, so that several tenants, in several programs, never share an object.
 *
 * @throws DeclarationError with everything that is wrong with the declaration.
 */
export function planTenant(declaration: TenantPlanDeclaration): Plan {
  const { tenant, neighbours = [], namespaces = [], ...rest } = declaration;
  const declared = new Set(namespaces.map(({ name }) => name));
  const implied = neighbours.flatMap((neighbour) => neighbour.namespaces).filter((name) => !declared.has(name));
  const whole: ClusterSecurityDeclaration = {
    ...rest,
    denyScope: DenyScope.DeclaredNamespaces,
    namespaces: [...namespaces, ...[...new Set(implied)].map((name) => ({ name, existing: true }))],
    tenants: [tenant, ...neighbours],
  };
  const model = resolve(whole);
  refuseMetadataAccess(model, tenant);
  const plan = planModel(model, tenantDocuments);
  const own = new Set(tenant.namespaces);
  return {
    ...plan,
    warnings: guardWarnings(plan, model),
    namespaces: plan.namespaces.filter(({ name }) => own.has(name)),
    tenants: plan.tenants.filter(({ name }) => name === tenant.name),
    exceptions: plan.exceptions.filter((one) => one.tenant === tenant.name || one.grantedTo === tenant.name),
  };
}

/** A baseline of one object has no room for exceptions where its deny comes before every allow. */
function refuseMetadataAccess(model: Model, tenant: TenantDeclaration): void {
  if (model.limits.metadataAccessInGuard) return;
  const problems = [...model.workloads.values()]
    .filter(({ namespace, metadataAccess }) => tenant.namespaces.includes(namespace) && metadataAccess.length > 0)
    .map(({ id }) => ({
      path: ["workloads", id, "metadataAccess"],
      kind: "unsupported",
      message: "has access to a metadata service, which the tenant's baseline would close again",
      fix: "Declare the tenant with ClusterSecurity, which makes room for the exception.",
    }));
  if (problems.length > 0) throw new DeclarationError(problems);
}

function tenantDocuments(model: Model, shortfalls: Shortfalls): readonly DraftDocument[] {
  const [tenant] = model.tenants;
  if (tenant === undefined) return [];
  const own = new Set(tenant.namespaces);
  const flows = model.flows.filter(({ from, to }) => [homeOf(from), homeOf(to)].some((home) => own.has(home ?? "")));
  const touching = { ...model, flows };
  const drafts = ownDrafts(touching, shortfalls, tenant);
  const guards = tenant.namespaces.flatMap((name) => baselineOf(touching, shortfalls, name, drafts));
  const single = { ...model, tenants: [tenant] };
  return withTenantPolicies(single, [...drafts, ...guards, ...tenantAccess(single)]);
}

/** What the dialect writes for the tenant's namespaces, and nothing that is about others as well. */
function ownDrafts(model: Model, shortfalls: Shortfalls, tenant: ModelTenant): readonly DraftDocument[] {
  const isOwn = (draft: DraftDocument): boolean => {
    const home = draft.object.metadata.namespace ?? draft.home;
    return home !== undefined && tenant.namespaces.includes(home);
  };
  return networkWriters[model.dialect].tenantPolicies(asApplied(model), shortfalls, isOwn);
}

/** The namespace's own default deny, with DNS and the deny of metadata endpoints, where the dialect has them clusterwide. */
function baselineOf(
  model: Model,
  shortfalls: Shortfalls,
  namespace: string,
  drafts: readonly DraftDocument[],
): readonly DraftDocument[] {
  const home = model.namespaces.get(namespace);
  if (home === undefined) return [];
  const inNamespace = (stage: DraftDocument["stage"]): boolean =>
    drafts.some((one) => one.stage === stage && one.object.metadata.namespace === namespace);
  const guards = guardDocuments({ ...model, flows: [] }, shortfalls, {
    subject: { kind: "namespace", namespace: home },
    name: "tenant-baseline",
    directions: ["ingress", "egress"],
    hasOwnDns: inNamespace("dns"),
  });
  // NetworkPolicy has a default deny and DNS in the namespace already
  return inNamespace("default-deny") ? guards.filter(({ stage }) => stage === "metadata-deny") : guards;
}
