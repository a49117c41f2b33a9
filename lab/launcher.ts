import { chmodSync, mkdirSync, renameSync, writeFileSync } from "node:fs";
import path from "node:path";

const mark = "# written by the lab of pulumi-cluster-security";

/**
 * Writes an executable file that runs a bundled program of the lab with this Node and passes its arguments on. Pulumi
 * starts plugins by file name, so each needs such a file.
 */
export function writeLauncher(file: string, bundle: string): void {
  const words = [process.execPath, path.join(__dirname, "run-bundle.cjs"), path.resolve(bundle)];
  writeScript(file, `exec ${words.map(quoted).join(" ")} "$@"`);
}

/** Writes an executable shell script of one line, in one step. */
function writeScript(file: string, line: string): void {
  mkdirSync(path.dirname(file), { recursive: true });
  const temporary = `${file}.${process.pid}.new`;
  writeFileSync(temporary, `#!/bin/sh\n${mark}\n${line}\n`);
  chmodSync(temporary, 0o755);
  renameSync(temporary, file);
}

/** One word for sh, whatever it holds. */
function quoted(word: string): string {
  return `'${word.replaceAll("'", `'\\''`)}'`;
}
