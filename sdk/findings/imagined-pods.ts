import type { CompiledPolicy, Condition, Peer, PolicyRule, Snapshot } from "../reachability";
import { namespacesIn } from "../reachability";
import { testsIn, wouldFit } from "./policy-rules";

/**
 * Pods that rules name and that the snapshot does not hold, because another stack runs them or nobody does yet: a new pod
 * with the labels, the namespace and the service account that a selector asks for.
 */

/**
 * A pod that a selector fits; undefined where it names no namespace and no `home` is given, or where its demands cannot be
 * met by naming values.
 */
function imaginedPod(where: Condition, snapshot: Snapshot, home?: string): Peer | undefined {
  const namespace = namespacesIn(where)?.[0] ?? home;
  if (namespace === undefined) return undefined;
  const labels: Record<string, string> = {};
  let serviceAccount: string | undefined;
  for (const { field, key, operator, values } of testsIn(where)) {
    const value: unknown = operator === "exists" ? "any" : operator === "in" ? values[0] : undefined;
    if (typeof value !== "string") continue;
    if (field === "label") labels[key] = value;
    if (field === "serviceAccount") serviceAccount = value;
  }
  const pod: Peer = {
    kind: "freshPod",
    namespace,
    labels,
    ...(serviceAccount === undefined ? {} : { serviceAccount }),
  };
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
