import { declaredFlows, RecordingReader, replay as replayFlows, replayEffects } from "../../flows/index";
import type { Recording, ReplayedFlow } from "../../flows/index";
import { planOf } from "../declaration-file";
import { CliError, inputError, usageError } from "../errors";
import { exitCodes, type ExitCode } from "../exit-codes";
import type { ListFormat } from "../print/formats";
import { coverageLines, declaredLines, printReplay } from "../print/replay";
import { load, note, type Loaded } from "../snapshot";
import { readFlowLines } from "../sources/flow-lines";
import { outputOf, type CommonOptions } from "./options";

export interface ReplayOptions extends CommonOptions<ListFormat> {
  /** Where the policies are: files, folders, `context=NAME`. */
  readonly policies: readonly string[];
  /** Who may talk to whom: flows of it that were not recorded are named. */
  readonly declaration?: string;
  /** Share of attempts that may be unknown or unresolved, as a percentage. */
  readonly maxUnknown: string;
  /** Also what stays as it was. */
  readonly all: boolean;
}

/** `cluster-security replay`: what policies would do to recorded flows. */
export async function replay(names: readonly string[], options: ReplayOptions): Promise<ExitCode> {
  const limit = shareOf(options.maxUnknown);
  if (options.policies.length === 0) throw usageError("--policies: name the policies that the flows are held against");
  const planned = options.declaration === undefined ? undefined : await planOf(options.declaration);
  const recording = await record(names, options);
  refuseHalfRecordings(recording, names);
  const loaded = await load(options.policies, options);
  const judged = replayFlows(recording.classes, loaded.reachability).toSorted(bySeverity);
  const output = outputOf(options);
  const shown = options.all
    ? judged
    : judged.filter(({ effect }) => effect !== "still-allowed" && effect !== "still-denied");
  output.write(printReplay(shown, options.format));
  await output.end();
  for (const line of coverageLines(recording, judged, loaded.snapshot)) note(line, options);
  for (const line of declaredLines(declaredFlows(planned?.flows ?? [], judged))) note(line, options);
  return exitCodeFor(judged, recording, loaded, limit);
}

function shareOf(text: string): number {
  const share = Number(text.replace(/%$/, ""));
  if (!/^\d+(\.\d+)?%?$/.test(text) || share > 100) {
    throw usageError(`--max-unknown: "${text}" is no share: use a percentage from 0 to 100, such as 0.1%`);
  }
  return share / 100;
}

const sayAfter = 2_000;

async function record(names: readonly string[], options: ReplayOptions): Promise<Recording> {
  const reader = new RecordingReader();
  const begun = Date.now();
  let said = begun;
  await readFlowLines(names, reader, (bytes, file) => {
    const now = Date.now();
    if (now - said < sayAfter) return;
    said = now;
    note(`reading ${file}: ${Math.round(bytes / 1_000_000)} MB so far`, options);
  });
  return reader.result();
}

/** Recordings from which no answer can come. */
function refuseHalfRecordings({ records, classes, lines, notUnderstood }: Recording, names: readonly string[]): void {
  const what = names.join(", ");
  if (records === 0) {
    const [why, unread] = [...notUnderstood][0] ?? [];
    const place = unread?.places[0];
    const example = why === undefined || place === undefined ? "" : ` (${place.file}:${place.line}: ${why})`;
    throw inputError(
      `${what}: none of ${lines} lines is a flow that policies decide${example}; flows of Hubble, Goldmane, Whisker and ztunnel can be read`,
    );
  }
  const hasAllowed = classes.some(({ egress, ingress, either }) =>
    [egress, ingress, either].some((outcomes) => outcomes.allowed + outcomes["would-be-denied"] > 0),
  );
  if (!hasAllowed) {
    throw new CliError(
      `${what}: only denied flows were recorded, so nobody can say what these policies would deny: record allowed flows too (remove the verdict filter of the export)`,
      exitCodes.input,
    );
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
  const unread = [...recording.notUnderstood.values()].reduce((sum, each) => sum + each.count, 0);
  const tooOpen = open > limit * count(judged) || unread + recording.lost > limit * (recording.records + unread);
  return tooOpen || loaded.holes ? exitCodes.incomplete : exitCodes.ok;
}
