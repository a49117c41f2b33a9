/** What the commands on recorded flows share. */
import { RecordingReader, type Recording } from "../../flows/index";
import { CliError, inputError, usageError } from "../errors";
import { exitCodes } from "../exit-codes";
import { note } from "../snapshot";
import { readFlowLines } from "../sources/flow-lines";

/** A percentage as a share from 0 to 1. @throws CliError where it is none. */
export function shareOf(text: string, option: string): number {
  const share = Number(text.replace(/%$/, ""));
  if (!/^\d+(\.\d+)?%?$/.test(text) || share > 100) {
    throw usageError(`${option}: "${text}" is no share: use a percentage from 0 to 100, such as 0.1%`);
  }
  return share / 100;
}

const sayAfter = 2_000;

/** Reads recordings, and says how far it is while that takes long. @param holdout As of {@link RecordingReader}. */
export async function record(
  names: readonly string[],
  options: { readonly quiet: boolean },
  holdout?: number,
): Promise<Recording> {
  const reader = new RecordingReader(holdout);
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

/** Recordings from which no answer can come. @param asked what nobody can say then */
export function refuseHalfRecordings(
  { records, classes, lines, notUnderstood }: Recording,
  names: readonly string[],
  asked: string,
): void {
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
      `${what}: only denied flows were recorded, so ${asked} is not known: record allowed flows too (remove the verdict filter of the export)`,
      exitCodes.input,
    );
  }
}

/** The share of the records that was not understood or lost. */
export function unreadOf({ notUnderstood, lost, records }: Recording): number {
  const unread = [...notUnderstood.values()].reduce((sum, each) => sum + each.count, 0);
  return unread + lost === 0 ? 0 : (unread + lost) / (records + unread);
}
