import type { CompiledPolicy, PolicyRule, Snapshot, Workload } from "../../../reachability";
import { describeRef, TrafficSet } from "../../../reachability";
import { controls } from "../../controls";
import { isForReserved, policyObjects, rulesOf, workloadsNamedBy, workloadsSelectedBy } from "../../policy-rules";
import { aboutPolicy } from "../../report";
import type { Finding, Rule, RuleContext } from "../../types";

/** Prometheus' own port is not where applications show their metrics (seed defect B08). */
export const portNobodyListens: Rule = {
  id: "port-nobody-listens",
  title: "A rule opens ports that no container declares",
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
    const because = parts
      .filter((part) => !isForReserved(part))
      .flatMap((part) =>
        rulesOf(part)
          .filter((rule) => isUnused(part, rule, snapshot))
          .map((rule) => reasonOf(rule, destinationsOf(part, rule, snapshot), snapshot)),
      );
    if (because.length === 0) continue;
    yield aboutPolicy(portNobodyListens, origin, {
      message: `${describeRef(origin)} opens ports that no pod there declares`,
      because: [...new Set(because)],
    });
  }
}

/** Where ambient mode's tunnel and the sidecar's own ports answer; no container declares them. */
const tunnel = [15008, 15020, 15021, 15090]
  .map((port) => TrafficSet.ports("TCP", port))
  .reduce((sum, ports) => sum.union(ports));

function isUnused(part: CompiledPolicy, rule: PolicyRule, snapshot: Snapshot): boolean {
  const numbers = rule.l4.must.subtract(tunnel);
  // named ports are resolved at the destination; a rule for many ports means none in particular
  if (rule.verdict !== "allow" || rule.l4.named.length > 0 || numbers.isEmpty() || isWide(numbers)) return false;
  // a peer that is no pod may be the destination of an egress rule
  if (rule.direction === "egress" && rule.peers.some(({ kind }) => kind !== "pods" && kind !== "identities"))
    return false;
  const destinations = destinationsOf(part, rule, snapshot);
  return (
    destinations.length > 0 && destinations.every(declares) && !destinations.some((each) => listens(each, numbers))
  );
}

function destinationsOf(part: CompiledPolicy, rule: PolicyRule, snapshot: Snapshot): Workload[] {
  return rule.direction === "ingress" ? workloadsSelectedBy(part, snapshot) : workloadsNamedBy(rule, snapshot);
}

/** The ports that nobody declares; where they are those of a Service, the ports of the pods behind it. */
function reasonOf({ path, l4 }: PolicyRule, destinations: readonly Workload[], snapshot: Snapshot): string {
  const text = `${path} opens ${l4.must.toString()}, and no container of its destinations declares one of these ports`;
  for (const { namespace, name, selector, ports } of snapshot.services) {
    const behind = destinations.filter((each) => each.namespace === namespace && isBehind(each, selector));
    const port = ports.find((each) => l4.must.contains(each.protocol, each.port) && each.target !== each.port);
    if (behind.length === 0 || port?.target === undefined) continue;
    return `${text}; ${port.port} is the port of Service ${namespace}/${name}, and a policy sees the port of the pod, ${port.target}`;
  }
  return text;
}

function isBehind({ labels }: Workload, selector: ServiceSelector): boolean {
  const wanted = Object.entries(selector ?? {});
  return wanted.length > 0 && wanted.every(([key, value]) => labels[key] === value);
}

type ServiceSelector = Snapshot["services"][number]["selector"];

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
