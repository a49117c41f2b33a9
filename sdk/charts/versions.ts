import semver from "semver";
import type { ChartProblem } from "./errors";
import { ChartValuesError } from "./errors";

/** Which versions of a product this package installs, and which of them are still looked after. */
export interface VersionSupport {
  /** As it is called in messages. */
  readonly product: string;
  /** The version that is installed when none is asked for. */
  readonly recommended: string;
  /** Older ones are refused. */
  readonly oldest: string;
  /** Older ones no longer get security fixes. */
  readonly oldestMaintained: string;
  /** The oldest and the newest minor whose published charts the values were checked against. */
  readonly checkedFrom: string;
  readonly checkedTo: string;
}

/**
 * Reads a version such as `1.20.2` or `v3.32.1`; without one, the recommended version. Returns it without a leading "v".
 *
 * @throws ChartValuesError for a text that is no version.
 */
export function readVersion(support: VersionSupport, text: string | undefined): string {
  const version = semver.parse(text ?? support.recommended);
  if (version === null) {
    const message = `is not a version. Write it as ${support.recommended}.`;
    throw new ChartValuesError(support.product, [{ path: ["version"], message }]);
  }
  return version.version;
}

/** Why a version is refused; nothing where it is not. */
export function versionProblems(support: VersionSupport, version: string): ChartProblem[] {
  if (semver.gte(version, support.oldest)) return [];
  const message = `is older than ${support.oldest}. Use a maintained version, such as ${support.recommended}.`;
  return [{ path: ["version"], message }];
}

/** What to know about a version that is taken: out of support, or not one whose chart was read. */
export function versionWarnings(support: VersionSupport, version: string): string[] {
  const { product, recommended, oldestMaintained, checkedFrom, checkedTo } = support;
  const minor = `${semver.major(version)}.${semver.minor(version)}.0`;
  const warnings: string[] = [];
  if (semver.lt(version, oldestMaintained)) {
    warnings.push(`${product} ${version} no longer gets security fixes; use ${recommended}.`);
  }
  if (semver.gt(minor, `${checkedTo}.0`)) {
    warnings.push(`${product} ${version} is newer than the charts this package knows (up to ${checkedTo}).`);
  }
  if (semver.lt(minor, `${checkedFrom}.0`)) {
    warnings.push(`${product} ${version} is older than the charts this package knows (from ${checkedFrom}).`);
  }
  return warnings;
}
