import { closeSync, openSync } from "node:fs";
import { draftFor, refusal, refuseUnwritable, type Draft, type Target } from "./draft-file";
import { endsAtOnce } from "./interruption";
import { fileOutput, pieceLength, type Output } from "./output";

/**
 * A file that holds the whole answer or what it held before, never half: text goes into a file beside it, which takes its
 * place at the end. A link keeps pointing where it points, and a file keeps its permissions. What is no regular file
 * (`/dev/null`, a pipe) is written directly.
 *
 * @throws CliError where the file cannot be written.
 */
export function fileOutputAt(file: string): Output {
  const target = refuseUnwritable(file, "--output");
  let open: OpenFile | undefined;
  const opened = (): OpenFile => (open ??= target.kind === "special" ? openDirectly(file) : openDraft(file, target));
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
interface OpenFile {
  readonly output: Output;
  finish(): void;
}

function openDraft(file: string, target: Target): OpenFile {
  // before there is a draft: a signal that nobody listens to ends the process where it stands
  const release = endsAtOnce(`"${file}" is as it was`);
  const { place, finish, forget } = draftOrRelease(target, release);
  // an answer that does not come to its end (an error, Ctrl-C) leaves nothing behind
  process.once("exit", forget);
  const descriptor = openSync(place, "w");
  return {
    output: fileOutput(descriptor),
    finish() {
      closeSync(descriptor);
      finish();
      process.removeListener("exit", forget);
      release();
    },
  };
}

function draftOrRelease(target: Target, release: () => void): Draft {
  try {
    return draftFor(target);
  } catch (error) {
    release();
    throw error;
  }
}

function openDirectly(file: string): OpenFile {
  const descriptor = openSync(file, "w");
  return { output: fileOutput(descriptor), finish: () => closeSync(descriptor) };
}

async function within(file: string, write: () => Promise<void>): Promise<void> {
  try {
    await write();
  } catch (error) {
    throw refusal(file, error);
  }
}
