import semver from "semver";
import { isAbsent } from "./absent-keys";
import { ciliumAbsentKeys } from "./cilium-keys";
import type { ChartValues } from "./values";
import { hasKey } from "./values";

/**
 * Keys of some values that a version of the Cilium chart does not read, with what took their place. Helm ignores such a
 * key without a word, so what it was to switch on stays off.
 *
 * @returns nothing where the version is none.
 */
export function ciliumKeysAbsentIn(version: string, values: ChartValues): { key: string; instead: string }[] {
  const parsed = semver.parse(version);
  if (parsed === null) return [];
  return ciliumAbsentKeys
    .filter((absent) => hasKey(values, absent.key) && isAbsent(absent, parsed.version))
    .map(({ key, instead }) => ({ key, instead: instead ?? "nothing: the key has no successor" }));
}
