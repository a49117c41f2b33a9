import type { InputOptions } from "../snapshot";
import type { Format } from "../print/formats";

/** What every command gets from the command line, besides its own options. */
export interface CommonOptions extends InputOptions {
  readonly format: Format;
  /** `-f`, besides the sources given by position. */
  readonly file: readonly string[];
  readonly context?: string;
}

/** All sources of a command: by position, by `-f`, and the named cluster. */
export function sourcesOf(positional: readonly string[], options: CommonOptions): string[] {
  const live = options.context === undefined ? [] : [`context=${options.context}`];
  return [...positional, ...options.file, ...live];
}
