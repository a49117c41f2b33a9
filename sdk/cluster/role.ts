import type { KubeObject } from "../reachability";
import { groupOf, shapesPolicies } from "../reachability";
import { bypassKinds } from "./break-glass/kinds";
import { gitopsKinds } from "./gitops-kinds";
import { grantedAs } from "./calico-tiers";
import { auditedKinds, ciliumConfig, kindsToRead } from "./kinds";

/** A rule of a role (rbac.authorization.k8s.io/v1 PolicyRule). */
interface RoleRule {
  readonly apiGroups: readonly string[];
  readonly resources: readonly string[];
  readonly resourceNames?: readonly string[];
  readonly verbs: readonly string[];
}

export interface RoleOptions {
  /** The name of all objects. Default `cluster-security-reader`. */
  readonly name?: string;
  /** Who is bound to the role. Default: nobody; the roles alone. */
  readonly serviceAccount?: { readonly namespace: string; readonly name: string };
  /** Also what an audit reads: guards of the API server, roles and who is bound to them. Default: not. */
  readonly audit?: boolean;
}

/**
 * What a role needs so that a live cluster can be read as a whole: `get` and `list` of exactly the kinds that
 * {@link kindsToRead} names – Calico's policies in every tier –, and `get` of the one ConfigMap that says how Cilium enforces. Groups that the cluster does
 * not serve do no harm in a role.
 */
export function readingRole(options: RoleOptions = {}): KubeObject[] {
  const { name = "cluster-security-reader", serviceAccount } = options;
  const apiVersion = "rbac.authorization.k8s.io/v1";
  const { namespace } = ciliumConfig;
  const roles: KubeObject[] = [
    { apiVersion, kind: "ClusterRole", metadata: { name }, rules: rulesForKinds(options.audit === true) },
    { apiVersion, kind: "Role", metadata: { name, namespace }, rules: [ruleForCiliumConfig] },
  ];
  if (serviceAccount === undefined) return roles;
  const subjects = [{ kind: "ServiceAccount", ...serviceAccount }];
  const roleRef = (kind: string): unknown => ({ apiGroup: "rbac.authorization.k8s.io", kind, name });
  return [
    ...roles,
    { apiVersion, kind: "ClusterRoleBinding", metadata: { name }, roleRef: roleRef("ClusterRole"), subjects },
    { apiVersion, kind: "RoleBinding", metadata: { name, namespace }, roleRef: roleRef("Role"), subjects },
  ];
}

/**
 * What a role needs besides {@link readingRole} to verify a live cluster with probe pods: to make and delete Jobs, and the
 * canary's namespace with its policies; to read the events that say why a pod is refused. Neither `exec` nor logs, no
 * Secrets. Whoever may make Jobs in a namespace may use every service account in it: give this role to nobody who should not.
 */
export function verifyingRole(options: RoleOptions = {}): KubeObject[] {
  const { name = "cluster-security-verifier", serviceAccount } = options;
  const { kustomization } = gitopsKinds;
  const rules: RoleRule[] = [
    { apiGroups: [""], resources: ["namespaces"], verbs: ["create", "delete"] },
    { apiGroups: [""], resources: ["events"], verbs: ["list"] },
    // for the checklist
    { apiGroups: [kustomization.group], resources: [kustomization.plural], verbs: ["list"] },
    { apiGroups: ["batch"], resources: ["jobs"], verbs: ["create", "delete"] },
    { apiGroups: ["networking.k8s.io"], resources: ["networkpolicies"], verbs: ["create", "delete"] },
  ];
  return clusterRole(name, rules, serviceAccount);
}

/** A role for the whole cluster, bound where there is somebody to bind it to. */
function clusterRole(
  name: string,
  rules: readonly RoleRule[],
  serviceAccount: RoleOptions["serviceAccount"],
): KubeObject[] {
  const apiGroup = "rbac.authorization.k8s.io";
  const apiVersion = `${apiGroup}/v1`;
  const role: KubeObject = { apiVersion, kind: "ClusterRole", metadata: { name }, rules };
  if (serviceAccount === undefined) return [role];
  const roleRef = { apiGroup, kind: "ClusterRole", name };
  const subjects = [{ kind: "ServiceAccount", ...serviceAccount }];
  return [role, { apiVersion, kind: "ClusterRoleBinding", metadata: { name }, roleRef, subjects }];
}

/** What `restore` and `rollback` do to policies: server-side apply (`patch`, and `create` where there is none), replace, delete. */
const changes = ["get", "create", "patch", "update", "delete"];

/**
 * What `restore` and `rollback` need besides {@link readingRole}: to change every kind of policy, and what policies refer to, in
 * the whole cluster, and to see whether the GitOps tool that applies one is suspended. Whoever has it opens and closes everything.
 */
export function changingRole(options: RoleOptions = {}): KubeObject[] {
  const { name = "cluster-security-restorer", serviceAccount } = options;
  const changed = kindsToRead.filter(({ group, versions: [version = "v1"], kind }) =>
    shapesPolicies(group === "" ? version : `${group}/${version}`, kind),
  );
  const owners = Object.values(gitopsKinds).map(({ group, plural }): RoleRule => {
    return { apiGroups: [group], resources: [plural], verbs: ["get"] };
  });
  return clusterRole(name, [...rulesFor(changed, changes), ...owners], serviceAccount);
}

