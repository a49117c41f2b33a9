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

/** All sources of a command: by position, by `-f`, and the named cluster. */
export function sourcesOf(positional: readonly string[], options: Pick<CommonOptions, "file" | "context">): string[] {
  const live = options.context === undefined ? [] : [`context=${options.context}`];
  return [...positional, ...options.file, ...live];
}
