import type { Snapshot } from "../snapshot/types";
import { TrafficSet } from "../sets/ports";
import type { Direction, Flow, Peer, Verdict } from "../verdicts";
import { Endpoints, type Endpoint } from "./endpoints";
import { evaluateTiers, trafficOfRule, type Circumstances } from "./evaluate";
import type { MatchContext } from "./matching";
import { PolicyIndex } from "./policy-index";
import { eitherOf, everything, intersect, when, type TrafficRange } from "./traffic-range";

/** Answers what passes between two ends of a snapshot. */
export class Engine {
  readonly endpoints: Endpoints;
  readonly index: PolicyIndex;
  /** Policies of the service mesh. */
  readonly meshIndex: PolicyIndex;
  readonly context: MatchContext;

  constructor(readonly snapshot: Snapshot) {
    this.endpoints = new Endpoints(snapshot);
    this.index = new PolicyIndex(snapshot.rules.policies, snapshot.profile);
    this.meshIndex = new PolicyIndex(snapshot.rules.mesh, snapshot.profile);
    this.context = { profile: snapshot.profile, podAddresses: snapshot.podAddresses };
  }

  verdict(flow: Flow): Verdict {
    return verdictOn(this.traffic(flow.source, flow.destination), trafficOfFlow(flow));
  }

  /** What passes, over every possibility of what the two ends are. */
  traffic(source: Peer, destination: Peer): TrafficRange {
    let result: TrafficRange | undefined;
    for (const from of this.endpoints.resolve(source)) {
      for (const to of this.endpoints.resolve(destination)) {
        const range = this.between(from, to);
        result = result === undefined ? range : eitherOf(result, range);
      }
    }
    return result ?? everything;
  }

  between(source: Endpoint, destination: Endpoint): TrafficRange {
    // a pod always reaches itself
    if (source === destination && source.kind === "pod" && source.single) return everything;
    const egress = this.direction("egress", source, destination);
    if (egress.may.isEmpty()) return egress;
    const network = intersect(egress, this.direction("ingress", source, destination));
    return this.hasMesh && !network.may.isEmpty() ? intersect(network, this.mesh(source, destination)) : network;
  }

  /** What one side lets pass. */
  direction(direction: Direction, source: Endpoint, destination: Endpoint): TrafficRange {
    const subject = direction === "ingress" ? destination : source;
    const peer = direction === "ingress" ? source : destination;
    if (!this.enforces()) return everything;
    const ownNode = direction === "ingress" && this.isOwnNode(subject, peer);
    if (ownNode && this.context.profile.cni !== "cilium") return everything;
    return evaluateTiers(
      this.index.of(subject)[direction],
      ({ selection, rule }) => when(selection.selected, trafficOfRule(rule, subject, peer, destination, this.context)),
      this.circumstances(subject, ownNode),
    );
  }

  /**
   * What the destination's proxy lets in. In ambient mode the traffic of a pod's own node does not go through ztunnel
   * (istio-cni rewrites its source for the sake of probes); a sidecar judges it like any peer without an identity.
   */
  mesh(source: Endpoint, destination: Endpoint): TrafficRange {
    const fromOwnNode = source.kind === "node" && source.local;
    if (fromOwnNode && destination.kind === "pod" && destination.mesh === "ambient") return everything;
    return evaluateTiers(
      this.meshIndex.of(destination).ingress,
      ({ selection, rule }) =>
        when(selection.selected, trafficOfRule(rule, destination, source, destination, this.context)),
      meshCircumstances,
    );
  }

  /** Whether any policy of a service mesh is there. */
  get hasMesh(): boolean {
    return this.snapshot.rules.mesh.length > 0;
  }

  circumstances(subject: Endpoint, ownNode: boolean): Circumstances {
    const { profile } = this.context;
    return {
      closed: profile.enforcementMode === "always" && subject.kind === "pod",
      ownNode,
      isolationLast: profile.cni === "cilium",
    };
  }

  /** Whether the enforcer drops anything at all. */
  enforces(): boolean {
    const { profile } = this.context;
    return profile.enforcementMode !== "never" && !profile.auditMode;
  }

  /**
   * Whether the peer is the node that the subject runs on, and may always reach it (probes). Measured: in Cilium a deny
   * rule that selects it stops it nevertheless.
   */
  isOwnNode(subject: Endpoint, peer: Endpoint): boolean {
    return subject.kind === "pod" && peer.kind === "node" && peer.local && this.context.profile.localNodeAlwaysAllowed;
  }
}

export const meshCircumstances: Circumstances = { closed: false, ownNode: false, isolationLast: false };

/** The traffic that a flow asks about. */
export function trafficOfFlow(flow: Flow): TrafficSet {
  if (flow.protocol !== "ICMP") return TrafficSet.ports(flow.protocol, flow.port);
  return TrafficSet.icmp(4, flow.port).union(TrafficSet.icmp(6, flow.port));
}

/** Whether some of the traffic asked about passes. */
export function verdictOn(range: TrafficRange, asked: TrafficSet): Verdict {
  if (!range.must.intersect(asked).isEmpty()) return "allowed";
  return range.may.intersect(asked).isEmpty() ? "denied" : "unknown";
}
