/** What a set of policies would do to recorded flows. */
import type { Flow, Peer, Reachability } from "../reachability";
import { answerOf } from "./answer";
import type { FlowClass } from "./classes";
import { attemptsOf } from "./classes";
import type { RecordedEnd } from "./record";
import { resolveEnd } from "./resolve";

/** What would become of a kind of flow, in the order in which it matters. */
export const replayEffects = [
  /** It passed, and the policies deny it. */
  "would-be-denied",
  /** It depends on something that is not known. */
  "unknown",
  /** An end cannot be told. */
  "unresolved",
  /** It was denied, and the policies let it pass. */
  "would-open",
  "still-denied",
  "still-allowed",
] as const;

type ReplayEffect = (typeof replayEffects)[number];

/** The judgement of one kind of flow. */
export interface ReplayedFlow {
  readonly effect: ReplayEffect;
  /** Source and destination as the engine knows them; as they were recorded where they are unresolved. */
  readonly source: Peer | RecordedEnd;
  readonly destination: Peer | RecordedEnd;
  /** Names that the source had looked up for the destination. */
  readonly names: readonly string[];
  readonly protocol: Flow["protocol"];
  readonly port: number;
  /** Attempts that got through then, and that did not. */
  readonly passed: number;
  readonly denied: number;
  /** Milliseconds since 1970. */
  readonly first: number;
  readonly last: number;
  /** An end was found by its name, because its labels are not recorded. */
  readonly byName: boolean;
  /** Ids of the declared flows whose rules let it pass then, where the rules say them; sorted. */
  readonly declared: readonly string[];
  /** Why: the deciding rule, what is missing, or what cannot be told. */
  readonly reason: string;
}

/**
 * Judges kinds of recorded flows, each once. Flows whose ends the engine cannot tell apart are one.
 *
 * A kind that was allowed and denied in the recording is judged by both: it is in the result twice.
 */
export function replay(classes: readonly FlowClass[], reachability: Reachability): readonly ReplayedFlow[] {
  const merged = new Map<string, ReplayedFlow>();
  for (const each of classes) {
    for (const judged of judge(each, reachability)) {
      const { effect, source, destination, protocol, port, names } = judged;
      const key = JSON.stringify([effect, source, destination, protocol, port, names]);
      const known = merged.get(key);
      merged.set(key, known === undefined ? judged : added(known, judged));
    }
  }
  return [...merged.values()];
}

function added(a: ReplayedFlow, b: ReplayedFlow): ReplayedFlow {
  return {
    ...a,
    passed: a.passed + b.passed,
    denied: a.denied + b.denied,
    first: Math.min(a.first, b.first),
    last: Math.max(a.last, b.last),
    byName: a.byName || b.byName,
    declared: [...new Set([...a.declared, ...b.declared])].sort(),
  };
}

function judge(each: FlowClass, reachability: Reachability): readonly ReplayedFlow[] {
  const { passed, denied } = attemptsOf(each);
  if (passed + denied === 0) return [];
  const { protocol, port, first, last } = each;
  const base = { protocol, port, first, last, declared: [...each.declared].sort() };
  const names = each.destination.kind === "address" ? each.destination.names : [];
  const source = resolveEnd(each.source, reachability.snapshot);
  const destination = resolveEnd(each.destination, reachability.snapshot);
  if (typeof source === "string" || typeof destination === "string") {
    const reasons = [source, destination].filter((end) => typeof end === "string");
    const ends = { source: each.source, destination: each.destination };
    return [
      { ...base, ...ends, names, effect: "unresolved", passed, denied, byName: false, reason: reasons.join("; ") },
    ];
  }
  const { verdict, reason, from, to } = answerOf({ source, destination }, names, { protocol, port }, reachability);
  const ends = { source: from, destination: to, names, byName: source.byName || destination.byName, reason };
  if (verdict === "unknown") return [{ ...base, ...ends, effect: "unknown", passed, denied }];
  const results: ReplayedFlow[] = [];
  if (passed > 0) {
    const effect = verdict === "denied" ? "would-be-denied" : "still-allowed";
    results.push({ ...base, ...ends, effect, passed, denied: 0 });
  }
  if (denied > 0) {
    const effect = verdict === "denied" ? "still-denied" : "would-open";
    results.push({ ...base, ...ends, effect, passed: 0, denied });
  }
  return results;
}
