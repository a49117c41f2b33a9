import type { AddressRange, PeerTerm } from "../reachability";
import { AddressSet, formatAddress } from "../reachability";

/** Which addresses rules name, and how to say so. */

/** The addresses that a peer is limited to by CIDRs; undefined where no CIDR limits it, or some of them are not known. */
export function addressesOf(peer: PeerTerm): AddressSet | undefined {
  switch (peer.kind) {
    case "cidr":
      return peer.set;
    case "not": {
      const excluded = addressesOf(peer.of);
      return excluded === undefined ? undefined : AddressSet.all.subtract(excluded);
    }
    case "and":
      if (peer.of.some(({ kind }) => kind === "uncertain")) return undefined;
      return peer.of
        .map(addressesOf)
        .reduce((sum, each) => (sum === undefined ? each : each === undefined ? sum : sum.intersect(each)), undefined);
    case "or":
      return peer.of
        .map(addressesOf)
        .reduce((sum, each) => (sum === undefined ? each : each === undefined ? sum : sum.union(each)), undefined);
    default:
      return undefined;
  }
}

/** Ranges that are named before the rest is only counted. */
const shown = 5;

/**
 * `192.0.2.0/24`; what holds most of a family by what it leaves out: `0.0.0.0/0 without 10.0.0.0/8 and 3 more`. Empty for
 * the empty set.
 */
export function describeAddresses(set: AddressSet): string {
  const families = [
    { cidr: "0.0.0.0/0", all: AddressSet.allV4 },
    { cidr: "::/0", all: AddressSet.allV6 },
  ];
  const texts = families.flatMap(({ cidr, all }) => {
    const held = set.intersect(all);
    if (held.isEmpty()) return [];
    const left = all.subtract(held);
    if (sizeOf(held) <= sizeOf(left)) return [few(held)];
    return [left.isEmpty() ? cidr : `${cidr} without ${few(left)}`];
  });
  return texts.join(" and ");
}

function few(set: AddressSet): string {
  const all = set.ranges.flatMap(cidrsOf);
  return all.length > shown ? `${all.slice(0, shown).join(", ")} and ${all.length - shown} more` : all.join(", ");
}

function sizeOf({ ranges }: AddressSet): bigint {
  return ranges.reduce((sum, { from, to }) => sum + to - from + 1n, 0n);
}

/** The fewest CIDRs that make up a range, in order (RFC 4632). */
function cidrsOf({ family, from, to }: AddressRange): string[] {
  const cidrs: string[] = [];
  const width = family === 4 ? 32n : 128n;
  for (let start = from; start <= to;) {
    let bits = 0n;
    while (bits < width && start % (1n << (bits + 1n)) === 0n && start + (1n << (bits + 1n)) - 1n <= to) bits++;
    cidrs.push(`${formatAddress({ family, value: start })}/${width - bits}`);
    start += 1n << bits;
  }
  return cidrs;
}
