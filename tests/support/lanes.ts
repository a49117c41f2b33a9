/** Programs that the test run starts, some of them beside each other: what each prints stays together. */
import type { StdioOptions } from "node:child_process";
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import type { Failure } from "./failures";

const root = path.resolve(__dirname, "..", "..");

/** What a lane found. */
export interface Counts {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

/** What a lane found, and what each of its failures is. */
export interface Found extends Counts {
  readonly failures: readonly Failure[];
}

/** One part of the run, which can go on beside others. */
export interface Lane {
  readonly title: string;
  /** @param held What it prints is kept until it has ended, because another lane is printing meanwhile. */
  readonly run: (held: boolean) => Promise<Found>;
}

/**
 * Runs lanes, `atOnce` at a time, in their order: the longest comes first, so that the cores end together. With more than
 * one at a time each lane's output is shown in one piece, once it has ended.
 */
export async function runLanes(lanes: readonly Lane[], atOnce: number): Promise<Found[]> {
  const waiting = [...lanes];
  const results: Found[] = [];
  const held = atOnce > 1 && lanes.length > 1;
  const worker = async (): Promise<void> => {
    for (let lane = waiting.shift(); lane !== undefined; lane = waiting.shift()) {
      console.log(`\n── ${lane.title}${held ? " (shown when it has ended)" : ""}`);
      results.push(await lane.run(held));
    }
  };
  await Promise.all(Array.from({ length: Math.max(1, Math.min(atOnce, lanes.length)) }, worker));
  return results;
}

/** Lanes that have to follow each other as one. */
export function inOrder(title: string, lanes: readonly Lane[]): Lane {
  const run = async (held: boolean): Promise<Found> => {
    const found: Found[] = [];
    for (const lane of lanes) found.push(await lane.run(held));
    return sum(found);
  };
  return { title, run };
}

export function sum(found: readonly Found[]): Found {
  const add = (pick: (one: Found) => number): number => found.reduce((total, one) => total + pick(one), 0);
  return {
    passed: add((one) => one.passed),
    failed: add((one) => one.failed),
    skipped: add((one) => one.skipped),
    failures: found.flatMap((one) => one.failures),
  };
}

/** A check that passes or fails as a whole: compiler, linter, formatter, dependency rule. */
export function check(title: string, command: string, args: readonly string[]): Lane {
  const run = async (held: boolean): Promise<Found> => {
    const { code, printed } = await execute(command, args, {}, held);
    process.stdout.write(`${printed}${code === 0 ? "✔" : "✘"} ${title}\n`);
    if (code === 0) return { passed: 1, failed: 0, skipped: 0, failures: [] };
    return { passed: 0, failed: 1, skipped: 0, failures: [{ lane: title, title, error: printed }] };
  };
  return { title, run };
}

/** Suites make many objects that are soon forgotten: with room for them the collector of garbage moves fewer of them on. */
const roomForNewObjects = "--max-semi-space-size=32";

/** One run of mocha; a run that ends without counts (a crash, no test at all) is one failure. */
export function mocha(title: string, args: readonly string[], env: NodeJS.ProcessEnv = {}): Lane {
  const run = async (held: boolean): Promise<Found> => {
    const folder = mkdtempSync(path.join(tmpdir(), "cluster-security-test-"));
    const file = path.join(folder, "counts.json");
    const started = Date.now();
    try {
      const reporter = path.join(root, "tests", "support", "counting-reporter.cjs");
      const settings = { ...env, TEST_COUNTS_FILE: file };
      const { code, printed } = await execute(
        process.execPath,
        [roomForNewObjects, bin("mocha"), "--reporter", reporter, ...args],
        settings,
        held,
      );
      const found = foundBy(title, readReport(file), code, printed);
      const skipped = found.skipped > 0 ? `, ${found.skipped} skipped` : "";
      const seconds = Math.round((Date.now() - started) / 1000);
      const head = held ? `\n── ${title}\n` : "";
      process.stdout.write(
        `${head}${printed}${found.failed === 0 ? "✔" : "✘"} ${title}: ${found.passed} passed, ${found.failed} failed${skipped} (${seconds} s)\n`,
      );
      return found;
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  };
  return { title, run };
}

/** Something that cannot run here, with the reason: named, and counted as one. */
export function skipped(title: string, reason: string): Lane {
  const run = (): Promise<Found> => {
    console.log(`\nskipped: ${title}\n${reason}`);
    return Promise.resolve({ passed: 0, failed: 0, skipped: 1, failures: [] });
  };
  return { title, run };
}

/** A program of the checkout's own dependencies. */
export function bin(name: string): string {
  return path.join(root, "node_modules", ".bin", name);
}

/** What the reporter writes when mocha has ended. */
interface Report extends Counts {
  readonly failures: readonly Omit<Failure, "lane">[];
}

function readReport(file: string): Report | undefined {
  try {
    const report = JSON.parse(readFileSync(file, "utf8")) as Report;
    return report.passed + report.failed + report.skipped > 0 ? report : undefined;
  } catch {
    return undefined;
  }
}

/** A hook or a leak can fail the run without failing a test, and a crash leaves no report: the last lines say why. */
function foundBy(lane: string, report: Report | undefined, code: number, printed: string): Found {
  const { passed, failed, skipped, failures } = report ?? { passed: 0, failed: 0, skipped: 0, failures: [] };
  const named = failures.map((each) => ({ lane, ...each }));
  if (report && (code === 0 || failed > 0)) return { passed, failed, skipped, failures: named };
  const title = report ? "mocha failed, though no test did" : "mocha ended without a result";
  const error = printed.trimEnd().split("\n").slice(-10).join("\n");
  return { passed, failed: 1, skipped, failures: [...named, { lane, title, error }] };
}

function execute(
  command: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv,
  held: boolean,
): Promise<{ readonly code: number; readonly printed: string }> {
  return new Promise((resolve, reject) => {
    const stdio: StdioOptions = held ? ["ignore", "pipe", "pipe"] : "inherit";
    const child = spawn(command, args, { cwd: root, stdio, env: { ...process.env, ...env } });
    const printed: Buffer[] = [];
    for (const stream of [child.stdout, child.stderr]) stream?.on("data", (chunk: Buffer) => void printed.push(chunk));
    child.on("error", reject);
    child.on("close", (code, signal) => {
      resolve({ code: code ?? (signal ? 1 : 0), printed: Buffer.concat(printed).toString() });
    });
  });
}
