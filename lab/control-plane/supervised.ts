import type { ChildProcess } from "node:child_process";
import { spawn } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import path from "node:path";
import { bareEnvironment } from "./commands";
import { ControlPlaneError } from "./errors";
import type { Reply, Request } from "./protocol";

type Wish = Request extends infer R ? (R extends { id: number } ? Omit<R, "id"> : never) : never;

/** This process's end of the channel to a supervisor. */
export class Supervised {
  private readonly waiting = new Map<number, { resolve: () => void; reject: (error: Error) => void }>();
  private nextId = 1;
  private failure: ControlPlaneError | undefined;
  private gone = false;

  private constructor(
    private readonly child: ChildProcess,
    private readonly logs: string,
  ) {
    child.on("message", (reply: Reply) => this.receive(reply));
    child.once("exit", () => this.end());
    child.once("error", () => this.end());
  }

  /** Starts a supervisor for a data folder; resolves once its state is on disk. */
  static async start(dataDir: string, logs: string): Promise<Supervised> {
    const log = openSync(path.join(logs, "supervisor.log"), "a", 0o600);
    const child = spawn(
      process.execPath,
      ["--require", require.resolve("tsx/cjs"), path.join(__dirname, "supervisor.ts"), dataDir, String(process.pid)],
      // a session of its own: a Ctrl-C in the terminal is ours to answer
      { stdio: ["ignore", log, log, "ipc"], detached: true, env: bareEnvironment() },
    );
    closeSync(log);
    const supervised = new Supervised(child, logs);
    await new Promise<void>((resolve, reject) => {
      child.once("message", () => resolve());
      child.once("error", reject);
      child.once("exit", () => reject(new ControlPlaneError("ended", `the supervisor did not start, see ${logs}`)));
    });
    child.unref();
    child.channel?.unref();
    return supervised;
  }

  /** Asks the supervisor for something and waits until it is done. */
  ask(wish: Wish): Promise<void> {
    if (this.gone) return Promise.reject(this.reason());
    const id = this.nextId++;
    return new Promise((resolve, reject) => {
      this.waiting.set(id, { resolve, reject });
      // while something is awaited this process must not end
      this.child.channel?.ref();
      this.child.send({ ...wish, id } as Request, (error) => {
        if (error && this.waiting.delete(id)) reject(this.reason());
      });
    });
  }

  /** Throws where one of the processes has ended by itself. */
  check(): void {
    if (this.failure || this.gone) throw this.reason();
  }

  /** Lets the supervisor live on by itself. */
  async stay(): Promise<void> {
    await this.ask({ do: "stay" });
    this.child.disconnect();
  }

  /** Ends all processes and waits for the supervisor's own end. */
  async endAll(): Promise<void> {
    if (this.gone) return;
    const ended = new Promise<void>((resolve) => this.child.once("exit", () => resolve()));
    this.child.ref();
    // the answer may get lost in the supervisor's end, which is what is waited for
    if (this.child.connected) this.ask({ do: "end" }).catch(() => undefined);
    await ended;
  }

  private receive(reply: Reply): void {
    if ("event" in reply) {
      if (reply.event === "ended") {
        this.failure = new ControlPlaneError(
          "ended",
          `${reply.name} ended by itself (${reply.how}); its log is ${path.join(this.logs, `${reply.name}.log`)}`,
        );
      }
      return;
    }
    const entry = this.waiting.get(reply.id);
    if (!entry) return;
    this.waiting.delete(reply.id);
    if (this.waiting.size === 0) this.child.channel?.unref();
    if (reply.error === undefined) entry.resolve();
    else entry.reject(new ControlPlaneError("not-possible", reply.error));
  }

  private end(): void {
    this.gone = true;
    for (const { reject } of this.waiting.values()) reject(this.reason());
    this.waiting.clear();
  }

  private reason(): ControlPlaneError {
    return this.failure ?? new ControlPlaneError("ended", "the control plane runs no more");
  }
}
