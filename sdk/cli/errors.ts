import { editDistance } from "../reachability/model/words";
import { exitCodes, type ExitCode } from "./exit-codes";

/** An error that the user can act on: printed as one sentence, without a stack, with the given exit code. */
export class CliError extends Error {
  constructor(
    message: string,
    readonly exitCode: ExitCode,
  ) {
    super(message);
    this.name = "CliError";
  }
}

/** The command line cannot be understood (exit code 2). */
export function usageError(message: string): CliError {
  return new CliError(message, exitCodes.usage);
}

/** A source cannot be read (exit code 4). */
export function inputError(message: string): CliError {
  return new CliError(message, exitCodes.input);
}

/** The words whose key comes nearest to one that is not known, best first; none where nothing is near. */
export function nearest(word: string, known: Iterable<string>, keyOf = (text: string) => text, limit = 3): string[] {
  const lower = word.toLowerCase();
  const scored: { text: string; distance: number }[] = [];
  for (const text of known) {
    const candidate = keyOf(text).toLowerCase();
    const distance = sharesWords(lower, candidate) ? 0.5 : editDistance(lower, candidate);
    if (distance <= Math.max(2, Math.floor(word.length / 3))) scored.push({ text, distance });
  }
  scored.sort((a, b) => a.distance - b.distance || a.text.localeCompare(b.text));
  return scored.slice(0, limit).map(({ text }) => text);
}

/** "a", "a" or "b" as the end of a sentence; empty where there is nothing to suggest. */
export function didYouMean(words: readonly string[]): string {
  return words.length === 0 ? "" : ` Did you mean ${words.map((word) => `"${word}"`).join(" or ")}?`;
}

/** Whether one holds the other, or all its words: "namespace-deny" is near "namespace-default-deny". */
function sharesWords(word: string, candidate: string): boolean {
  return candidate.includes(word) || word.split(/[-_./]/).every((part) => part !== "" && candidate.includes(part));
}
