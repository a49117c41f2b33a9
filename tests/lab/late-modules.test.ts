import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { temporaryFolder } from "./support/folders";

const first = path.resolve(__dirname, "..", "..", "lab", "node-start.cjs");

interface Found {
  readonly before: boolean;
  readonly after: boolean;
  readonly packages: readonly string[];
}

describe("programs of Node that the lab's engine starts", () => {
  const folder = temporaryFolder();

  it("load what hardly any of them uses when it is used: a function that is sent to a cloud takes its packages along", () => {
    const used = path.join(folder, "node_modules", "used");
    mkdirSync(used, { recursive: true });
    writeFileSync(path.join(used, "package.json"), JSON.stringify({ name: "used", version: "1.0.0" }));
    const dependencies = { used: "1.0.0" };
    writeFileSync(path.join(folder, "package.json"), JSON.stringify({ name: "program", dependencies }));
    const program = `
      const loaded = () => Object.keys(require.cache).some((file) => file.includes("arborist"));
      const { computeCodePaths } = require(${JSON.stringify(require.resolve("@pulumi/pulumi/runtime"))});
      const before = loaded();
      computeCodePaths().then((paths) => {
        console.log(JSON.stringify({ before, after: loaded(), packages: [...paths.keys()] }));
      });`;
    const runOf = (args: readonly string[]): Found =>
      JSON.parse(
        execFileSync(process.execPath, [...args, "--eval", program], { cwd: folder, encoding: "utf8" }),
      ) as Found;

    const byItself = runOf([]);
    assert.deepEqual(byItself, { before: true, after: true, packages: ["node_modules/used"] });
    assert.deepEqual(runOf(["--require", first]), { ...byItself, before: false });
  });
});
