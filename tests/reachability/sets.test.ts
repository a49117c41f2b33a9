/** The laws of the set algebra, against sets of single elements that share no code with it. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { AddressSet, TrafficSet, type PortProtocol } from "../../sdk/reachability";
import { parseAddress, type AddressRange } from "../../sdk/reachability/model/sets/addresses";

interface Algebra<S> {
  union(a: S, b: S): S;
  intersect(a: S, b: S): S;
  subtract(a: S, b: S): S;
  isSubsetOf(a: S, b: S): boolean;
  isEmpty(a: S): boolean;
}

/** Pieces of a set, each with the elements that are in it. */
interface Piece<S> {
  readonly set: S;
  readonly elements: readonly string[];
}

const elementsOf = (pieces: readonly Piece<unknown>[]): Set<string> =>
  new Set(pieces.flatMap(({ elements }) => elements));
const joined = <S>(none: S, pieces: readonly Piece<S>[], { union }: Algebra<S>): S =>
  pieces.reduce((sum, { set }) => union(sum, set), none);

/** Every law for two sets that are put together from pieces. */
function laws<S>(
  none: S,
  all: S,
  pieces: fc.Arbitrary<Piece<S>[]>,
  algebra: Algebra<S>,
  elementsIn: (set: S) => Set<string>,
  isEqual: (a: S, b: S) => boolean,
): void {
  const { union, intersect, subtract, isSubsetOf, isEmpty } = algebra;
  const complement = (set: S): S => subtract(all, set);
  fc.assert(
    fc.property(pieces, pieces, pieces, (first, second, third) => {
      const [a, b, c] = [first, second, third].map((each) => joined(none, each, algebra)) as [S, S, S];
      const [left, right] = [elementsOf(first), elementsOf(second)];
      // what is in them
      assert.deepEqual(elementsIn(a), left);
      assert.deepEqual(elementsIn(union(a, b)), new Set([...left, ...right]));
      assert.deepEqual(elementsIn(intersect(a, b)), new Set([...left].filter((each) => right.has(each))));
      assert.deepEqual(elementsIn(subtract(a, b)), new Set([...left].filter((each) => !right.has(each))));
      assert.equal(
        isSubsetOf(a, b),
        [...left].every((each) => right.has(each)),
      );
      assert.equal(isEmpty(a), left.size === 0);
      // one set has one form, however it came about
      const backwards = joined(none, [...first].reverse(), algebra);
      assert.ok(isEqual(backwards, a), "the order of pieces");
      assert.ok(isEqual(union(a, b), union(b, a)) && isEqual(intersect(a, b), intersect(b, a)), "commutative");
      assert.ok(isEqual(union(a, union(b, c)), union(union(a, b), c)), "associative union");
      assert.ok(isEqual(intersect(a, intersect(b, c)), intersect(intersect(a, b), c)), "associative intersection");
      assert.ok(isEqual(intersect(a, union(b, c)), union(intersect(a, b), intersect(a, c))), "distributive");
      assert.ok(isEqual(union(a, a), a) && isEqual(intersect(a, a), a) && isEqual(subtract(a, a), none), "idempotent");
      assert.ok(isEqual(union(a, none), a) && isEqual(intersect(a, all), a), "neutral");
      assert.ok(isEqual(complement(complement(a)), a), "complement twice");
      assert.ok(isEqual(complement(union(a, b)), intersect(complement(a), complement(b))), "De Morgan");
      assert.ok(isEqual(subtract(a, b), intersect(a, complement(b))), "difference");
      assert.ok(isEqual(union(subtract(a, b), intersect(a, b)), a), "split and joined again");
    }),
    { numRuns: 300 },
  );
}

