/** The probes of scenarios: connections that somebody wrote down, in place of those that are derived. Pure. */
import type { Plan } from "../plan";
import type { Flow, Peer, Reachability, Workload } from "../reachability";
import { clusterDnsOf, describeEnd } from "../reachability";
import type { Probe, ProbeEnd, ProbeOptions, ProbePlan, Unprobed } from "./verify-probes";
import { isMetadata, pointsOf } from "./verify-probes";

/** A connection and what must come of it. */
export interface ScenarioFlow {
  readonly flow: Flow;
  readonly expected: "allowed" | "denied";
  readonly reason: string;
  /** How the file writes it: `shop/web to shop/api:8080/TCP is allowed`. */
  readonly text: string;
  /** Packets are to be sent for it. */
  readonly packets: boolean;
}

/**
 * A probe for each scenario; for one without a port one for each port of its destination. What cannot be tried is unproved,
 * unless the scenario itself wants no packets.
 */
export function scenarioProbes(
  reachability: Reachability,
  plan: Plan | undefined,
  scenarios: readonly ScenarioFlow[],
  options: ProbeOptions,
): ProbePlan {
  const workloads = new Map(reachability.snapshot.workloads.map((workload) => [workload.id, workload]));
  const probes: Probe[] = [];
  const unprobed: Unprobed[] = [];
  for (const { flow, expected, reason, text, packets } of scenarios) {
    if (!packets) {
      unprobed.push({ what: text, why: "the scenario is only computed (packets: false)" });
      continue;
    }
    const obstacle = whyNot(flow, workloads, options);
    if (obstacle !== undefined) {
      unprobed.push({ what: text, why: obstacle, wanted: true });
      continue;
    }
    const [source, destination] = [endOf(flow.source), endOf(flow.destination)];
    const target = destination.kind === "workload" ? workloads.get(destination.id) : undefined;
    for (const { protocol, port } of pointsIn(flow, target)) {
      const computed = reachability.verdict({ ...flow, protocol, port });
      const about: Probe = { group: "scenario", source, destination, protocol, port, expected, computed, reason };
      const dns = target === undefined ? undefined : clusterDnsOf(target, plan && [plan.dns]);
      probes.push(dns?.port === port ? { ...about, isDns: true } : about);
    }
  }
  return { probes, unprobed };
}

function pointsIn(
  { protocol, port }: Flow,
  target: Workload | undefined,
): readonly { readonly protocol: "TCP" | "UDP"; readonly port: number }[] {
  const way = protocol === "UDP" ? "UDP" : "TCP";
  if (port !== undefined) return [{ protocol: way, port }];
  return target === undefined ? [] : pointsOf(target).filter((point) => point.protocol === way);
}

/** Why no packets show anything of it, in words. */
function whyNot(
  { source, destination, protocol, port }: Flow,
  workloads: ReadonlyMap<string, Workload>,
  options: ProbeOptions,
): string | undefined {
  if (protocol !== "TCP" && protocol !== "UDP") return `${protocol} is not probed`;
  if (source.kind === "address") {
    if (options.outsideOnlyAnswers === true) return "nothing is sent from outside the cluster";
    if (!options.outside.includes(source.address)) return `no probe can start at ${source.address}`;
  } else {
    const obstacle = whyNoWorkload(source, workloads, options);
    if (obstacle !== undefined) return obstacle;
    if (source.kind === "workload" && options.sources?.has(source.id) === false) {
      return options.whyAbsent?.(source.id) ?? `no probe can start at ${describeEnd(source)}`;
    }
  }
  if (destination.kind !== "address") {
    const obstacle = whyNoWorkload(destination, workloads, options);
    if (obstacle !== undefined || port !== undefined || destination.kind !== "workload") return obstacle;
    const target = workloads.get(destination.id);
    return pointsIn({ source, destination, protocol }, target).length > 0 ? undefined : `it has no ${protocol} port`;
  }
  if (source.kind === "address") return "both ends are outside the cluster";
  if (protocol === "UDP" && options.outsideOnlyAnswers === true) return "silence from outside proves nothing over UDP";
  if (port === undefined) return "it names no port";
  if (options.outside.includes(destination.address)) return undefined;
  return isMetadata(destination.address)
    ? `no pod here has an address that could reach ${destination.address}`
    : `${destination.address} is not known to answer: name it with --outside where it does`;
}

function whyNoWorkload(
  peer: Exclude<Peer, { kind: "address" }>,
  workloads: ReadonlyMap<string, Workload>,
  { present, whyAbsent }: ProbeOptions,
): string | undefined {
  if (peer.kind !== "workload") return `no packet can stand for ${describeEnd(peer)}`;
  if (peer.pod !== undefined) return `${describeEnd(peer)} is one pod of ${peer.id}: write the workload`;
  if (workloads.get(peer.id)?.hostNetwork === true) {
    return `${peer.id} shares its node's network: to every enforcer it is the node`;
  }
  return present.has(peer.id) ? undefined : (whyAbsent?.(peer.id) ?? `none of the pods of ${peer.id} is ready`);
}

function endOf(peer: Peer): ProbeEnd {
  if (peer.kind === "workload") return { kind: "workload", id: peer.id };
  if (peer.kind === "address") return { kind: "address", address: peer.address };
  throw new TypeError(`${describeEnd(peer)} is no end of a probe`);
}
