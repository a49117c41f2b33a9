/** Runs one measurement as a child process and reads what it prints. */
import { spawn } from "node:child_process";
import { createWriteStream } from "node:fs";
import { finished } from "node:stream/promises";

export interface Measurement {
  readonly task: string;
  readonly parseMs: number;
  readonly compileMs: number;
  readonly taskMs: number;
  readonly totalMs: number;
  /** Computing time of compiling and the task, all threads. */
  readonly cpuMs: number;
  readonly maxRssMb: number;
  readonly pairs: number;
  readonly characters: number;
  readonly problems: number;
}

/** @throws Error with the child's last words when it fails. */
export async function measure(script: string, task: string, file: string): Promise<Measurement> {
  const { stdout } = await run(process.execPath, ["--require", "tsx/cjs", script, task, file]);
  return JSON.parse(stdout.trim().split("\n").at(-1) ?? "") as Measurement;
}

export interface ProcessRun {
  readonly stdout: string;
  readonly seconds: number;
  /** Peak resident set of the process, from /proc; undefined where there is none. */
  readonly maxRssMb?: number;
}

/** Runs a program to its end; its standard output goes to `output` if given, else it is returned. */
export async function run(program: string, args: readonly string[], output?: string): Promise<ProcessRun> {
  const start = performance.now();
  const child = spawn(program, args, { stdio: ["ignore", "pipe", "pipe"] });
  const peak = watchMemory(child.pid);
  let stdout = "";
  let stderr = "";
  const file = output === undefined ? undefined : createWriteStream(output);
  if (file) child.stdout.pipe(file);
  else child.stdout.setEncoding("utf8").on("data", (text: string) => (stdout += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr = (stderr + text).slice(-4000)));
  const code = await new Promise<number | null>((resolve, reject) => child.on("error", reject).on("close", resolve));
  if (file) await finished(file);
  const maxRssMb = peak();
  if (code !== 0) throw new Error(`${[program, ...args].join(" ")} ended with ${code}: ${stderr}`);
  return { stdout, seconds: (performance.now() - start) / 1000, ...(maxRssMb === undefined ? {} : { maxRssMb }) };
}

/** VmHWM is the kernel's own high-water mark: reading it now and then loses only what grows after the last reading. */
function watchMemory(pid: number | undefined): () => number | undefined {
  let last: number | undefined;
  const read = async (): Promise<void> => {
    try {
      const { readFile } = await import("node:fs/promises");
      const status = await readFile(`/proc/${pid}/status`, "utf8");
      const kilobytes = /VmHWM:\s+(\d+) kB/.exec(status)?.[1];
      if (kilobytes !== undefined) last = Math.round(Number(kilobytes) / 1024);
    } catch {
      // No /proc here, or the process has ended.
    }
  };
  const timer = setInterval(() => void read(), 20);
  return () => {
    clearInterval(timer);
    return last;
  };
}
