/** What tenants add to a plan: who may edit policies there, and the register of exceptions. */
import type { ClusterSecurityDeclaration } from "./declaration";
import type { DraftDocument, ExceptionState, PlannedException } from "./documents";
import { managedByLabel } from "./documents";
import { describePeer } from "./halves";
import type { Model, ModelFlow, ModelTenant } from "./model";
import { resolve } from "./resolve/resolve";
import { homeOf, tenantOf } from "./resolve/tenant-of";

/** Resources that decide what is reachable. */
const policyResources: readonly (readonly [string, readonly string[]])[] = [
  ["networking.k8s.io", ["networkpolicies"]],
  ["cilium.io", ["ciliumnetworkpolicies"]],
  ["projectcalico.org", ["networkpolicies"]],
  ["security.istio.io", ["authorizationpolicies", "peerauthentications"]],
];

/**
 * Who may edit the policies of a tenant's namespaces: a role and its binding let the named groups
 * write policies of their own, and an admission policy keeps them from those that the declaration made, which lie in the
 * same namespaces and which the role alone would hand over with the rest.
 */
export function tenantAccess(model: Model): readonly DraftDocument[] {
  return model.tenants.flatMap((tenant) =>
    tenant.policyEditors.length === 0
      ? []
      : [...tenant.namespaces.flatMap((namespace) => editors(tenant, namespace)), ...protection(tenant)],
  );
}

/** ValidatingAdmissionPolicy (Kubernetes 1.30 and newer): the tenant's editors change nothing that carries our label. */
function protection(tenant: ModelTenant): readonly DraftDocument[] {
  const name = `protect-policies-of-${tenant.name}`;
  const apiVersion = "admissionregistration.k8s.io/v1";
  const [[key, value]] = Object.entries(managedByLabel) as [[string, string]];
  const groups = tenant.policyEditors.map((group) => JSON.stringify(group)).join(", ");
  return [
    {
      stage: "platform",
      object: {
        apiVersion,
        kind: "ValidatingAdmissionPolicy",
        metadata: { name, labels: managedByLabel },
        spec: {
          failurePolicy: "Fail",
          matchConstraints: {
            namespaceSelector: {
              matchExpressions: [
                { key: "kubernetes.io/metadata.name", operator: "In", values: [...tenant.namespaces].sort() },
              ],
            },
            resourceRules: policyResources.map(([group, resources]) => ({
              apiGroups: [group],
              apiVersions: ["*"],
              operations: ["UPDATE", "DELETE"],
              resources,
            })),
          },
          matchConditions: [
            { name: "policy-editors", expression: `request.userInfo.groups.exists(group, group in [${groups}])` },
          ],
          validations: [
            {
              expression: `!has(oldObject.metadata.labels) || !('${key}' in oldObject.metadata.labels) || oldObject.metadata.labels['${key}'] != '${value}'`,
              message: "This policy is part of the tenant's baseline. Change the declaration that made it.",
            },
          ],
        },
      },
    },
    {
      stage: "platform",
      object: {
        apiVersion,
        kind: "ValidatingAdmissionPolicyBinding",
        metadata: { name: `${name}-binding`, labels: managedByLabel },
        spec: { policyName: name, validationActions: ["Deny"] },
      },
      after: [name],
    },
  ];
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

/**
 * The register of exceptions between tenants: who granted what to whom, why, who answers for it, and until when. Those
 * that ended before `asOf` are in it, too.
 *
 * @throws DeclarationError with everything that is wrong with the declaration.
 */
export function exceptionRegister(declaration: ClusterSecurityDeclaration): readonly PlannedException[] {
  return exceptionsOf(resolve(declaration));
}

/** The same of a declaration that was read already. */
export function exceptionsOf(model: Model): readonly PlannedException[] {
  const ended = new Map(model.endedExceptions.map(({ flow, isClosed }) => [flow.path, isClosed]));
  const closed = model.endedExceptions.filter(({ isClosed }) => isClosed).map(({ flow }) => flow);
  return [...model.flows, ...closed].flatMap((flow) => recordOf(model, flow, ended.get(flow.path)));
}

function recordOf(model: Model, flow: ModelFlow, isClosed: boolean | undefined): readonly PlannedException[] {
  const [from, to] = [tenantOf(model.tenants, flow.from), tenantOf(model.tenants, flow.to)];
  if (from === undefined || to === undefined || from === to || flow.expires === undefined) return [];
  const state: ExceptionState = isClosed === undefined ? "open" : isClosed ? "closed" : "overdue";
  const ends = { from: describePeer(flow.from), to: describePeer(flow.to) };
  const { ports, reason, owner, expires } = flow;
  return [{ tenant: to.name, grantedTo: from.name, ...ends, ports, reason, owner, expires, state }];
}

/** Name of the clusterwide policy that closes a namespace to other tenants. */
export function boundaryName(namespace: string): string {
  return `${namespace}.deny-other-tenants`;
}
