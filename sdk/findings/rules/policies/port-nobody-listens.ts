import type { CompiledPolicy, PolicyRule, PolicySource, Snapshot, Workload } from "../../../reachability";
import { describeRef, isPortName, meshModeOfWorkload, TrafficSet } from "../../../reachability";
import { controls } from "../../controls";
import { listOf, mapOf } from "../../plain";
import {
  isForReserved,
  meshPolicyObjects,
  policyObjects,
  rulesOf,
  workloadsNamedBy,
  workloadsSelectedBy,
} from "../../policy-rules";
import { aboutPolicy } from "../../report";
import type { Finding, Rule, RuleContext } from "../../types";

/** Prometheus' own port is not where applications show their metrics. */
export const portNobodyListens: Rule = {
  id: "port-nobody-listens",
  title: "A rule opens ports that no container declares",
  severity: "low",
  why: "A port that no pod declares is usually a mistake, and the intended traffic stays denied.",
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
  yield* checkMesh(snapshot);
}

/** Ports that policies of the mesh name are the containers', not those of Services. */
function* checkMesh(snapshot: Snapshot): Iterable<Finding> {
  for (const { origin, parts } of meshPolicyObjects(snapshot)) {
    const subjects = selectedInMesh(origin, snapshot);
    if (subjects.length === 0 || !subjects.every(declares)) continue;
    const named = [...new Set(parts.flatMap(rulesOf).flatMap((rule) => singlePorts(rule)))];
    const unheard = named.filter((port) => {
      const asked = TrafficSet.ports("TCP", port);
      return !subjects.some((each) => listens(each, asked) || proxyListens(each, asked, snapshot));
    });
    if (unheard.length === 0) continue;
    yield aboutPolicy(portNobodyListens, origin, {
      message: `${describeRef(origin)} names ports that no pod there declares: TCP ${unheard.join(", ")}`,
      because: [
        "Istio compares the port of the container; no container of the selected pods declares this one",
        ...unheard.flatMap((port) => behindService(snapshot, subjects, port)),
      ],
    });
  }
}

/** The workloads of the mesh that a policy selects by labels; none for one with targetRefs, whose ports are a Service's. */
function selectedInMesh({ object, namespace }: PolicySource, snapshot: Snapshot): Workload[] {
  const spec = mapOf(object.spec);
  if (spec["targetRef"] !== undefined || spec["targetRefs"] !== undefined) return [];
  const labels = Object.entries(mapOf(mapOf(spec["selector"])["matchLabels"]));
  const everywhere = namespace === snapshot.profile.meshRootNamespace;
  return snapshot.workloads.filter(
    (each) =>
      !each.hostNetwork &&
      (everywhere || each.namespace === namespace) &&
      labels.every(([key, value]) => each.labels[key] === value) &&
      meshModeOfWorkload(snapshot, each) !== undefined,
  );
}

function singlePorts(rule: PolicyRule): number[] {
  if (isWide(rule.l4.must)) return [];
  return rule.l4.must
    .ranges("TCP")
    .flatMap(([from, to]) => Array.from({ length: to - from + 1 }, (_, at) => from + at));
}

/** Says that a port is a Service's, where one that selects the pods has it. */
function behindService(snapshot: Snapshot, subjects: readonly Workload[], port: number): string[] {
  return snapshot.services.flatMap(({ namespace, name, selector, object }) => {
    const selects = subjects.some(
      (each) =>
        each.namespace === namespace &&
        selector !== undefined &&
        Object.entries(selector).every(([key, value]) => each.labels[key] === value),
    );
    const own = listOf(mapOf(object.spec)["ports"]).some((each) => mapOf(each)["port"] === port);
    return selects && own ? [`${port} is the port of Service ${namespace}/${name}`] : [];
  });
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
    destinations.length > 0 &&
    destinations.every(declares) &&
    !destinations.some((each) => listens(each, numbers) || proxyListens(each, numbers, snapshot))
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
    return `${text}; ${port.port} is the port of Service ${namespace}/${name}, and a policy sees the port of the pod${targetOf(port.target)}`;
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

/** Ports of Istio's that no container declares: the tunnel of ambient mode (HBONE), the agent's and the proxy's own. */
const proxyListeners: Readonly<Record<string, readonly number[]>> = {
  ambient: [15008],
  waypoint: [15008, 15020, 15021, 15090],
  sidecar: [15008, 15020, 15021, 15090],
  gateway: [15008, 15020, 15021, 15090],
};

function proxyListens(workload: Workload, numbers: TrafficSet, snapshot: Snapshot): boolean {
  const mode = meshModeOfWorkload(snapshot, workload);
  const ports = typeof mode === "string" ? (proxyListeners[mode] ?? []) : [];
  return ports.some((port) => TrafficSet.ports("TCP", port).isSubsetOf(numbers));
}

function isWide(traffic: TrafficSet): boolean {
  return (["TCP", "UDP", "SCTP"] as const).some((protocol) =>
    traffic.ranges(protocol).some(([from, to]) => to - from > 1024),
  );
}

/** The target by its number or name; a text that is no port's name is not repeated. */
function targetOf(target: number | string): string {
  return typeof target === "number" || isPortName(target) ? `, ${target}` : "";
}
