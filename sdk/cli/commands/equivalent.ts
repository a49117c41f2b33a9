import { equivalent as equivalenceOf, type Difference } from "../../reachability";
import { parsePortAndProtocol } from "../ends";
import { connections, describeTraffic } from "../../reports/connections";
import { usageError } from "../errors";
import { exitCodes, type ExitCode } from "../exit-codes";
import type { ListFormat } from "../print/formats";
import { printList } from "../print/list";
import { exitCodeOf, loadTwo, note } from "../snapshot";
import { checkDirection, matrixOptions, type FilterOptions } from "./filters";
import { outputOf, type CommonOptions } from "./options";

export interface EquivalentOptions extends CommonOptions<ListFormat>, FilterOptions {
  /** So many differences are listed. */
  readonly limit: string;
}

/** `cluster-security equivalent`: whether two sets of policies let the same pass. The exit code says it too. */
export async function equivalent(a: string, b: string, options: EquivalentOptions): Promise<ExitCode> {
  if (a === "-" && b === "-") throw usageError("standard input (-) can be read only once");
  const limit = parseLimit(options.limit);
  const port = options.port === undefined ? undefined : parsePortAndProtocol(options.port);
  checkDirection(options);
  const loaded = await loadTwo([a], [b], { ...options, apply: false, labels: ["a", "b"] });
  const filters = matrixOptions(options, [loaded.after.snapshot, loaded.before.snapshot], port);
  const result = equivalenceOf(loaded.before.reachability, loaded.after.reachability, { ...filters, limit });
  // What could not be read may differ, or make up for what does.
  const holes = loaded.before.holes || loaded.after.holes;
  const code = holes
    ? exitCodes.incomplete
    : result.equivalent
      ? exitCodeOf([loaded.before, loaded.after], options)
      : exitCodes.no;
  process.exitCode = code;
  const output = outputOf(options);
  output.write(printDifferences(result.differences, options.format));
  await output.end();
  if (holes) note("whether they are equivalent is unknown because something could not be read", options);
  else note(summaryOf(result.differences.length, limit), options);
  return code;
}

function parseLimit(text: string): number {
  const limit = Number(text);
  if (!/^\d+$/.test(text) || limit < 1) throw usageError(`--limit: "${text}" is no number: use 1 or more`);
  return limit;
}

function summaryOf(count: number, limit: number): string {
  if (count === 0) return "equivalent";
  if (count < limit) return `not equivalent: ${count} ${count === 1 ? "path differs" : "paths differ"}`;
  return `not equivalent: ${count} or more paths differ (--limit shows more)`;
}

function printDifferences(differences: readonly Difference[], format: ListFormat): string {
  return printList(
    {
      titles: ["SOURCE", "DESTINATION", "IN A", "IN B"],
      items: differences,
      cells: ({ source, destination, a, b }) => [
        source,
        destination,
        describeTraffic(a.allowed, a.possible),
        describeTraffic(b.allowed, b.possible),
      ],
      json: ({ source, destination, a, b }) => ({
        src: source,
        dst: destination,
        a: connections(a.allowed),
        possibleA: a.allowed === a.possible ? undefined : connections(a.possible),
        b: connections(b.allowed),
        possibleB: b.allowed === b.possible ? undefined : connections(b.possible),
      }),
    },
    format,
  );
}
