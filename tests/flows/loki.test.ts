import assert from "node:assert/strict";
import fc from "fast-check";
import { isLokiAnswer, LokiLines } from "../../sdk/flows/index";
import { hubble } from "./lines";

function answerOf(lines: readonly string[], indent?: number): string {
  const values = lines.map((line, index) => [
    `17958600000000000${index % 10}0`,
    line,
    ...(index % 2 === 0 ? [{ node: "a" }] : []),
  ]);
  const result = [
    { stream: { app: "x", text: '["1795860000000000000","no line"' }, values: values.slice(0, 2) },
    { stream: {}, values: values.slice(2) },
  ];
  return JSON.stringify(
    { status: "success", data: { resultType: "streams", result, stats: { a: [1, "2"] } } },
    undefined,
    indent,
  );
}

function linesIn(text: string, cuts: readonly number[]): { lines: string[]; isWhole: boolean } {
  const reader = new LokiLines();
  const lines: string[] = [];
  let from = 0;
  for (const cut of [...cuts, text.length].map((each) => each % (text.length + 1)).sort((a, b) => a - b)) {
    lines.push(...reader.push(text.slice(from, cut)));
    from = cut;
  }
  return { lines: [...lines, ...reader.push(text.slice(from))], isWhole: reader.isWhole };
}

describe("recorded flows: answers of Loki's API", () => {
  it("are known by their beginning", () => {
    assert.ok(isLokiAnswer(answerOf([])));
    assert.ok(isLokiAnswer(answerOf([], 2)));
    assert.ok(!isLokiAnswer(hubble()));
    assert.ok(!isLokiAnswer('{"status":"error"}'));
  });

  it("give their lines, wherever they are cut in pieces, whatever the lines hold", () => {
    const line = fc.oneof(fc.string(), fc.constant(hubble()), fc.constant('\\"["1795860000000000000","x"]\\\\'));
    fc.assert(
      fc.property(
        fc.array(line, { maxLength: 6 }),
        fc.array(fc.nat(), { maxLength: 8 }),
        fc.boolean(),
        (lines, cuts, pretty) => {
          const read = linesIn(answerOf(lines, pretty ? 2 : undefined), cuts);
          assert.deepEqual(read, { lines, isWhole: true });
        },
      ),
      { numRuns: 500 },
    );
  });

  it("that are cut off say so, and give what is whole", () => {
    const text = answerOf([hubble(), hubble()]);
    const read = linesIn(text.slice(0, text.lastIndexOf("flow")), []);
    assert.deepEqual(read, { lines: [hubble()], isWhole: false });
  });
});
