/** What tenants add to a plan: who may edit policies there, and the register of exceptions. */
import type { DraftDocument } from "./documents";
import { managedByLabel } from "./documents";
import type { Model, ModelTenant } from "./model";
import { tenantOf } from "./resolve/tenants";

/** Resources that decide what is reachable. */
const policyResources: readonly (readonly [string, readonly string[]])[] = [
  ["networking.k8s.io", ["networkpolicies"]],
  ["cilium.io", ["ciliumnetworkpolicies"]],
  ["projectcalico.org", ["networkpolicies"]],
  ["security.istio.io", ["authorizationpolicies", "peerauthentications"]],
];

/** Role and binding that let the named groups, and by this nobody else, edit the policies of a tenant's namespaces. */
export function tenantAccess(model: Model): readonly DraftDocument[] {
  return model.tenants.flatMap((tenant) =>
    tenant.policyEditors.length === 0 ? [] : tenant.namespaces.flatMap((namespace) => editors(tenant, namespace)),
  );
}

function editors(tenant: ModelTenant, namespace: string): readonly DraftDocument[] {
  const name = "network-policy-editors";
  const metadata = { name, namespace, labels: managedByLabel };
  const apiGroup = "rbac.authorization.k8s.io";
  return [
    {
      stage: "platform",
      object: {
        apiVersion: `${apiGroup}/v1`,
        kind: "Role",
        metadata,
        rules: policyResources.map(([group, resources]) => ({
          apiGroups: [group],
          resources,
          verbs: ["get", "list", "watch", "create", "update", "patch", "delete"],
        })),
      },
    },
    {
      stage: "platform",
      object: {
        apiVersion: `${apiGroup}/v1`,
        kind: "RoleBinding",
        metadata: { ...metadata, name: `${name}-binding` },
        roleRef: { apiGroup, kind: "Role", name },
        subjects: tenant.policyEditors.map((group) => ({ apiGroup, kind: "Group", name: group })),
      },
      after: [`${namespace}/${name}`],
    },
  ];
}

/** Namespaces of other tenants from which nothing is declared into a namespace of a tenant. */
export function closedNeighbours(model: Model, namespace: string): readonly string[] {
  const own = model.tenants.find((tenant) => tenant.namespaces.includes(namespace));
  if (own === undefined) return [];
  const excepted = new Set(
    model.flows
      .filter((flow) => homeOf(flow.to) === namespace && tenantOf(model.tenants, flow.from) !== undefined)
      .map((flow) => homeOf(flow.from)),
  );
  return model.tenants
    .filter((tenant) => tenant !== own)
    .flatMap((tenant) => tenant.namespaces)
    .filter((other) => !excepted.has(other))
    .sort();
}

function homeOf(peer: Model["flows"][number]["from"]): string | undefined {
  if (peer.kind === "workload") return peer.workload.namespace;
  return peer.kind === "namespace" ? peer.namespace.name : undefined;
}
