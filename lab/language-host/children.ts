import type { ChildProcess, SpawnOptions } from "node:child_process";
import { spawn } from "node:child_process";

const children = new Set<ChildProcess>();

function startChild(command: string, args: readonly string[], options: SpawnOptions): ChildProcess {
  const child = spawn(command, args, options);
  children.add(child);
  const forget = (): void => void children.delete(child);
  child.once("exit", forget);
  child.once("error", forget);
  return child;
}

/** A file that Node's programs load first; said where the host is bundled. */
declare const loadedFirst: string | undefined;

/** Starts a program of Node's that does not outlive this host. */
export function startNode(args: readonly string[], options: SpawnOptions): ChildProcess {
  const first = typeof loadedFirst === "string" ? ["--require", loadedFirst] : [];
  return startChild(process.execPath, [...first, ...args], options);
}

/** Kills whatever still runs. */
export function killChildren(): void {
  for (const child of children) child.kill("SIGKILL");
}

/**
 * Ends this process when the engine that started it is gone: a plugin whose engine was killed gets no other sign, and is
 * then handed to another parent.
 */
export function endWithParent(): void {
  const parent = process.ppid;
  setInterval(() => {
    if (process.ppid === parent) return;
    killChildren();
    process.exit(1);
  }, 500).unref();
  process.on("exit", killChildren);
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => process.exit(1));
}
