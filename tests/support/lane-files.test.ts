import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import path from "node:path";
import type { LaneFiles } from "./lane-files";
import { engineLanes, filesOf, quickLanes } from "./lane-files";

const root = path.resolve(__dirname, "..", "..");
const suites = readdirSync(path.join(root, "tests"), { recursive: true, encoding: "utf8" })
  .map((file) => path.posix.join("tests", file.split(path.sep).join("/")))
  .filter((file) => file.endsWith(".test.ts"));

/** What mocha's patterns match, as far as lanes use them. */
function matches(pattern: string, file: string): boolean {
  const parts = pattern.split(/(\*\*\/|\*)/).map((part) => {
    if (part === "**/") return "(?:.*/)?";
    return part === "*" ? "[^/]*" : part.replace(/[.]/g, "\\.");
  });
  return new RegExp(`^${parts.join("")}$`).test(file);
}

/** The names of the lanes that run a file. */
function lanesOf(lanes: Readonly<Record<string, LaneFiles>> & { readonly rest: LaneFiles }, file: string): string[] {
  return Object.keys(lanes).filter((name) => {
    const args = filesOf(lanes, name);
    const ignored = args.filter((_, index) => args[index - 1] === "--ignore");
    const taken = args.filter((arg, index) => arg !== "--ignore" && args[index - 1] !== "--ignore");
    return taken.some((pattern) => matches(pattern, file)) && !ignored.some((pattern) => matches(pattern, file));
  });
}

describe("files of the lanes", () => {
  const isOnEngine = (file: string): boolean => file.endsWith(".engine.test.ts");
  const isQuick = (file: string): boolean => !/\.(engine|enforcement)\.test\.ts$/.test(file);

  it("each suite that needs no engine is in one lane, and each that needs it in one of the others", () => {
    for (const [lanes, files] of [
      [quickLanes, suites.filter(isQuick)],
      [engineLanes, suites.filter(isOnEngine)],
    ] as const) {
      assert.ok(files.length > 30);
      for (const file of files) assert.equal(lanesOf(lanes, file).length, 1, file);
    }
  });

  it("each lane has suites, and each pattern names some", () => {
    for (const lanes of [quickLanes, engineLanes]) {
      const files = suites.filter(lanes === quickLanes ? isQuick : isOnEngine);
      for (const [name, { patterns }] of Object.entries<LaneFiles>(lanes)) {
        assert.ok(
          files.some((file) => lanesOf(lanes, file).includes(name)),
          name,
        );
        for (const pattern of patterns)
          assert.ok(
            files.some((file) => matches(pattern, file)),
            pattern,
          );
      }
    }
  });

  it("says so where a suite is in two lanes, or in none", () => {
    const rest = { title: "rest", patterns: ["tests/**/*.test.ts"] };
    const plan = { title: "plan", patterns: ["tests/plan/**/*.test.ts"] };
    assert.deepEqual(lanesOf({ plan, again: plan, rest }, "tests/plan/a.test.ts"), ["plan", "again"]);
    assert.deepEqual(lanesOf({ plan, rest }, "tests/cli/a.test.ts"), ["rest"]);
    assert.deepEqual(lanesOf({ plan, rest: plan }, "tests/cli/a.test.ts"), []);
  });
});
