/** The lines of recordings and logs: of files, rotated and compressed ones too, and of standard input. */
import { createReadStream, existsSync, readdirSync, statSync } from "node:fs";
import path from "node:path";
import { pipeline, type Readable } from "node:stream";
import { createGunzip } from "node:zlib";
import { isLokiAnswer, lokiBeginning, LokiLines } from "../../flows/index";
import { inputError } from "../errors";
import { reading } from "../interruption";

/** A line that is longer is a whole answer of an API, which would have to be held in memory. */
const longestLine = 256 * 1024 * 1024;

/** Takes lines one by one. */
export interface LineReader {
  line(text: string, file: string, number: number): void;
  /** @param lines How many lines the file has. */
  endOfFile(file: string, lines: number): void;
}

/**
 * Feeds every line of the named files to a reader. A folder stands for the files in it, in the order of their names.
 *
 * @param progress Called after each megabyte, with what has been read and where it is.
 * @throws CliError where a file cannot be read, or a line has no end.
 */
export function readFlowLines(
  names: readonly string[],
  reader: LineReader,
  progress: (bytes: number, file: string) => void,
): Promise<void> {
  return reading(() => readAll(names, reader, progress));
}

async function readAll(...[names, reader, progress]: Parameters<typeof readFlowLines>): Promise<void> {
  let bytes = 0;
  for (const file of names.flatMap(filesOf)) {
    let number = 0;
    const label = file === "-" ? "standard input" : file;
    const count = (chunk: Buffer): void => {
      bytes += chunk.length;
      progress(bytes, label);
    };
    for await (const lines of linesOf(open(file), label, count)) {
      for (const line of lines) reader.line(line, label, (number += 1));
    }
    reader.endOfFile(label, number);
  }
}

function filesOf(name: string): string[] {
  if (name === "-") return [name];
  if (!existsSync(name)) throw inputError(`${name}: there is no such file or folder`);
  if (!statSync(name).isDirectory()) return [name];
  const files = readdirSync(name, { withFileTypes: true }).filter(
    (entry) => entry.isFile() && !entry.name.startsWith("."),
  );
  if (files.length === 0) throw inputError(`${name}: there is no file in this folder`);
  return files.map((entry) => path.join(name, entry.name)).sort();
}

function open(file: string): Readable {
  return file === "-" ? process.stdin : createReadStream(file, { highWaterMark: 1 << 20 });
}

/** Lines of a stream of UTF-8, unpacked where it begins as gzip does; those of a chunk together. */
async function* linesOf(stream: Readable, label: string, count: (chunk: Buffer) => void): AsyncGenerator<string[]> {
  const decoder = new TextDecoder();
  let rest = "";
  let loki: LokiLines | undefined;
  let isTold = false;
  try {
    for await (const chunk of unpacked(stream, count)) {
      const text = rest + decoder.decode(chunk, { stream: true });
      if (!isTold && text.length >= lokiBeginning) {
        isTold = true;
        if (isLokiAnswer(text)) loki = new LokiLines();
      }
      if (loki !== undefined) {
        rest = "";
        yield loki.push(text);
        continue;
      }
      const lines = text.split("\n");
      rest = lines.pop() ?? "";
      if (rest.length > longestLine) {
        throw inputError(
          `${label}: a line has more than 256 MiB: export the flows line by line (logcli query -o jsonl)`,
        );
      }
      yield lines;
    }
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === undefined) throw error;
    const cut = code === "Z_BUF_ERROR" ? "the compressed file is cut off" : (error as Error).message;
    throw inputError(`${label}: ${cut}`);
  }
  // half a document of Loki's is a line that is cut off
  if (loki !== undefined && !loki.isWhole) yield ["{"];
  if (rest !== "") yield [rest];
}

async function* unpacked(stream: Readable, count: (chunk: Buffer) => void): AsyncGenerator<Buffer> {
  const chunks = counted(stream, count);
  const first = await chunks.next();
  if (first.done === true) return;
  const whole = async function* (): AsyncGenerator<Buffer> {
    yield first.value;
    yield* chunks;
  };
  const isGzip = first.value[0] === 0x1f && first.value[1] === 0x8b;
  // what goes wrong on the way is thrown to whoever reads what comes out
  yield* isGzip ? (pipeline(whole, createGunzip(), () => undefined) as AsyncIterable<Buffer>) : whole();
}

async function* counted(stream: Readable, count: (chunk: Buffer) => void): AsyncGenerator<Buffer> {
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    count(chunk);
    yield chunk;
  }
}
