/** One recorded flow, in the same form whichever program recorded it. */
import type { Direction, FlowProtocol } from "../reachability";

/** What the enforcer did then. `would-be-denied`: let through because it only audits. */
export type RecordedOutcome = "allowed" | "denied" | "would-be-denied";

/** A pod, as far as the record names it. */
export interface RecordedPod {
  readonly kind: "pod";
  readonly namespace: string;
  /** Its labels at that time; absent where the record leaves them out. */
  readonly labels?: Readonly<Record<string, string>>;
  /** The labels are only those that all pods of the record had. Default false. */
  readonly sharedLabels?: boolean;
  readonly serviceAccount?: string;
  /** The pod's name, or the part that its siblings share (`web-5d4b9c7f6d-*`). */
  readonly pod?: string;
  /** The name of its workload. */
  readonly workload?: string;
}

/** Something with an address that is no pod to the recorder. */
interface RecordedAddress {
  readonly kind: "address";
  readonly address: string;
  /** The DNS names that the other end had looked up for it. */
  readonly names: readonly string[];
  /** The Service whose address it is (`shop/web`): policies see the pods behind it, which have records of their own. */
  readonly service?: string;
}

/** Source or destination of a recorded flow. */
export type RecordedEnd =
  | RecordedPod
  | RecordedAddress
  | { readonly kind: "node"; readonly where: "local" | "remote"; readonly address?: string }
  | { readonly kind: "kubeApiserver"; readonly address?: string }
  /** Cilium's own proxies for Ingress and Gateway API. */
  | { readonly kind: "ingressProxy" }
  /** Something that nobody can be asked about: a network without address, a pod without identity yet. */
  | { readonly kind: "unresolvable"; readonly name: string };

/** One connection attempt as one of its two sides recorded it. */
export interface FlowRecord {
  /** Milliseconds since 1970. */
  readonly time: number;
  /** The node that recorded it. */
  readonly node?: string;
  readonly source: RecordedEnd;
  readonly destination: RecordedEnd;
  readonly protocol: FlowProtocol;
  /** The destination's port; the type for ICMP. */
  readonly port: number;
  /** At whose policies it was recorded: `egress` at the source, `ingress` at the destination. */
  readonly side?: Direction;
  readonly outcome: RecordedOutcome;
  /** An explicit deny decided. Default false: nothing allowed it. */
  readonly explicit?: boolean;
  /** Ids of the declared flows whose rules let it pass, as those rules say; absent where none says one. */
  readonly declared?: readonly string[];
  /** Tells repetitions of one attempt apart from others; absent where the record is a sum. */
  readonly attempt?: string;
  /** For how many attempts it stands. */
  readonly count: number;
}

/** What one line of a recording turned out to be. */
export type LineContent =
  | { readonly kind: "flow"; readonly record: FlowRecord }
  /** Understood, and nothing that a policy decides: a reply, an L7 record, a log line. */
  | { readonly kind: "passed-over"; readonly why: string }
  | { readonly kind: "not-understood"; readonly why: string }
  /** An answer of DNS: the addresses that a name had then. */
  | { readonly kind: "lookup"; readonly name: string; readonly addresses: readonly string[] }
  /** The recorder says that it lost so many. */
  | { readonly kind: "lost"; readonly count: number };

export function passedOver(why: string): LineContent {
  return { kind: "passed-over", why };
}

export function notUnderstood(why: string): LineContent {
  return { kind: "not-understood", why };
}
