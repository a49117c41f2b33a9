import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";

/**
 * A process, told apart from any later one that gets the same number: `start` is the moment it began, as the kernel
 * counts it, together with the boot it belongs to.
 */
export interface ProcessIdentity {
  readonly pid: number;
  readonly start: string;
}

/** The identity of a running process; undefined where none of that number runs (a zombie does not run). */
export function identify(pid: number): ProcessIdentity | undefined {
  const start = process.platform === "linux" ? startOnLinux(pid) : startElsewhere(pid);
  return start === undefined ? undefined : { pid, start };
}

/** Whether exactly that process still runs. */
export function isAlive(identity: ProcessIdentity): boolean {
  return identify(identity.pid)?.start === identity.start;
}

/** Sends a signal to exactly that process; false where it no longer runs. */
export function signalProcess(identity: ProcessIdentity, signal: NodeJS.Signals): boolean {
  if (!isAlive(identity)) return false;
  try {
    process.kill(identity.pid, signal);
    return true;
  } catch {
    return false;
  }
}

/** Resolves to true once none of the processes runs, to false when `timeout` milliseconds are over before that. */
export async function waitForEnd(identities: readonly ProcessIdentity[], timeout: number): Promise<boolean> {
  const end = Date.now() + timeout;
  while (identities.some(isAlive)) {
    if (Date.now() >= end) return false;
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  return true;
}

let bootId: string | undefined;

/** proc(5): /proc/PID/stat, field 3 is the state and field 22 the start in clock ticks since boot. */
function startOnLinux(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    // field 2, the name, may itself hold blanks and brackets
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    if (fields[0] === "Z" || fields[0] === "X") return undefined;
    bootId ??= readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
    return fields[19] === undefined ? undefined : `${bootId}/${fields[19]}`;
  } catch {
    return undefined;
  }
}

function startElsewhere(pid: number): string | undefined {
  const result = spawnSync("ps", ["-o", "lstart=,stat=", "-p", String(pid)], {
    encoding: "utf8",
    env: { ...process.env, LC_ALL: "C" },
  });
  const line = result.stdout?.trim();
  if (result.status !== 0 || !line) return undefined;
  const words = line.split(/\s+/);
  return words.at(-1)?.startsWith("Z") ? undefined : words.slice(0, -1).join(" ");
}
