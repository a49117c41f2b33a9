import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import path from "node:path";
import { rules } from "../../sdk/findings";
import { rulesById } from "../../sdk/findings/rules";
import { cases } from "./fixtures";
import { assertShowable, violationsOf } from "./support";

describe("findings: every rule", () => {
  it("describes itself", () => {
    const ids = rules.map((rule) => rule.id);
    assert.equal(new Set(ids).size, ids.length);
    for (const rule of rules) {
      assert.match(rule.id, /^[a-z0-9]+(-[a-z0-9]+)*$/);
      assert.match(rule.title, /^[A-Z].*[^.]$/);
      assert.match(rule.description, /^[A-Z].*\.$/s);
      assert.match(rule.remediation, /^[A-Z].*\.$/s);
      assert.ok(rule.controls.length > 0, rule.id);
    }
  });

  it("is a file of its id, listed under its id", () => {
    const root = path.resolve(__dirname, "..", "..", "sdk", "findings", "rules");
    const files = readdirSync(root, { recursive: true, encoding: "utf8" })
      .filter((file) => file.includes(path.sep))
      .map((file) => path.basename(file, ".ts"));
    const listed = Object.entries(rulesById).map(([id, rule]) => (rule.id === id ? id : `${id} is ${rule.id}`));
    assert.deepEqual(files.sort(), listed.sort());
  });

  it("has fixtures here, or a test file of its own", () => {
    const elsewhere = ["namespace-default-deny", "metadata-endpoints-closed"];
    assert.deepEqual(
      rules.map((rule) => rule.id).filter((id) => !elsewhere.includes(id) && !(id in cases)),
      [],
    );
  });

  for (const [id, { good, bad, rows, options }] of Object.entries(cases)) {
    it(`${rows === undefined ? "" : `${rows} `}${id}: good documents pass`, () => {
      for (const yaml of good) {
        assert.deepEqual(
          violationsOf(id, yaml, options).map((finding) => [finding.message, finding.because]),
          [],
          yaml,
        );
      }
    });
    it(`${rows === undefined ? "" : `${rows} `}${id}: bad documents are found and explained`, () => {
      for (const [yaml, text] of bad) {
        const found = violationsOf(id, yaml, options);
        assert.ok(found.length > 0, yaml);
        assert.ok(
          found.some((finding) => text.test(finding.message) || finding.because.some((reason) => text.test(reason))),
          JSON.stringify(found),
        );
        found.forEach(assertShowable);
      }
    });
  }
});
