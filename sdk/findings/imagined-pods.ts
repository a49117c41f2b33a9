import type { CompiledPolicy, Condition, Peer, PolicyRule, Snapshot } from "../reachability";
import { namespacesIn } from "../reachability";
import { testsIn, wouldFit } from "./policy-rules";

/**
 * Pods that rules name and that the snapshot does not hold, because another stack runs them or nobody does yet: a new pod
 * with the labels, the namespace and the service account that a selector asks for.
 */

/** A new pod, as a selector asks for it. */
export interface PodDraft {
  readonly namespace: string;
  readonly namespaceLabels: Readonly<Record<string, string>>;
  readonly labels: Readonly<Record<string, string>>;
  readonly serviceAccount?: string;
}

/**
 * A pod with the namespace, the labels and the service account that a selector asks for, and no others. Where the demands
 * contradict each other, or cannot be met by naming values, the selector does not fit it.
 *
 * @param home Its namespace where the selector names none.
 */
export function podFitting(where: Condition, home: string): PodDraft {
  const labels: Record<string, string> = {};
  const namespaceLabels: Record<string, string> = {};
  let serviceAccount: string | undefined;
  for (const { field, key, operator, values } of testsIn(where)) {
    const value: unknown = operator === "exists" ? "any" : operator === "in" ? values[0] : undefined;
    if (typeof value !== "string") continue;
    if (field === "label") labels[key] = value;
    if (field === "namespaceLabel" && key !== namespaceNameLabel) namespaceLabels[key] = value;
    if (field === "serviceAccount") serviceAccount = value;
  }
  const account = serviceAccount === undefined ? {} : { serviceAccount };
  return { namespace: namespacesIn(where)?.[0] ?? home, namespaceLabels, labels, ...account };
}

/** Every namespace has its name as a label. */
const namespaceNameLabel = "kubernetes.io/metadata.name";

/** The same as a peer; undefined where the selector names no namespace and no `home` is given, or does not fit the pod. */
function imaginedPod(where: Condition, snapshot: Snapshot, home?: string): Peer | undefined {
  const place = namespacesIn(where)?.[0] ?? home;
  if (place === undefined) return undefined;
  const { namespaceLabels: _, ...draft } = podFitting(where, place);
  const pod: Peer = { kind: "freshPod", ...draft };
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
