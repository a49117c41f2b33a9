import type { SpawnOptions } from "node:child_process";
import { spawn, spawnSync } from "node:child_process";
import { findOnPath } from "./lookup";

/** What a finished child said. Output is capped at its end, see {@link RunOptions.outputLimit}. */
export interface RunResult {
  readonly code: number | undefined;
  readonly signal: NodeJS.Signals | undefined;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly cwd?: string;
  readonly env?: NodeJS.ProcessEnv;
  /** Milliseconds after which the child is killed; none where absent. */
  readonly timeout?: number;
  readonly signal?: AbortSignal;
  /** So many characters of the end of each output are kept. Default 65,536. */
  readonly outputLimit?: number;
  /** Called for every line on stderr as it comes. */
  readonly onStderrLine?: (line: string) => void;
}

/**
 * Runs a program without a shell and waits for it. The child dies with this process: on SIGINT, SIGTERM, SIGHUP and
 * exit it is killed, and where util-linux' setpriv is there also when this process is killed outright.
 * Rejects where the program cannot be started or the signal aborts; a non-zero exit is a result.
 */
export function run(command: string, args: readonly string[], options: RunOptions = {}): Promise<RunResult> {
  return new Promise((resolve, reject) => {
    options.signal?.throwIfAborted();
    const { outputLimit = 64 * 1024 } = options;
    const [program, programArgs] = dyingWithParent(command, args);
    // a group of its own, so that what the child starts (compilers) is stopped together with it
    const spawnOptions: SpawnOptions = {
      cwd: options.cwd,
      env: options.env ?? process.env,
      stdio: ["ignore", "pipe", "pipe"],
      detached: true,
    };
    const child = spawn(program, programArgs, spawnOptions);
    let stdout = "";
    let stderr = "";
    let partial = "";
    child.stdout?.setEncoding("utf8").on("data", (text: string) => {
      stdout = (stdout + text).slice(-outputLimit);
    });
    child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      stderr = (stderr + text).slice(-outputLimit);
      if (!options.onStderrLine) return;
      const lines = (partial + text).split("\n");
      partial = lines.pop() ?? "";
      for (const line of lines) options.onStderrLine(line);
    });

    const kill = (): void => killGroup(child.pid);
    const interrupted = (signal: NodeJS.Signals): void => {
      kill();
      // with our handler gone the signal ends this process, or reaches whoever else listens
      cleanUp();
      if (process.listenerCount(signal) === 0) process.kill(process.pid, signal);
    };
    const timer = options.timeout === undefined ? undefined : setTimeout(kill, options.timeout);
    const signals: readonly NodeJS.Signals[] = ["SIGINT", "SIGTERM", "SIGHUP"];
    function cleanUp(): void {
      clearTimeout(timer);
      options.signal?.removeEventListener("abort", kill);
      process.removeListener("exit", kill);
      for (const signal of signals) process.removeListener(signal, interrupted);
    }
    options.signal?.addEventListener("abort", kill, { once: true });
    process.once("exit", kill);
    // in front: what others do at a signal (releasing locks, ending the process) depends on who else still listens
    for (const signal of signals) process.prependOnceListener(signal, interrupted);

    child.once("error", (error) => {
      cleanUp();
      reject(error);
    });
    child.once("close", (code, signal) => {
      cleanUp();
      if (options.signal?.aborted) reject(options.signal.reason as Error);
      else resolve({ code: code ?? undefined, signal: signal ?? undefined, stdout, stderr });
    });
  });
}

function killGroup(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, "SIGKILL");
  } catch {
    // it has ended by itself
  }
}

let setpriv: string | undefined | null = null;

/** The same command, run so that the kernel kills it when this process dies by any means (Linux with setpriv). */
export function dyingWithParent(command: string, args: readonly string[]): [string, string[]] {
  if (setpriv === null) setpriv = usableSetpriv();
  return setpriv ? [setpriv, [...deathSignal, command, ...args]] : [command, [...args]];
}

const deathSignal = ["--pdeathsig", "KILL", "--"] as const;

/** The small setpriv of some distributions lacks the option. */
function usableSetpriv(): string | undefined {
  if (process.platform !== "linux") return undefined;
  const file = findOnPath("setpriv", process.env.PATH);
  return file && spawnSync(file, [...deathSignal, "/bin/sh", "-c", ":"]).status === 0 ? file : undefined;
}
