import { strict as assert } from "node:assert";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { repoRoot } from "../cli/command";
import { Commands } from "./commands";
import { Judge, type Expectations } from "./expectations";

/** Manifests as people have them, each with the right answers and who says so. They are no part of a clone. */
const collection = path.resolve(repoRoot, "..", "shared", "cases");
const groups = ["reports", "repositories"] as const;

/** Cases that are not answered right yet, one a line. A case that is answered right must not stand here. */
const knownFailing: ReadonlySet<string> = new Set(
  readFileSync(path.join(__dirname, "known-failing.txt"), "utf8")
    .split("\n")
    .filter((line) => line !== "" && !line.startsWith("#")),
);

describe("what people really have gets the right answers", function () {
  this.timeout(60_000);
  const commands = new Commands();
  after(() => commands.stop());

  if (!existsSync(collection)) {
    it(`the cases in ${path.relative(repoRoot, collection)}, which a clone does not have`, function () {
      this.skip();
    });
    return;
  }

  for (const group of groups) {
    describe(group, () => {
      for (const name of readdirSync(path.join(collection, group)).sort()) {
        const folder = path.join(collection, group, name);
        const isListed = knownFailing.has(`${group}/${name}`);
        it(isListed ? `${name}: not yet` : name, async () => {
          const { checks } = JSON.parse(readFileSync(path.join(folder, "expect.json"), "utf8")) as Expectations;
          assert.ok(checks.length > 0, "a case has at least one check");
          const judge = new Judge(commands, folder);
          const failures: string[] = [];
          for (const check of checks) {
            const came = await judge.failure(check);
            if (came !== undefined) failures.push(`${JSON.stringify(check)}\n  came: ${came.replaceAll("\n", "\n  ")}`);
          }
          if (isListed) assert.ok(failures.length > 0, `${name} is answered right: take it from known-failing.txt`);
          else assert.equal(failures.length, 0, `\n${failures.join("\n")}`);
        });
      }
    });
  }
});
