import type { KubeObject } from "../../reachability";
import { isUnknown } from "../../reachability";
import { controls } from "../controls";
import { isExempt, list, withSource } from "../subjects";
import type { Finding, Rule, RuleContext } from "../types";

/** Applications hold no cluster-admin (requirement S3-23): who does may delete every policy. */
export const clusterAdminBinding: Rule = {
  id: "cluster-admin-binding",
  title: "No application is bound to cluster-admin",
  severity: "high",
  description:
    "No ClusterRoleBinding or RoleBinding gives the role cluster-admin to a service account outside tier 0, or to all " +
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
  for (const { object, source } of context.reachability.snapshot.others) {
    if (object.kind !== "ClusterRoleBinding" && object.kind !== "RoleBinding") continue;
    if (!object.apiVersion.startsWith("rbac.authorization.k8s.io/")) continue;
    const role = mapOf(object["roleRef"])["name"];
    if (role !== "cluster-admin" && !isUnknown(role)) continue;
    const holders = holdersOf(object, context);
    if (holders.length === 0) continue;
    const { name = "", namespace } = object.metadata ?? {};
    const home = typeof namespace === "string" && !isUnknown(namespace) ? { namespace } : {};
    yield {
      id: clusterAdminBinding.id,
      severity: clusterAdminBinding.severity,
      certainty: isUnknown(role) ? "possible" : "definite",
      subject: withSource({ kind: object.kind, name, ...home }, source),
      message: `${object.kind} ${name} gives cluster-admin to ${list(holders)}`,
      because: ["roleRef.name is cluster-admin"],
      fix: clusterAdminBinding.remediation,
      controls: clusterAdminBinding.controls,
      ...(source === undefined ? {} : { causes: [source] }),
    };
  }
}

function holdersOf(object: KubeObject, context: RuleContext): string[] {
  const subjects: unknown = object["subjects"];
  if (isUnknown(subjects)) return ["subjects that are not known yet"];
  return (Array.isArray(subjects) ? (subjects as unknown[]) : []).flatMap((item) => {
    const { kind, name, namespace } = mapOf(item);
    const home = typeof namespace === "string" ? namespace : object.metadata?.namespace;
    if (kind === "ServiceAccount") {
      if (typeof home === "string" && !isUnknown(home) && isExempt(context.tiers, home)) return [];
      return [`ServiceAccount ${isPlainName(home) ? home : "?"}/${isPlainName(name) ? name : "?"}`];
    }
    if (kind !== "Group" || typeof name !== "string") return [];
    const inNamespace = /^system:serviceaccounts:(.+)$/.exec(name)?.[1];
    if (inNamespace !== undefined)
      return isExempt(context.tiers, inNamespace) ? [] : [`every service account of a namespace`];
    return everybody.has(name) ? [`group ${name}`] : [];
  });
}

/** Only what is a name goes into a message. */
function isPlainName(value: unknown): value is string {
  return typeof value === "string" && !isUnknown(value) && /^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$/.test(value);
}

function mapOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !isUnknown(value)
    ? (value as Readonly<Record<string, unknown>>)
    : {};
}
