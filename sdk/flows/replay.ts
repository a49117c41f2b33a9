/** What a set of policies would do to recorded flows. */
import type { DirectionExplanation, Explanation, Flow, Peer, Reachability, Verdict } from "../reachability";
import { namesInRules } from "../reachability";
import type { FlowClass } from "./classes";
import { attemptsOf } from "./classes";
import type { RecordedEnd } from "./record";
import { resolveEnd, type ResolvedEnd } from "./resolve";

/** What would become of a kind of flow. */
type ReplayEffect =
  /** It passed, and the policies deny it. */
  | "would-be-denied"
  /** It was denied, and the policies let it pass. */
  | "would-open"
  | "still-denied"
  | "still-allowed"
  /** It depends on something that is not known. */
  | "unknown"
  /** An end cannot be told. */
  | "unresolved";

/** The judgement of one kind of flow. */
export interface ReplayedFlow {
  readonly effect: ReplayEffect;
  /** The ends as the engine knows them; as they were recorded where they are unresolved. */
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
  };
}

function judge(each: FlowClass, reachability: Reachability): readonly ReplayedFlow[] {
  const { passed, denied } = attemptsOf(each);
  if (passed + denied === 0) return [];
  const { protocol, port, first, last } = each;
  const base = { protocol, port, first, last };
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
  const { verdict, reason, from, to } = verdictOf({ source, destination }, names, { protocol, port }, reachability);
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

interface Answer {
  readonly verdict: Verdict;
  readonly reason: string;
  readonly from: Peer;
  readonly to: Peer;
}

function verdictOf(
  ends: { readonly source: ResolvedEnd; readonly destination: ResolvedEnd },
  names: readonly string[],
  traffic: Pick<Flow, "protocol" | "port">,
  reachability: Reachability,
): Answer {
  const answers = ends.source.peers.flatMap((from) =>
    ends.destination.peers.map((to) => {
      const answer = answerFor({ ...traffic, source: from, destination: to }, names, reachability);
      return { ...answer, from, to };
    }),
  );
  const [first] = answers;
  if (first === undefined) throw new RangeError("an end that is nobody");
  if (answers.every(({ verdict }) => verdict === first.verdict)) return first;
  return {
    ...first,
    verdict: "unknown",
    reason: "the record may be of several workloads, for which the answers differ",
  };
}

/**
 * Rules for names let pass what was looked up: any of the names that is allowed is enough. Where the recorder saw no
 * lookup, an address may still be one that a name in a rule leads to.
 */
function answerFor(
  flow: Flow,
  names: readonly string[],
  reachability: Reachability,
): Pick<Answer, "verdict" | "reason"> {
  const byAddress = reachability.explain(flow);
  const answer = { verdict: byAddress.verdict, reason: reasonOf(byAddress) };
  const { destination } = flow;
  if (byAddress.verdict === "allowed" || destination.kind !== "address") return answer;
  if (reachability.knownAs(destination) !== undefined) return answer;
  const asked = names.length > 0 ? names : namesInRules(reachability.snapshot);
  const byName = asked.map((name) => reachability.explain({ ...flow, destination: { kind: "fqdn", name } }));
  const opened =
    byName.find(({ verdict }) => verdict === "allowed") ?? byName.find(({ verdict }) => verdict === "unknown");
  if (opened === undefined) return answer;
  if (names.length > 0) return { verdict: opened.verdict, reason: reasonOf(opened) };
  return {
    verdict: "unknown",
    reason: `a rule for names lets it pass if ${destination.address} is the address of one: no lookup of it was recorded`,
  };
}

/** The side that decided: the first that is as the whole is. */
function reasonOf({ verdict, egress, ingress, mesh }: Explanation): string {
  const sides: readonly (DirectionExplanation | undefined)[] = [egress, ingress, mesh];
  const deciding = sides.find((side) => side !== undefined && side.verdict === verdict && side.subject !== "none");
  return (deciding ?? sides.find((side) => side?.verdict === verdict) ?? egress).reason;
}
