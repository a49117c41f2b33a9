/** What failed in a test run, said once more at its end: who reads only the last lines of a long log sees it. */

/** One test, hook or check that failed. */
export interface Failure {
  /** The part of the run it belongs to. */
  readonly lane: string;
  /** Full title, with those of the suites around it. */
  readonly title: string;
  /** What was wrong, as it was printed. */
  readonly error: string;
}

const mostLines = 12;
const longestLine = 300;

/** Every failure with its lane, its full title and the first lines of its error; nothing where nothing failed. */
export function failuresAgain(failures: readonly Failure[]): string {
  if (failures.length === 0) return "";
  const each = failures.map(({ lane, title, error }) => `✘ ${title}\n  (${lane})\n${firstLines(error)}\n`);
  return `\n── what failed, once more\n\n${each.join("\n")}`;
}

/** Frames of Node and of other packages say nothing about a test. */
function firstLines(error: string): string {
  const lines = error.split("\n").filter((line) => line.trim() !== "" && !/^\s+at .*(node:|node_modules)/.test(line));
  const rest = lines.length - mostLines;
  return [
    ...lines
      .slice(0, mostLines)
      .map((line) => `    ${line.length > longestLine ? `${line.slice(0, longestLine)} …` : line}`),
    ...(rest > 0 ? [`    … ${rest} lines more above`] : []),
  ].join("\n");
}
