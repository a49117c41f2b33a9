import type { PlannedFlow, PlannedPeer } from "../../plan";
import { describePlannedPeer, Entity } from "../../plan";
import type { Peer, Reachability, Verdict, Workload } from "../../reachability";
import { formatAddress, parseCidr } from "../../reachability";
import { holdsAddress } from "../../plan/planned-peers";
import type { Observation } from "../evidence/observations";
import type { ReportFlow } from "./model";

/** The declared flows, each with what the policies say of it and what was observed. */
export function reportFlows(
  flows: readonly PlannedFlow[],
  reachability: Reachability,
  observations: readonly Observation[],
): ReportFlow[] {
  const workloads = byName(reachability.snapshot.workloads);
  return flows.map((flow) => {
    const { from, to, ports, reason, owner, critical, reviewBy, expires } = flow;
    const [sources, destinations] = [peersOf(from, workloads), peersOf(to, workloads)];
    const observed = observedOf(flow, sources, destinations, observations);
    return {
      from: describePlannedPeer(from),
      to: describePlannedPeer(to),
      ports: ports.map(portText).join(", ") || "the API server's ports",
      reason,
      owner,
      ...(critical === undefined ? {} : { critical }),
      ...(reviewBy === undefined ? {} : { reviewBy }),
      ...(expires === undefined ? {} : { expires }),
      computed: computedOf(flow, sources, destinations, reachability),
      ...(observed === undefined ? {} : { observed }),
    };
  });
}

/** `TCP 8080`, `TCP 9090-9099`. */
export function portText({ protocol, from, to }: PlannedFlow["ports"][number]): string {
  return `${protocol} ${from === to ? from : `${from}-${to}`}`;
}

function byName(workloads: readonly Workload[]): ReadonlyMap<string, readonly Workload[]> {
  const found = new Map<string, Workload[]>();
  for (const workload of workloads) {
    for (const key of [`${workload.namespace}/${workload.name}`, workload.namespace]) {
      const known = found.get(key);
      if (known === undefined) found.set(key, [workload]);
      else known.push(workload);
    }
  }
  return found;
}

/** What stands for a declared end in the snapshot; nothing where the engine has no such peer. */
function peersOf(peer: PlannedPeer, workloads: ReadonlyMap<string, readonly Workload[]>): Peer[] {
  switch (peer.kind) {
    case "workload":
    case "namespace": {
      const key = peer.kind === "namespace" ? peer.namespace : `${peer.namespace}/${peer.name}`;
      const pods = (workloads.get(key) ?? []).filter(({ hostNetwork }) => !hostNetwork);
      return pods.map(({ id }) => ({ kind: "workload", id }));
    }
    case "cidr": {
      const range = parseCidr(peer.cidr);
      const address = range === undefined ? "" : formatAddress({ family: range.family, value: range.from });
      return holdsAddress(peer, address) ? [{ kind: "address", address }] : [];
    }
    case "fqdn":
      return peer.name.includes("*") ? [] : [{ kind: "fqdn", name: peer.name }];
    case "entity":
      return peer.entity === Entity.KubeApiserver ? [{ kind: "kubeApiserver" }] : [];
    case "metadata":
      return [];
  }
}

/** Denied where any of its connections is, allowed only where each of them is. */
function computedOf(
  { ports }: PlannedFlow,
  sources: readonly Peer[],
  destinations: readonly Peer[],
  reachability: Reachability,
): ReportFlow["computed"] {
  const verdicts = new Set<Verdict>();
  for (const source of sources) {
    for (const destination of destinations) {
      if (JSON.stringify(source) === JSON.stringify(destination)) continue;
      for (const { protocol, from, to } of ports) {
        if (protocol !== "TCP" && protocol !== "UDP" && protocol !== "SCTP") continue;
        for (const port of new Set([from, to])) {
          verdicts.add(reachability.verdict({ source, destination, protocol, port }));
        }
      }
    }
  }
  if (verdicts.size === 0) return "not asked";
  return verdicts.has("denied") ? "denied" : verdicts.has("unknown") ? "unknown" : "allowed";
}

/** The newest observation that tried one of its connections; one that was blocked counts before those that passed. */
function observedOf(
  { from, to, ports }: PlannedFlow,
  sources: readonly Peer[],
  destinations: readonly Peer[],
  observations: readonly Observation[],
): ReportFlow["observed"] {
  const isFrom = matcher(from, sources);
  const isTo = matcher(to, destinations);
  for (const { at, paths } of [...observations].sort((a, b) => (a.at < b.at ? 1 : -1))) {
    const about = paths.filter(
      ({ source, destination, protocol, port, group }) =>
        group !== "metadata" &&
        isFrom(source) &&
        isTo(destination) &&
        ports.some((range) => range.protocol === protocol && range.from <= port && port <= range.to),
    );
    if (about.length === 0) continue;
    const states = about.map(({ expected, holds }) => {
      if (holds === undefined) return "unproved";
      return (expected === "allowed") === holds ? "passed" : "blocked";
    });
    const state = states.includes("blocked") ? "blocked" : states.includes("passed") ? "passed" : "unproved";
    return { state, at };
  }
  return undefined;
}

/** Whether an observed end, `ns/name[Kind]`, an address or `address (names)`, is among those of a declared one. */
function matcher(peer: PlannedPeer, peers: readonly Peer[]): (end: string) => boolean {
  const ids = new Set(peers.map((each) => (each.kind === "workload" ? each.id : undefined)));
  return (end) => {
    const [, name = end, names = ""] = /^(.*?)(?: \((.*)\))?$/.exec(end) ?? [];
    if (peer.kind === "fqdn") return names.split(", ").includes(peer.name) || name === peer.name;
    return ids.has(name) || holdsAddress(peer, name);
  };
}
