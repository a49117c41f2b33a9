/** Answers command lines one after the other in one process, which saves the start of a process for each. */
import { readFileSync } from "node:fs";
import { Readable } from "node:stream";
import { runCommandLine } from "../../sdk/cli/run";
import type { Answered, Asked } from "./commands";

const streams = { stdout: process.stdout, stderr: process.stderr } as const;
const written = { stdout: "", stderr: "" };
for (const name of ["stdout", "stderr"] as const) {
  streams[name].write = (chunk: string | Uint8Array, ...rest: unknown[]): boolean => {
    written[name] += typeof chunk === "string" ? chunk : Buffer.from(chunk).toString("utf8");
    const done = rest.find((each): each is () => void => typeof each === "function");
    if (done !== undefined) process.nextTick(done);
    return true;
  };
}

/** Two commands at once would mix what they print. */
let last: Promise<void> = Promise.resolve();
process.on("message", (asked: Asked) => {
  last = last.then(() => answer(asked));
});

async function answer({ args, cwd, stdin }: Asked): Promise<void> {
  process.chdir(cwd);
  process.exitCode = 0;
  written.stdout = "";
  written.stderr = "";
  const input = stdin === undefined ? Buffer.alloc(0) : readFileSync(stdin);
  Object.defineProperty(process, "stdin", { value: Readable.from([input]), configurable: true });
  const code = await runCommandLine(args);
  for (const stream of Object.values(streams)) stream.removeAllListeners("error");
  const answered: Answered = { code, ...written };
  process.send?.(answered);
}
