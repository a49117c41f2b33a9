/** What depends on Cilium's version. */

/** Which enforcer in which version; the version is absent where it is not known. */
interface Versioned {
  readonly cni: string;
  readonly version?: string;
}

/** The oldest version whose behaviour is modelled: the oldest that the project maintained with 1.20. */
export const oldestCilium = "1.18";

/** Whether Cilium is older than 1.`minor`; no where its version is not known. */
export function isBeforeCilium({ cni, version }: Versioned, minor: number): boolean {
  const [major = "", own = ""] = (version ?? "").split(".");
  if (cni !== "cilium" || major === "") return false;
  return Number(major) < 1 || (Number(major) === 1 && Number(own) < minor);
}

/** Whether what the enforcer does in this version is not known well enough for any verdict. */
export function isUnmodelled(profile: Versioned): boolean {
  return isBeforeCilium(profile, 18);
}

/** Version 1.19 turned `policy-default-local-cluster` on. */
export function localClusterByDefault(profile: Versioned): boolean {
  return !isBeforeCilium(profile, 19);
}
