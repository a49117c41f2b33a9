/**
 * A signal that ends a command (Ctrl-C, a CI system, a terminal that is closed) never comes between two steps that belong
 * together. A sentence tells what was done and what was not, and the exit code is that of the signal.
 *
 * Where a command computes, the signal ends it as the operating system does: nothing has been written then.
 */
import { CliError } from "./errors";
import { exitCodes, type ExitCode } from "./exit-codes";

const signals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
type Signal = (typeof signals)[number];

const codes: Readonly<Record<Signal, ExitCode>> = {
  SIGINT: exitCodes.interrupted,
  SIGTERM: exitCodes.terminated,
  SIGHUP: exitCodes.hungUp,
};

/** The end of a command by a signal. @param done what was done, and what was not */
export function interrupted(signal: Signal, done: string): CliError {
  return new CliError(`${signal}: ${done}`, codes[signal]);
}

/** Whether a signal has come. */
export interface Heard {
  readonly signal: Signal | undefined;
  /** Aborted with the first signal. */
  readonly abort: AbortSignal;
  /** @throws CliError with what was done, once a signal has come. */
  stopHere(done: () => string): void;
}

/** So soon after the first a second signal is the same one: npm passes on what the terminal has sent already. */
const sameSignal = 1000;

/**
 * Does work in steps that looks between them whether a signal has come. A second signal ends it at once.
 *
 * @param words Told with the first signal, and with the second.
 */
export async function listening<T>(
  words: { readonly first: string; readonly second: string },
  work: (heard: Heard) => Promise<T>,
): Promise<T> {
  let came: { readonly signal: Signal; readonly at: number } | undefined;
  const controller = new AbortController();
  const hear = (signal: Signal): void => {
    if (came === undefined) {
      came = { signal, at: Date.now() };
      process.stderr.write(`${signal}: ${words.first}\n`);
      controller.abort();
    } else if (Date.now() - came.at > sameSignal) {
      leave(signal, words.second);
    }
  };
  const release = on(hear);
  try {
    return await work({
      get signal() {
        return came?.signal;
      },
      abort: controller.signal,
      stopHere(done) {
        if (came !== undefined) throw interrupted(came.signal, done());
      },
    });
  } finally {
    release();
  }
}

/**
 * Does at once what must not stop half-way. A signal that comes meanwhile is heard afterwards.
 *
 * @param done What then is said to have been done.
 */
export async function unbroken<T>(action: () => T, done: string): Promise<T> {
  let came: Signal | undefined;
  const release = on((signal) => (came ??= signal));
  try {
    const result = action();
    await nextTurns();
    if (came !== undefined) throw interrupted(came, done);
    return result;
  } finally {
    release();
  }
}

/**
 * From here on a signal ends the process at once, with a sentence: nothing is half done.
 *
 * @returns What ends that.
 */
export function endsAtOnce(sentence: string): () => void {
  return on((signal) => leave(signal, sentence));
}

const whileReading = "ended while reading: there is no answer, and nothing was changed";

/** Reads, and a signal ends that at once. @param sentence What was done, and what was not. */
export async function reading<T>(work: () => Promise<T>, sentence = whileReading): Promise<T> {
  const release = endsAtOnce(sentence);
  try {
    return await work();
  } finally {
    release();
  }
}

/** Reads what lies somewhere for the time of the work, and cleans up, however it ends. */
export async function readingAway<T>(work: () => Promise<T>, cleanUp: () => void): Promise<T> {
  process.once("exit", cleanUp);
  return reading(async () => {
    try {
      return await work();
    } finally {
      process.removeListener("exit", cleanUp);
      cleanUp();
      await nextTurns();
    }
  });
}

function on(hear: (signal: Signal) => void): () => void {
  for (const signal of signals) process.on(signal, hear);
  return () => {
    for (const signal of signals) process.removeListener(signal, hear);
  };
}

function leave(signal: Signal, sentence: string): never {
  process.stderr.write(`cluster-security: ${signal}: ${sentence}\n`);
  process.exit(codes[signal]);
}

/** A signal is heard when the event loop looks for what has happened: at the latest in its second turn. */
async function nextTurns(): Promise<void> {
  for (let turn = 0; turn < 2; turn++) await new Promise((resolve) => setImmediate(resolve));
}
