import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { failuresAgain } from "./failures";
import type { Found, Lane } from "./lanes";
import { check, inOrder, mocha, runLanes, skipped, sum } from "./lanes";

const one: Found = { passed: 1, failed: 0, skipped: 0, failures: [] };

/** Keeps what the lanes print out of the report, and returns it. */
async function printedBy(work: () => Promise<void>): Promise<string> {
  const write = process.stdout.write.bind(process.stdout);
  const printed: string[] = [];
  process.stdout.write = ((text: string | Uint8Array) => printed.push(text.toString()) > 0) as typeof write;
  try {
    await work();
  } finally {
    process.stdout.write = write;
  }
  return printed.join("");
}

describe("lanes of the test run", () => {
  let folder: string;

  before(() => {
    folder = mkdtempSync(path.join(tmpdir(), "cluster-security-lanes-"));
  });

  after(() => rmSync(folder, { recursive: true, force: true }));

  const file = (name: string, source: string): string => {
    const target = path.join(folder, name);
    writeFileSync(target, source);
    return target;
  };

  it("runs as many at a time as it is told, each once, in their order", async () => {
    for (const atOnce of [1, 2, 3, 9]) {
      const begun: number[] = [];
      let running = 0;
      let most = 0;
      const lanes = Array.from({ length: 5 }, (_, index): Lane => {
        const run = async (): Promise<Found> => {
          begun.push(index);
          running += 1;
          most = Math.max(most, running);
          await new Promise((resolve) => setImmediate(resolve));
          running -= 1;
          return one;
        };
        return { title: `${index}`, run };
      });
      let results: Found[] = [];
      await printedBy(async () => void (results = await runLanes(lanes, atOnce)));
      assert.deepEqual([begun, most], [[0, 1, 2, 3, 4], Math.min(atOnce, 5)]);
      assert.deepEqual(sum(results), { ...one, passed: 5 });
    }
  });

  it("counts what mocha counts, shows each failure, and takes a crash or no test at all for one failure", async function () {
    this.timeout(60_000);
    const mixed = file(
      "mixed.js",
      'it("good"); it("fine", () => {}); describe("outer", () => describe("inner", () => it("bad", () => { throw new Error("the reason"); })));',
    );
    type Case = readonly [script: string, counts: Omit<Found, "failures">, title: string, error: RegExp];
    const cases: readonly Case[] = [
      [mixed, { passed: 1, failed: 1, skipped: 1 }, "outer inner bad", /^Error: the reason\n\s+at .*mixed\.js:/],
      [
        file("crash.js", "console.error('out of memory'); process.exit(7);"),
        { passed: 0, failed: 1, skipped: 0 },
        "mocha ended without a result",
        /out of memory/,
      ],
      [
        file("empty.js", ""),
        { passed: 0, failed: 1, skipped: 0 },
        "mocha ended without a result",
        /^\s*0 passing|no test/i,
      ],
      [
        file("hook.js", 'before(() => { throw new Error("no lab"); }); it("fine", () => {});'),
        { passed: 0, failed: 1, skipped: 0 },
        '"before all" hook for "fine"',
        /^Error: no lab/,
      ],
      [
        file("late.js", 'it("fine", () => {}); after(() => process.on("exit", () => process.reallyExit(3)));'),
        { passed: 1, failed: 1, skipped: 0 },
        "mocha failed, though no test did",
        /1 passing/,
      ],
    ];
    for (const [script, expected, title, error] of cases) {
      let found: Found | undefined;
      const printed = await printedBy(async () => {
        found = await mocha("some suite", ["--no-config", script]).run(true);
      });
      const { failures, ...counts } = found!;
      assert.deepEqual(counts, expected, `${script}\n${printed}`);
      assert.deepEqual(
        failures.map((failure) => [failure.lane, failure.title]),
        [["some suite", title]],
      );
      assert.match(failures[0]!.error, error);
      assert.match(printed, /some suite: \d+ passed, \d+ failed/);
      if (script === mixed) assert.match(printed, /── some suite[\s\S]*Error: the reason[\s\S]*✘ some suite/);
    }
  });

  it("says what failed once more: lane, full title, and the first lines of the error without frames of others", () => {
    const stack = [
      "AssertionError: two sets differ",
      "",
      ...Array.from({ length: 14 }, (_, line) => `+ line ${line}`),
      "    at /checkout/node_modules/mocha/lib/runner.js:1:1",
      "    at node:internal/process:2:2",
      "    at Context.<anonymous> (/checkout/tests/a.test.ts:3:3)",
    ].join("\n");
    assert.equal(failuresAgain([]), "");
    const again = failuresAgain([
      { lane: "planner", title: "rules of a set are equal", error: stack },
      { lane: "lint", title: "lint", error: `a.ts:1 ${"x".repeat(1000)}` },
    ]).split("\n");
    assert.deepEqual(again.slice(0, 6), [
      "",
      "── what failed, once more",
      "",
      "✘ rules of a set are equal",
      "  (planner)",
      "    AssertionError: two sets differ",
    ]);
    assert.deepEqual(again.slice(16, 18), ["    + line 10", "    … 4 lines more above"]);
    assert.ok(again.includes("✘ lint") && again.every((line) => line.length < 320));
  });

  it("counts a check as one, several in order as their sum, and something that cannot run as skipped", async () => {
    let found: Found | undefined;
    const printed = await printedBy(async () => {
      const checks = [
        check("yes", process.execPath, ["--eval", ""]),
        check("no", process.execPath, ["--eval", "console.log('why not'); process.exitCode = 2"]),
        skipped("a suite", "there is no engine"),
      ];
      found = await inOrder("all", checks).run(true);
    });
    const failures = [{ lane: "no", title: "no", error: "why not\n" }];
    assert.deepEqual(found, { passed: 1, failed: 1, skipped: 1, failures });
    assert.match(printed, /✔ yes\nwhy not\n✘ no\n\nskipped: a suite\nthere is no engine/);
  });
});
