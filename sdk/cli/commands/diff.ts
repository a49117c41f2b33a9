import { diff as diffOf, type PathDifference } from "../../reachability";
import { describeCounts } from "../../reports/diff";
import { parsePortAndProtocol } from "../ends";
import { usageError } from "../errors";
import { exitCodes, type ExitCode } from "../exit-codes";
import { printDiff } from "../print/diff";
import type { DiffFormat } from "../print/formats";
import { exitCodeOf, loadTwo, note } from "../snapshot";
import { checkDirection, matrixOptions, type FilterOptions } from "./filters";
import { outputOf, type CommonOptions } from "./options";

export interface DiffOptions extends CommonOptions<DiffFormat>, FilterOptions {
  /** The second source is laid over the first. */
  readonly apply: boolean;
  readonly failOn?: "opened" | "closed" | "any";
}

/** `cluster-security diff`: which paths a change opens, closes or changes. */
export async function diff(before: string, after: string, options: DiffOptions): Promise<ExitCode> {
  if (before === "-" && after === "-") throw usageError("standard input (-) can be read only once");
  const port = options.port === undefined ? undefined : parsePortAndProtocol(options.port);
  checkDirection(options);
  const loaded = await loadTwo([before], [after], options);
  const filters = matrixOptions(options, [loaded.after.snapshot, loaded.before.snapshot], port);
  const holes = { before: loaded.before.holes, after: loaded.after.holes };
  const differences = diffOf(loaded.before.reachability, loaded.after.reachability, { ...filters, holes });
  const counts = { opened: 0, closed: 0, changed: 0 };
  let code: ExitCode = exitCodeOf([loaded.before, loaded.after], options);
  process.exitCode = code;
  // Counted as they are printed: there may be millions. A reader that goes away ends the command early.
  const tally = function* (): Iterable<PathDifference> {
    for (const each of differences) {
      counts[each.change]++;
      if (failsOn(each, options.failOn)) process.exitCode = code = exitCodes.no;
      yield each;
    }
  };
  const incomplete = loaded.before.problems.length + loaded.after.problems.length > 0;
  await printDiff(tally(), options.format, outputOf(options), (text) => note(text, options), incomplete);
  note(describeCounts(counts), options);
  return code;
}

/** Whether a difference is of the kind that a user wants to fail on. What may have opened counts as opened. */
function failsOn({ opens, closes }: PathDifference, kind: DiffOptions["failOn"]): boolean {
  return kind === "any" || (kind === "opened" && opens) || (kind === "closed" && closes);
}
