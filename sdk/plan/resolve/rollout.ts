/** The steps of a namespace from audit to isolation: none without a replay. */
import type { PropertyPath } from "../../property-path";
import { PolicyMode } from "../declaration";
import type { ProblemCollector } from "../errors";
import type { Fields, Reader } from "../reader";

const defaultDays = 7;
/** The share of attempts of which nobody can say, or that were lost: as `cluster-security replay` takes it. */
const mostUnknown = 0.001;
const day = 24 * 60 * 60 * 1000;
const recordCommand = "cluster-security replay FLOWS --policies POLICIES --record rollout.json";

/** @returns What is written onto the namespace; nothing where it has no roll-out. */
export function readRollout(
  reader: Reader,
  problems: ProblemCollector,
  path: PropertyPath,
  value: unknown,
  mode: PolicyMode,
): string | undefined {
  if (value === undefined || value === null) return undefined;
  const fields = reader.item(path, value, ["minDays", "replay"], "is no roll-out", "Write it as { replay: { … } }.");
  if (fields === undefined) return undefined;
  const minDays = readCount(problems, [...path, "minDays"], fields["minDays"] ?? defaultDays) ?? defaultDays;
  const at = [...path, "replay"];
  if (fields["replay"] === undefined || fields["replay"] === null) {
    if (mode !== PolicyMode.Observe) {
      problems.add(
        at,
        undefined,
        `is missing: mode ${mode} needs one`,
        `Stay in mode observe, record, and run ${recordCommand}.`,
      );
    }
    return mode;
  }
  const names = ["from", "to", "attempts", "wouldBeDenied", "unknown", "lost"];
  const replay = reader.item(at, fields["replay"], names, "is no replay", `Take it from ${recordCommand}.`);
  if (replay === undefined) return undefined;
  return readReplay(reader, problems, at, replay, minDays, mode);
}

function readReplay(
  reader: Reader,
  problems: ProblemCollector,
  path: PropertyPath,
  fields: Fields,
  minDays: number,
  mode: PolicyMode,
): string | undefined {
  const from = reader.date([...path, "from"], fields["from"] ?? "");
  const to = reader.date([...path, "to"], fields["to"] ?? "");
  const count = (name: string): number | undefined => readCount(problems, [...path, name], fields[name]);
  const [attempts, denied, unknown, lost] = [
    count("attempts"),
    count("wouldBeDenied"),
    count("unknown"),
    count("lost"),
  ];
  if (from === undefined || to === undefined || attempts === undefined) return undefined;
  if (denied === undefined || unknown === undefined || lost === undefined) return undefined;
  const days = Math.round((Date.parse(to) - Date.parse(from)) / day);
  if (days < minDays) {
    const fix = `Record for at least ${minDays} days, or say in minDays how many are enough.`;
    problems.add(path, `${from} to ${to}`, `spans ${days} days of ${minDays}`, fix);
  }
  if (denied > 0) {
    const fix = "Declare those flows, or see to it that nobody needs them, and replay again.";
    problems.add([...path, "wouldBeDenied"], denied, "is not 0: the policies would cut what was recorded", fix);
  }
  if (attempts === 0) {
    problems.add(
      [...path, "attempts"],
      attempts,
      "shows nothing: no flow of the namespace was recorded",
      "Record all flows.",
    );
  } else if (unknown + lost > attempts * mostUnknown) {
    const fix = "Find out what they are, and replay again.";
    problems.add(path, `${unknown} unknown, ${lost} lost of ${attempts}`, "leaves more than 0.1 % open", fix);
  }
  return `${mode}; replay of ${from} to ${to}: ${attempts} attempts, ${denied} would be denied, ${unknown} unknown, ${lost} lost`;
}

function readCount(problems: ProblemCollector, path: PropertyPath, value: unknown): number | undefined {
  if (typeof value === "number" && Number.isInteger(value) && value >= 0) return value;
  problems.add(path, value, "is not a whole number of at least 0", "Give the number.");
  return undefined;
}
