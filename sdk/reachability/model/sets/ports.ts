/**
 * Sets of transport traffic: TCP, UDP and SCTP destination ports, ICMP messages, other protocols.
 *
 * Sets are immutable and hash-consed: equal sets are the same object, so equality is `===` and the operations are
 * remembered per pair. A cluster uses few distinct sets, so nearly every operation is one map lookup.
 */

export type PortProtocol = "TCP" | "UDP" | "SCTP";
/** Protocols that policies distinguish; ICMP has types in place of ports. */
export type TrafficProtocol = PortProtocol | "ICMP" | "ICMPv6";

/** Sorted, disjoint, not adjacent, closed intervals: [low, high, low, high, …]. */
type Intervals = readonly number[];

/** The parts of a set in the order they are stored. ICMP values are type × 256 + code; "other" is the IP protocol number. */
const parts = ["TCP", "UDP", "SCTP", "ICMP", "ICMPv6", "other"] as const;
type Part = (typeof parts)[number];
const partIndex: Readonly<Record<Part, number>> = { TCP: 0, UDP: 1, SCTP: 2, ICMP: 3, ICMPv6: 4, other: 5 };

const lowestPort = 1;
const highestPort = 65535;
const noValues: Intervals = [];
/** IP protocol numbers other than ICMP (1), TCP (6), UDP (17), ICMPv6 (58) and SCTP (132). */
const otherProtocols: Intervals = [0, 0, 2, 5, 7, 16, 18, 57, 59, 131, 133, 255];
const fullParts: readonly Intervals[] = [
  [lowestPort, highestPort],
  [lowestPort, highestPort],
  [lowestPort, highestPort],
  [0, 65535],
  [0, 65535],
  otherProtocols,
];

function unite(a: Intervals, b: Intervals): Intervals {
  if (a.length === 0) return b;
  if (b.length === 0) return a;
  const result: number[] = [];
  let i = 0;
  let j = 0;
  while (i < a.length || j < b.length) {
    const takeA = j >= b.length || (i < a.length && (a[i] as number) <= (b[j] as number));
    const low = (takeA ? a[i] : b[j]) as number;
    const high = (takeA ? a[i + 1] : b[j + 1]) as number;
    if (takeA) i += 2;
    else j += 2;
    const last = result.length - 1;
    if (last > 0 && low <= (result[last] as number) + 1) {
      if (high > (result[last] as number)) result[last] = high;
    } else {
      result.push(low, high);
    }
  }
  return result;
}

function intersectIntervals(a: Intervals, b: Intervals): Intervals {
  const result: number[] = [];
  let i = 0;
  let j = 0;
  while (i < a.length && j < b.length) {
    const low = Math.max(a[i] as number, b[j] as number);
    const high = Math.min(a[i + 1] as number, b[j + 1] as number);
    if (low <= high) result.push(low, high);
    if ((a[i + 1] as number) < (b[j + 1] as number)) i += 2;
    else j += 2;
  }
  return result;
}

function subtractIntervals(a: Intervals, b: Intervals): Intervals {
  const result: number[] = [];
  let j = 0;
  for (let i = 0; i < a.length; i += 2) {
    let low = a[i] as number;
    const high = a[i + 1] as number;
    while (j < b.length && (b[j + 1] as number) < low) j += 2;
    let k = j;
    while (k < b.length && (b[k] as number) <= high) {
      if ((b[k] as number) > low) result.push(low, (b[k] as number) - 1);
      low = Math.max(low, (b[k + 1] as number) + 1);
      k += 2;
    }
    if (low <= high) result.push(low, high);
  }
  return result;
}

const registry = new Map<string, TrafficSet>();
let nextId = 0;

function intern(values: readonly Intervals[]): TrafficSet {
  const key = values.map((intervals) => intervals.join(",")).join("|");
  const known = registry.get(key);
  if (known !== undefined) return known;
  const created = new TrafficSet(nextId++, values, internKey);
  registry.set(key, created);
  return created;
}

const internKey = Symbol("TrafficSet");

