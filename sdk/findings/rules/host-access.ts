import type { Workload } from "../../reachability";
import { isUnknown } from "../../reachability";
import { controls } from "../controls";
import { describeWorkload, isExempt, sortedWorkloads, workloadSubject } from "../subjects";
import type { Finding, Rule, RuleContext } from "../types";

/**
 * Pods that policies cannot hold: on the host network a pod is the node to every enforcer, and a privileged container,
 * or one that may administer the network, can leave its own network namespace.
 */
export const hostAccess: Rule = {
  id: "host-access",
  title: "No workload slips out of pod policies",
  severity: "medium",
  description:
    "No workload outside tier 0 is on the host network, shares the host's processes, is privileged, or adds the " +
    "capabilities NET_ADMIN, SYS_ADMIN or ALL.",
  remediation: "Take the privilege away, or move the workload to a namespace of the platform.",
  controls: [controls.cisMinimiseHostNetwork, controls.nsaHostNetwork, controls.nistLeastPrivilege],
  check: checkHostAccess,
};

const powerful: ReadonlySet<string> = new Set(["NET_ADMIN", "SYS_ADMIN", "ALL", "CAP_NET_ADMIN", "CAP_SYS_ADMIN"]);

function* checkHostAccess(context: RuleContext): Iterable<Finding> {
  for (const workload of sortedWorkloads(context.reachability.snapshot)) {
    if (isExempt(context.tiers, workload.namespace)) continue;
    const reasons = reasonsOf(workload);
    if (reasons.length === 0) continue;
    yield {
      id: hostAccess.id,
      severity: hostAccess.severity,
      certainty: "definite",
      subject: workloadSubject(workload),
      message: `${describeWorkload(workload, context.standIns)} can slip out of pod policies`,
      because: reasons,
      fix: hostAccess.remediation,
      controls: hostAccess.controls,
    };
  }
}

function reasonsOf(workload: Workload): string[] {
  const spec = podSpecOf(workload);
  const reasons: string[] = [];
  if (workload.hostNetwork) reasons.push("hostNetwork is true: to policies the pod is the node");
  if (spec["hostPID"] === true) reasons.push("hostPID is true: the pod sees the node's processes and their networks");
  for (const list of ["containers", "initContainers", "ephemeralContainers"]) {
    for (const [index, container] of listOf(spec[list]).entries()) {
      const context = mapOf(mapOf(container)["securityContext"]);
      const where = `${list}[${index}].securityContext`;
      if (context["privileged"] === true) reasons.push(`${where}.privileged is true`);
      const added = listOf(mapOf(context["capabilities"])["add"]).filter(
        (name): name is string => typeof name === "string" && powerful.has(name.toUpperCase()),
      );
      if (added.length > 0)
        reasons.push(`${where}.capabilities.add has ${added.map((name) => name.toUpperCase()).join(", ")}`);
    }
  }
  return reasons;
}

/** The pod's spec: of a Pod its own, of a CronJob that of its job's template, of the others that of their template. */
function podSpecOf(workload: Workload): Readonly<Record<string, unknown>> {
  const spec = mapOf(workload.object.spec);
  if (workload.kind === "Pod") return spec;
  const holder = workload.kind === "CronJob" ? mapOf(mapOf(spec["jobTemplate"])["spec"]) : spec;
  return mapOf(mapOf(holder["template"])["spec"]);
}

function mapOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !isUnknown(value)
    ? (value as Readonly<Record<string, unknown>>)
    : {};
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? (value as unknown[]) : [];
}
