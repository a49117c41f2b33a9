import { parsePortAndProtocol } from "../ends";
import type { ExitCode } from "../exit-codes";
import { httpNotes } from "../http";
import { printMatrix } from "../print/matrix";
import { exitCodeOf, load, note, notes } from "../snapshot";
import { checkDirection, matrixOptions, possibleOnly, type FilterOptions } from "./filters";
import { outputOf, sourcesOf, type CommonOptions } from "./options";

/** `cluster-security matrix`: who may talk to whom. */
export async function matrix(positional: readonly string[], options: CommonOptions & FilterOptions): Promise<ExitCode> {
  const port = options.port === undefined ? undefined : parsePortAndProtocol(options.port);
  checkDirection(options);
  const loaded = await load(sourcesOf(positional, options), options);
  notes(httpNotes(loaded), "rules look at HTTP requests", options);
  const filters = matrixOptions(options, [loaded.snapshot], port);
  const entries = loaded.reachability.matrix(filters);
  const code = exitCodeOf([loaded], options);
  // A reader that goes away (`| head`) ends the command early; the exit code is known by now.
  process.exitCode = code;
  await printMatrix(loaded.holes ? possibleOnly(entries) : entries, {
    format: options.format,
    hasWorkloads: loaded.snapshot.workloads.length > 0,
    output: outputOf(options),
    note: (text) => note(text, options),
  });
  return code;
}
