import { existsSync } from "node:fs";
import { inputError } from "../errors";
import { standardOutput, type Output } from "../output";
import { fileOutputAt } from "../output-file";
import type { InputOptions } from "../snapshot";
import type { Format } from "../print/formats";

/** What every command gets from the command line, besides its own options. */
export interface CommonOptions<F extends string = Format> extends InputOptions {
  readonly format: F;
  /** `-f`, besides the sources given by position. */
  readonly file: readonly string[];
  readonly context?: string;
  /** The file that takes the answer. Default: standard output. */
  readonly output?: string;
}

/** Where a command's answer goes: the file of `--output`, else standard output. `coloured` as for {@link standardOutput}. */
export function outputOf(options: Pick<CommonOptions, "output">, { coloured = false } = {}): Output {
  return options.output === undefined ? standardOutput({ coloured }) : fileOutputAt(options.output);
}

/** The same for a file that people edit: one that is there stays as it is. @throws CliError where it is there, and may not be written over. */
export function newOutputOf(options: { readonly output?: string; readonly overwrite: boolean }): Output {
  const { output, overwrite } = options;
  if (output !== undefined && existsSync(output) && !overwrite) {
    throw inputError(`"${output}" exists: name another file for --output, or allow it with --overwrite`);
  }
  return outputOf(options);
}

/** All sources of a command: by position, by `-f`, and the named cluster. */
export function sourcesOf(positional: readonly string[], options: Pick<CommonOptions, "file" | "context">): string[] {
  const live = options.context === undefined ? [] : [`context=${options.context}`];
  return [...positional, ...options.file, ...live];
}
