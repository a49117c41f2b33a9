/**
 * IPv4 and IPv6 addresses and sets of them.
 *
 * A set is two sorted lists of disjoint closed intervals. IPv4 addresses are numbers, IPv6 addresses bigints inside a
 * set; parsing is strict (RFC 4632 dotted quads without leading zeros, RFC 4291 and 5952 for IPv6).
 */

/** One address. */
export interface Address {
  readonly family: 4 | 6;
  readonly value: bigint;
}

const highest4 = 0xffffffffn;
const highest6 = (1n << 128n) - 1n;

/** The address a text stands for, or nothing where it is not one. Zone ids (`fe80::1%eth0`) are not accepted. */
export function parseAddress(text: string): Address | undefined {
  if (text.includes(":")) {
    const value = parse6(text);
    return value === undefined ? undefined : { family: 6, value };
  }
  const value = parse4(text);
  return value === undefined ? undefined : { family: 4, value };
}

function parse4(text: string): bigint | undefined {
  const match = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(text);
  if (match === null) return undefined;
  let value = 0n;
  for (const octet of match.slice(1)) {
    if ((octet.length > 1 && octet.startsWith("0")) || Number(octet) > 255) return undefined;
    value = (value << 8n) | BigInt(octet);
  }
  return value;
}

function parse6(text: string): bigint | undefined {
  const halves = text.split("::");
  if (halves.length > 2) return undefined;
  const groupsOf = (half: string): number[] | undefined => {
    if (half === "") return [];
    const groups: number[] = [];
    const texts = half.split(":");
    for (const [index, group] of texts.entries()) {
      if (group.includes(".")) {
        const v4 = index === texts.length - 1 ? parse4(group) : undefined;
        if (v4 === undefined) return undefined;
        groups.push(Number(v4 >> 16n), Number(v4 & 0xffffn));
      } else {
        if (!/^[0-9a-fA-F]{1,4}$/.test(group)) return undefined;
        groups.push(parseInt(group, 16));
      }
    }
    return groups;
  };
  const head = groupsOf(halves[0] as string);
  const tail = halves.length === 2 ? groupsOf(halves[1] as string) : [];
  if (head === undefined || tail === undefined) return undefined;
  // an embedded IPv4 address may only end the whole text
  if (halves.length === 2 && (halves[0] as string).includes(".")) return undefined;
  const missing = 8 - head.length - tail.length;
  if (halves.length === 1 ? missing !== 0 : missing < 1) return undefined;
  let value = 0n;
  for (const group of [...head, ...new Array<number>(missing).fill(0), ...tail]) value = (value << 16n) | BigInt(group);
  return value;
}

/** The usual text of an address; IPv6 as RFC 5952 asks (lower case, longest run of zeros as `::`). */
export function formatAddress(address: Address): string {
  if (address.family === 4) {
    const value = Number(address.value);
    return `${value >>> 24}.${(value >>> 16) & 255}.${(value >>> 8) & 255}.${value & 255}`;
  }
  const groups: number[] = [];
  for (let shift = 112n; shift >= 0n; shift -= 16n) groups.push(Number((address.value >> shift) & 0xffffn));
  let best = { start: -1, length: 1 };
  for (let start = 0; start < 8; start++) {
    let length = 0;
    while (start + length < 8 && groups[start + length] === 0) length++;
    if (length > best.length) best = { start, length };
  }
  const hex = (part: number[]): string => part.map((group) => group.toString(16)).join(":");
  if (best.start < 0) return hex(groups);
  return `${hex(groups.slice(0, best.start))}::${hex(groups.slice(best.start + best.length))}`;
}

/** Closed interval of one family. */
export interface AddressRange {
  readonly family: 4 | 6;
  readonly from: bigint;
  readonly to: bigint;
}

const parsed = new Map<string, AddressRange | undefined>();

/**
 * The range of a CIDR; a bare address is the range of itself. Host bits may be set, as in the Kubernetes API.
 * Nothing where the text is not a CIDR. The policies of a cluster name the same few ranges over and over, so the last
 * thousands of answers are kept.
 */
export function parseCidr(text: string): AddressRange | undefined {
  const known = parsed.get(text);
  if (known !== undefined || parsed.has(text)) return known;
  if (parsed.size >= 10_000) parsed.clear();
  const range = readCidr(text);
  parsed.set(text, range);
  return range;
}

function readCidr(text: string): AddressRange | undefined {
  const slash = text.indexOf("/");
  const address = parseAddress(slash < 0 ? text : text.slice(0, slash));
  if (address === undefined) return undefined;
  const width = address.family === 4 ? 32 : 128;
  const lengthText = slash < 0 ? String(width) : text.slice(slash + 1);
  if (!/^(0|[1-9]\d{0,2})$/.test(lengthText) || Number(lengthText) > width) return undefined;
  const hostBits = BigInt(width - Number(lengthText));
  const from = (address.value >> hostBits) << hostBits;
  return { family: address.family, from, to: from | ((1n << hostBits) - 1n) };
}

/** Whether an address, or every address of a range, lies in a range. */
export function isInRange(inner: Address | AddressRange, range: AddressRange): boolean {
  const { from, to } = "value" in inner ? { from: inner.value, to: inner.value } : inner;
  return range.family === inner.family && range.from <= from && to <= range.to;
}

