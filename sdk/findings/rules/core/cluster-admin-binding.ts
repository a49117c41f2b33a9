import type { KubeObject, Snapshot } from "../../../reachability";
import { isUnknown } from "../../../reachability";
import { controls } from "../../controls";
import type { Fields } from "../../plain";
import { mapOf, nameOf } from "../../plain";
import { isExempt, list, withSource } from "../../subjects";
import type { Certainty, Finding, Rule, RuleContext } from "../../types";

/** Applications hold no cluster-admin: who does may delete every policy. */
export const clusterAdminBinding: Rule = {
  id: "cluster-admin-binding",
  title: "An application is bound to cluster-admin",
  severity: "high",
  why: "An identity with cluster-admin can delete every policy.",
  description:
    "No ClusterRoleBinding or RoleBinding gives cluster-admin, or a ClusterRole that may do as much, to a service account " +
    "outside tier 0, or to all service accounts, all authenticated or all anonymous users. A RoleBinding outside tier 0 that " +
    "gives it to a group or a user is shown with severity low: in that namespace they may take its policies away. A " +
    "ClusterRoleBinding for people is how a cluster gets its administrators, and is no finding.",
  remediation: "Bind a role that grants what the application needs.",
  controls: [controls.nistLeastPrivilege, controls.soc2LogicalAccess],
  check: checkBindings,
};

/** Groups that hold everybody, or every service account of the cluster (Kubernetes RBAC, default groups). */
const everybody: ReadonlySet<string> = new Set([
  "system:serviceaccounts",
  "system:authenticated",
  "system:unauthenticated",
]);

function* checkBindings(context: RuleContext): Iterable<Finding> {
  const roles = readRoles(context.reachability.snapshot);
  for (const { object, source } of context.reachability.snapshot.others) {
    if (object.kind !== "ClusterRoleBinding" && object.kind !== "RoleBinding") continue;
    if (!object.apiVersion.startsWith("rbac.authorization.k8s.io/")) continue;
    const might = mightOf(mapOf(object["roleRef"]), roles);
    if (might === undefined) continue;
    const unclear = might.certainty === "possible";
    const applications = holdersOf(object, context);
    const people = applications.length === 0 && object.kind === "RoleBinding" ? peopleOf(object, context) : [];
    const holders = applications.length === 0 ? people : applications;
    if (holders.length === 0) continue;
    const { name, namespace } = object.metadata ?? {};
    const nameText = isPlainName(name) ? name : "(unnamed)";
    const home = typeof namespace === "string" && !isUnknown(namespace) ? { namespace } : {};
    yield {
      id: clusterAdminBinding.id,
      severity: people.length > 0 ? "low" : clusterAdminBinding.severity,
      certainty: might.certainty,
      subject: withSource({ kind: object.kind, name: nameText, ...home }, source),
      message: `${object.kind} ${nameText} ${unclear ? "possibly gives" : "gives"} cluster-admin${people.length > 0 && "namespace" in home ? ` in ${home.namespace}` : ""} to ${list(holders)}`,
      because: [might.reason],
      fix: clusterAdminBinding.remediation,
      controls: clusterAdminBinding.controls,
      ...(source === undefined ? {} : { causes: [source] }),
    };
  }
}

interface Might {
  readonly certainty: Certainty;
  readonly reason: string;
}

/** What the role of a binding may do, if it may be as much as cluster-admin. */
function mightOf({ kind, name: role }: Fields, roles: Roles): Might | undefined {
  // a Role has rights in its own namespace only, and shares no name with a ClusterRole (Kubernetes RBAC, RoleRef)
  if (kind === "Role") return undefined;
  const might = mightOfClusterRole(role, roles);
  if (might === undefined || !isUnknown(kind)) return might;
  return { certainty: "possible", reason: `${might.reason}, and roleRef.kind is not known` };
}

function mightOfClusterRole(role: unknown, roles: Roles): Might | undefined {
  // a role that cannot be read may be any
  if (typeof role !== "string" || isUnknown(role))
    return { certainty: "possible", reason: "roleRef.name is not known" };
  if (role === "cluster-admin") return { certainty: "definite", reason: "roleRef.name is cluster-admin" };
  const certainty = roles.almighty.get(role);
  if (certainty === undefined) {
    return roles.namelessMight && !roles.names.has(role)
      ? { certainty: "possible", reason: "roleRef.name may be the ClusterRole whose name is not known" }
      : undefined;
  }
  const what =
    certainty === "definite"
      ? "that may do everything with everything, as much as cluster-admin"
      : roles.differing.has(role)
        ? "of which copies differ: one of them may do everything with everything"
        : "whose rules are not all known, and may be as much as cluster-admin";
  return { certainty, reason: `roleRef.name is a ClusterRole ${what}` };
}

interface Roles {
  readonly names: ReadonlySet<string>;
  /** ClusterRoles that may, or for all that is known might, do everything with everything, by another name. */
  readonly almighty: ReadonlyMap<string, Certainty>;
  /** Those of several objects of one name, of which some may and others may not: which of them is meant is not known. */
  readonly differing: ReadonlySet<string>;
  /** Whether one of them has a name that is not known yet. */
  readonly namelessMight: boolean;
}

