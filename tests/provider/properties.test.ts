import assert from "node:assert/strict";
import * as fc from "fast-check";
import {
  fromWire,
  hasSecret,
  hasUnknown,
  markSecrets,
  redact,
  Secret,
  secretTexts,
  toWire,
  unknown,
  unwrap,
  type Property,
} from "../../lab/provider/properties";

const property: fc.Arbitrary<Property> = fc.letrec<{ value: Property; map: Property }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 3 },
    fc.constantFrom<Property>("text", 1, true, unknown, "04da"),
    tie("map"),
    fc.array(tie("value"), { maxLength: 3 }),
    tie("value").map((value) => (value instanceof Secret ? value : new Secret(value))),
  ),
  map: fc.dictionary(fc.constantFrom("a", "b", "c"), tie("value"), { maxKeys: 3, noNullPrototype: true }),
})).map;

describe("provider: property values", () => {
  it("survive the way to the engine and back", () => {
    fc.assert(
      fc.property(property, (value) => assert.deepEqual(fromWire(JSON.parse(JSON.stringify(toWire(value)))), value)),
    );
  });

  it("lose their secret marks in unwrap, and get them back from where they were", () => {
    fc.assert(
      fc.property(property, (value) => {
        const plain = unwrap(value);
        assert.equal(hasSecret(plain as Property), false);
        assert.equal(hasUnknown(plain as Property), hasUnknown(value));
        // nothing below a secret can be told apart any more, so compare what is visible
        assert.deepEqual(unwrap(markSecrets(plain as Property, value)), plain);
        assert.equal(hasSecret(markSecrets(plain as Property, value)), hasSecret(value));
      }),
    );
  });

  it("reads outputs: unknown without a value, secret with its mark", () => {
    const signature = "4dabf18193072939515e22adb298388d";
    const output = "d0e6a833031e9bbcd3f4e8bde6ca49a4";
    assert.equal(fromWire({ [signature]: output }), unknown);
    assert.deepEqual(fromWire({ [signature]: output, value: "x", secret: true }), new Secret("x"));
    assert.equal(fromWire({ [signature]: output, value: "x", secret: false }), "x");
  });

  it("takes secrets out of messages in every form in which the API server may repeat them", () => {
    const inputs = {
      plain: "shown",
      a: new Secret('pass"word'),
      b: new Secret({ deep: ["hidden-one"] }),
      short: new Secret("ab"),
    };
    const texts = secretTexts(inputs);
    const base64 = Buffer.from("hidden-one").toString("base64");
    const message = `Invalid value: "pass\\"word": shown, pass"word, hidden-one, ${base64}, "ab" in abstract`;
    const result = redact(message, texts);
    for (const hidden of ["pass", "hidden-one", base64, '"ab"']) assert.ok(!result.includes(hidden), result);
    assert.match(result, /shown/);
    assert.match(result, /in abstract/);
  });
});
