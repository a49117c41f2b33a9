import { readFileSync } from "node:fs";
import { askAboutLine, type AskedLine } from "../../flows/index";
import type { Explanation } from "../../reachability";
import { parseFlow } from "../ends";
import { inputError, usageError } from "../errors";
import { exitCodes, type ExitCode } from "../exit-codes";
import { answerFor } from "../http";
import { coloursFor } from "../print/colours";
import { printExplanation } from "../print/explain";
import { exitCodeOf, load, note, type Loaded } from "../snapshot";
import { outputOf, sourcesOf, type CommonOptions } from "./options";

export interface ExplainOptions extends CommonOptions {
  readonly everyRule: boolean;
  /** A file with one recorded flow, or `-`: asked about instead of two ends. */
  readonly flow?: string;
}

/** `cluster-security explain`: why a flow passes or does not. */
export async function explain(positional: readonly string[], options: ExplainOptions): Promise<ExitCode> {
  if (options.flow !== undefined) return await explainRecorded(options.flow, positional, options);
  const [from, to, ...sources] = positional;
  if (from === undefined || to === undefined) {
    throw usageError("name the two ends of the flow (explain FROM TO:PORT), or a recorded one with --flow");
  }
  const loaded = await load(sourcesOf(sources, options), options);
  return await answer(loaded.reachability.explain(parseFlow(from, to, loaded.snapshot)), loaded, options);
}

async function explainRecorded(
  file: string,
  positional: readonly string[],
  options: ExplainOptions,
): Promise<ExitCode> {
  const text = readFlow(file);
  const loaded = await load(sourcesOf(positional, options), options);
  const asked = askAboutLine(text, loaded.reachability);
  if (typeof asked === "string") throw inputError(`--flow: ${asked}`);
  note(recordedThen(asked), options);
  const { explanation, verdict, reason } = asked.answer;
  const isOpen = verdict !== explanation.verdict;
  if (isOpen) note(`unknown: ${reason}`, options);
  return await answer(isOpen ? { ...explanation, verdict } : explanation, loaded, options, isOpen);
}

function readFlow(file: string): string {
  try {
    return readFileSync(file === "-" ? 0 : file, "utf8");
  } catch (error) {
    throw inputError(`--flow: ${file} cannot be read (${(error as NodeJS.ErrnoException).code ?? "unknown error"})`);
  }
}

/** What was recorded, and whether it is still so. */
function recordedThen({ record, answer: { verdict } }: AskedLine): string {
  const { outcome, explicit, side, time, declared = [] } = record;
  const was =
    outcome === "denied"
      ? `denied (${explicit === true ? "explicitly" : "nothing allowed it"})`
      : outcome === "allowed"
        ? "allowed"
        : "let through, and would have been denied";
  const where = side === undefined ? "" : ` at the ${side === "egress" ? "source" : "destination"}`;
  const isDenied = outcome === "denied";
  const now =
    verdict === "unknown"
      ? "whether it still is, is not known"
      : (verdict === "denied") === isDenied
        ? "it still is"
        : `it is no longer: these policies ${verdict === "allowed" ? "allow" : "deny"} it`;
  const by = declared.length === 0 ? "" : `, by the rule of the declared flow ${declared.join(", ")}`;
  return `recorded ${new Date(time).toISOString()}: ${was}${where}${by}; ${now}`;
}

/** @param isOpen The record leaves open what no answer about its ends closes. */
async function answer(
  computed: Explanation,
  loaded: Loaded,
  options: ExplainOptions,
  isOpen = false,
): Promise<ExitCode> {
  const output = outputOf(options, { coloured: options.format === "table" });
  const { verdict, condition } = answerFor(loaded, computed.flow);
  const printing = {
    ...(condition === undefined || loaded.holes ? {} : { condition }),
    format: options.format,
    colours: coloursFor(output),
    flowLog: loaded.snapshot.profile.flowLog,
    everyRule: options.everyRule,
  };
  if (condition !== undefined) note(`note: allowed for ${condition}`, options);
  const known = isOpen ? computed : { ...computed, verdict };
  const shown = loaded.holes && known.verdict === "allowed" ? { ...known, verdict: "unknown" as const } : known;
  if (shown !== known) note("the verdict is unknown because something could not be read", options);
  output.write(printExplanation(shown, printing));
  await output.end();
  return shown.verdict === "unknown" ? exitCodes.incomplete : exitCodeOf([loaded], options);
}
