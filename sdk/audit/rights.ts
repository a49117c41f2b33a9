/** Who may change policies, or what guards them, by the roles and bindings of a cluster. */
import type { KubeObject, ObjectRef, SourcedObject } from "../reachability";
import { groupOf, isUnknown } from "../reachability";
import { mapOf, textOf } from "../findings/plain";
import { refOf } from "./identity";

/** Someone who may change policies. */
export interface Editor {
  /** `User alice`, `Group developers`, `ServiceAccount ci/deployer`. */
  readonly subject: string;
  /** The namespace in which; undefined for every one. */
  readonly namespace?: string;
  /** What: `networkpolicies.networking.k8s.io (update)`; at most a few. */
  readonly may: readonly string[];
  /** The binding that gives it. */
  readonly binding: ObjectRef;
  readonly object: SourcedObject;
}

const rbacGroup = "rbac.authorization.k8s.io";

/** Whether an object gives rights, or describes them. */
export function isRbac({ apiVersion, kind }: KubeObject): boolean {
  return groupOf(apiVersion) === rbacGroup && /^(Cluster)?Role(Binding)?$/.test(kind);
}

/** Resources whose objects allow or deny connections, or that policies go by. */
const guarded: Readonly<Record<string, readonly string[]>> = {
  "networking.k8s.io": ["networkpolicies"],
  "policy.networking.k8s.io": ["clusternetworkpolicies", "adminnetworkpolicies", "baselineadminnetworkpolicies"],
  "cilium.io": ["ciliumnetworkpolicies", "ciliumclusterwidenetworkpolicies", "ciliumcidrgroups"],
  "projectcalico.org": calicoResources(),
  "crd.projectcalico.org": calicoResources(),
  "security.istio.io": ["authorizationpolicies", "peerauthentications"],
  "admissionregistration.k8s.io": [
    "validatingadmissionpolicies",
    "validatingadmissionpolicybindings",
    "validatingwebhookconfigurations",
  ],
  // a namespace's labels decide which policies are about it
  "": ["namespaces"],
};

function calicoResources(): readonly string[] {
  const policies = ["networkpolicies", "globalnetworkpolicies"];
  return [...policies, ...policies.map((each) => `tier.${each}`), "tiers", "networksets", "globalnetworksets"];
}

const writing = ["create", "update", "patch", "delete", "deletecollection"];
/** With these one gives oneself every right, or acts as those who have it. */
const climbing = ["escalate", "bind", "impersonate"];

/** So many rights stand in a sentence. */
const shownRights = 4;

/**
 * Everyone whom a binding lets change policies. Those that a cluster cannot do without are left out: `system:masters`, the
 * control plane's own users, the service accounts of `kube-system`.
 *
 * @param otherRoles Roles that bindings may refer to and that are not among the objects.
 */
export function policyEditors(
  objects: readonly SourcedObject[],
  otherRoles: readonly SourcedObject[] = [],
): readonly Editor[] {
  const roles = new Map(
    [...otherRoles, ...objects].filter(({ object }) => isRole(object)).map((each) => roleEntry(each)),
  );
  return objects.flatMap((each) => {
    const { object } = each;
    if (!isRbac(object) || !object.kind.endsWith("Binding")) return [];
    const binding = refOf(object);
    const { namespace } = binding;
    const may = rightsOf(roles.get(roleOf(object, namespace)), namespace !== undefined);
    if (may.length === 0) return [];
    return subjectsOf(object, namespace).map((subject): Editor => ({
      subject,
      ...(namespace === undefined ? {} : { namespace }),
      may: may.slice(0, shownRights),
      binding,
      object: each,
    }));
  });
}

/** The same person with the same reach is the same editor, whichever binding says so. */
export function editorKey({ subject, namespace }: Editor): string {
  return `${subject}|${namespace ?? "*"}`;
}

function isRole({ apiVersion, kind }: KubeObject): boolean {
  return groupOf(apiVersion) === rbacGroup && (kind === "Role" || kind === "ClusterRole");
}

function roleEntry(each: SourcedObject): [string, KubeObject] {
  const { kind, namespace, name } = refOf(each.object);
  return [`${kind}|${namespace ?? ""}|${name}`, each.object];
}

function roleOf(binding: KubeObject, namespace: string | undefined): string {
  const ref = mapOf(binding["roleRef"]);
  const kind = textOf(ref["kind"]) ?? "";
  return `${kind}|${kind === "Role" ? (namespace ?? "") : ""}|${textOf(ref["name"]) ?? ""}`;
}

function rightsOf(role: KubeObject | undefined, isNamespaced: boolean): readonly string[] {
  const rules = role?.["rules"];
  if (!Array.isArray(rules)) return [];
  const found = new Set<string>();
  for (const rule of (rules as readonly unknown[]).map(mapOf)) {
    const [verbs, groups, resources] = [list(rule["verbs"]), list(rule["apiGroups"]), list(rule["resources"])];
    const written = writing.filter((verb) => verbs.includes(verb) || verbs.includes("*"));
    const is = (names: readonly string[], name: string): boolean => names.includes(name) || names.includes("*");
    if (written.length > 0) {
      for (const [group, kinds] of Object.entries(guarded)) {
        if (!is(groups, group)) continue;
        for (const kind of kinds) {
          if (!is(resources, kind) || (isNamespaced && isClusterwideResource(kind))) continue;
          // a namespace is made or deleted by many; who changes its labels moves it
          const verbsHere = kind === "namespaces" ? written.filter((verb) => /update|patch/.test(verb)) : written;
          if (verbsHere.length > 0) found.add(`${group === "" ? kind : `${kind}.${group}`} (${verbsHere.join(", ")})`);
        }
      }
    }
    const climbs = climbing.filter((verb) => verbs.includes(verb) || verbs.includes("*"));
    const onRoles = is(groups, rbacGroup) && (is(resources, "clusterroles") || is(resources, "roles"));
    const onUsers = is(groups, "") && (is(resources, "users") || is(resources, "groups"));
    for (const verb of climbs) {
      if (verb === "impersonate" ? onUsers : onRoles)
        found.add(`${verb} (${verb === "impersonate" ? "users" : "roles"})`);
    }
  }
  return [...found];
}

function isClusterwideResource(plural: string): boolean {
  return /^(tier\.)?(global|cluster|ciliumclusterwide|ciliumcidr|admin|baseline|validating|tiers|namespaces)/.test(
    plural,
  );
}

function list(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.filter((item): item is string => typeof item === "string") : [];
}

function subjectsOf(binding: KubeObject, namespace: string | undefined): readonly string[] {
  const subjects = binding["subjects"];
  if (!Array.isArray(subjects)) return [];
  return (subjects as readonly unknown[]).flatMap((item) => {
    const { kind, name, namespace: home } = mapOf(item);
    if (isUnknown(name) || typeof name !== "string" || typeof kind !== "string") return [];
    if (kind !== "ServiceAccount") return isBuiltIn(kind, name) ? [] : [`${kind} ${name}`];
    const place = textOf(home) ?? namespace ?? "default";
    return place === "kube-system" ? [] : [`ServiceAccount ${place}/${name}`];
  });
}

/** What kube-apiserver's own roles are bound to; not the groups that hold everyone. */
function isBuiltIn(kind: string, name: string): boolean {
  if (kind === "Group") return name === "system:masters" || name === "system:nodes" || name === "system:monitoring";
  return /^system:(kube-|node$|node:|apiserver$|master$|serviceaccount:kube-system:)/.test(name);
}
