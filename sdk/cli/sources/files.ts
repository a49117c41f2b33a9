import { readdirSync, readFileSync, statSync, type Dirent } from "node:fs";
import * as path from "node:path";
import { inputError } from "../errors";

/** Folders that hold other people's YAML. */
const skippedFolders: ReadonlySet<string> = new Set(["node_modules", ".git"]);
const manifestName = /\.(yaml|yml|json)$/i;

/**
 * The files that a path stands for: itself, or every `*.yaml`, `*.yml` and `*.json` below a folder, in the order of their
 * names, which is the same on every machine. Links to folders are followed once.
 *
 * @throws CliError where there is no such path, or it may not be read.
 */
export function filesOf(start: string): string[] {
  const kind = describeFailure(start, () => statSync(start));
  if (!kind.isDirectory()) return [start];
  const files: string[] = [];
  const seen = new Set<string>();
  const walk = (folder: string): void => {
    const here = statSync(folder);
    const identity = `${here.dev}:${here.ino}`;
    if (seen.has(identity)) return;
    seen.add(identity);
    const entries = describeFailure(folder, () => readdirSync(folder, { withFileTypes: true }));
    entries.sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
    for (const entry of entries) {
      const full = path.join(folder, entry.name);
      if (isFolder(entry, full)) {
        if (!skippedFolders.has(entry.name)) walk(full);
      } else if (manifestName.test(entry.name)) {
        files.push(full);
      }
    }
  };
  walk(start);
  return files;
}

function isFolder(entry: Dirent, full: string): boolean {
  if (!entry.isSymbolicLink()) return entry.isDirectory();
  return statSync(full, { throwIfNoEntry: false })?.isDirectory() ?? false;
}

/**
 * The text of a file.
 *
 * @throws CliError where it cannot be read, or is larger than a string can be (512 MB).
 */
export function textOf(file: string): string {
  return describeFailure(file, () => readFileSync(file, "utf8"));
}

/** Everything on standard input. */
export async function textOfStandardInput(): Promise<string> {
  if (process.stdin.isTTY) {
    process.stderr.write("reading from the terminal: end with Ctrl-D, or give a file\n");
  }
  const parts: Buffer[] = [];
  for await (const part of process.stdin) parts.push(part as Buffer);
  return describeFailure("standard input", () => Buffer.concat(parts).toString("utf8"));
}

function describeFailure<T>(what: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === "ENOENT") throw inputError(`there is no file or folder "${what}": check the path`);
    if (code === "EACCES" || code === "EPERM") throw inputError(`"${what}" may not be read: check its permissions`);
    if (code === "ERR_STRING_TOO_LONG" || code === "ERR_FS_FILE_TOO_LARGE") {
      throw inputError(`"${what}" is larger than 512 MB: split it into several files`);
    }
    throw inputError(`"${what}" cannot be read: ${error instanceof Error ? error.message : String(error)}`);
  }
}