/** An immutable set of traffic. Make one with {@link TrafficSet.none}, {@link TrafficSet.all} or {@link TrafficSet.ports}. */
export class TrafficSet {
  /** Small number that names this set; equal sets have equal ids. */
  readonly id: number;
  readonly #values: readonly Intervals[];
  readonly #unions = new Map<number, TrafficSet>();
  readonly #intersections = new Map<number, TrafficSet>();
  readonly #differences = new Map<number, TrafficSet>();

  /** Not for direct use: sets are shared. */
  constructor(id: number, values: readonly Intervals[], key: symbol) {
    if (key !== internKey) throw new TypeError("make a TrafficSet with TrafficSet.ports and its siblings");
    this.id = id;
    this.#values = values;
  }

  /** The empty set. */
  static none(): TrafficSet {
    return none;
  }

  /** Every protocol on every port. */
  static all(): TrafficSet {
    return all;
  }

  /**
   * Ports `from` to `to` (default: `from` alone) of one protocol, both inclusive. All ports when neither is given.
   *
   * @throws RangeError unless 1 ≤ from ≤ to ≤ 65535.
   */
  static ports(protocol: PortProtocol, from?: number, to: number | undefined = from): TrafficSet {
    if (from === undefined || to === undefined) return TrafficSet.protocol(protocol);
    if (!Number.isInteger(from) || !Number.isInteger(to) || from < lowestPort || to > highestPort || from > to) {
      throw new RangeError(`not a range of ports: ${from}-${to}`);
    }
    return single(protocol, [from, to]);
  }

  /** Every port of one protocol, or every ICMP message. */
  static protocol(protocol: TrafficProtocol): TrafficSet {
    return single(protocol, fullParts[partIndex[protocol]] as Intervals);
  }

  /** ICMP messages of one type, of one code if it is given. `family` 4 is ICMP, 6 is ICMPv6. */
  static icmp(family: 4 | 6, type?: number, code?: number): TrafficSet {
    const part = family === 4 ? "ICMP" : "ICMPv6";
    if (type === undefined) return TrafficSet.protocol(part);
    if (!Number.isInteger(type) || type < 0 || type > 255) throw new RangeError(`not an ICMP type: ${type}`);
    if (code === undefined) return single(part, [type * 256, type * 256 + 255]);
    if (!Number.isInteger(code) || code < 0 || code > 255) throw new RangeError(`not an ICMP code: ${code}`);
    return single(part, [type * 256 + code, type * 256 + code]);
  }

  /** Everything of an IP protocol given by number (RFC 790 and IANA): 6 is TCP on every port. */
  static ipProtocol(number: number): TrafficSet {
    const named: Readonly<Record<number, TrafficProtocol>> = {
      1: "ICMP",
      6: "TCP",
      17: "UDP",
      58: "ICMPv6",
      132: "SCTP",
    };
    const protocol = named[number];
    if (protocol !== undefined) return TrafficSet.protocol(protocol);
    if (!Number.isInteger(number) || number < 0 || number > 255) throw new RangeError(`not an IP protocol: ${number}`);
    return single("other", [number, number]);
  }

  isEmpty(): boolean {
    return this === none;
  }

  isAll(): boolean {
    return this === all;
  }

  union(other: TrafficSet): TrafficSet {
    if (this === other || other === none || this === all) return this;
    if (this === none || other === all) return other;
    return this.#remembered(this.#unions, other, unite);
  }

  intersect(other: TrafficSet): TrafficSet {
    if (this === other || other === all || this === none) return this;
    if (this === all || other === none) return other;
    return this.#remembered(this.#intersections, other, intersectIntervals);
  }

  subtract(other: TrafficSet): TrafficSet {
    if (other === none || this === none) return this;
    if (this === other || other === all) return none;
    return this.#remembered(this.#differences, other, subtractIntervals);
  }

  /** Whether every element of this set is in the other. */
  isSubsetOf(other: TrafficSet): boolean {
    return this.subtract(other) === none;
  }

