import semver from "semver";
import type { PropertyPath } from "../property-path";
import type { ChartProblem } from "./errors";
import type { ChartValues } from "./values";
import { hasKey } from "./values";

/** A key that some versions of a chart do not have, or no longer have. */
export interface AbsentKey {
  /** Dotted, such as `encryption.strictMode.cidr`. */
  readonly key: string;
  /** Versions without the key, as a range. */
  readonly versions: string;
  /** What takes its place: another key, or a version that has it. Nothing where the key has no successor. */
  readonly instead: string | undefined;
}

/** Whether a version of the chart lacks the key. */
export function isAbsent({ versions }: AbsentKey, version: string): boolean {
  return semver.satisfies(version, versions, { includePrerelease: true });
}

/**
 * The keys among `values` that the version does not have, each with what takes its place. Helm itself would pass over
 * such a key in silence: encryption that was asked for would stay off.
 *
 * @param path Where the values are in the arguments.
 */
export function absentKeyProblems(
  keys: readonly AbsentKey[],
  values: ChartValues,
  version: string,
  path: PropertyPath = ["values"],
): ChartProblem[] {
  return keys
    .filter((absent) => hasKey(values, absent.key) && isAbsent(absent, version))
    .map(({ key, instead }) => {
      const fix = instead === undefined ? "Remove it; nothing took its place." : `Use ${instead}.`;
      return { path: [...path, ...key.split(".")], message: `does not exist in this version. ${fix}` };
    });
}
