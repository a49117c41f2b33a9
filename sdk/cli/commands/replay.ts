import { existsSync, readFileSync, statSync } from "node:fs";
import { declaredFlows, replay as replayFlows, replayEffects, replayRecords } from "../../flows/index";
import type { Recording, ReplayedFlow } from "../../flows/index";
import { planOf } from "../declaration-file";
import { inputError, usageError } from "../errors";
import { exitCodes, type ExitCode } from "../exit-codes";
import { fileOutputAt } from "../output-file";
import type { ListFormat } from "../print/formats";
import { coverageLines, declaredLines, printReplay } from "../print/replay";
import { load, note, type Loaded } from "../snapshot";
import { outputOf, type CommonOptions } from "./options";
import { record, refuseHalfRecordings, shareOf, unreadOf } from "./recording";

export interface ReplayOptions extends CommonOptions<ListFormat> {
  /** Where the policies are: files, folders, `context=NAME`. */
  readonly policies: readonly string[];
  /** Who may talk to whom: flows of it that were not recorded are named. */
  readonly declaration?: string;
  /** Share of attempts that may be unknown or unresolved, as a percentage. */
  readonly maxUnknown: string;
  /** The file that takes what the roll-out of each namespace needs of the replay. */
  readonly record?: string;
  /** Also what stays as it was. */
  readonly all: boolean;
}

/** `cluster-security replay`: what policies would do to recorded flows. */
export async function replay(names: readonly string[], options: ReplayOptions): Promise<ExitCode> {
  const limit = shareOf(options.maxUnknown, "--max-unknown");
  if (options.record !== undefined) refuseForeign(options.record);
  if (options.policies.length === 0) throw usageError("--policies: name the policies to replay the flows against");
  const planned = options.declaration === undefined ? undefined : await planOf(options.declaration);
  // the policies first: a recording may take a minute to read, a mistake in a path should not
  const loaded = await load(options.policies, options);
  const recording = await record(names, options);
  refuseHalfRecordings(recording, names, "what these policies would deny");
  const judged = replayFlows(recording.classes, loaded.reachability).toSorted(bySeverity);
  const output = outputOf(options);
  const shown = options.all
    ? judged
    : judged.filter(({ effect }) => effect !== "still-allowed" && effect !== "still-denied");
  output.write(printReplay(shown, options.format));
  await output.end();
  if (options.record !== undefined) {
    const file = fileOutputAt(options.record);
    file.write(`${JSON.stringify(replayRecords(recording, judged), undefined, 2)}\n`);
    await file.end();
  }
  for (const line of coverageLines(recording, judged, loaded.snapshot)) note(line, options);
  for (const line of declaredLines(declaredFlows(planned?.flows ?? [], judged))) note(line, options);
  return exitCodeFor(judged, recording, loaded, limit);
}

/** @throws CliError where a file is there that no replay wrote: somebody named the wrong one. */
function refuseForeign(file: string): void {
  if (!existsSync(file) || !statSync(file).isFile()) return;
  const text = readFileSync(file, "utf8");
  if (text.trim() === "" || isRecord(text)) return;
  throw inputError(`--record: "${file}" holds something else than the record of a replay: name another file`);
}

function isRecord(text: string): boolean {
  try {
    const records = Object.values(JSON.parse(text) as Record<string, { wouldBeDenied?: unknown } | null>);
    return records.every((each) => typeof each?.wouldBeDenied === "number");
  } catch {
    return false;
  }
}

function bySeverity(a: ReplayedFlow, b: ReplayedFlow): number {
  return (
    replayEffects.indexOf(a.effect) - replayEffects.indexOf(b.effect) || b.passed + b.denied - (a.passed + a.denied)
  );
}

function exitCodeFor(judged: readonly ReplayedFlow[], recording: Recording, loaded: Loaded, limit: number): ExitCode {
  if (judged.some(({ effect }) => effect === "would-be-denied")) return exitCodes.no;
  const count = (flows: readonly ReplayedFlow[]): number =>
    flows.reduce((sum, { passed, denied }) => sum + passed + denied, 0);
  const open = count(judged.filter(({ effect }) => effect === "unknown" || effect === "unresolved"));
  const tooOpen = open > limit * count(judged) || unreadOf(recording) > limit;
  return tooOpen || loaded.holes ? exitCodes.incomplete : exitCodes.ok;
}
