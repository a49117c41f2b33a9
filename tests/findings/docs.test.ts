import assert from "node:assert/strict";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { findingIds } from "../../policypack/settings";
import { documented, findingsDocument } from "./findings-document";

const file = path.resolve(__dirname, "..", "..", "docs", "findings.md");

describe("docs/findings.md", () => {
  it("is what the rules and their fixtures say (renew with UPDATE_SNAPSHOTS=1)", () => {
    const expected = findingsDocument();
    if (process.env["UPDATE_SNAPSHOTS"] === "1") writeFileSync(file, expected);
    assert.ok(existsSync(file), "docs/findings.md is missing");
    assert.equal(readFileSync(file, "utf8"), expected);
  });

  it("has a section for each finding", () => {
    const headings = new Set([...findingsDocument().matchAll(/^## (.*)$/gm)].map((match) => match[1]));
    for (const id of [...findingIds, ...documented.map((each) => each.id)]) assert.ok(headings.has(id), id);
  });
});
