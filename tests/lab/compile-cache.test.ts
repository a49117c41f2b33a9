import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readdirSync, statSync, truncateSync, writeFileSync } from "node:fs";
import path from "node:path";
import { temporaryFolder } from "./support/folders";

const first = path.resolve(__dirname, "..", "..", "lab", "compile-cache.cjs");

describe("programs of Node that keep what was compiled of their modules", () => {
  const folder = temporaryFolder();

  it("run as they would by themselves: the first time, from what was kept, and where that is broken", () => {
    const kept = path.join(folder, "kept");
    const padding = `/* ${"so long that it is worth keeping ".repeat(200)} */`;
    writeFileSync(
      path.join(folder, "part.js"),
      `exports.name = "part"; exports.parent = module.parent.filename; ${padding}`,
    );
    writeFileSync(
      path.join(folder, "program.js"),
      `const part = require("./part");
       const names = [__filename, __dirname, require.resolve("./part"), part.name, part.parent];
       const facts = [require.main === module, this === exports, require.cache[__filename] === module];
       import("node:path").then(({ basename }) => console.log(JSON.stringify([...names, ...facts, basename(__filename)])));
       setTimeout(() => {}, Number(process.env.LIVES));
       ${padding}`,
    );
    const program = path.join(folder, "program.js");
    const runOf = (args: readonly string[], lives = 0): unknown =>
      JSON.parse(
        execFileSync(process.execPath, [...args, program], {
          encoding: "utf8",
          env: { ...process.env, LIVES: `${lives}`, LAB_COMPILE_CACHE: kept },
        }),
      );
    const files = (): string[] =>
      readdirSync(kept, { recursive: true, encoding: "utf8" })
        .map((name) => path.join(kept, name))
        .filter((name) => statSync(name).isFile());

    const expected = runOf([]);
    const args = ["--require", first];
    assert.deepEqual(runOf(args), expected);
    assert.equal(files().length, 1, "a module that imports others later is compiled each time");
    assert.deepEqual(runOf(args), expected);
    for (const file of files()) truncateSync(file, 100);
    assert.deepEqual(runOf(args, 2500), expected);
    for (const file of files()) assert.ok(statSync(file).size > 100, "what was broken is kept anew");
  });
});
