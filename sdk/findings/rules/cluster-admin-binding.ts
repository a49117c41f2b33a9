import type { KubeObject, Snapshot } from "../../reachability";
import { isUnknown } from "../../reachability";
import { controls } from "../controls";
import { listOf, mapOf, nameOf } from "../plain";
import { isExempt, list, withSource } from "../subjects";
import type { Finding, Rule, RuleContext } from "../types";

/** Applications hold no cluster-admin (requirement S3-23): who does may delete every policy. */
export const clusterAdminBinding: Rule = {
  id: "cluster-admin-binding",
  title: "No application is bound to cluster-admin",
  severity: "high",
  why: "Whoever holds cluster-admin may delete every policy.",
  description:
    "No ClusterRoleBinding or RoleBinding gives cluster-admin, or a ClusterRole that may do as much, to a service account outside tier 0, or to all " +
    "service accounts, all authenticated or all anonymous users.",
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
  const almighty = almightyRoles(context.reachability.snapshot);
  for (const { object, source } of context.reachability.snapshot.others) {
    if (object.kind !== "ClusterRoleBinding" && object.kind !== "RoleBinding") continue;
    if (!object.apiVersion.startsWith("rbac.authorization.k8s.io/")) continue;
    const role = mapOf(object["roleRef"])["name"];
    // a role that cannot be read may be any
    const unclear = typeof role !== "string" || isUnknown(role);
    const equal = !unclear && role !== "cluster-admin" && almighty.has(role);
    if (role !== "cluster-admin" && !unclear && !equal) continue;
    const holders = holdersOf(object, context);
    if (holders.length === 0) continue;
    const { name, namespace } = object.metadata ?? {};
    const nameText = isPlainName(name) ? name : "(unnamed)";
    const home = typeof namespace === "string" && !isUnknown(namespace) ? { namespace } : {};
    yield {
      id: clusterAdminBinding.id,
      severity: clusterAdminBinding.severity,
      certainty: unclear ? "possible" : "definite",
      subject: withSource({ kind: object.kind, name: nameText, ...home }, source),
      message: `${object.kind} ${nameText} ${unclear ? "possibly gives" : "gives"} cluster-admin to ${list(holders)}`,
      because: [
        unclear
          ? "roleRef.name is not known"
          : equal
            ? "roleRef.name is a ClusterRole that may do everything with everything, as much as cluster-admin"
            : "roleRef.name is cluster-admin",
      ],
      fix: clusterAdminBinding.remediation,
      controls: clusterAdminBinding.controls,
      ...(source === undefined ? {} : { causes: [source] }),
    };
  }
}

/** ClusterRoles that may do everything with everything, by another name. */
function almightyRoles({ others }: Snapshot): Set<string> {
  const all = (value: unknown): boolean => listOf(value).includes("*");
  const roles = others.filter(
    ({ object }) =>
      object.kind === "ClusterRole" &&
      listOf(object["rules"])
        .map(mapOf)
        .some((rule) => all(rule["apiGroups"]) && all(rule["resources"]) && all(rule["verbs"])),
  );
  return new Set(roles.flatMap(({ object }) => nameOf(object.metadata?.name) ?? []));
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
    if (kind === "User") return name === "system:anonymous" ? ["user system:anonymous"] : [];
    const home = typeof namespace === "string" ? namespace : object.metadata?.namespace;
    if (kind === "ServiceAccount") {
      if (typeof home === "string" && !isUnknown(home) && isExempt(context.tiers, home)) return [];
      return [`ServiceAccount ${isPlainName(home) ? home : "?"}/${isPlainName(name) ? name : "?"}`];
    }
    if (kind !== "Group") return [];
    const inNamespace = /^system:serviceaccounts:(.+)$/.exec(name)?.[1];
    if (inNamespace !== undefined)
      return isExempt(context.tiers, inNamespace) ? [] : [`every service account of a namespace`];
    return everybody.has(name) ? [`group ${name}`] : [];
  });
}

/** Only what is a name goes into a message. */
function isPlainName(value: unknown): value is string {
  return nameOf(value) !== undefined;
}
