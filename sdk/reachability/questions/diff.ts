/** What two snapshots let pass differently, and which objects did it. */
import type { Engine } from "../engine/engine";
import { TrafficSet } from "../model/sets/ports";
import type { MatrixEntry, MatrixOptions, Traffic } from "../model/verdicts";
import { causeFinder } from "./change-causes";
import type { ChangedObject } from "./changed-objects";
import { matrixOf } from "./matrix";
import { changedPairs, type ChangedPair } from "./path-changes";

/**
 * What became of a path. `opened`: nothing passed, something does now. `closed`: something passed, nothing does any more.
 * `changed`: something passes in both, and not the same. What is only possible counts as passing.
 */
export type PathChange = "opened" | "closed" | "changed";

/** A pair of ends between which not the same passes as before. */
export interface PathDifference extends ChangedPair {
  readonly change: PathChange;
  /** Something passes, or may pass, that did not before. True for every `opened` path and some `changed` ones. */
  readonly opens: boolean;
  /** Something that passed, or might have passed, no longer does. */
  readonly closes: boolean;
  /** The objects that did it: of all that differ, those that have to do with this pair. Empty where only the enforcer differs. */
  readonly causes: readonly ChangedObject[];
}

/** Which pairs are compared, as for the matrix. */
export interface DiffOptions extends MatrixOptions {
  /** A snapshot with holes (something could not be read): nothing in it is allowed for certain. Default: none has. */
  readonly holes?: { readonly before?: boolean; readonly after?: boolean };
}

/** How many paths opened, closed and changed. */
export interface DiffCounts {
  readonly opened: number;
  readonly closed: number;
  readonly changed: number;
}

export function* diffOf(before: Engine, after: Engine, options: DiffOptions = {}): Iterable<PathDifference> {
  const causes = causeFinder(before, after);
  const pairs = changedPairs(
    entriesOf(before, options, options.holes?.before),
    entriesOf(after, options, options.holes?.after),
  );
  for (const pair of pairs) yield { ...pair, ...changeOf(pair), causes: causes(pair) };
}

/** Counts the paths of a diff by what became of them. */
export function countPaths(differences: Iterable<{ readonly change: PathChange }>): DiffCounts {
  const counts = { opened: 0, closed: 0, changed: 0 };
  for (const { change } of differences) counts[change]++;
  return counts;
}

function entriesOf(engine: Engine, options: MatrixOptions, holes = false): Iterable<MatrixEntry> {
  const entries = matrixOf(engine, options);
  return holes ? possibleOnly(entries) : entries;
}

function* possibleOnly(entries: Iterable<MatrixEntry>): Iterable<MatrixEntry> {
  for (const entry of entries) yield { ...entry, allowed: TrafficSet.none() };
}

function changeOf({ before, after }: ChangedPair): Pick<PathDifference, "change" | "opens" | "closes"> {
  const change = before.possible.isEmpty() ? "opened" : after.possible.isEmpty() ? "closed" : "changed";
  return { change, opens: exceeds(after, before), closes: exceeds(before, after) };
}

/** Whether something passes, for certain or possibly, that does not pass as surely on the other side. */
function exceeds(more: Traffic, less: Traffic): boolean {
  return !more.possible.isSubsetOf(less.possible) || !more.allowed.isSubsetOf(less.allowed);
}
