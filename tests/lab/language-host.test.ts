import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { programDependencies } from "../../lab/language-host/dependencies";
import { findRunner, runtimeOptions, splitWords } from "../../lab/language-host/node-command";
import { temporaryFolder } from "./support/folders";

describe("language host: runtime options", () => {
  it("are those of Pulumi: TypeScript is on unless it is switched off", () => {
    assert.deepEqual(runtimeOptions({}), { typescript: true, nodeArgs: [] });
    assert.deepEqual(runtimeOptions({ typescript: false, nodeargs: "--require tsx/cjs" }), {
      typescript: false,
      nodeArgs: ["--require", "tsx/cjs"],
    });
    // options of other parties are theirs
    assert.deepEqual(runtimeOptions({ packagemanager: "npm" }), { typescript: true, nodeArgs: [] });
  });

  it("that are not understood are refused, not dropped", () => {
    assert.throws(() => runtimeOptions({ typescript: "false" }), /typescript must be true or false/);
    assert.throws(() => runtimeOptions({ nodeargs: ["--inspect"] }), /nodeargs must be a string/);
  });

  it("nodeargs are split at blanks outside of quotes", () => {
    for (const [text, words] of [
      ["", []],
      ["  --a   --b ", ["--a", "--b"]],
      [`--require "/a folder/x.js"`, ["--require", "/a folder/x.js"]],
      [`--title='it is' --x`, ["--title=it is", "--x"]],
      [`--mixed="a b"'c d'e`, ["--mixed=a bc de"]],
    ] as const) {
      assert.deepEqual(splitWords(text), words, text);
    }
  });
});

describe("language host: a program's packages", () => {
  const root = temporaryFolder();

  it("the runner is the program's own @pulumi/pulumi", () => {
    const folder = path.join(root, "program");
    const runner = path.join(folder, "node_modules", "@pulumi", "pulumi", "cmd", "run", "index.js");
    mkdirSync(path.dirname(runner), { recursive: true });
    writeFileSync(runner, "");
    assert.equal(findRunner("run", folder), runner);
  });

  it("a program whose dependencies are not installed is told so", () => {
    const folder = path.join(root, "bare");
    mkdirSync(folder);
    assert.throws(() => findRunner("run", folder), /dependencies are not installed\. Run npm install there/);
  });

  it("dependencies come with the versions that are installed", () => {
    const folder = path.join(root, "listed");
    mkdirSync(path.join(folder, "node_modules", "left"), { recursive: true });
    mkdirSync(path.join(folder, "src"));
    writeFileSync(path.join(folder, "node_modules", "left", "package.json"), '{"version":"1.2.3"}');
    writeFileSync(
      path.join(folder, "package.json"),
      '{"dependencies":{"left":"^1.0.0"},"devDependencies":{"gone-for-good":"1"}}',
    );
    assert.deepEqual(programDependencies(path.join(folder, "src")), [
      { name: "left", version: "1.2.3" },
      { name: "gone-for-good", version: "not installed" },
    ]);
  });
});
