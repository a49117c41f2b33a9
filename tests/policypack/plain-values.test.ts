import assert from "node:assert/strict";
import { unknownCheckingProxy } from "@pulumi/policy";
import fc from "fast-check";
import { toPlain, toPlainObject } from "../../policypack/plain-values";
import { unknown } from "../../policypack/testing";
import { isUnknown, unknownValue } from "../../sdk/reachability";

const marks = Object.values(unknown);

describe("plain values out of the policy SDK's proxies", () => {
  it("turns every unknown into what the engine takes for unknown, and keeps the rest", () => {
    const props = unknownCheckingProxy({ a: [1, marks[2], { b: marks[4] }], c: null, d: "text", e: marks[0] });
    const plain = toPlain(props) as { a: [number, unknown, { b: unknown }]; c: null; d: string; e: unknown };
    assert.deepEqual([plain.a[0], plain.c, plain.d], [1, null, "text"]);
    assert.ok([plain.a[1], plain.a[2].b, plain.e].every(isUnknown));
  });

  it("reads the same through a proxy that shows no way behind it", () => {
    const opaque = (value: object): object =>
      new Proxy(value, {
        get: (target, key) => {
          if (typeof key === "string" && key.startsWith("__")) return undefined;
          const item = (target as Record<PropertyKey, unknown>)[key];
          if ((marks as unknown[]).includes(item)) throw new Error("unknown");
          return typeof item === "object" && item !== null ? opaque(item) : item;
        },
      });
    assert.deepEqual(toPlain(opaque({ a: [1, marks[2]], b: { c: marks[0], d: "x" } })), {
      a: [1, unknownValue],
      b: { c: unknownValue, d: "x" },
    });
  });

  it("copies any JSON value unchanged, and any proxied one as if it were not proxied", () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue()), (value) => {
        const expected = JSON.parse(JSON.stringify(value)) as unknown;
        assert.deepEqual(JSON.parse(JSON.stringify(toPlain(value))), expected);
        assert.deepEqual(JSON.parse(JSON.stringify(toPlain(unknownCheckingProxy(value)))), expected);
      }),
    );
  });

  it("loses no unknown at any depth", () => {
    const leaf = fc.oneof(fc.constantFrom(...marks), fc.integer(), fc.string({ maxLength: 4 }));
    const tree = fc.letrec<{ node: unknown }>((tie) => ({
      node: fc.oneof(
        { maxDepth: 5 },
        leaf,
        fc.array(tie("node")),
        fc.dictionary(fc.string({ maxLength: 4 }), tie("node")),
      ),
    })).node;
    const count = (value: unknown): number =>
      isUnknown(value)
        ? 1
        : typeof value === "object" && value !== null
          ? Object.values(value).reduce((sum: number, item) => sum + count(item), 0)
          : 0;
    fc.assert(
      fc.property(tree, (value) => {
        assert.equal(count(toPlain(unknownCheckingProxy({ value }))), count({ value }));
      }),
    );
  });

  it("survives what is no JSON: cycles, getters that throw, instances, functions", () => {
    const cycle: Record<string, unknown> = {};
    cycle.self = cycle;
    assert.ok(toPlain(cycle));
    const trap = Object.defineProperty({}, "x", {
      enumerable: true,
      get: () => {
        throw new Error("no");
      },
    });
    assert.deepEqual(toPlain(trap), { x: unknownValue });
    assert.equal(toPlain(new Date()), unknownValue);
    assert.equal(
      toPlain(() => 1),
      unknownValue,
    );
    assert.equal(
      toPlain(
        new Proxy(
          {},
          {
            ownKeys: () => {
              throw new Error("no");
            },
          },
        ),
      ),
      unknownValue,
    );
  });

  it("keeps a key __proto__ as an ordinary key", () => {
    const value = JSON.parse('{"__proto__": {"polluted": true}}') as object;
    const plain = toPlain(value) as Record<string, unknown>;
    assert.deepEqual(Object.keys(plain), ["__proto__"]);
    assert.equal(({} as Record<string, unknown>).polluted, undefined);
  });

  it("gives an object only for an object", () => {
    for (const value of [null, undefined, [], "x", 1, unknownValue, marks[4]]) {
      assert.equal(toPlainObject(value), undefined);
    }
    assert.deepEqual(toPlainObject({ a: 1 }), { a: 1 });
  });
});
