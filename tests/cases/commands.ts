import { fork, type ChildProcess } from "node:child_process";
import { bundled } from "../cli/command";

export interface Asked {
  readonly args: readonly string[];
  readonly cwd: string;
  /** The file that is standard input. Default: nothing. */
  readonly stdin?: string;
}

export interface Answered {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** The command line in a process of its own that answers many commands; the same command is run once. */
export class Commands {
  readonly #answers = new Map<string, Promise<Answered>>();
  #child: ChildProcess | undefined;
  #last: Promise<unknown> = Promise.resolve();

  run(asked: Asked): Promise<Answered> {
    const key = JSON.stringify(asked);
    let answer = this.#answers.get(key);
    if (answer === undefined) {
      answer = this.#last.then(() => this.#ask(asked));
      this.#last = answer.catch(() => undefined);
      this.#answers.set(key, answer);
    }
    return answer;
  }

  stop(): void {
    this.#child?.kill();
  }

  #ask(asked: Asked): Promise<Answered> {
    // A kubeconfig of whoever runs the tests must not matter.
    this.#child ??= fork(bundled("tests/cases/driver.ts"), {
      env: { PATH: process.env["PATH"] ?? "", HOME: "/nonexistent" },
      stdio: ["ignore", "ignore", "ignore", "ipc"],
      execArgv: [],
    });
    const child = this.#child;
    return new Promise((resolve, reject) => {
      const died = (code: number | null): void =>
        reject(new Error(`the command line ended with ${code ?? "a signal"}`));
      child.once("exit", died);
      child.once("message", (answered) => {
        child.off("exit", died);
        resolve(answered as Answered);
      });
      child.send(asked);
    });
  }
}
