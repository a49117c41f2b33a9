import type { MatrixEntry } from "../../reachability";
import { causeFinder, differencesOf } from "../differences";
import { parsePortAndProtocol } from "../ends";
import { usageError } from "../errors";
import { exitCodes, type ExitCode } from "../exit-codes";
import { standardOutput } from "../output";
import { printDiff, summaryOf, type Difference } from "../print/diff";
import { exitCodeOf, loadTwo, note, type Loaded } from "../snapshot";
import { checkDirection, matrixOptions, possibleOnly, type FilterOptions } from "./matrix";
import type { CommonOptions } from "./options";

export interface DiffOptions extends CommonOptions, FilterOptions {
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
  const entries = (each: Loaded): Iterable<MatrixEntry> => {
    const all = each.reachability.matrix(filters);
    return each.holes ? possibleOnly(all) : all;
  };
  const causes = causeFinder(loaded.before.reachability, loaded.after.reachability);
  const differences = [...differencesOf(entries(loaded.before), entries(loaded.after), causes)];
  const failed = options.failOn !== undefined && differences.some((each) => counts(each, options.failOn ?? "any"));
  const code = failed ? exitCodes.no : exitCodeOf([loaded.before, loaded.after], options);
  // A reader that goes away ends the command early; the exit code is known by now.
  process.exitCode = code;
  await printDiff(differences, options.format, standardOutput(), (text) => note(text, options));
  note(summaryOf(differences), options);
  return code;
}

/** Whether a difference is of the kind that a user wants to fail on. What may have opened counts as opened. */
function counts({ before, after }: Difference, kind: "opened" | "closed" | "any"): boolean {
  if (kind === "any") return true;
  const [less, more] = kind === "opened" ? [before, after] : [after, before];
  return !more.possible.isSubsetOf(less.possible) || !more.allowed.isSubsetOf(less.allowed);
}
