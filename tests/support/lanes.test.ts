import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import type { Counts, Lane } from "./lanes";
import { check, inOrder, mocha, runLanes, skipped, sum } from "./lanes";

const one: Counts = { passed: 1, failed: 0, skipped: 0 };

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
        const run = async (): Promise<Counts> => {
          begun.push(index);
          running += 1;
          most = Math.max(most, running);
          await new Promise((resolve) => setImmediate(resolve));
          running -= 1;
          return one;
        };
        return { title: `${index}`, run };
      });
      let results: Counts[] = [];
      await printedBy(async () => void (results = await runLanes(lanes, atOnce)));
      assert.deepEqual([begun, most], [[0, 1, 2, 3, 4], Math.min(atOnce, 5)]);
      assert.deepEqual(sum(results), { passed: 5, failed: 0, skipped: 0 });
    }
  });

  it("counts what mocha counts, shows each failure, and takes a crash or no test at all for one failure", async function () {
    this.timeout(60_000);
    const mixed = file(
      "mixed.js",
      'it("good"); it("fine", () => {}); it("bad", () => { throw new Error("the reason"); });',
    );
    const cases: readonly [string, Counts][] = [
      [mixed, { passed: 1, failed: 1, skipped: 1 }],
      [file("crash.js", "process.exit(7);"), { passed: 0, failed: 1, skipped: 0 }],
      [file("empty.js", ""), { passed: 0, failed: 1, skipped: 0 }],
      [
        file("hook.js", 'before(() => { throw new Error("no lab"); }); it("fine", () => {});'),
        { passed: 0, failed: 1, skipped: 0 },
      ],
    ];
    for (const [script, expected] of cases) {
      let counts: Counts | undefined;
      const printed = await printedBy(async () => {
        counts = await mocha("some suite", ["--no-config", script]).run(true);
      });
      assert.deepEqual(counts, expected, `${script}\n${printed}`);
      assert.match(printed, /some suite: \d+ passed, \d+ failed/);
      if (script === mixed) assert.match(printed, /── some suite[\s\S]*Error: the reason[\s\S]*✘ some suite/);
    }
  });

  it("counts a check as one, several in order as their sum, and something that cannot run as skipped", async () => {
    let counts: Counts | undefined;
    const printed = await printedBy(async () => {
      const checks = [
        check("yes", process.execPath, ["--eval", ""]),
        check("no", process.execPath, ["--eval", "console.log('why not'); process.exitCode = 2"]),
        skipped("a suite", "there is no engine"),
      ];
      counts = await inOrder("all", checks).run(true);
    });
    assert.deepEqual(counts, { passed: 1, failed: 1, skipped: 1 });
    assert.match(printed, /✔ yes\nwhy not\n✘ no\n\nskipped: a suite\nthere is no engine/);
  });
});
