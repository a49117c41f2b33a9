/** Whether two sets of policies come to the same. */
import { trafficNamed, type Engine } from "../engine/engine";
import { TrafficSet } from "../model/sets/ports";
import type { MatrixOptions, Peer, Traffic } from "../model/verdicts";
import { describeEnd } from "./ends";
import { matrixOf } from "./matrix";
import { changedPairs } from "./path-changes";

/** A pair for which two sets of policies differ. */
export interface Difference {
  readonly source: string;
  readonly destination: string;
  readonly a: Traffic;
  readonly b: Traffic;
}

/** Whether two snapshots let the same connections pass, and where they differ. */
export interface Equivalence {
  readonly equivalent: boolean;
  /** The first differences, at most {@link EquivalenceOptions.limit}. */
  readonly differences: readonly Difference[];
}

/** Which pairs count, as for the matrix; all unless said otherwise. */
export interface EquivalenceOptions extends Omit<MatrixOptions, "possible"> {
  /** So many differences are looked for. Default 100; at least 1. */
  readonly limit?: number;
}

const usualLimit = 100;

export function equivalenceOf(a: Engine, b: Engine, options: EquivalenceOptions = {}): Equivalence {
  const limit = Math.max(1, options.limit ?? usualLimit);
  const differences: Difference[] = [];
  for (const difference of differencesOf(a, b, options)) {
    differences.push(difference);
    if (differences.length >= limit) break;
  }
  return { equivalent: differences.length === 0, differences };
}

function* differencesOf(a: Engine, b: Engine, options: EquivalenceOptions): Iterable<Difference> {
  for (const pair of changedPairs(matrixOf(a, options), matrixOf(b, options))) {
    yield { source: pair.sourceId, destination: pair.destinationId, a: pair.before, b: pair.after };
  }
  const asked = askedFor(options);
  for (const [source, destination] of otherPairs(a, b, options)) {
    const [was, is] = [a, b].map((engine): Traffic => {
      const { must, may } = engine.traffic(source, destination);
      return { allowed: must.intersect(asked), possible: may.intersect(asked) };
    }) as [Traffic, Traffic];
    if (was.allowed === is.allowed && was.possible === is.possible) continue;
    yield { source: describeEnd(source), destination: describeEnd(destination), a: was, b: is };
  }
}

function askedFor({ protocol, port }: EquivalenceOptions): TrafficSet {
  if (protocol === undefined) return TrafficSet.all();
  return trafficNamed({ protocol, ...(port === undefined ? {} : { port }) });
}

/** A pod, and the namespace and workload by which options choose it. */
interface Pod {
  readonly peer: Peer;
  readonly namespace: string;
  readonly id?: string;
}

/** Pairs beside those of the matrix: with new pods, nodes and the API server. */
function* otherPairs(a: Engine, b: Engine, options: EquivalenceOptions): Iterable<readonly [Peer, Peer]> {
  const ids = new Set(a.snapshot.workloads.map((each) => each.id));
  const workloads = b.snapshot.workloads
    .filter((each) => ids.has(each.id))
    .map(({ id, namespace }): Pod => ({ peer: { kind: "workload", id }, namespace, id }));
  const namespaces = new Set([...a.snapshot.namespaces.keys(), ...b.snapshot.namespaces.keys()]);
  const fresh = [...namespaces].map((namespace): Pod => ({ peer: { kind: "freshPod", namespace }, namespace }));
  const fixed: Peer[] = [
    { kind: "node", where: "local" },
    { kind: "node", where: "remote" },
    { kind: "kubeApiserver" },
  ];
  const keeps = keeperOf(options);
  for (const pod of [...workloads, ...fresh]) {
    for (const other of [...fresh, ...fixed.map((peer) => ({ peer }))]) {
      if (keeps(pod, other)) yield [pod.peer, other.peer];
      if (other !== pod && keeps(other, pod)) yield [other.peer, pod.peer];
    }
  }
}

/** Whether a pair counts: by the source or destination that the options are about. */
function keeperOf({
  namespaces,
  workloads,
  end,
}: EquivalenceOptions): (from: Partial<Pod>, to: Partial<Pod>) => boolean {
  if (namespaces === undefined && workloads === undefined) return () => true;
  const chosen = ({ namespace, id }: Partial<Pod>): boolean =>
    (namespace !== undefined && namespaces?.includes(namespace) === true) ||
    (id !== undefined && workloads?.includes(id) === true);
  return (from, to) => (end !== "destination" && chosen(from)) || (end !== "source" && chosen(to));
}
