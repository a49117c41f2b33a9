import type { Direction } from "./direction";
import type { ObjectRef, Source } from "./objects";
import type { Snapshot } from "./snapshot";
import type { TrafficSet } from "./sets/ports";

/** What happens to a flow. "unknown": it depends on something that is not known or was not understood. */
export type Verdict = "allowed" | "denied" | "unknown";

/** Source or destination of a flow. */
export type Peer =
  /** A workload of the snapshot, by its id `ns/name[Kind]`; one of its pods by the pod's name. */
  | { readonly kind: "workload"; readonly id: string; readonly pod?: string }
  /** A pod that might be started in a namespace; no labels and the account `default` unless given. */
  | {
      readonly kind: "freshPod";
      readonly namespace: string;
      readonly labels?: Readonly<Record<string, string>>;
      readonly serviceAccount?: string;
    }
  /** An IPv4 or IPv6 address: whatever the snapshot knows to have it, else outside the cluster ("world"). */
  | { readonly kind: "address"; readonly address: string }
  /** The node a pod runs on ("local") or another one; with one of its addresses if that matters. */
  | { readonly kind: "node"; readonly where: "local" | "remote"; readonly address?: string }
  /** The Kubernetes API server; at this address where it is known. */
  | { readonly kind: "kubeApiserver"; readonly address?: string }
  /**
   * A DNS name: of a Service, a pod or a node of the snapshot, else outside the cluster. Its address is not known, unless
   * somebody has seen to which one it led.
   */
  | { readonly kind: "fqdn"; readonly name: string; readonly address?: string };

/** ICMP between two peers that speak IPv6 alone is ICMPv6; elsewhere each is asked about by its name. */
export type FlowProtocol = "TCP" | "UDP" | "SCTP" | "ICMP" | "ICMPv6";

/** A connection as its first packet shows it. Replies belong to the connection. */
export interface Flow {
  readonly source: Peer;
  readonly destination: Peer;
  readonly protocol: FlowProtocol;
  /** Destination port; for a workload the pod's own, for a Service's address or name the Service's. The type for ICMP. Left out: is any port open? */
  readonly port?: number;
}

/** Names a rule inside a policy. */
export interface RuleRef {
  readonly policy: ObjectRef;
  readonly direction: Direction;
  /** The rule's path inside the object: `spec.ingress[0]`. */
  readonly path: string;
  readonly verdict: "allow" | "deny" | "pass";
  readonly source?: Source;
}

/** One step of the chain of evaluation in a direction, in the order the enforcer takes it. */
export interface ExplanationStep {
  readonly rule: RuleRef;
  /** What the rule did to this flow. */
  readonly outcome: "decided" | "matched" | "maybe-matched" | "passed" | "shadowed" | "not-matched";
  /** For a rule that did not match: what did not fit; "unlearned": its name does, and the pod never learns the address. */
  readonly because?: "subject" | "peer" | "port" | "shadowed" | "unlearned";
  /** The rule that decided before this one came to it. */
  readonly shadowedBy?: RuleRef;
  readonly text: string;
}

/** Why one side of a flow lets it pass or not. */
export interface DirectionExplanation {
  readonly direction: Direction;
  /** Whose policies these are: the id of a workload, `new pod in ns`, or `none` where no policy can apply. */
  readonly subject: string;
  readonly verdict: Verdict;
  /** Policies that isolate the subject in this direction. */
  readonly isolatedBy: readonly ObjectRef[];
  /** The rule that decided, if a rule did. */
  readonly deciding?: RuleRef;
  /** One sentence: the deciding rule, or the default that applied and why. */
  readonly reason: string;
  /** The rules of the policies that select the subject, in the order they are evaluated. */
  readonly chain: readonly ExplanationStep[];
  /** The rules of policies that could be about the subject and do not select it. */
  readonly notSelecting: readonly ExplanationStep[];
}

/** The smallest change of the policies that would turn the verdict around. */
export interface FlipHint {
  readonly text: string;
  readonly direction: Direction | "mesh";
  readonly policy?: ObjectRef;
  readonly path?: string;
}

/** A verdict with its reasons. */
export interface Explanation {
  readonly flow: Flow;
  readonly verdict: Verdict;
  /** What an address or a name of the flow is in the cluster, and what policies see of it; absent where it is outside. */
  readonly resolved?: string;
  readonly egress: DirectionExplanation;
  readonly ingress: DirectionExplanation;
  /** The service mesh, where one takes part: its verdict is ANDed. */
  readonly mesh?: DirectionExplanation;
  /** What would pass from source to destination on all protocols and ports. */
  readonly traffic: { readonly allowed: TrafficSet; readonly possible: TrafficSet };
  readonly flip: readonly FlipHint[];
}

/** What may pass from a source to a destination. `allowed` ⊆ `possible`; they differ where something is unknown. */
export interface Traffic {
  readonly allowed: TrafficSet;
  readonly possible: TrafficSet;
}

/** One pair of the matrix between which something may pass. */
export interface MatrixEntry extends Traffic {
  readonly source: Peer;
  readonly destination: Peer;
  /** `ns/name[Kind]`, `a.b.c.d-e.f.g.h[External]`. */
  readonly sourceId: string;
  readonly destinationId: string;
}

/** Which pairs a matrix holds. Default: all of them, possible ones and address ranges included. */
export interface MatrixOptions {
  /** Keep pairs of which source or destination is in one of these namespaces. */
  readonly namespaces?: readonly string[];
  /** Keep pairs with one of these workload ids. */
  readonly workloads?: readonly string[];
  /** With `namespaces` and `workloads`: which of the two they filter. Default: either. */
  readonly end?: "source" | "destination";
  /** Keep what passes on this protocol and port. */
  readonly protocol?: FlowProtocol;
  readonly port?: number;
  /** Include address ranges outside the cluster. Default true. */
  readonly external?: boolean;
  /** Also give pairs that are only possible (something is unknown). Default true. */
  readonly possible?: boolean;
}

/** The answers for one snapshot. */
export interface Reachability {
  readonly snapshot: Snapshot;
  /**
   * @throws RangeError when source or destination names a workload that the snapshot lacks, or is not an address.
   */
  verdict(flow: Flow): Verdict;
  explain(flow: Flow): Explanation;
  traffic(source: Peer, destination: Peer): Traffic;
  /**
   * What an address or a name is in the cluster (`Service shop/web`); nothing where it lies outside, and for other peers.
   */
  knownAs(peer: Peer): string | undefined;
  matrix(options?: MatrixOptions): Iterable<MatrixEntry>;
}
