/** Who may edit policies in the namespaces of a tenant. */
import { namespaceNameLabel } from "../../reachability/model/namespace-labels";
import { tenantWriters } from "../apis/registry";
import type { DraftDocument } from "../documents";
import { managedByLabel } from "../documents";
import type { Model, ModelTenant } from "../model";

/** Resources that decide what is reachable: API group and plural names. */
const policyResources: readonly (readonly [string, readonly string[]])[] = tenantWriters.map(
  ({ group, tenantKinds }) => [group, Object.values(tenantKinds)],
);

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
              matchExpressions: [{ key: namespaceNameLabel, operator: "In", values: [...tenant.namespaces].sort() }],
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
