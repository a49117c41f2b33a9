import assert from "node:assert/strict";
import * as fc from "fast-check";
import {
  diffInputs,
  diffObject,
  findRewrites,
  isBelow,
  observeInputs,
  parsePath,
  pathText,
  type DiffInputs,
} from "../../lab/provider/diff";
import { ownedFields } from "../../lab/provider/ownership";
import { Secret, type Plain, type PlainMap } from "../../lab/provider/properties";

/** An object as the API server returns it to the field manager "us". */
function stored(content: PlainMap, fieldsV1: PlainMap, others: PlainMap[] = []): PlainMap {
  const own = { manager: "us", operation: "Apply", apiVersion: "v1", fieldsType: "FieldsV1", fieldsV1 };
  return { apiVersion: "v1", kind: "Thing", metadata: { name: "a", managedFields: [own, ...others] }, ...content };
}

function changes(inputs: Partial<DiffInputs> & Pick<DiffInputs, "live" | "newInputs">): string[] {
  const oldInputs = inputs.oldInputs ?? inputs.newInputs;
  const owned = inputs.owned ?? ownedFields(inputs.live);
  return diffObject({ rewrites: [], ...inputs, oldInputs, owned })
    .map((change) => `${change.kind} ${pathText(change.path)}${change.byInputs ? "" : " (drift)"}`)
    .sort();
}

const rules = { "f:spec": { "f:podSelector": {}, "f:ingress": {} } };

