/** Looks at what a command is to write before it reads anything: reading may take minutes, a mistake in a path should not. */
import { existsSync, realpathSync, statSync } from "node:fs";
import * as path from "node:path";
import { refuseUnwritable, refuseUnwritableFolder } from "./draft-file";
import { usageError } from "./errors";

/** Options that name a file that is written. */
const files = ["output", "record", "history"] as const;

/** Options whose file may be replaced by what was made of it. */
const replaceable: readonly string[] = ["compare"];

/**
 * @param options As the command line parsed them.
 * @param args What stands there by position: sources, recordings.
 * @throws CliError where a file or a folder cannot be written, or is read too.
 */
export function refuseOutputs(options: Readonly<Record<string, unknown>>, args: readonly string[]): void {
  const written = files.flatMap((name) => {
    const file = options[name];
    return typeof file === "string" ? [{ name, file }] : [];
  });
  const read = Object.entries(options).flatMap(([name, value]) =>
    [...files, "out", ...replaceable].includes(name) ? [] : textsIn(value),
  );
  const others = new Map([...args, ...read].filter(isFile).map((file) => [realpathSync(file), "is read, too"]));
  for (const { name, file } of written) {
    refuseUnwritable(file, `--${name}`);
    const place = isFile(file) ? realpathSync(file) : path.resolve(file);
    const other = others.get(place);
    if (other !== undefined) throw usageError(`"${file}" ${other}: name another file for --${name}`);
    if (name !== "history") others.set(place, `is the file of --${name} already`);
  }
  const { out, check } = options;
  if (typeof out === "string" && check !== true) refuseUnwritableFolder(out);
}

function textsIn(value: unknown): readonly string[] {
  return (Array.isArray(value) ? value : [value]).filter((each) => typeof each === "string");
}

/** A pipe or a device may be read and written. */
function isFile(file: string): boolean {
  return existsSync(file) && statSync(file).isFile();
}
