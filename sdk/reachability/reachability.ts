/** The questions that a snapshot answers: what the rooms above call. */
import type { Direction } from "./model/direction";
import type { Snapshot } from "./model/snapshot";
import { closedEntrancesOf, type ClosedEntrance } from "./questions/closed-entrances";
import { blastRadiusOf, type BlastRadius, type BlastRadiusOptions } from "./questions/blast-radius";
import { diffOf, type DiffOptions, type PathDifference } from "./questions/diff";
import { equivalenceOf, type Equivalence, type EquivalenceOptions } from "./questions/equivalence";
import { exposureOf, type Exposure, type ExposureOptions } from "./questions/exposure";
import { hygieneOf, type HygieneIssue } from "./questions/hygiene";
import { matrixOf } from "./questions/matrix";
import { explainFlow } from "./questions/explain";
import type {
  Explanation,
  Flow,
  MatrixEntry,
  MatrixOptions,
  Peer,
  Reachability,
  Traffic,
  Verdict,
} from "./model/verdicts";
import { Passing, type Ends } from "./questions/passing";
import { tiedPolicies } from "./questions/ties";
import { readSnapshot, type SnapshotOptions } from "./snapshot/build";
import type { SourcedObject } from "./model/objects";
import { Engine } from "./engine/engine";

/**
 * Reads objects into a snapshot. Never throws for what an object holds: what cannot be read is a problem, and the verdicts
 * that depend on it are "unknown".
 */
export function buildSnapshot(objects: Iterable<SourcedObject>, options: SnapshotOptions = {}): Snapshot {
  const snapshot = readSnapshot(objects, options);
  const ties = tiedPolicies(snapshot);
  return ties.length === 0 ? snapshot : { ...snapshot, problems: [...snapshot.problems, ...ties] };
}

/** Prepares a snapshot for questions. Work is done when it is first needed, and remembered. */
export function compile(snapshot: Snapshot): Reachability {
  return new Compiled(snapshot);
}

/** The same; what was worked out for another snapshot of the cluster is used again where only policies differ. */
export function compileLike(other: Reachability | undefined, snapshot: Snapshot): Reachability {
  return new Compiled(snapshot, other === undefined ? undefined : engineOf(other));
}

/**
 * The paths that `after` opens, closes or changes against `before`, each with the objects that did it: first by source,
 * then those from outside by destination. Paths come as they are found; `countPaths` counts them.
 */
export function diff(before: Reachability, after: Reachability, options: DiffOptions = {}): Iterable<PathDifference> {
  return diffOf(engineOf(before), engineOf(after), options);
}

/** Who from outside reaches each workload, and what could reach it or be reached by it if it were started. */
export function exposure(reachability: Reachability, options: ExposureOptions = {}): Iterable<Exposure> {
  return exposureOf(engineOf(reachability), options);
}

/** Ingresses and routes whose proxy cannot reach the pods behind them. */
export function closedEntrances(reachability: Reachability): Iterable<ClosedEntrance> {
  return closedEntrancesOf(engineOf(reachability));
}

/** How far one gets from a workload, hop by hop; with `direction: "ingress"`, from where one gets to it. */
export function blastRadius(
  reachability: Reachability,
  workloadId: string,
  options: BlastRadiusOptions = {},
): BlastRadius {
  return blastRadiusOf(engineOf(reachability), workloadId, options);
}

/** Policies and rules that do nothing, or only half of what they seem to. */
export function hygiene(reachability: Reachability): Iterable<HygieneIssue> {
  return hygieneOf(engineOf(reachability));
}

/**
 * Whether two sets of policies let the same pass between all workloads, new pods, nodes, the API server and what is
 * outside; with options, between those that they name.
 */
export function equivalent(a: Reachability, b: Reachability, options: EquivalenceOptions = {}): Equivalence {
  return equivalenceOf(engineOf(a), engineOf(b), options);
}

/** What the policies of one end let pass, whatever those of the other end say. */
export function trafficAtEnd(
  reachability: Reachability,
  direction: Direction,
  source: Peer,
  destination: Peer,
): Traffic {
  const { must, may } = engineOf(reachability).oneSide(direction, source, destination);
  return { allowed: must, possible: may };
}

/** What passes between any two of many ends: cheaper than to ask for each pair. @param before The same under other policies. */
export function passing(reachability: Reachability, ends: Ends, before?: Passing): Passing {
  return new Passing(engineOf(reachability), ends, before);
}

const engines = new WeakMap<Reachability, Engine>();

function engineOf(reachability: Reachability): Engine {
  const engine = engines.get(reachability);
  if (engine === undefined) throw new TypeError("not made by compile()");
  return engine;
}

class Compiled implements Reachability {
  readonly #engine: Engine;

  constructor(
    readonly snapshot: Snapshot,
    like?: Engine,
  ) {
    this.#engine = new Engine(snapshot, like);
    engines.set(this, this.#engine);
  }

  verdict(flow: Flow): Verdict {
    return this.#engine.verdict(flow);
  }

  explain(flow: Flow): Explanation {
    return explainFlow(this.#engine, flow);
  }

  traffic(source: Peer, destination: Peer): Traffic {
    const { must, may } = this.#engine.traffic(source, destination);
    return { allowed: must, possible: may };
  }

  knownAs(peer: Peer): string | undefined {
    return this.#engine.knownAs(peer);
  }

  matrix(options: MatrixOptions = {}): Iterable<MatrixEntry> {
    return matrixOf(this.#engine, options);
  }
}
