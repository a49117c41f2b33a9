import { randomBytes } from "node:crypto";
import { linkSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import type { ProcessIdentity } from "./identity";
import { identify, isAlive, signalProcess, waitForEnd } from "./identity";

/** What runs on a data folder: `state.json`, written by the supervisor before each process and after its end. */
export interface ControlPlaneState {
  readonly supervisor: ProcessIdentity;
  /** The process that asked for it; none once it was told to outlive that process. */
  readonly owner?: ProcessIdentity;
  readonly processes: Readonly<Record<string, ProcessIdentity>>;
}

const stateFile = "state.json";

/** The state of a data folder; undefined where nothing was left to say. */
export function readState(dataDir: string): ControlPlaneState | undefined {
  try {
    return JSON.parse(readFileSync(path.join(dataDir, stateFile), "utf8")) as ControlPlaneState;
  } catch {
    return undefined;
  }
}

/** Replaces the state in one step, so that a reader never sees half of it. */
export function writeState(dataDir: string, state: ControlPlaneState): void {
  const file = path.join(dataDir, stateFile);
  writeFileSync(`${file}.new`, `${JSON.stringify(state, null, 2)}\n`, { mode: 0o600 });
  renameSync(`${file}.new`, file);
}

/** Nothing runs any more. */
export function removeState(dataDir: string): void {
  rmSync(path.join(dataDir, stateFile), { force: true });
}

/** Every process that the state names. */
export function processesOf(state: ControlPlaneState): ProcessIdentity[] {
  return [...Object.values(state.processes), state.supervisor];
}

/** Kills whatever of a data folder still runs, and forgets it. */
export async function killLeftovers(dataDir: string): Promise<void> {
  const state = readState(dataDir);
  if (!state) return;
  const left = processesOf(state);
  for (const identity of left) signalProcess(identity, "SIGKILL");
  await waitForEnd(left, 10_000);
  removeState(dataDir);
}

/**
 * Takes a lock that holds as long as this process lives: the file names its holder, and one whose holder is gone does
 * not count. Returns how to release it, or undefined where a living process holds it.
 */
export function takeLock(file: string): (() => void) | undefined {
  const self = identify(process.pid);
  if (!self) throw new Error("this process cannot be identified");
  const suffix = randomBytes(6).toString("hex");
  const mine = `${file}.${suffix}`;
  writeFileSync(mine, JSON.stringify(self), { mode: 0o600 });
  try {
    for (let attempt = 0; attempt < 20; attempt += 1) {
      try {
        // a link appears with its content or not at all
        linkSync(mine, file);
        return () => rmSync(file, { force: true });
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
      }
      const holder = readHolder(file);
      if (holder && isAlive(holder)) return undefined;
      setAside(file, `${mine}.old`);
    }
    return undefined;
  } finally {
    rmSync(mine, { force: true });
  }
}

function readHolder(file: string): ProcessIdentity | undefined {
  try {
    return JSON.parse(readFileSync(file, "utf8")) as ProcessIdentity;
  } catch {
    return undefined;
  }
}

/** Removes a lock whose holder is gone – and puts it back when meanwhile somebody else has taken it. */
function setAside(file: string, aside: string): void {
  try {
    renameSync(file, aside);
  } catch {
    return;
  }
  const holder = readHolder(aside);
  if (holder && isAlive(holder)) {
    try {
      linkSync(aside, file);
    } catch {
      // a third one was faster; the loop meets it
    }
  }
  rmSync(aside, { force: true });
}
