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

/** Whom an end of a flow stands for, as far as a declaration has words for it. */
export interface FlowEnd {
  readonly namespace?: string;
  /** The name of its workload, in the namespace. */
  readonly workload?: string;
  readonly address?: string;
  /** Names that the source had looked up for the address. */
  readonly names?: readonly string[];
  readonly entity?: Entity;
}

/** Whether a declared flow lets a flow pass. */
export function isDeclaredBy(
  { from, to, ports }: PlannedFlow,
  flow: { readonly source: FlowEnd; readonly destination: FlowEnd; readonly protocol: string; readonly port: number },
): boolean {
  const { protocol, port } = flow;
  const onPort =
    ports.length === 0 || ports.some((range) => range.protocol === protocol && range.from <= port && port <= range.to);
  return onPort && standsFor(from, flow.source) && standsFor(to, flow.destination);
}

function isOf(recorded: ReplayedFlow, flow: PlannedFlow): boolean {
  const { source, destination, names, protocol, port } = recorded;
  return isDeclaredBy(flow, { source: endOf(source), destination: { ...endOf(destination), names }, protocol, port });
}

function endOf(end: ReplayedFlow["source"]): FlowEnd {
  switch (end.kind) {
    case "workload": {
      const [namespace = "", name = ""] = end.id.split("/");
      return { namespace, workload: name.replace(/\[.*$/, "") };
    }
    case "freshPod":
      return { namespace: end.namespace };
    case "address":
      return { address: end.address };
    case "kubeApiserver":
      return { entity: Entity.KubeApiserver };
    case "node":
      return { entity: Entity.Nodes };
    case "ingressProxy":
      return { entity: Entity.Ingress };
    default:
      return {};
  }
}

function standsFor(peer: PlannedPeer, { namespace, workload, address, names = [], entity }: FlowEnd): boolean {
  switch (peer.kind) {
    case "workload":
      return peer.namespace === namespace && peer.name === workload;
    case "namespace":
      return peer.namespace === namespace;
    case "fqdn":
      return names.some((name) => fitsPattern(name, peer.name));
    case "cidr":
      return address !== undefined && holdsAddress(peer, address);
    case "metadata":
      return false;
    case "entity":
      return peer.entity === entity || (address !== undefined && holdsAddress(peer, address));
  }
}
