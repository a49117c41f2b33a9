/**
 * Runs the processes of one control plane, in a session of its own, for a process that talks to it over Node's channel.
 * When that process goes – by any means, since the kernel closes the channel – everything here is killed, unless the
 * supervisor was told to stay. SIGTERM ends everything in order. An unexpected end of one process ends all.
 */
import type { ChildProcess } from "node:child_process";
import { spawn } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { dyingWithParent } from "../toolchain/run";
import type { ProcessIdentity } from "./identity";
import { identify } from "./identity";
import type { Command, Reply, Request } from "./protocol";
import { removeState, writeState } from "./state";

interface Running {
  readonly command: Command;
  readonly child: ChildProcess;
  readonly startedAt: number;
  readonly ended: Promise<void>;
  expectedToEnd: boolean;
}

const dataDir = process.argv[2] ?? "";
const ownerPid = Number(process.argv[3]);
const self = identify(process.pid);
if (!dataDir || !self) throw new Error("usage: supervisor DATA-FOLDER OWNER-PID");

let owner: ProcessIdentity | undefined = identify(ownerPid);
let ending = false;
const running = new Map<string, Running>();
/** How often a program has ended right after its start, by its name. */
const shortLives = new Map<string, number>();
const shortLife = 2000;
const mostShortLives = 20;

function record(): void {
  const processes: Record<string, ProcessIdentity> = {};
  for (const [name, { child }] of running) {
    const identity = child.pid === undefined ? undefined : identify(child.pid);
    if (identity) processes[name] = identity;
  }
  try {
    writeState(dataDir, { supervisor: self as ProcessIdentity, ...(owner ? { owner } : {}), processes });
  } catch (error) {
    // what cannot be recorded could not be found by a later start: a removed data folder ends its processes
    console.error(error);
    if (!ending) void killAll(1);
  }
}

function start(command: Command): void {
  if (ending) throw new Error("the control plane is being stopped");
  if (running.has(command.name)) throw new Error(`${command.name} runs already`);
  const log = openSync(command.log, "a", 0o600);
  const [program, args] = dyingWithParent(command.path, command.args);
  const child = spawn(program, args, { cwd: dataDir, env: command.env, stdio: ["ignore", log, log] });
  closeSync(log);
  const entry: Running = {
    command,
    child,
    startedAt: Date.now(),
    expectedToEnd: false,
    ended: new Promise((resolve) => {
      child.once("error", () => resolve());
      child.once("exit", () => resolve());
    }),
  };
  running.set(command.name, entry);
  child.once("exit", (code, signal) => ended(entry, code === null ? `signal ${signal}` : `code ${code}`));
  child.once("error", (error) => ended(entry, error.message));
  record();
}

function ended(entry: Running, how: string): void {
  const { command } = entry;
  if (running.get(command.name) === entry) running.delete(command.name);
  if (ending) return;
  record();
  if (entry.expectedToEnd) return;
  if (command.restart && mayRestart(entry)) {
    setTimeout(() => {
      if (!ending && !running.has(command.name)) start(command);
    }, 300);
    return;
  }
  tell({ event: "ended", name: command.name, how });
  void endAll(1);
}

function mayRestart(entry: Running): boolean {
  const { name } = entry.command;
  const short = Date.now() - entry.startedAt < shortLife;
  const count = short ? (shortLives.get(name) ?? 0) + 1 : 0;
  shortLives.set(name, count);
  return count <= mostShortLives;
}

/** Ends one process: asked first, killed when it has not gone after its grace. */
async function stop(name: string, kill = false): Promise<void> {
  const entry = running.get(name);
  if (!entry) return;
  entry.expectedToEnd = true;
  entry.child.kill(kill ? "SIGKILL" : "SIGTERM");
  const timer = setTimeout(() => entry.child.kill("SIGKILL"), entry.command.grace ?? 3000);
  await entry.ended;
  clearTimeout(timer);
}

/** Ends all in the reverse order of their start, then this process. */
async function endAll(code: number): Promise<void> {
  if (ending) return;
  ending = true;
  for (const name of [...running.keys()].reverse()) await stop(name);
  removeState(dataDir);
  process.exit(code);
}

/** Nobody is left to ask: kills all at once. The store survives that, each of its writes has reached the kernel. */
async function killAll(code: number): Promise<void> {
  ending = true;
  const all = [...running.values()];
  for (const { child } of all) child.kill("SIGKILL");
  await Promise.all(all.map((entry) => entry.ended));
  removeState(dataDir);
  process.exit(code);
}

function tell(reply: Reply): void {
  if (process.connected) process.send?.(reply, undefined, undefined, () => undefined);
}

async function handle(request: Request): Promise<void> {
  switch (request.do) {
    case "start":
      return start(request.command);
    case "stop":
      return await stop(request.name, request.kill);
    case "stay":
      owner = undefined;
      return record();
    case "end":
      return await endAll(0);
  }
}

process.on("message", (request: Request) => {
  handle(request).then(
    () => tell({ id: request.id }),
    (error: unknown) => tell({ id: request.id, error: error instanceof Error ? error.message : String(error) }),
  );
});
process.on("disconnect", () => {
  if (owner) void killAll(0);
});
process.on("SIGTERM", () => void endAll(0));
process.on("SIGINT", () => void endAll(0));
process.on("SIGHUP", () => undefined);

record();
tell({ event: "supervising" });
