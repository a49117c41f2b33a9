import { accessSync, closeSync, constants, openSync, realpathSync, renameSync, rmSync, statSync } from "node:fs";
import * as path from "node:path";
import { inputError } from "./errors";
import { fileOutput, pieceLength, type Output } from "./output";

/**
 * A file that holds the whole answer or what it held before, never half: text goes into a file beside it, which takes its
 * place at the end. A link keeps pointing where it points, and a file keeps its permissions. What is no regular file
 * (`/dev/null`, a pipe) is written directly.
 *
 * @throws CliError where the file cannot be written.
 */
export function fileOutputAt(file: string): Output {
  const target = attempt(file, () => targetOf(file));
  if (target.kind === "folder") throw inputError(`"${file}" is a folder: name a file for --output`);
  if (target.kind === "regular") attempt(file, () => accessSync(path.dirname(target.place), constants.W_OK));
  let draft: Draft | undefined;
  const opened = (): Draft => (draft ??= target.kind === "special" ? openDirectly(file) : openDraft(target));
  let text = "";
  return {
    isTerminal: false,
    get full() {
      return text.length >= pieceLength;
    },
    write(more) {
      text += more;
    },
    ready: () =>
      within(file, async () => {
        opened().output.write(text);
        text = "";
        await opened().output.ready();
        // a signal is heard only between two turns of the event loop
        await new Promise((resolve) => setImmediate(resolve));
      }),
    end: () =>
      within(file, async () => {
        opened().output.write(text);
        await opened().output.end();
        opened().finish();
      }),
  };
}

/** A file that is being written, and what makes it the answer. */
interface Draft {
  readonly output: Output;
  finish(): void;
}

function openDraft({ place, mode }: Target): Draft {
  const draft = path.join(path.dirname(place), `.${path.basename(place)}.${process.pid}.part`);
  const descriptor = openSync(draft, "wx", mode);
  const forget = (): void => rmSync(draft, { force: true });
  // an answer that does not come to its end (an error, Ctrl-C) leaves nothing behind
  process.once("exit", forget);
  for (const signal of signals) process.once(signal, stop);
  return {
    output: fileOutput(descriptor),
    finish() {
      closeSync(descriptor);
      renameSync(draft, place);
      process.removeListener("exit", forget);
      for (const signal of signals) process.removeListener(signal, stop);
    },
  };
}

function openDirectly(file: string): Draft {
  const descriptor = openSync(file, "w");
  return { output: fileOutput(descriptor), finish: () => closeSync(descriptor) };
}

const signals = ["SIGINT", "SIGTERM"] as const;

/** Ends as the signal would have, but through `exit`, where drafts are removed. */
function stop(signal: NodeJS.Signals): void {
  process.exit(signal === "SIGINT" ? 130 : 143);
}

interface Target {
  readonly kind: "regular" | "special" | "folder";
  /** Where the file really is, behind links. */
  readonly place: string;
  readonly mode: number;
}

function targetOf(file: string): Target {
  const status = statSync(file, { throwIfNoEntry: false });
  if (status === undefined) return { kind: "regular", place: file, mode: 0o666 };
  if (status.isDirectory()) return { kind: "folder", place: file, mode: 0 };
  if (!status.isFile()) return { kind: "special", place: file, mode: 0 };
  return { kind: "regular", place: realpathSync(file), mode: status.mode & 0o777 };
}

async function within(file: string, write: () => Promise<void>): Promise<void> {
  try {
    await write();
  } catch (error) {
    throw refusal(file, error);
  }
}

function attempt<T>(file: string, action: () => T): T {
  try {
    return action();
  } catch (error) {
    throw refusal(file, error);
  }
}

function refusal(file: string, error: unknown): Error {
  const code = (error as NodeJS.ErrnoException).code;
  const reasons: Readonly<Record<string, string>> = {
    ENOENT: "there is no such folder",
    ENOTDIR: "there is no such folder",
    EACCES: "you may not write there",
    EPERM: "you may not write there",
    EROFS: "the file system is read-only",
    ENOSPC: "the disk is full",
  };
  const reason = reasons[code ?? ""] ?? (error instanceof Error ? error.message : String(error));
  return inputError(`"${file}" cannot be written: ${reason}`);
}
