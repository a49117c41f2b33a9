/** Address ranges of a matrix as people read them: those that mean the same for a workload in one row. */
import { AddressSet, formatAddress, parseAddress } from "../../reachability";
import type { MatrixEntry, TrafficSet } from "../../reachability";

/** A row of a matrix for people. */
export interface Row {
  readonly source: string;
  readonly destination: string;
  readonly allowed: TrafficSet;
  readonly possible: TrafficSet;
}

const external = "[External]";
/** So many ranges are printed in a row. */
const shownRanges = 4;

/** Rows in the order of the entries; ranges with the same traffic to or from one workload are one row. */
export function* foldedRows(entries: Iterable<MatrixEntry>): Iterable<Row> {
  let run: MatrixEntry[] = [];
  for (const entry of entries) {
    const [first] = run;
    if (first !== undefined && keyOf(first) !== keyOf(entry)) {
      yield* fold(run);
      run = [];
    }
    if (keyOf(entry) === undefined) yield rowOf(entry);
    else run.push(entry);
  }
  yield* fold(run);
}

/** Equal for entries between one workload and addresses, in one direction; nothing for pairs of workloads. */
function keyOf({ sourceId, destinationId }: MatrixEntry): string | undefined {
  if (destinationId.endsWith(external)) return `from ${sourceId}`;
  return sourceId.endsWith(external) ? `to ${destinationId}` : undefined;
}

function rowOf({ sourceId, destinationId, allowed, possible }: MatrixEntry): Row {
  return { source: sourceId, destination: destinationId, allowed, possible };
}

function* fold(run: readonly MatrixEntry[]): Iterable<Row> {
  const byTraffic = new Map<string, MatrixEntry[]>();
  for (const entry of run) {
    const key = `${entry.allowed.id} ${entry.possible.id}`;
    const same = byTraffic.get(key);
    if (same === undefined) byTraffic.set(key, [entry]);
    else same.push(entry);
  }
  for (const same of byTraffic.values()) {
    const [first] = same;
    if (first === undefined) continue;
    const row = rowOf(first);
    const isDestination = first.destinationId.endsWith(external);
    const ids = same.map(({ sourceId, destinationId }) => (isDestination ? destinationId : sourceId));
    const name = `${describeAddresses(addressesOf(ids))}${external}`;
    yield isDestination ? { ...row, destination: name } : { ...row, source: name };
  }
}

function addressesOf(ids: readonly string[]): AddressSet {
  return AddressSet.of(
    ...ids.flatMap((id) => {
      const [from, to] = id.slice(0, -external.length).split("-").map(parseAddress);
      return from === undefined || to === undefined ? [] : [{ family: from.family, from: from.value, to: to.value }];
    }),
  );
}

/** `every address`, `every IPv4 address but 10.0.0.0/8`, `203.0.113.0/24`. */
export function describeAddresses(set: AddressSet): string {
  const whole = [
    { name: "every address", all: AddressSet.all },
    { name: "every IPv4 address", all: AddressSet.allV4 },
    { name: "every IPv6 address", all: AddressSet.allV6 },
  ].find(({ all }) => set.isSubsetOf(all) && all.subtract(set).ranges.length < set.ranges.length);
  if (whole === undefined) return list(set);
  const rest = whole.all.subtract(set);
  return rest.isEmpty() ? whole.name : `${whole.name} but ${list(rest)}`;
}

function list({ ranges }: AddressSet): string {
  const names = ranges.map(describeRange);
  const more = names.length > shownRanges ? ` and ${names.length - shownRanges} more ranges` : "";
  return `${names.slice(0, shownRanges).join(", ")}${more}`;
}

/** A range as a CIDR where it is one. */
function describeRange({ family, from, to }: AddressSet["ranges"][number]): string {
  const text = formatAddress({ family, value: from });
  if (from === to) return text;
  const size = to - from + 1n;
  const bits = size.toString(2).length - 1;
  const isCidr = size === 1n << BigInt(bits) && from % size === 0n;
  return isCidr ? `${text}/${(family === 4 ? 32 : 128) - bits}` : `${text}-${formatAddress({ family, value: to })}`;
}
