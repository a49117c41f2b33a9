/** Versions of enforcers. */

/** An enforcer in a version; the version is absent where it is not known. */
export interface Versioned {
  readonly cni: string;
  /** `major.minor`. */
  readonly version?: string;
}

/** Whether a version, `major.minor`, is older than another; no where it is not known. */
export function isOlder(version: string | undefined, than: string): boolean {
  if (version === undefined || version === "") return false;
  const [[major = 0, minor = 0], [first = 0, second = 0]] = [partsOf(version), partsOf(than)];
  return major < first || (major === first && minor < second);
}

function partsOf(version: string): readonly number[] {
  return version.split(".").map(Number);
}