describe("sets of traffic", () => {
  const ports = (protocol: PortProtocol): fc.Arbitrary<Piece<TrafficSet>> =>
    fc.tuple(fc.integer({ min: 1, max: 12 }), fc.integer({ min: 0, max: 4 })).map(([from, more]) => ({
      set: TrafficSet.ports(protocol, from, from + more),
      elements: Array.from({ length: more + 1 }, (_, index) => `${protocol} ${from + index}`),
    }));
  const icmp = fc.tuple(
    fc.constantFrom(4 as const, 6 as const),
    fc.integer({ min: 0, max: 3 }),
    fc.integer({ min: 0, max: 3 }),
  );
  const messages = icmp.map(([family, type, code]) => ({
    set: TrafficSet.icmp(family, type, code),
    elements: [`ICMP${family === 6 ? "v6" : ""} ${type * 256 + code}`],
  }));
  const pieces = fc.array(fc.oneof(ports("TCP"), ports("UDP"), ports("SCTP"), messages), { maxLength: 6 });
  const algebra: Algebra<TrafficSet> = {
    union: (a, b) => a.union(b),
    intersect: (a, b) => a.intersect(b),
    subtract: (a, b) => a.subtract(b),
    isSubsetOf: (a, b) => a.isSubsetOf(b),
    isEmpty: (a) => a.isEmpty(),
  };
  const elementsIn = (set: TrafficSet): Set<string> =>
    new Set(
      (["TCP", "UDP", "SCTP", "ICMP", "ICMPv6"] as const).flatMap((protocol) =>
        set
          .ranges(protocol)
          .flatMap(([from, to]) => Array.from({ length: to - from + 1 }, (_, index) => `${protocol} ${from + index}`)),
      ),
    );

  it("obey the laws, and equal sets are one object", () => {
    laws(TrafficSet.none(), TrafficSet.all(), pieces, algebra, elementsIn, (a, b) => a === b);
  });

  it("merge ranges that touch", () => {
    const eighty = TrafficSet.ports("TCP", 80).union(TrafficSet.ports("TCP", 81));
    assert.equal(eighty, TrafficSet.ports("TCP", 80, 81));
    assert.equal(eighty.toString(), "TCP 80-81");
    assert.equal(TrafficSet.ports("TCP", 1, 79).union(TrafficSet.ports("TCP", 80, 65535)), TrafficSet.protocol("TCP"));
    assert.notEqual(TrafficSet.ports("TCP", 80).union(TrafficSet.ports("TCP", 82)), TrafficSet.ports("TCP", 80, 82));
  });

  it("hold what they were made of", () => {
    fc.assert(
      fc.property(ports("UDP"), fc.integer({ min: 1, max: 20 }), ({ set, elements }, port) => {
        assert.equal(set.contains("UDP", port), elements.includes(`UDP ${port}`));
        assert.equal(set.contains("TCP", port), false);
      }),
    );
  });
});

describe("sets of addresses", () => {
  const bases = { 4: parseAddress("10.0.0.0")?.value ?? 0n, 6: parseAddress("fd00::")?.value ?? 0n };
  const family = fc.constantFrom(4 as const, 6 as const);
  const piece = fc
    .tuple(family, fc.integer({ min: 0, max: 12 }), fc.integer({ min: 0, max: 4 }))
    .map(([version, from, more]) => {
      const range: AddressRange = {
        family: version,
        from: bases[version] + BigInt(from),
        to: bases[version] + BigInt(from + more),
      };
      return {
        set: AddressSet.of(range),
        elements: Array.from({ length: more + 1 }, (_, index) => `${version} ${from + index}`),
      };
    });
  const algebra: Algebra<AddressSet> = {
    union: (a, b) => a.union(b),
    intersect: (a, b) => a.intersect(b),
    subtract: (a, b) => a.subtract(b),
    isSubsetOf: (a, b) => a.isSubsetOf(b),
    isEmpty: (a) => a.isEmpty(),
  };
  const elementsIn = (set: AddressSet): Set<string> =>
    new Set(
      set.ranges.flatMap(({ family: version, from, to }) =>
        Array.from(
          { length: Number(to - from) + 1 },
          (_, index) => `${version} ${Number(from - bases[version]) + index}`,
        ),
      ),
    );

  it("obey the laws, and equal sets have the same ranges", () => {
    const pieces = fc.array(piece, { maxLength: 6 });
    laws(AddressSet.none, AddressSet.all, pieces, algebra, elementsIn, (a, b) => a.toString() === b.toString());
  });

  it("merge ranges that touch, and hold what they were made of", () => {
    const halves = AddressSet.ofCidrs("0.0.0.0/1", "128.0.0.0/1", "::/1", "8000::/1");
    assert.equal(halves.toString(), AddressSet.all.toString());
    fc.assert(
      fc.property(piece, family, fc.integer({ min: 0, max: 20 }), ({ set, elements }, version, offset) => {
        const address = { family: version, value: bases[version] + BigInt(offset) };
        assert.equal(set.contains(address), elements.includes(`${version} ${offset}`));
      }),
    );
  });
});
