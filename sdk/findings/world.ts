import type { Direction, Flow, Peer, Reachability } from "../reachability";
import { TrafficSet } from "../reachability";
import type { PublicPiece } from "./public-addresses";
import { sampleFlow } from "./subjects";

/** More than this share of a family's public addresses is "the world". */
const worldShare = 1 / 256;

/** What passes between a pod and a peer, and how sure that is. */
export interface Answer {
  readonly openness: "closed" | "possible" | "open";
  /** What passes for certain. */
  readonly allowed: TrafficSet;
  /** What passes; what possibly passes where nothing does for certain. */
  readonly traffic: TrafficSet;
  /** One flow of it, to be explained. */
  readonly sample: Flow;
}

/** Asks in one direction of a pod. What is only possible is reduced by `except`; what is certain is not. */
export function ask(
  reachability: Reachability,
  pod: Peer,
  peer: Peer,
  direction: Direction,
  except = TrafficSet.none(),
): Answer {
  const [source, destination] = direction === "ingress" ? [peer, pod] : [pod, peer];
  const { allowed, possible: all } = reachability.traffic(source, destination);
  const possible = all.subtract(except);
  const openness = !allowed.isEmpty() ? "open" : !possible.isEmpty() ? "possible" : "closed";
  const traffic = openness === "open" ? allowed : possible;
  return { openness, allowed, traffic, sample: sampleFlow(source, destination, traffic, [443, 80]) };
}

/** The world as seen from a pod in one direction: the largest piece that is open, if what is open amounts to the world. */
export function askWorld(
  reachability: Reachability,
  pod: Peer,
  direction: Direction,
  pieces: readonly PublicPiece[],
  family: 4 | 6,
): Answer | undefined {
  const answers = pieces
    .filter((piece) => piece.family === family)
    .map((piece) => ({
      share: piece.share,
      answer: ask(reachability, pod, { kind: "address", address: piece.sample }, direction),
    }));
  // what is certain goes before what is only possible
  for (const wanted of [["open"], ["open", "possible"]]) {
    const open = answers.filter(({ answer }) => wanted.includes(answer.openness));
    if (open.reduce((sum, { share }) => sum + share, 0) > worldShare) return open[0]?.answer;
  }
  return undefined;
}
