import assert from "node:assert/strict";
import { rows } from "../../scripts/requirement-rows";
import {
  contradictions,
  rangesIn,
  repositoryTitles,
  requirementsDocument,
  rowsIn,
  titlesIn,
  writtenDocument,
} from "../../scripts/requirements";

describe("docs/requirements.md", () => {
  const titles = repositoryTitles();

  it("claims no row that no test names, and no test names a row that does not exist", () => {
    assert.deepEqual(contradictions(rows, titles), []);
  });

  it("equals what the generator writes (npx tsx scripts/requirements.ts)", () => {
    assert.equal(writtenDocument(), requirementsDocument(rows, titles));
  });

  it("knows every row of the five documents once", () => {
    const ids = rows.map(({ id }) => id);
    assert.equal(new Set(ids).size, ids.length);
    for (const [document, count] of Object.entries({ S0: 16, S1: 30, S2: 22, S3: 30, S4: 21 })) {
      assert.equal(ids.filter((id) => id.startsWith(`${document}-`)).length, count, document);
    }
  });

  it("fails for a row without a test, for a test without a row and for a range of rows", () => {
    const known = [{ id: "S0-01", text: "x" }];
    const file = "tests/a.test.ts";
    assert.deepEqual(contradictions(known, [{ file, title: "S0-01: is so" }]), []);
    assert.match(contradictions(known, []).join(), /S0-01 counts as done/);
    assert.deepEqual(contradictions([{ id: "S0-01", text: "x", missing: "all" }], []), []);
    assert.match(contradictions(known, [{ file, title: "S0-01, S0-99" }]).join(), /S0-99 is no row/);
    assert.match(contradictions(known, [{ file, title: "S0-01 to S0-01" }]).join(), /names the range/);
  });

  it("reads titles as mocha does, computed ones as far as they are written, and passes over skipped tests", () => {
    const text = [
      'describe("S0-01 suite", () => {',
      "  it(`S0-02 in ${dialect} S0-03`, () => {});",
      '  it.skip("S0-04", () => {});',
      '  // it("S0-05")',
      '  const table = [{ rows: "S0-06" }];',
      "});",
    ].join("\n");
    assert.deepEqual(
      titlesIn("a", text).flatMap(({ title }) => rowsIn(title)),
      ["S0-01", "S0-02", "S0-03", "S0-06"],
    );
    assert.deepEqual(rangesIn("S4-01 to S4-07, S3-05–S3-07"), ["S4-01 to S4-07", "S3-05–S3-07"]);
    assert.deepEqual(rangesIn("S4-01, S4-02 S4-03"), []);
  });
});