  /**
   * Whether the set holds a port (for ICMP: any code of a type). Without a port: whether it holds anything of that
   * protocol. "ICMP" asks about ICMP and ICMPv6 alike.
   */
  contains(protocol: TrafficProtocol, port?: number): boolean {
    if (protocol === "ICMP" || protocol === "ICMPv6") {
      const lists = protocol === "ICMP" ? [this.#part("ICMP"), this.#part("ICMPv6")] : [this.#part("ICMPv6")];
      return lists.some((list) =>
        port === undefined ? list.length > 0 : intersectIntervals(list, [port * 256, port * 256 + 255]).length > 0,
      );
    }
    const intervals = this.#part(protocol);
    if (port === undefined) return intervals.length > 0;
    for (let i = 0; i < intervals.length; i += 2) {
      if (port < (intervals[i] as number)) return false;
      if (port <= (intervals[i + 1] as number)) return true;
    }
    return false;
  }

  /** The part of the set that is of one protocol. */
  only(protocol: TrafficProtocol): TrafficSet {
    return this.intersect(TrafficSet.protocol(protocol));
  }

  /** The port ranges of one protocol, each [from, to] inclusive, ascending. */
  ranges(protocol: TrafficProtocol): readonly (readonly [number, number])[] {
    const intervals = this.#part(protocol);
    const result: [number, number][] = [];
    for (let i = 0; i < intervals.length; i += 2) result.push([intervals[i] as number, intervals[i + 1] as number]);
    return result;
  }

  /** `TCP 80,443; UDP 53`, `All Connections`, `No Connections`. */
  toString(separator = "; "): string {
    if (this === all) return "All Connections";
    if (this === none) return "No Connections";
    const texts: string[] = [];
    for (const part of parts) {
      const text = describePart(part, this.#part(part));
      if (text !== undefined) texts.push(text);
    }
    return texts.join(separator);
  }

  toJSON(): string {
    return this.toString();
  }

  #part(part: Part): Intervals {
    return this.#values[partIndex[part]] as Intervals;
  }

  #remembered(
    memory: Map<number, TrafficSet>,
    other: TrafficSet,
    operation: (a: Intervals, b: Intervals) => Intervals,
  ): TrafficSet {
    const known = memory.get(other.id);
    if (known !== undefined) return known;
    const result = intern(parts.map((part) => operation(this.#part(part), other.#part(part))));
    memory.set(other.id, result);
    return result;
  }
}

function describePart(part: Part, intervals: Intervals): string | undefined {
  if (intervals.length === 0) return undefined;
  const full = intervals.join() === (fullParts[partIndex[part]] as Intervals).join();
  if (part === "other") return full ? "other protocols" : `protocol ${describeIntervals(intervals)}`;
  if (part === "ICMP" || part === "ICMPv6") return full ? part : `${part} ${describeIcmp(intervals)}`;
  return `${part} ${describeIntervals(intervals)}`;
}

function describeIntervals(intervals: Intervals): string {
  const texts: string[] = [];
  for (let i = 0; i < intervals.length; i += 2) {
    const [low, high] = [intervals[i] as number, intervals[i + 1] as number];
    texts.push(low === high ? `${low}` : `${low}-${high}`);
  }
  return texts.join(",");
}

/** Types where all codes are in the set, `type/code` otherwise: `0-7,8/1-255,9`. */
function describeIcmp(intervals: Intervals): string {
  const texts: string[] = [];
  const codes = (type: number, from: number, to: number): string =>
    from === to ? `${type}/${from}` : `${type}/${from}-${to}`;
  for (let i = 0; i < intervals.length; i += 2) {
    let [low, high] = [intervals[i] as number, intervals[i + 1] as number];
    const [first, last] = [Math.floor(low / 256), Math.floor(high / 256)];
    if (low % 256 !== 0) {
      texts.push(codes(first, low % 256, first < last ? 255 : high % 256));
      if (first === last) continue;
      low = (first + 1) * 256;
    }
    const tail = high % 256 === 255 ? undefined : codes(last, 0, high % 256);
    if (tail !== undefined) high = last * 256 - 1;
    const [from, to] = [low / 256, (high - 255) / 256];
    if (from <= to) texts.push(from === to ? `${from}` : `${from}-${to}`);
    if (tail !== undefined) texts.push(tail);
  }
  return texts.join(",");
}

function single(part: Part, intervals: Intervals): TrafficSet {
  return intern(parts.map((each) => (each === part ? intervals : noValues)));
}

const none: TrafficSet = intern(parts.map(() => noValues));
const all: TrafficSet = intern(fullParts);
