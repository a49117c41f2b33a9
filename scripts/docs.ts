/**
 * `npm run docs` writes every generated document anew. Each has a test that compares it with what would be written; run with
 * `UPDATE_SNAPSHOTS=1` that test writes it.
 */
import { spawnSync } from "node:child_process";
import path from "node:path";

const root = path.resolve(__dirname, "..");

/** Tests that hold a document, by what they write. */
const tests: Readonly<Record<string, string>> = {
  "docs/findings.md": "tests/findings/docs.test.ts",
  "docs/presets.md": "tests/plan/presets-docs.test.ts",
  "docs/cli.md": "tests/cli/docs.test.ts",
  "docs/api/*.md": "tests/docs/api.test.ts",
  "schema.json": "tests/components/schema.test.ts",
  "examples/*/README.md": "tests/reports/flow-diagram.test.ts",
};

function run(command: string, args: readonly string[], env: NodeJS.ProcessEnv = {}): void {
  const file = path.join(root, "node_modules", ".bin", command);
  const { status } = spawnSync(file, args, { cwd: root, stdio: "inherit", env: { ...process.env, ...env } });
  if (status !== 0) process.exitCode = 1;
}

run("tsx", ["scripts/requirements.ts"]);
run("mocha", ["--timeout", "0", ...Object.values(tests)], { UPDATE_SNAPSHOTS: "1" });
