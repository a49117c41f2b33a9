import { accessSync, constants, statSync } from "node:fs";
import path from "node:path";

/** Absolute path of an executable file, or undefined. A folder of that name does not count. */
export function executableIn(folder: string, name: string): string | undefined {
  const file = path.resolve(folder, name);
  try {
    if (!statSync(file).isFile()) return undefined;
    accessSync(file, constants.X_OK);
    return file;
  } catch {
    return undefined;
  }
}

/**
 * First executable of that name on a PATH-like list. Empty and relative entries are passed over: they would mean the
 * current folder, and a program that happens to lie there must not run.
 */
export function findOnPath(name: string, searchPath: string | undefined): string | undefined {
  for (const folder of (searchPath ?? "").split(path.delimiter)) {
    if (!path.isAbsolute(folder)) continue;
    const found = executableIn(folder, name);
    if (found) return found;
  }
  return undefined;
}
