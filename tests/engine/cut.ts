/** Ends an operation of the engine in the middle, as a crash of the machine that runs it would. */
import { readFileSync, readdirSync, rmSync, statSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import * as pulumi from "@pulumi/pulumi";
import type { Stack } from "@pulumi/pulumi/automation";
import type { Operation } from "./automation";
import { operate } from "./automation";

/**
 * Where a program can be cut off: a hook on each of its resources, on which the engine waits. However busy the machine is,
 * nothing that depends on the resource has begun when the engine is killed.
 */
export class Cutter {
  private moment: ((made: pulumi.ResourceHookArgs) => void | Promise<void>) | undefined;

  /** To be called by the program before it registers anything. */
  watch(): void {
    const hook = new pulumi.ResourceHook("cut-off", (made) => this.moment?.(made));
    pulumi.runtime.registerStackTransformation(({ props, opts }) => {
      const { hooks } = opts as pulumi.CustomResourceOptions;
      const afterCreate = [...(hooks?.afterCreate ?? []), hook];
      const watched = { ...hooks, afterCreate, afterDelete: [...(hooks?.afterDelete ?? []), hook] };
      return { props, opts: { ...opts, hooks: watched } };
    });
  }

  /** Runs an operation; `moment` is called after each resource that is made or deleted, and the engine waits for it. */
  async during(stack: Stack, verb: "up" | "destroy", moment: NonNullable<Cutter["moment"]>): Promise<Operation> {
    this.moment = moment;
    try {
      return await operate(stack, verb, { runProgram: true });
    } finally {
      this.moment = undefined;
    }
  }

  /**
   * Runs an operation and kills the engine (SIGKILL: nothing is tidied up) as soon as a resource that `done` names is made
   * or deleted. What the engine had begun elsewhere at that moment may or may not reach the API server.
   *
   * @throws where the operation came to its end before that.
   */
  async cutOff(stack: Stack, verb: "up" | "destroy", done: (name: string) => boolean): Promise<Operation> {
    let killed = false;
    const operation = await this.during(stack, verb, ({ name }) => {
      if (killed || !done(name)) return;
      killed = true;
      for (const pid of enginesOf(stack, verb)) process.kill(pid, "SIGKILL");
    });
    if (!killed) throw new Error(`the moment never came: ${operation.output}`);
    if (operation.error === undefined) throw new Error("the operation ended before it could be cut off");
    await mendState(stack);
    // the lock of an engine that is no more
    await stack.cancel();
    return operation;
  }
}

/**
 * Pulumi's file backend replaces the state as a whole, but writes the file of attributes beside it in place: a kill can
 * leave that one empty, and the state then reads as `EOF`. Without it the state is read. Other backends have no such file.
 */
async function mendState(stack: Stack): Promise<void> {
  const { name: project } = await stack.workspace.projectSettings();
  const folder = fileURLToPath(stack.workspace.envVars["PULUMI_BACKEND_URL"] ?? "");
  const file = path.join(folder, ".pulumi", "stacks", project, `${stack.name}.json.attrs`);
  if (statSync(file, { throwIfNoEntry: false })?.size === 0) rmSync(file);
}

/** Processes that this one started to run the operation on this stack. */
function enginesOf(stack: Stack, verb: string): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        const parent = /^PPid:\s+(\d+)$/m.exec(readFileSync(path.join("/proc", pid, "status"), "utf8"))?.[1];
        const words = readFileSync(path.join("/proc", pid, "cmdline"), "utf8").split("\0");
        return Number(parent) === process.pid && words.includes(verb) && words.includes(stack.name);
      } catch {
        // it ended meanwhile
        return false;
      }
    })
    .map(Number);
}
