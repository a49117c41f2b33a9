/** Which flows of a declaration a recording shows. */
import type { PlannedFlow, PlannedPeer } from "../plan";
import { Entity } from "../plan";
import { fitsPattern } from "../plan/fqdn";
import { holdsAddress } from "../plan/planned-peers";
import type { ReplayedFlow } from "./replay";

/** A declared flow, and when it was last recorded. */
export interface DeclaredFlow {
  readonly flow: PlannedFlow;
  /** Milliseconds since 1970; absent where it was not recorded. */
  readonly last?: number;
}

/** Every declared flow with the last time it was recorded, whatever became of it then. */
export function declaredFlows(
  flows: readonly PlannedFlow[],
  recorded: readonly ReplayedFlow[],
): readonly DeclaredFlow[] {
  return flows.map((flow) => {
    const times = recorded.filter((each) => isOf(each, flow)).map(({ last }) => last);
    return times.length === 0 ? { flow } : { flow, last: Math.max(...times) };
  });
}

function isOf({ source, destination, names, protocol, port }: ReplayedFlow, { from, to, ports }: PlannedFlow): boolean {
  const onPort =
    ports.length === 0 || ports.some((range) => range.protocol === protocol && range.from <= port && port <= range.to);
  return onPort && standsFor(from, source, []) && standsFor(to, destination, names);
}

function standsFor(peer: PlannedPeer, end: ReplayedFlow["source"], names: readonly string[]): boolean {
  switch (peer.kind) {
    case "workload":
      return end.kind === "workload" && end.id.startsWith(`${peer.namespace}/${peer.name}[`);
    case "namespace":
      return end.kind === "workload" && end.id.startsWith(`${peer.namespace}/`);
    case "fqdn":
      return names.some((name) => fitsPattern(name, peer.name));
    case "cidr":
      return end.kind === "address" && holdsAddress(peer, end.address);
    case "metadata":
      return false;
    case "entity":
      if (end.kind === "address") return holdsAddress(peer, end.address);
      if (peer.entity === Entity.KubeApiserver) return end.kind === "kubeApiserver";
      if (peer.entity === Entity.Nodes) return end.kind === "node";
      return peer.entity === Entity.Ingress && end.kind === "unresolvable";
  }
}
