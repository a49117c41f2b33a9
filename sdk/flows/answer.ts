/** What policies say of a recorded flow, whatever its source and destination may have been. */
import type { DirectionExplanation, Explanation, Flow, Peer, Reachability, Verdict } from "../reachability";
import { namesInRules } from "../reachability";
import type { ResolvedEnd } from "./resolve";

/** What the policies say of a recorded flow. */
export interface Answer {
  readonly verdict: Verdict;
  /** The deciding rule, what is missing, or what cannot be told. */
  readonly reason: string;
  /** Of the source, the destination and the name that decided. */
  readonly explanation: Explanation;
  readonly from: Peer;
  readonly to: Peer;
}

/** Source and destination of a recorded flow, each as what it may have been. */
export interface ResolvedEnds {
  readonly source: ResolvedEnd;
  readonly destination: ResolvedEnd;
}

/** Asks the engine about everything that source and destination may have been. */
export function answerOf(
  ends: ResolvedEnds,
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
  if (first === undefined) throw new RangeError("a source or destination that matches nothing");
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
function answerFor(flow: Flow, names: readonly string[], reachability: Reachability): Omit<Answer, "from" | "to"> {
  const byAddress = reachability.explain(flow);
  const answer = { verdict: byAddress.verdict, reason: reasonOf(byAddress), explanation: byAddress };
  const { destination } = flow;
  if (byAddress.verdict === "allowed" || destination.kind !== "address") return answer;
  if (reachability.knownAs(destination) !== undefined) return answer;
  if (names.length === 0) {
    return mayBeOfAName(flow, destination.address, reachability)
      ? {
          ...answer,
          verdict: "unknown",
          reason: `a rule for names lets it pass if ${destination.address} is the address of one: no lookup of it was recorded`,
        }
      : answer;
  }
  const { address } = destination;
  const byName = names.map((name) => reachability.explain({ ...flow, destination: { kind: "fqdn", name, address } }));
  const opened =
    byName.find(({ verdict }) => verdict === "allowed") ?? byName.find(({ verdict }) => verdict === "unknown");
  return opened === undefined ? answer : { verdict: opened.verdict, reason: reasonOf(opened), explanation: opened };
}

/** Whether a name that rules speak of may be reached at the address. */
function mayBeOfAName(flow: Flow, address: string, reachability: Reachability): boolean {
  return namesInRules(reachability.snapshot).some(
    (name) => reachability.verdict({ ...flow, destination: { kind: "fqdn", name, address } }) !== "denied",
  );
}

/** The side that decided: the first that is as the whole is. */
function reasonOf({ verdict, egress, ingress, mesh }: Explanation): string {
  const sides: readonly (DirectionExplanation | undefined)[] = [egress, ingress, mesh];
  const deciding = sides.find((side) => side !== undefined && side.verdict === verdict && side.subject !== "none");
  return (deciding ?? sides.find((side) => side?.verdict === verdict) ?? egress).reason;
}
