import type { CompiledPolicy, PolicyRule, Snapshot, Workload } from "../../../reachability";
import { describeRef, TrafficSet } from "../../../reachability";
import { controls } from "../../controls";
import { isForReserved, policyObjects, rulesOf, workloadsNamedBy, workloadsSelectedBy } from "../../policy-rules";
import { aboutPolicy } from "../../report";
import type { Finding, Rule, RuleContext } from "../../types";

/** Prometheus' own port is not where applications show their metrics (seed defect B08). */
export const portNobodyListens: Rule = {
  id: "port-nobody-listens",
  title: "Rules open ports that somebody listens on",
  severity: "low",
  why: "A port that no pod declares is mostly a slip, and the traffic that was meant stays closed.",
  description:
    "Of the TCP and UDP ports that an allow rule opens, some workload at the destination declares at least one " +
    "(containerPort), where all workloads there declare their ports.",
  remediation: "Use the ports that the containers declare, or declare the port at the container.",
  controls: [controls.pciServicesApproved, controls.nistLeastFunctionality],
  check: checkPorts,
};

function* checkPorts(context: RuleContext): Iterable<Finding> {
  const { snapshot } = context.reachability;
  for (const { origin, parts } of policyObjects(snapshot)) {
    const paths = parts
      .filter((part) => !isForReserved(part))
      .flatMap((part) => rulesOf(part).filter((rule) => isUnused(part, rule, snapshot)))
      .map((rule) => rule.path);
    if (paths.length === 0) continue;
    yield aboutPolicy(portNobodyListens, origin, {
      message: `${describeRef(origin)} opens ports that no pod there declares`,
      because: [...new Set(paths)].map(
        (path) => `${path} opens ports, and no container of its destinations declares one of them`,
      ),
    });
  }
}

function isUnused(part: CompiledPolicy, rule: PolicyRule, snapshot: Snapshot): boolean {
  const numbers = rule.l4.must;
  // named ports are resolved at the destination; a rule for many ports means none in particular
  if (rule.verdict !== "allow" || rule.l4.named.length > 0 || numbers.isEmpty() || isWide(numbers)) return false;
  // a peer that is no pod may be the destination of an egress rule
  if (rule.direction === "egress" && rule.peers.some(({ kind }) => kind !== "pods" && kind !== "identities"))
    return false;
  const destinations =
    rule.direction === "ingress" ? workloadsSelectedBy(part, snapshot) : workloadsNamedBy(rule, snapshot);
  return (
    destinations.length > 0 && destinations.every(declares) && !destinations.some((each) => listens(each, numbers))
  );
}

function declares(workload: Workload): boolean {
  return workload.ports.length > 0 && !workload.portsUnknown;
}

function listens(workload: Workload, numbers: TrafficSet): boolean {
  return workload.ports.some(({ protocol, port }) => !numbers.intersect(TrafficSet.ports(protocol, port)).isEmpty());
}

function isWide(traffic: TrafficSet): boolean {
  return (["TCP", "UDP", "SCTP"] as const).some((protocol) =>
    traffic.ranges(protocol).some(([from, to]) => to - from > 1024),
  );
}
