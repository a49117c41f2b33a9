import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";

const runner = path.resolve(__dirname, "..", "..", "lab", "run-bundle.cjs");

describe("a bundled program with its compiled code beside it", () => {
  let folder: string;
  let bundle: string;

  before(() => {
    folder = mkdtempSync(path.join(tmpdir(), "cluster-security-bundle-"));
    bundle = path.join(folder, "program.cjs");
    writeFileSync(
      bundle,
      `const { basename } = require("node:path");
       module.exports = { program: true };
       console.log(JSON.stringify([process.argv.slice(1), __filename, __dirname, basename(__filename), this.program]));
       const lives = () => setTimeout(() => {}, Number(process.env.LIVES ?? 0));
       importModule("node:os").then(lives);`,
    );
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  const runOf = (lives: number): unknown =>
    JSON.parse(
      execFileSync(process.execPath, [runner, bundle, "one", "--two"], {
        encoding: "utf8",
        env: { ...process.env, LIVES: `${lives}` },
      }),
    );
  const kept = (): string[] => readdirSync(folder).filter((name) => name.endsWith(".cache"));

  it("runs as it would by itself: the same arguments and paths, the first time, from what was kept, and where that is broken", () => {
    const expected = [[bundle, "one", "--two"], bundle, folder, "program.cjs", null];
    // one that ends at once, and one whose end may be a kill
    for (const lives of [0, 2500]) {
      assert.deepEqual(runOf(lives), expected);
      const [name] = kept();
      assert.ok(name !== undefined && kept().length === 1, "nothing was kept");
      assert.deepEqual(runOf(0), expected);
      truncateSync(path.join(folder, name), 100);
      assert.deepEqual(runOf(0), expected);
      rmSync(path.join(folder, name));
    }
  });
});
