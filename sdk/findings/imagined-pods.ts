import type { CompiledPolicy, Condition, Peer, PolicyRule, Snapshot } from "../reachability";
import { podsFitting } from "../reachability";
import { wouldFit } from "./policy-rules";

/**
 * Pods that rules name and that the snapshot does not hold, because another stack runs them or nobody does yet: a new pod
 * with the labels, the namespace and the service account that a selector asks for.
 */

/** Undefined where the selector names no namespace and no `home` is given, or does not fit the pod. */
function imaginedPod(where: Condition, snapshot: Snapshot, home?: string): Peer | undefined {
  const [{ namespace = home, labels, serviceAccount }] = podsFitting(where);
  if (namespace === undefined) return undefined;
  const account = serviceAccount === undefined ? {} : { serviceAccount };
  const pod: Peer = { kind: "freshPod", namespace, labels, ...account };
  return wouldFit(where, pod, snapshot) ? pod : undefined;
}

/** A pod that a part of a policy selects. @param home the namespace to imagine it in where the policy names none. */
export function imaginedSubject(part: CompiledPolicy, snapshot: Snapshot, home?: string): Peer | undefined {
  return part.subject.kind === "pods" ? imaginedPod(part.subject.where, snapshot, home) : undefined;
}

/** Pods that a rule names by labels. */
export function imaginedPeers(rule: PolicyRule, snapshot: Snapshot): Peer[] {
  return rule.peers.flatMap((peer) =>
    peer.kind === "pods" || peer.kind === "identities" ? (imaginedPod(peer.where, snapshot) ?? []) : [],
  );
}
