/** Two matrices side by side: the pairs of ends between which not the same passes. */
import { formatAddress, parseAddress } from "../model/sets/addresses";
import { TrafficSet } from "../model/sets/ports";
import type { MatrixEntry, Peer, Traffic } from "../model/verdicts";

/** Source and destination, and what passes between them in each of two snapshots. */
export interface ChangedPair {
  readonly source: Peer;
  readonly destination: Peer;
  /** `ns/name[Kind]`, or `a.b.c.d-e.f.g.h[External]`, as in the matrix. */
  readonly sourceId: string;
  readonly destinationId: string;
  readonly before: Traffic;
  readonly after: Traffic;
}

const nothing: Traffic = { allowed: TrafficSet.none(), possible: TrafficSet.none() };

/**
 * The pairs that differ. Both matrices come in the order of their ends and are read side by side, so that only one end's
 * pairs are held at a time. Address ranges are cut where either snapshot cuts them, and joined again where the change is
 * the same: a rule that is split in two is no change.
 */
export function* changedPairs(before: Iterable<MatrixEntry>, after: Iterable<MatrixEntry>): Iterable<ChangedPair> {
  for (const [was, is] of sideBySide(groupsOf(before), groupsOf(after))) {
    for (const pair of pairsOf(was, is)) if (!sameTraffic(pair.before, pair.after)) yield pair;
    for (const pair of rangesOf(was, is)) if (!sameTraffic(pair.before, pair.after)) yield pair;
  }
}

/** All pairs of one end: those it is the source of, or, of the world's addresses, those it is the destination of. */
interface Group {
  readonly fromWorld: boolean;
  readonly id: string;
  readonly entries: Map<string, MatrixEntry>;
  readonly ranges: RangeEntry[];
}

interface RangeEntry {
  readonly entry: MatrixEntry;
  readonly family: 4 | 6;
  readonly from: bigint;
  readonly to: bigint;
}

const external = "[External]";

function* groupsOf(entries: Iterable<MatrixEntry>): Iterable<Group> {
  let group: Group | undefined;
  for (const entry of entries) {
    const fromWorld = entry.source.kind === "address";
    const id = fromWorld ? entry.destinationId : entry.sourceId;
    if (group === undefined || group.fromWorld !== fromWorld || group.id !== id) {
      if (group !== undefined) yield group;
      group = { fromWorld, id, entries: new Map(), ranges: [] };
    }
    const range = rangeOf(fromWorld ? entry.sourceId : entry.destinationId);
    if (range === undefined) group.entries.set(entry.destinationId, entry);
    else group.ranges.push({ entry, ...range });
  }
  if (group !== undefined) yield group;
}

/** `a.b.c.d-e.f.g.h[External]` as numbers. */
export function rangeOf(id: string): Omit<RangeEntry, "entry"> | undefined {
  if (!id.endsWith(external)) return undefined;
  const [first = "", last = ""] = id.slice(0, -external.length).split("-");
  const [from, to] = [parseAddress(first), parseAddress(last)];
  if (from === undefined || to === undefined) return undefined;
  return { family: from.family, from: from.value, to: to.value };
}

/** Groups of the same end together; both come in the order of their ends. */
function* sideBySide(
  before: Iterable<Group>,
  after: Iterable<Group>,
): Iterable<readonly [Group | undefined, Group | undefined]> {
  const [old, now] = [before[Symbol.iterator](), after[Symbol.iterator]()];
  let [left, right] = [old.next(), now.next()];
  while (!left.done || !right.done) {
    const order = left.done ? 1 : right.done ? -1 : compareGroups(left.value, right.value);
    yield [order <= 0 ? left.value : undefined, order >= 0 ? right.value : undefined];
    if (order <= 0) left = old.next();
    if (order >= 0) right = now.next();
  }
}

function compareGroups(a: Group, b: Group): number {
  if (a.fromWorld !== b.fromWorld) return a.fromWorld ? 1 : -1;
  return a.id < b.id ? -1 : a.id > b.id ? 1 : 0;
}

