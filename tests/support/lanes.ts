/** Programs that the test run starts, some of them beside each other: what each prints stays together. */
import type { StdioOptions } from "node:child_process";
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";

const root = path.resolve(__dirname, "..", "..");

/** What a lane found. */
export interface Counts {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

/** One part of the run, which can go on beside others. */
export interface Lane {
  readonly title: string;
  /** @param held What it prints is kept until it has ended, because another lane is printing meanwhile. */
  readonly run: (held: boolean) => Promise<Counts>;
}

/**
 * Runs lanes, `atOnce` at a time, in their order: the longest comes first, so that the cores end together. With more than
 * one at a time each lane's output is shown in one piece, once it has ended.
 */
export async function runLanes(lanes: readonly Lane[], atOnce: number): Promise<Counts[]> {
  const waiting = [...lanes];
  const results: Counts[] = [];
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
  const run = async (held: boolean): Promise<Counts> => {
    const counts: Counts[] = [];
    for (const lane of lanes) counts.push(await lane.run(held));
    return sum(counts);
  };
  return { title, run };
}

export function sum(counts: readonly Counts[]): Counts {
  const add = (pick: (one: Counts) => number): number => counts.reduce((total, one) => total + pick(one), 0);
  return { passed: add((one) => one.passed), failed: add((one) => one.failed), skipped: add((one) => one.skipped) };
}

/** A check that passes or fails as a whole: compiler, linter, formatter, dependency rule. */
export function check(title: string, command: string, args: readonly string[]): Lane {
  const run = async (held: boolean): Promise<Counts> => {
    const { code, printed } = await execute(command, args, {}, held);
    process.stdout.write(`${printed}${code === 0 ? "✔" : "✘"} ${title}\n`);
    return { passed: code === 0 ? 1 : 0, failed: code === 0 ? 0 : 1, skipped: 0 };
  };
  return { title, run };
}

/** One run of mocha; a run that ends without counts (a crash, no test at all) is one failure. */
export function mocha(title: string, args: readonly string[], env: NodeJS.ProcessEnv = {}): Lane {
  const run = async (held: boolean): Promise<Counts> => {
    const folder = mkdtempSync(path.join(tmpdir(), "cluster-security-test-"));
    const file = path.join(folder, "counts.json");
    const started = Date.now();
    try {
      const reporter = path.join(root, "tests", "support", "counting-reporter.cjs");
      const settings = { ...env, TEST_COUNTS_FILE: file };
      const { code, printed } = await execute(bin("mocha"), ["--reporter", reporter, ...args], settings, held);
      const counts = readCounts(file) ?? { passed: 0, failed: 1, skipped: 0 };
      // a hook or a leak can fail the run without failing a test
      const found = code !== 0 && counts.failed === 0 ? { ...counts, failed: 1 } : counts;
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
  const run = (): Promise<Counts> => {
    console.log(`\nskipped: ${title}\n${reason}`);
    return Promise.resolve({ passed: 0, failed: 0, skipped: 1 });
  };
  return { title, run };
}

/** A program of the checkout's own dependencies. */
export function bin(name: string): string {
  return path.join(root, "node_modules", ".bin", name);
}

function readCounts(file: string): Counts | undefined {
  try {
    const counts = JSON.parse(readFileSync(file, "utf8")) as Counts;
    return sum([counts]).passed + counts.failed + counts.skipped > 0 ? counts : undefined;
  } catch {
    return undefined;
  }
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
