import { fstatSync, writeSync } from "node:fs";

/** Text goes out in pieces of about this many characters: few system calls, little memory. */
export const pieceLength = 1 << 20;

/** The reader of the output has gone (`| head`): stop quietly. */
export class OutputClosed extends Error {
  constructor() {
    super("the reader of the output has gone");
    this.name = "OutputClosed";
  }
}

/**
 * Where a command prints its answer. Text is collected and written in large pieces; {@link Output.ready} waits until the
 * reader has taken what was written, so that memory stays flat however long the answer is.
 */
export interface Output {
  /** Adds text. Cheap: call it once for each line. */
  write(text: string): void;
  /** True when a piece is full: `await output.ready()` before writing on. */
  readonly full: boolean;
  /** @throws OutputClosed when the reader has gone. */
  ready(): Promise<void>;
  /** Writes what is left. @throws OutputClosed when the reader has gone. */
  end(): Promise<void>;
  /** The output is a terminal: colours are welcome. */
  readonly isTerminal: boolean;
  /** Width of the terminal in characters, where it is one. */
  readonly columns?: number;
}

/** Control characters (a YAML file may hold them by escapes) must not reach a terminal. Line ends and tabs stay. */
export function printable(text: string): string {
  return text.replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g, "\ufffd");
}

/**
 * The standard output of this process. A file is written synchronously; pipes and terminals with backpressure.
 *
 * @param coloured The text holds colours, so whoever writes it sees to control characters; otherwise a terminal gets none.
 */
export function standardOutput({ coloured = false } = {}): Output {
  return isFile(1) ? fileOutput(1) : streamOutput(process.stdout, coloured);
}

function isFile(descriptor: number): boolean {
  try {
    return fstatSync(descriptor).isFile();
  } catch {
    return false;
  }
}

/** Output to an open file. */
export function fileOutput(descriptor: number): Output {
  let pending = "";
  const flush = (): void => {
    if (pending === "") return;
    // One buffer, written until all of it is on the disk: a write may be partial.
    const bytes = Buffer.from(pending, "utf8");
    pending = "";
    let offset = 0;
    while (offset < bytes.length) offset += writeSync(descriptor, bytes, offset);
  };
  return {
    isTerminal: false,
    get full() {
      return pending.length >= pieceLength;
    },
    write(text) {
      pending += text;
    },
    ready() {
      flush();
      return Promise.resolve();
    },
    end() {
      flush();
      return Promise.resolve();
    },
  };
}

/** Output to a stream, by default a pipe or a terminal. */
function streamOutput(stream: NodeJS.WriteStream, coloured: boolean): Output {
  const clean = stream.isTTY === true && !coloured ? printable : (text: string): string => text;
  let pending = "";
  let failure: Error | undefined;
  stream.on("error", (error: NodeJS.ErrnoException) => {
    failure = error.code === "EPIPE" || error.code === "ERR_STREAM_DESTROYED" ? new OutputClosed() : error;
  });
  const flush = (): Promise<void> => {
    if (failure) return Promise.reject(failure);
    if (pending === "") return Promise.resolve();
    const text = pending;
    pending = "";
    return new Promise((resolve, reject) => {
      stream.write(text, (error) => {
        if (!error) return resolve();
        const code = (error as NodeJS.ErrnoException).code;
        reject(code === "EPIPE" || code === "ERR_STREAM_DESTROYED" ? new OutputClosed() : error);
      });
    });
  };
  return {
    isTerminal: stream.isTTY === true,
    ...(stream.isTTY ? { columns: stream.columns } : {}),
    get full() {
      return pending.length >= pieceLength;
    },
    write(text) {
      pending += clean(text);
    },
    ready: flush,
    end: flush,
  };
}
