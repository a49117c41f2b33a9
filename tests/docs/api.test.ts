/** The public surface is what docs/api says, and each of its names is explained. */
import assert from "node:assert/strict";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { exports as packageExports } from "../../package.json";
import { apiDocument, apiFile, entries, publicApi } from "../../scripts/api";

describe("public surface", () => {
  const api = publicApi();

  it("has the entries of package.json", () => {
    const named = Object.keys(packageExports).filter((entry) => entry !== "./package.json");
    assert.deepEqual(named.sort(), Object.keys(entries).sort());
  });

  for (const [entry, symbols] of api) {
    it(`${entry}: is what docs/api says (renew with UPDATE_SNAPSHOTS=1, and review it)`, () => {
      const file = apiFile(entry);
      const text = apiDocument(entry, symbols);
      if (process.env["UPDATE_SNAPSHOTS"] === "1") {
        mkdirSync(path.dirname(file), { recursive: true });
        writeFileSync(file, text);
      }
      assert.equal(readFileSync(file, "utf8"), text);
    });

    it(`${entry}: every name has a docstring`, () => {
      assert.deepEqual(
        symbols.filter(({ isDocumented }) => !isDocumented).map(({ name }) => name),
        [],
      );
    });
  }
});