function readRoles({ others }: Snapshot): Roles {
  const byName = new Map<string, (Certainty | undefined)[]>();
  let namelessMight = false;
  for (const { object } of others) {
    if (object.kind !== "ClusterRole") continue;
    const name = nameOf(object.metadata?.name);
    const might = mightOfRules(object["rules"]);
    if (name !== undefined) byName.set(name, [...(byName.get(name) ?? []), might]);
    else if (might !== undefined) namelessMight = true;
  }
  const almighty = new Map<string, Certainty>();
  const differing = new Set<string>();
  for (const [name, copies] of byName) {
    if (copies.every((each) => each === undefined)) continue;
    const isCertain = copies.every((each) => each === "definite");
    almighty.set(name, isCertain ? "definite" : "possible");
    if (!isCertain && copies.includes("definite")) differing.add(name);
  }
  return { names: new Set(byName.keys()), almighty, differing, namelessMight };
}

/** Whether one of a ClusterRole's rules covers everything; undefined where certainly none does. */
function mightOfRules(rules: unknown): Certainty | undefined {
  if (rules === undefined || rules === null) return undefined;
  if (!Array.isArray(rules)) return "possible";
  const found = (rules as unknown[]).map((rule) => {
    if (isUnknown(rule)) return "possible";
    const { apiGroups, resources, verbs } = mapOf(rule);
    const parts = [apiGroups, resources, verbs].map(coversAll);
    if (parts.includes(undefined)) return undefined;
    return parts.includes("possible") ? "possible" : "definite";
  });
  return found.includes("definite") ? "definite" : found.includes("possible") ? "possible" : undefined;
}

/** Whether a list of names holds "*", which stands for all of them (Kubernetes RBAC, PolicyRule). */
function coversAll(names: unknown): Certainty | undefined {
  if (names === undefined || names === null) return undefined;
  if (!Array.isArray(names)) return "possible";
  if (names.includes("*")) return "definite";
  return names.some((name) => typeof name !== "string" || isUnknown(name)) ? "possible" : undefined;
}

function holdersOf(object: KubeObject, context: RuleContext): string[] {
  const subjects: unknown = object["subjects"];
  if (subjects === undefined || subjects === null) return [];
  // what cannot be read may name anybody
  if (!Array.isArray(subjects)) return ["subjects that are not known"];
  return (subjects as unknown[]).flatMap((item) => {
    const { kind, name, namespace } = mapOf(item);
    if (typeof kind !== "string" || isUnknown(kind) || typeof name !== "string" || isUnknown(name)) {
      return ["a subject that is not known"];
    }
    // a service account may also be named as the user that it is to the API server (Kubernetes RBAC, "Referring to subjects")
    const [, accountHome, account] = /^system:serviceaccount:([^:]+):(.+)$/.exec(name) ?? [];
    if (kind === "User" && accountHome === undefined) return name === "system:anonymous" ? [`user ${name}`] : [];
    if (kind === "User") {
      return isExempt(context.tiers, accountHome ?? "") ? [] : [describeAccount(accountHome, account)];
    }
    const home = typeof namespace === "string" ? namespace : object.metadata?.namespace;
    if (kind === "ServiceAccount") {
      if (typeof home === "string" && !isUnknown(home) && isExempt(context.tiers, home)) return [];
      return [describeAccount(home, name)];
    }
    if (kind !== "Group") return [];
    const inNamespace = /^system:serviceaccounts:(.+)$/.exec(name)?.[1];
    if (inNamespace !== undefined)
      return isExempt(context.tiers, inNamespace) ? [] : [`every service account of a namespace`];
    return everybody.has(name) ? [`group ${name}`] : [];
  });
}

function describeAccount(home: unknown, name: unknown): string {
  const account = isPlainName(name) ? name : "(unnamed)";
  return isPlainName(home)
    ? `ServiceAccount ${home}/${account}`
    : `ServiceAccount ${account} of a namespace that is not known`;
}

/** Groups and users of a binding in a namespace outside tier 0. */
function peopleOf(object: KubeObject, context: RuleContext): string[] {
  const home: unknown = object.metadata?.namespace;
  if (typeof home === "string" && !isUnknown(home) && isExempt(context.tiers, home)) return [];
  const subjects: unknown = object["subjects"];
  return (Array.isArray(subjects) ? (subjects as unknown[]) : []).flatMap((item) => {
    const { kind, name } = mapOf(item);
    if (kind !== "Group" && kind !== "User") return [];
    // service accounts of tier 0, by their group
    if (typeof name === "string" && name.startsWith("system:")) return [];
    return [`${kind === "Group" ? "group" : "user"} ${isPlainName(name) ? name : "(unnamed)"}`];
  });
}

/** Only what is a name goes into a message. */
function isPlainName(value: unknown): value is string {
  return nameOf(value) !== undefined;
}