function* pairsOf(was: Group | undefined, is: Group | undefined): Iterable<ChangedPair> {
  for (const [id, entry] of was?.entries ?? []) yield pairOf(entry, entry, is?.entries.get(id) ?? nothing);
  for (const [id, entry] of is?.entries ?? []) if (!was?.entries.has(id)) yield pairOf(entry, nothing, entry);
}

function pairOf(ends: Omit<ChangedPair, "before" | "after">, before: Traffic, after: Traffic): ChangedPair {
  const { source, destination, sourceId, destinationId } = ends;
  return { source, destination, sourceId, destinationId, before: trafficOf(before), after: trafficOf(after) };
}

function trafficOf({ allowed, possible }: Traffic): Traffic {
  return { allowed, possible };
}

/** A piece of the address space in which nothing differs within either snapshot. */
interface Segment {
  readonly family: 4 | 6;
  readonly from: bigint;
  readonly to: bigint;
  readonly before: Traffic;
  readonly after: Traffic;
}

function* rangesOf(was: Group | undefined, is: Group | undefined): Iterable<ChangedPair> {
  const group = was ?? is;
  if (group === undefined) return;
  const workload = [...(was?.ranges ?? []), ...(is?.ranges ?? [])][0]?.entry;
  if (workload === undefined) return;
  for (const family of [4, 6] as const) {
    const ofFamily = (each: Group | undefined): RangeEntry[] =>
      (each?.ranges ?? []).filter((range) => range.family === family).sort((a, b) => (a.from < b.from ? -1 : 1));
    for (const segment of joined(segmentsOf(family, ofFamily(was), ofFamily(is)))) {
      const ends = { from: { family, value: segment.from }, to: { family, value: segment.to } };
      const id = `${formatAddress(ends.from)}-${formatAddress(ends.to)}${external}`;
      const peer: Peer = { kind: "address", address: formatAddress(ends.from) };
      const { before, after } = segment;
      yield group.fromWorld
        ? { source: peer, sourceId: id, destination: workload.destination, destinationId: group.id, before, after }
        : { source: workload.source, sourceId: group.id, destination: peer, destinationId: id, before, after };
    }
  }
}

/** Cuts the space of a family at every border of either side. What no range covers is left out. */
function* segmentsOf(family: 4 | 6, was: readonly RangeEntry[], is: readonly RangeEntry[]): Iterable<Segment> {
  const starts = new Set<bigint>();
  for (const { from, to } of [...was, ...is]) starts.add(from).add(to + 1n);
  const borders = [...starts].sort((a, b) => (a < b ? -1 : 1));
  const cursors = { was: 0, is: 0 };
  for (const [index, from] of borders.entries()) {
    const next = borders[index + 1];
    if (next === undefined) return;
    const at = (side: "was" | "is", ranges: readonly RangeEntry[]): Traffic => {
      while ((ranges[cursors[side]]?.to ?? next) < from) cursors[side]++;
      const range = ranges[cursors[side]];
      return range !== undefined && range.from <= from && from <= range.to ? trafficOf(range.entry) : nothing;
    };
    const [before, after] = [at("was", was), at("is", is)];
    if (before === nothing && after === nothing) continue;
    yield { family, from, to: next - 1n, before, after };
  }
}

/** Neighbouring segments with the same traffic on both sides are one. */
function* joined(segments: Iterable<Segment>): Iterable<Segment> {
  let last: Segment | undefined;
  for (const segment of segments) {
    const continues =
      last !== undefined &&
      segment.from === last.to + 1n &&
      sameTraffic(last.before, segment.before) &&
      sameTraffic(last.after, segment.after);
    if (last !== undefined && !continues) yield last;
    last = continues && last !== undefined ? { ...last, to: segment.to } : segment;
  }
  if (last !== undefined) yield last;
}

function sameTraffic(a: Traffic, b: Traffic): boolean {
  return a.allowed === b.allowed && a.possible === b.possible;
}
