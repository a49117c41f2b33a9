import assert from "node:assert/strict";
import { Secret, unwrap, type PropertyMap } from "../../lab/provider/properties";
import { readState, writeState } from "../../lab/provider/state";

const encoded = Buffer.from("hush").toString("base64");
const live = {
  apiVersion: "v1",
  kind: "Secret",
  metadata: {
    name: "login",
    annotations: {
      "kubectl.kubernetes.io/last-applied-configuration": `{"data":{"word":"${encoded}"}}`,
      note: "shown",
    },
  },
  data: { word: encoded, other: "eA==" },
};

/** Everything in a value that is not below a secret, as text. */
function visible(value: unknown): string {
  if (value instanceof Secret) return "";
  if (Array.isArray(value)) return value.map(visible).join(" ");
  if (typeof value === "object" && value !== null)
    return Object.entries(value)
      .map(([key, item]) => `${key} ${visible(item)}`)
      .join(" ");
  return String(value);
}

describe("provider: what is kept in the state", () => {
  const state = (inputs: PropertyMap, rewrites: { path: string[]; value: string }[] = []): PropertyMap =>
    writeState({ live, inputs, fieldManager: "us", initialApiVersion: "v1", rewrites });

  it("shows no secret: neither as the API server encoded it, nor in kubectl's annotation, nor in what was rewritten", () => {
    const inputs: PropertyMap = { metadata: { name: "login" }, stringData: { word: new Secret("hush") } };
    const written = state(inputs, [{ path: ["data", "word"], value: encoded }]);
    const text = visible(written);
    assert.equal(text.includes("hush") || text.includes(encoded), false, text);
    assert.match(text, /shown/);
    const whole = state({ metadata: { name: "login" }, stringData: new Secret({ word: "hush" }) });
    assert.equal(visible(whole["data"]), "");
  });

  it("reads back what it wrote", () => {
    const inputs: PropertyMap = { metadata: { name: "login" }, stringData: { word: new Secret("hush") } };
    const read = readState(state(inputs, [{ path: ["data", "word"], value: "x" }]));
    assert.deepEqual(read.live, live);
    assert.deepEqual(unwrap(read.inputs), unwrap(inputs));
    assert.deepEqual(read.rewrites, [{ path: ["data", "word"], value: "x" }]);
    assert.equal(read.fieldManager, "us");
    assert.equal(read.imported, false);
  });
});
