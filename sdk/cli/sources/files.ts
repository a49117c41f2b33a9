/** Which files a path stands for, and their texts. */
import { readdirSync, readFileSync, statSync, type Dirent } from "node:fs";
import * as path from "node:path";
import { inputError } from "../errors";
import { decode } from "./encoding";
import { decided, readPattern, type PathPattern } from "./patterns";

/** Folders that hold other people's YAML, or git's own files. */
const otherFolders: ReadonlySet<string> = new Set(["node_modules", ".git"]);
const manifestName = /\.(yaml|yml|json)$/i;

/** What narrows a folder; patterns in the form of `.gitignore`. */
export interface FileOptions {
  readonly exclude: readonly string[];
  /** Only files that fit one of these, also in folders that are else passed over. Default: all. */
  readonly include: readonly string[];
}

/** The files of a folder, and those that were passed over unread. */
export interface Files {
  readonly files: readonly string[];
  /** Below folders whose name begins with a dot. */
  readonly hidden: readonly string[];
  /** Files and folders that a `.gitignore` names. */
  readonly ignored: readonly string[];
}

/**
 * The files that a path stands for: itself, or every YAML and JSON file below a folder, in the order of their names, which is
 * the same on every machine. Links to folders are followed once. What lies in folders with a dot, what `.gitignore` files name
 * and what the user leaves out is passed over.
 *
 * @throws CliError where there is no such path, or it may not be read.
 */
export function filesOf(start: string, options: FileOptions): Files {
  const kind = describeFailure(start, () => statSync(start));
  if (!kind.isDirectory()) return { files: [start], hidden: [], ignored: [] };
  const excluded = options.exclude.flatMap((text) => readPattern(text) ?? []);
  const included = options.include.flatMap((text) => readPattern(text) ?? []);
  const found = { files: [] as string[], hidden: [] as string[], ignored: [] as string[] };
  const seen = new Set<string>();
  const walk = (folder: string, place: string, above: readonly IgnoreFile[], isHidden: boolean): void => {
    const here = statSync(folder);
    const identity = `${here.dev}:${here.ino}`;
    if (seen.has(identity)) return;
    seen.add(identity);
    const entries = describeFailure(folder, () => readdirSync(folder, { withFileTypes: true }));
    entries.sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
    const ignoreFiles = entries.some(({ name }) => name === ".gitignore")
      ? [...above, ignoreFileIn(folder, place)]
      : above;
    for (const entry of entries) {
      const full = path.join(folder, entry.name);
      const below = place === "" ? entry.name : `${place}/${entry.name}`;
      const folderThere = isFolder(entry, full);
      if (folderThere === undefined) continue;
      if (decided(excluded, below, folderThere) === true) continue;
      const isWanted = included.length > 0 && decided(included, below, folderThere) === true;
      if (!isWanted && included.length === 0 && isIgnored(ignoreFiles, below, folderThere)) {
        if (folderThere || manifestName.test(entry.name)) found.ignored.push(folderThere ? `${full}/` : full);
      } else if (folderThere) {
        const dotted = isHidden || entry.name.startsWith(".");
        if (!otherFolders.has(entry.name)) walk(full, below, ignoreFiles, dotted);
      } else if (manifestName.test(entry.name)) {
        if (included.length > 0) {
          if (isWanted) found.files.push(full);
        } else if (isHidden || entry.name.startsWith(".")) found.hidden.push(full);
        else found.files.push(full);
      }
    }
  };
  walk(start, "", [], false);
  return found;
}

/** The patterns of one `.gitignore`, and the folder it is about. */
interface IgnoreFile {
  readonly place: string;
  readonly patterns: readonly PathPattern[];
}

function ignoreFileIn(folder: string, place: string): IgnoreFile {
  try {
    const lines = readFileSync(path.join(folder, ".gitignore"), "utf8").split("\n");
    return { place, patterns: lines.flatMap((line) => readPattern(line) ?? []) };
  } catch {
    return { place, patterns: [] };
  }
}

/** The nearest file that says something about a path decides. */
function isIgnored(ignoreFiles: readonly IgnoreFile[], below: string, isFolderThere: boolean): boolean {
  for (const { place, patterns } of [...ignoreFiles].reverse()) {
    const relative = place === "" ? below : below.slice(place.length + 1);
    const says = decided(patterns, relative, isFolderThere);
    if (says !== undefined) return says;
  }
  return false;
}

/** Nothing for a link that leads nowhere. */
function isFolder(entry: Dirent, full: string): boolean | undefined {
  if (!entry.isSymbolicLink()) return entry.isDirectory();
  return statSync(full, { throwIfNoEntry: false })?.isDirectory();
}

/**
 * The text of a file, in UTF-8 or UTF-16.
 *
 * @throws CliError where it cannot be read, or is larger than a string can be (512 MB).
 */
export function textOf(file: string): string {
  return describeFailure(file, () => decode(readFileSync(file)));
}

/** Everything on standard input. */
export async function textOfStandardInput(): Promise<string> {
  if (process.stdin.isTTY) {
    process.stderr.write("reading from the terminal: end with Ctrl-D, or give a file\n");
  }
  const parts: Buffer[] = [];
  for await (const part of process.stdin) parts.push(part as Buffer);
  return describeFailure("standard input", () => decode(Buffer.concat(parts)));
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
