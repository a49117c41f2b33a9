/** The engine of an older commit beside today's: the same clusters, in turns, in one run, so that only the code differs. */
import { spawnSync } from "node:child_process";
import { copyFileSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import type { KubeObject } from "../../sdk/reachability";
import { benchObjects, type BenchOptions } from "./generator";
import { measure, type Measurement } from "./measure";

const repository = path.join(__dirname, "..", "..");
const child = path.join("tests", "bench", "child.ts");

/** One measurement of both. Seconds of computing time, the least of all rounds. */
export interface Comparison {
  readonly size: string;
  readonly dialects: string;
  readonly measurement: string;
  readonly before: number;
  readonly now: number;
  /** Of today's time to that of the older commit: over 1, today's is slower. */
  readonly ratio: number;
  /** Where the answers differ in number, the times are of different work. */
  readonly note?: string;
}

/**
 * Runs the engine's part of the bench with both, in turns. The older commit is measured by today's script and with today's
 * libraries.
 *
 * @throws Error where the repository lacks the commit, or its engine cannot be asked as today's.
 */
export async function compareWith(
  commit: string,
  clusters: readonly BenchOptions[],
  rounds: number,
): Promise<readonly Comparison[]> {
  const folder = mkdtempSync(path.join(tmpdir(), "cluster-security-bench-"));
  try {
    const older = checkOut(commit, folder);
    const rows: Comparison[] = [];
    const file = path.join(folder, "cluster.json");
    const compared = async (task: string, options: BenchOptions): Promise<void> => {
      const row = await compare(task, benchObjects(options), { file, older, rounds });
      rows.push({ size: `${options.workloads} × ${options.policies}`, dialects: options.dialects, ...row });
    };
    for (const options of clusters) await compared("matrix", options);
    const seed = clusters[0]?.seed ?? 1;
    await compared("explain", { workloads: 200, policies: 100, seed, dialects: "mixed" });
    return rows;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The files of a commit in a folder of their own. */
function checkOut(commit: string, folder: string): string {
  const older = mkdtempSync(path.join(folder, "commit-"));
  const archive = path.join(folder, "commit.tar");
  run("git", ["archive", "--format=tar", "--output", archive, "--end-of-options", commit]);
  run("tar", ["-xf", archive, "-C", older]);
  symlinkSync(path.join(repository, "node_modules"), path.join(older, "node_modules"));
  copyFileSync(path.join(repository, child), path.join(older, child));
  return older;
}

function run(program: string, args: readonly string[]): void {
  const { status, stderr, error } = spawnSync(program, args, { cwd: repository, encoding: "utf8" });
  if (error) throw error;
  if (status !== 0) throw new Error(`${program} ${args[0] ?? ""} failed: ${stderr.trim()}`);
}

interface Bench {
  /** Where the cluster is written. */
  readonly file: string;
  /** Folder of the older commit. */
  readonly older: string;
  readonly rounds: number;
}

async function compare(
  task: string,
  objects: readonly KubeObject[],
  { file, older, rounds }: Bench,
): Promise<Pick<Comparison, "measurement" | "before" | "now" | "ratio" | "note">> {
  writeFileSync(file, JSON.stringify(objects));
  const results = { before: [] as Measurement[], now: [] as Measurement[] };
  for (let round = 0; round < rounds; round++) {
    // whoever comes second finds a warmer machine
    const order = round % 2 === 0 ? (["before", "now"] as const) : (["now", "before"] as const);
    for (const which of order) {
      const folder = which === "now" ? repository : older;
      results[which].push(await measure(path.join(folder, child), task, file));
    }
  }
  const least = (all: readonly Measurement[]): number => Math.min(...all.map(({ cpuMs }) => cpuMs)) / 1000;
  const [before, now] = [least(results.before), least(results.now)];
  const pairs = [results.before[0]?.pairs, results.now[0]?.pairs];
  const note = pairs[0] === pairs[1] ? {} : { note: `${pairs[0]} pairs before, ${pairs[1]} now` };
  return { measurement: `compile + ${task}`, before, now, ratio: now / before, ...note };
}
