/**
 * `npm test`: static checks, every suite that needs no engine, every suite that runs on the real Pulumi engine and the
 * real API server, and every suite on a real Cilium datapath. Prints the sum of all of them as its last line. Where
 * something cannot be had, the suites that need it are named as skipped and the rest still counts.
 */
import type { StdioOptions } from "node:child_process";
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import path from "node:path";
import { datapathProblem } from "../lab/datapath/index";
import { findTools, provideTools, ToolchainError } from "../lab/toolchain/index";

const root = path.resolve(__dirname, "..");

interface Counts {
  passed: number;
  failed: number;
  skipped: number;
}

/**
 * Runs one program; resolves to its exit code.
 *
 * @param held Keeps what it prints until it has ended, so that two programs at a time can be told apart.
 */
function run(command: string, args: readonly string[], env: NodeJS.ProcessEnv = {}, held = false): Promise<number> {
  return new Promise((resolve, reject) => {
    const stdio: StdioOptions = held ? ["ignore", "pipe", "pipe"] : "inherit";
    const child = spawn(command, args, { cwd: root, stdio, env: { ...process.env, ...env } });
    const printed: Buffer[] = [];
    for (const stream of [child.stdout, child.stderr]) stream?.on("data", (chunk: Buffer) => void printed.push(chunk));
    child.on("error", reject);
    child.on("close", (code, signal) => {
      process.stdout.write(Buffer.concat(printed));
      resolve(code ?? (signal ? 1 : 0));
    });
  });
}

function bin(name: string): string {
  return path.join(root, "node_modules", ".bin", name);
}

/** A check that passes or fails as a whole: compiler, linter, formatter, dependency rule. */
async function check(title: string, command: string, args: readonly string[]): Promise<Counts> {
  const code = await run(command, args);
  console.log(`${code === 0 ? "✔" : "✘"} ${title}`);
  return { passed: code === 0 ? 1 : 0, failed: code === 0 ? 0 : 1, skipped: 0 };
}

/** One mocha run; a run that ends without counts (a crash, no test at all) is one failure. */
async function mocha(title: string, args: readonly string[], held = false): Promise<Counts> {
  console.log(`\n── ${title}${held ? " (shown when it has ended)" : ""}`);
  const folder = mkdtempSync(path.join(tmpdir(), "cluster-security-test-"));
  const file = path.join(folder, "counts.json");
  try {
    const reporter = path.join(root, "tests", "support", "counting-reporter.cjs");
    const code = await run(bin("mocha"), ["--reporter", reporter, ...args], { TEST_COUNTS_FILE: file }, held);
    const counts = readCounts(file);
    if (!counts) return { passed: 0, failed: 1, skipped: 0 };
    // a hook or a leak can fail the run without failing a test
    return code !== 0 && counts.failed === 0 ? { ...counts, failed: 1 } : counts;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function readCounts(file: string): Counts | undefined {
  try {
    const counts = JSON.parse(readFileSync(file, "utf8")) as Counts;
    return counts.passed + counts.failed + counts.skipped > 0 ? counts : undefined;
  } catch {
    return undefined;
  }
}

async function main(): Promise<number> {
  const results: Counts[] = [];
  const quick = process.argv.includes("--quick");

  results.push(await check("types", bin("tsc"), ["-p", "tsconfig.json", "--noEmit"]));
  results.push(await check("lint", bin("eslint"), ["."]));
  results.push(await check("format", bin("prettier"), ["--check", "--log-level", "warn", "."]));
  results.push(
    await check("arrows between rooms", bin("depcruise"), [
      "--config",
      ".dependency-cruiser.cjs",
      ...["sdk", "policypack", "lab", "examples", "index.ts"],
    ]),
  );
  results.push(await check("build", "npm", ["run", "--silent", "build"]));
  results.push(await mocha("everything that needs no engine", ["tests/**/*.test.ts"]));

  if (!quick) {
    const missing = await engineMissing();
    if (missing) {
      console.log(`\nskipped: the suites on the real engine (tests/**/*.engine.test.ts)\n${missing}`);
      results.push({ passed: 0, failed: 0, skipped: 1 });
    } else {
      results.push(...(await engineSuites()));
      results.push(await enforcementSuites());
    }
  }

  const sum = (pick: (counts: Counts) => number): number => results.reduce((total, counts) => total + pick(counts), 0);
  const [passed, failed, skipped] = [sum((c) => c.passed), sum((c) => c.failed), sum((c) => c.skipped)];
  if (skipped > 0) console.log(`\n${skipped} skipped: each is named above with its reason`);
  console.log(`\n${passed} passed, ${failed} failed`);
  return failed === 0 && passed > 0 ? 0 : 1;
}

/**
 * The suites on the real engine, in two processes with a lab each: most of an operation is waiting for programs to start,
 * which a second core can do meanwhile. One after the other on a machine with one core.
 */
async function engineSuites(): Promise<Counts[]> {
  const config = ["--config", "tests/engine/.mocharc.json"];
  const lab = ["tests/lab/**/*.engine.test.ts", "tests/provider/**/*.engine.test.ts"];
  const rest = lab.flatMap((pattern) => ["--ignore", pattern]);
  const main = (): Promise<Counts> =>
    mocha("on the real engine and API server", [...config, ...rest, "tests/**/*.engine.test.ts"]);
  const second = (held: boolean): Promise<Counts> =>
    mocha("the lab and its provider, on the real engine and API server", [...config, ...lab], held);
  if (availableParallelism() < 2) return [await main(), await second(false)];
  return Promise.all([main(), second(true)]);
}

/**
 * The suites on a real Cilium datapath. They run where root may make network namespaces and the agent is built already
 * (`npm run test:enforcement` builds it): a build of ten minutes is not what somebody who runs the tests asked for.
 */
async function enforcementSuites(): Promise<Counts> {
  const problem =
    datapathProblem() ??
    ((await findTools(["cilium-agent"]))["cilium-agent"] === undefined
      ? "cilium-agent is not built yet; `npm run test:enforcement` builds it and runs them"
      : undefined);
  if (problem) {
    console.log(`\nskipped: the suites on a real Cilium datapath (tests/enforcement)\n${problem}`);
    return { passed: 0, failed: 0, skipped: 1 };
  }
  return mocha("on a real Cilium datapath (cases and random sets; `npm run test:enforcement` runs all)", [
    "--config",
    "tests/enforcement/.mocharc.json",
    // mocha takes no braces
    "tests/enforcement/cases.enforcement.test.ts",
    "tests/enforcement/random.enforcement.test.ts",
  ]);
}

/** Why the engine suites cannot run here, or undefined where they can. Builds the tools where they are missing. */
async function engineMissing(): Promise<string | undefined> {
  try {
    await provideTools(["pulumi", "etcd", "kube-apiserver", "kube-controller-manager"]);
    return undefined;
  } catch (error) {
    // a build that fails or a checksum that differs is a failure, not a machine that lacks something
    if (error instanceof ToolchainError && error.code === "no-way") return error.message;
    throw error;
  }
}

main().then(
  (code) => process.exit(code),
  (error: unknown) => {
    console.error(error);
    console.log("\n0 passed, 1 failed");
    process.exit(1);
  },
);
