import type { Address, AddressRange, KubeObject, Snapshot } from "../reachability";
import { internetRanges } from "../plan";
import { formatAddress, isInRange, parseCidr } from "../reachability";

/**
 * "A random public address", made exact: the public address space is cut at every CIDR that some policy names, so that
 * all addresses of a piece are treated alike. Asking one address of each piece, weighed by the piece's size, says how
 * much of the internet is open. A fixed probe address could be evaded by an exception for that one address.
 */

/** One piece of the public space. */
export interface PublicPiece {
  readonly family: 4 | 6;
  /** An address in the middle of the piece. */
  readonly sample: string;
  /** The piece's share of its family's public space, 0 to 1. */
  readonly share: number;
}

/** Pieces asked for each family; the largest come first, so what is left out is small. */
const maxPieces = 64;

/** Several rules ask about the same snapshot. */
const piecesOf = new WeakMap<Snapshot, readonly PublicPiece[]>();

/** The public space in the pieces that a snapshot's policies can tell apart, the largest of each family. */
export function publicPieces(snapshot: Snapshot): readonly PublicPiece[] {
  const known = piecesOf.get(snapshot);
  if (known !== undefined) return known;
  const named = snapshot.policies.flatMap((policy) => cidrsIn(policy.object));
  const pieces = publicSpace.flatMap(({ space, excluded }) => cut(space, excluded, named));
  piecesOf.set(snapshot, pieces);
  return pieces;
}

const publicSpace = internetRanges.map(({ cidr, except }) => ({
  space: parseCidr(cidr) as AddressRange,
  excluded: except.map((text) => parseCidr(text) as AddressRange),
}));

function cut(space: AddressRange, excluded: readonly AddressRange[], named: readonly AddressRange[]): PublicPiece[] {
  const points = new Set<bigint>([space.from, space.to + 1n]);
  for (const range of [...excluded, ...named.filter((item) => item.family === space.family)]) {
    for (const point of [range.from, range.to + 1n]) {
      if (point > space.from && point <= space.to) points.add(point);
    }
  }
  const sorted = [...points].sort((a, b) => (a < b ? -1 : a > b ? 1 : 0));
  const pieces: AddressRange[] = [];
  for (let index = 0; index + 1 < sorted.length; index++) {
    const piece = { family: space.family, from: sorted[index] as bigint, to: (sorted[index + 1] as bigint) - 1n };
    if (!excluded.some((range) => isInRange(piece, range))) pieces.push(piece);
  }
  const size = (piece: AddressRange): bigint => piece.to - piece.from + 1n;
  const total = pieces.reduce((sum, piece) => sum + size(piece), 0n);
  return pieces
    .sort((a, b) => (size(a) > size(b) ? -1 : size(a) < size(b) ? 1 : 0))
    .slice(0, maxPieces)
    .map((piece) => ({ family: piece.family, sample: middle(piece), share: fraction(size(piece), total) }));
}

function middle(piece: AddressRange): string {
  const address: Address = { family: piece.family, value: (piece.from + piece.to) / 2n };
  return formatAddress(address);
}

function fraction(part: bigint, whole: bigint): number {
  return Number((part * 1_000_000n) / whole) / 1_000_000;
}

/** Every CIDR or address anywhere in an object. Text that is none costs one failed parse. */
function cidrsIn(object: KubeObject): AddressRange[] {
  const found: AddressRange[] = [];
  const walk = (value: unknown, depth: number): void => {
    if (typeof value === "string") {
      // the cheap test first: almost all strings are labels
      const range = /^[0-9a-fA-F:.]+(\/\d{1,3})?$/.test(value) ? parseCidr(value) : undefined;
      if (range !== undefined) found.push(range);
    } else if (typeof value === "object" && value !== null && depth < 32) {
      for (const item of Object.values(value)) walk(item, depth + 1);
    }
  };
  walk(object.spec, 0);
  walk(object.specs, 0);
  return found;
}