describe("provider: what an update would change", () => {
  it("compares by field and ignores what others set", () => {
    const live = stored({ spec: { a: 1, b: 2, defaulted: true } }, { "f:spec": { "f:a": {}, "f:b": {} } });
    assert.deepEqual(changes({ live, newInputs: { spec: { a: 1, b: 2 } } }), []);
    assert.deepEqual(changes({ live, oldInputs: { spec: { a: 1, b: 2 } }, newInputs: { spec: { a: 3, c: 4 } } }), [
      "add spec.c",
      "delete spec.b",
      "update spec.a",
    ]);
  });

  it("sees drift in a list that is owned whole: changed, added and removed elements", () => {
    const newInputs = { spec: { podSelector: {}, ingress: [{ port: 1 }, { port: 2 }] } };
    const drifted = (ingress: Plain): PlainMap => stored({ spec: { podSelector: {}, ingress } }, rules);
    assert.deepEqual(changes({ live: drifted([{ port: 1 }, { port: 2 }]), newInputs }), []);
    assert.deepEqual(changes({ live: drifted([{ port: 1 }, { port: 9 }]), newInputs }), [
      "update spec.ingress[1].port (drift)",
    ]);
    assert.deepEqual(changes({ live: drifted([{ port: 1 }, { port: 2 }, {}]), newInputs }), [
      "delete spec.ingress[2] (drift)",
    ]);
    assert.deepEqual(changes({ live: drifted([{ port: 1 }]), newInputs }), ["add spec.ingress[1] (drift)"]);
  });

  it("sees that an empty selector, which selects everything, was narrowed", () => {
    const live = stored({ spec: { podSelector: { matchLabels: { app: "web" } }, ingress: [] } }, rules);
    assert.deepEqual(changes({ live, newInputs: { spec: { podSelector: {}, ingress: [] } } }), [
      "delete spec.podSelector.matchLabels (drift)",
    ]);
  });

  it("matches elements that have keys, whatever their order, and leaves others' elements alone", () => {
    const fields = {
      "f:spec": { "f:containers": { 'k:{"name":"a"}': { "f:image": {} }, 'k:{"name":"b"}': { "f:image": {} } } },
    };
    const injected = { "f:spec": { "f:containers": { 'k:{"name":"sidecar"}': { "f:image": {} } } } };
    const containers: PlainMap[] = [
      { name: "sidecar", image: "s" },
      { name: "b", image: "2", defaulted: true },
      { name: "a", image: "1" },
    ];
    const live = stored({ spec: { containers } }, fields, [
      { manager: "injector", operation: "Update", apiVersion: "v1", fieldsV1: injected },
    ]);
    const newInputs = (image: string): PlainMap => ({
      spec: {
        containers: [
          { name: "a", image },
          { name: "b", image: "2" },
        ],
      },
    });
    assert.deepEqual(changes({ live, newInputs: newInputs("1") }), []);
    assert.deepEqual(changes({ live, oldInputs: newInputs("1"), newInputs: newInputs("3") }), [
      "update spec.containers[0].image",
    ]);
    assert.deepEqual(
      changes({ live, oldInputs: newInputs("1"), newInputs: { spec: { containers: [{ name: "a", image: "1" }] } } }),
      ["delete spec.containers[1]"],
    );
  });

  it("reports what a hand added beside the program's fields, not what a controller added", () => {
    const added = { "f:spec": { "f:egress": {} } };
    const by = (manager: string): PlainMap =>
      stored({ spec: { podSelector: {}, egress: [{}] } }, { "f:spec": { "f:podSelector": {} } }, [
        { manager, operation: "Update", apiVersion: "v1", fieldsV1: added },
      ]);
    const newInputs = { spec: { podSelector: {} } };
    const hand = by("kubectl-edit");
    const byHand = ownedFields(hand, (entry) => entry.manager === "kubectl-edit");
    assert.deepEqual(changes({ live: hand, newInputs, byHand }), ["delete spec.egress (drift)"]);
    assert.deepEqual(changes({ live: by("controller"), newInputs }), []);
  });

  it("remembers what the API server made of the inputs, and no more than that", () => {
    const newInputs = { spec: { cpu: "1000m", ingress: [{ ports: [{ port: 80 }] }], empty: {} } };
    const fields = { "f:spec": { "f:cpu": {}, "f:ingress": {} } };
    const made = stored({ spec: { cpu: "1", ingress: [{ ports: [{ port: 80, protocol: "TCP" }] }] } }, fields);
    const rewrites = findRewrites(newInputs, made, ownedFields(made));
    assert.deepEqual(rewrites.map((rewrite) => pathText(rewrite.path)).sort(), [
      "spec.cpu",
      "spec.empty",
      "spec.ingress",
    ]);
    assert.deepEqual(changes({ live: made, newInputs, rewrites }), []);
    const drifted = stored({ spec: { cpu: "2", ingress: [{ ports: [{ port: 80, protocol: "UDP" }] }] } }, fields);
    assert.deepEqual(changes({ live: drifted, newInputs, rewrites }), [
      "update spec.cpu (drift)",
      "update spec.ingress[0].ports[0].protocol (drift)",
    ]);
  });

  const json = fc.letrec<{ value: Plain; map: PlainMap }>((tie) => ({
    value: fc.oneof(
      { maxDepth: 3 },
      fc.constantFrom<Plain>("x", "y", 1, 2, true, false),
      tie("map"),
      fc.array(tie("value"), { maxLength: 3 }),
    ),
    map: fc.dictionary(fc.constantFrom("a", "b", "c"), tie("value"), { maxKeys: 3, noNullPrototype: true }),
  })).map;

  it("finds nothing exactly where live, old and new agree", () => {
    fc.assert(
      fc.property(json, json, (one, other) => {
        const inputs = { spec: one };
        const live = stored({ spec: one }, { "f:spec": {} });
        assert.deepEqual(changes({ live, newInputs: inputs }), []);
        const differ = JSON.stringify(sort(one)) !== JSON.stringify(sort(other));
        const found = changes({ live, oldInputs: inputs, newInputs: { spec: other } });
        assert.equal(found.length > 0, differ);
        assert.equal(diffInputs({ spec: one }, { spec: other }).length > 0, differ);
      }),
    );
  });

  it("counts nothing as drift that the API server answered to the apply", () => {
    fc.assert(
      fc.property(json, json, (inputs, answer) => {
        const live = stored({ spec: answer }, { "f:spec": {} });
        const rewrites = findRewrites({ spec: inputs }, live, ownedFields(live));
        assert.deepEqual(changes({ live, newInputs: { spec: inputs }, rewrites }), []);
      }),
    );
  });

  it("refreshes inputs to what is live and keeps what is unchanged as it was written, secrets included", () => {
    const live = stored({ spec: { user: "u", password: "new", list: [1, 2], other: 1 } }, { "f:spec": {} });
    const inputs = { spec: { user: new Secret("u"), password: new Secret("old"), list: [1], gone: 5 } };
    const seen = observeInputs(
      inputs,
      live,
      ownedFields(live, () => false),
      [],
    );
    assert.deepEqual(seen, { spec: { user: new Secret("u"), password: new Secret("new"), list: [1, 2] } });
  });

  it("writes and reads paths as Pulumi does", () => {
    fc.assert(
      fc.property(
        fc.array(fc.oneof(fc.constantFrom("spec", "app.kubernetes.io/name", 'quo"te', "a b"), fc.nat(9)), {
          minLength: 1,
        }),
        (path) => {
          const named = ["metadata", ...path];
          assert.deepEqual(parsePath(pathText(named)), named);
        },
      ),
    );
    assert.ok(isBelow(["spec", "rules", 3, "port"], parsePath("spec.rules[*].port")));
    assert.ok(!isBelow(["spec"], parsePath("spec.rules")));
  });
});

function sort(value: Plain): Plain {
  if (Array.isArray(value)) return value.map(sort);
  if (typeof value !== "object" || value === null) return value;
  const map = value as PlainMap;
  return Object.fromEntries(
    Object.keys(map)
      .sort()
      .map((key) => [key, sort(map[key] as Plain)]),
  );
}