/** Rules for the kinds that bypasses are written in. */
function rulesForBypasses(verbs: readonly string[]): RoleRule[] {
  return bypassKinds.map(({ apiVersion, resource }) => ({
    apiGroups: [groupOf(apiVersion)],
    resources: [...grantedAs({ group: groupOf(apiVersion), plural: resource })],
    verbs,
  }));
}

/** Whom a role of break glass is for. */
export interface BypassRoleOptions extends RoleOptions {
  /** Namespaces in which bypasses are granted. */
  readonly namespaces: readonly string[];
  /** Groups that are bound to the roles. */
  readonly groups: readonly string[];
}

/**
 * What opening a bypass needs besides {@link readingRole}: in each namespace to make and delete Jobs and policies, to label
 * pods and to make and delete one for debugging, and to read the admission policies that hold the grants. Whoever may make Jobs may use every service account of the
 * namespace, and whoever may change pods may change their images. The admission policies of the grants limit the policies, not these.
 */
export function bypassRole(options: BypassRoleOptions): KubeObject[] {
  const { name = "cluster-security-bypass", serviceAccount, namespaces, groups } = options;
  const apiGroup = "rbac.authorization.k8s.io";
  const grants = { apiGroups: ["admissionregistration.k8s.io"], resources: ["validatingadmissionpolicies"] };
  const rules: RoleRule[] = [
    { apiGroups: ["batch"], resources: ["jobs"], verbs: ["get", "list", "create", "delete"] },
    { apiGroups: [""], resources: ["pods"], verbs: ["get", "list", "patch", "create", "delete"] },
    ...rulesForBypasses(["get", "list", "create", "delete"]),
  ];
  const subjects = [
    ...groups.map((group) => ({ apiGroup, kind: "Group", name: group })),
    ...(serviceAccount === undefined ? [] : [{ kind: "ServiceAccount", ...serviceAccount }]),
  ];
  return namespacedRoles(name, { ...grants, verbs: ["get", "list"] }, namespaces, rules, subjects);
}

/**
 * What an update needs besides its own rights so that it can try whether the cluster ends bypasses: in each namespace in which
 * bypasses are granted, to make, read and delete Jobs and the kinds that bypasses are written in; and to read and mark the
 * admission policy with the grants.
 */
export function bypassTrialRole(options: RoleOptions & { readonly namespaces: readonly string[] }): KubeObject[] {
  const { name = "cluster-security-bypass-trial", serviceAccount, namespaces } = options;
  const verbs = ["get", "create", "delete"];
  const guards: RoleRule = {
    apiGroups: ["admissionregistration.k8s.io"],
    resources: ["validatingadmissionpolicies"],
    verbs: ["get", "patch"],
  };
  const rules: RoleRule[] = [{ apiGroups: ["batch"], resources: ["jobs"], verbs }, ...rulesForBypasses(verbs)];
  const subjects = serviceAccount === undefined ? [] : [{ kind: "ServiceAccount", ...serviceAccount }];
  return namespacedRoles(name, guards, namespaces, rules, subjects);
}

/** A role for the whole cluster with one rule, and one in each namespace; bound where there are subjects. */
function namespacedRoles(
  name: string,
  clusterwide: RoleRule,
  namespaces: readonly string[],
  rules: readonly RoleRule[],
  subjects: readonly object[],
): KubeObject[] {
  const apiGroup = "rbac.authorization.k8s.io";
  const apiVersion = `${apiGroup}/v1`;
  const bind = (kind: string, metadata: KubeObject["metadata"], roleKind: string): KubeObject[] =>
    subjects.length === 0
      ? []
      : [{ apiVersion, kind, metadata, roleRef: { apiGroup, kind: roleKind, name }, subjects }];
  return [
    { apiVersion, kind: "ClusterRole", metadata: { name }, rules: [clusterwide] },
    ...bind("ClusterRoleBinding", { name }, "ClusterRole"),
    ...namespaces.flatMap((namespace) => [
      { apiVersion, kind: "Role", metadata: { name, namespace }, rules },
      ...bind("RoleBinding", { name, namespace }, "Role"),
    ]),
  ];
}

const ruleForCiliumConfig: RoleRule = {
  apiGroups: [""],
  resources: ["configmaps"],
  resourceNames: [ciliumConfig.name],
  verbs: ["get"],
};

function rulesForKinds(audit: boolean): RoleRule[] {
  return rulesFor(audit ? [...kindsToRead, ...auditedKinds] : kindsToRead, ["get", "list"]);
}

function rulesFor(
  kinds: readonly { readonly group: string; readonly plural: string }[],
  verbs: readonly string[],
): RoleRule[] {
  const resources = new Map<string, Set<string>>();
  for (const kind of kinds) {
    const known = resources.get(kind.group) ?? new Set<string>();
    resources.set(kind.group, new Set([...known, ...grantedAs(kind)]));
  }
  return [...resources].map(([group, names]) => ({
    apiGroups: [group],
    resources: [...names].sort(),
    verbs,
  }));
}