type Ranges = readonly AddressRange[];

function normalise(ranges: Ranges): AddressRange[] {
  const sorted = [...ranges].sort((a, b) => (a.from < b.from ? -1 : a.from > b.from ? 1 : 0));
  const result: AddressRange[] = [];
  for (const range of sorted) {
    const last = result[result.length - 1];
    if (last !== undefined && range.from <= last.to + 1n) {
      if (range.to > last.to) result[result.length - 1] = { ...last, to: range.to };
    } else {
      result.push(range);
    }
  }
  return result;
}

function subtractRanges(from: Ranges, without: Ranges): Ranges {
  let remaining = from;
  for (const hole of without) {
    if (!remaining.some((range) => hole.from <= range.to && range.from <= hole.to)) continue;
    const next: AddressRange[] = [];
    for (const range of remaining) {
      if (hole.to < range.from || hole.from > range.to) {
        next.push(range);
        continue;
      }
      if (range.from < hole.from) next.push({ ...range, to: hole.from - 1n });
      if (range.to > hole.to) next.push({ ...range, from: hole.to + 1n });
    }
    remaining = next;
  }
  return remaining;
}

/** What two sorted lists have in common. */
function intersectRanges(a: Ranges, b: Ranges): AddressRange[] {
  const common: AddressRange[] = [];
  for (let i = 0, j = 0; i < a.length && j < b.length;) {
    const [one, other] = [a[i] as AddressRange, b[j] as AddressRange];
    const from = one.from > other.from ? one.from : other.from;
    const to = one.to < other.to ? one.to : other.to;
    if (from <= to) common.push({ family: one.family, from, to });
    if (one.to < other.to) i += 1;
    else j += 1;
  }
  return common;
}

/** Whether each range lies in one of `outer`, whose ranges neither overlap nor touch. */
function areInside(ranges: Ranges, outer: Ranges): boolean {
  return ranges.every(({ from, to }) => outer.some((range) => range.from <= from && to <= range.to));
}

/** An immutable set of IPv4 and IPv6 addresses. */
export class AddressSet {
  private constructor(
    /** Sorted, disjoint, not adjacent. */
    readonly v4: Ranges,
    readonly v6: Ranges,
  ) {}

  static readonly none = new AddressSet([], []);
  static readonly allV4 = new AddressSet([{ family: 4, from: 0n, to: highest4 }], []);
  static readonly allV6 = new AddressSet([], [{ family: 6, from: 0n, to: highest6 }]);
  static readonly all = new AddressSet(AddressSet.allV4.v4, AddressSet.allV6.v6);

  static of(...ranges: readonly AddressRange[]): AddressSet {
    return new AddressSet(
      normalise(ranges.filter((range) => range.family === 4)),
      normalise(ranges.filter((range) => range.family === 6)),
    );
  }

  /**
   * @throws RangeError for a text that is not a CIDR or an address.
   */
  static ofCidrs(...cidrs: readonly string[]): AddressSet {
    return AddressSet.of(
      ...cidrs.map((cidr) => {
        const range = parseCidr(cidr);
        if (range === undefined) throw new RangeError(`not a CIDR: ${JSON.stringify(cidr)}`);
        return range;
      }),
    );
  }

  static ofAddress(address: Address): AddressSet {
    return AddressSet.of({ family: address.family, from: address.value, to: address.value });
  }

  get ranges(): Ranges {
    return [...this.v4, ...this.v6];
  }

  isEmpty(): boolean {
    return this.v4.length === 0 && this.v6.length === 0;
  }

  union(other: AddressSet): AddressSet {
    return new AddressSet(normalise([...this.v4, ...other.v4]), normalise([...this.v6, ...other.v6]));
  }

  subtract(other: AddressSet): AddressSet {
    return new AddressSet(subtractRanges(this.v4, other.v4), subtractRanges(this.v6, other.v6));
  }

  intersect(other: AddressSet): AddressSet {
    return new AddressSet(intersectRanges(this.v4, other.v4), intersectRanges(this.v6, other.v6));
  }

  isSubsetOf(other: AddressSet): boolean {
    return areInside(this.v4, other.v4) && areInside(this.v6, other.v6);
  }

  contains(address: Address): boolean {
    return containsValue(address.family === 4 ? this.v4 : this.v6, address.value);
  }

  /** `10.0.0.0-10.0.0.255` for each range, addresses alone as they are. */
  toString(): string {
    return this.ranges.map(describeRange).join(",");
  }
}

function containsValue(ranges: Ranges, value: bigint): boolean {
  let low = 0;
  let high = ranges.length - 1;
  while (low <= high) {
    const middle = (low + high) >> 1;
    const range = ranges[middle] as AddressRange;
    if (value < range.from) high = middle - 1;
    else if (value > range.to) low = middle + 1;
    else return true;
  }
  return false;
}

/** `a.b.c.d-e.f.g.h`, also where first and last are the same address. */
export function describeRange(range: AddressRange): string {
  const from = formatAddress({ family: range.family, value: range.from });
  const to = formatAddress({ family: range.family, value: range.to });
  return `${from}-${to}`;
}
