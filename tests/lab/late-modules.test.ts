import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";

const root = path.resolve(__dirname, "..", "..");

/** What a program prints, as JSON; with the lab's way to start it, or without. */
function printed(script: string, cwd: string, late: boolean): unknown {
  const wrapped = `const { createRequire } = require("node:module");
    const sdk = createRequire(${JSON.stringify(path.join(root, "package.json"))})("@pulumi/pulumi");
    const loaded = (name) => Object.keys(require.cache).some((file) => file.includes("/node_modules/" + name + "/"));
    (async () => console.log(JSON.stringify(await (async () => { ${script} })())))();`;
  const args = [...(late ? ["--require", path.join(root, "lab", "late-modules.cjs")] : []), "--eval", wrapped];
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { cwd, encoding: "utf8" });
  assert.equal(status, 0, stderr);
  return JSON.parse(stdout);
}

describe("libraries of Pulumi's SDK that are loaded when they are used", function () {
  this.timeout(120_000);
  let folder: string;

  before(() => {
    folder = mkdtempSync(path.join(tmpdir(), "cluster-security-late-"));
    writeFileSync(path.join(folder, "package.json"), JSON.stringify({ name: "empty", version: "1.0.0" }));
    writeFileSync(path.join(folder, "Pulumi.yaml"), "name: empty\nruntime: nodejs\n");
  });

  after(() => rmSync(folder, { recursive: true, force: true }));

  const which = `return ["typescript", "@npmcli/arborist", "normalize-package-data"].map(loaded);`;

  it("none is loaded at the start of a program, which loads all of them by itself", () => {
    assert.deepEqual(printed(which, folder, true), [false, false, false]);
    assert.deepEqual(printed(which, folder, false), [true, true, true]);
  });

  it("functions are read, and dependencies listed, as without it", () => {
    const script = `
      const captured = { a: 1 };
      const { text } = await sdk.runtime.serializeFunction(() => captured.a + 1);
      const paths = [...(await sdk.runtime.computeCodePaths()).keys()];
      return { text, paths, loaded: ["typescript", "@npmcli/arborist", "normalize-package-data"].map(loaded) };`;
    const late = printed(script, folder, true) as { text: string; loaded: boolean[] };
    assert.deepEqual(late, printed(script, folder, false));
    assert.match(late.text, /captured\.a \+ 1|__captured/);
    assert.deepEqual(late.loaded, [true, true, true]);
  });
});
