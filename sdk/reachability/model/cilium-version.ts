/** What depends on Cilium's version. */
import type { Versioned } from "./versions";
import { isOlder } from "./versions";

/** Whether Cilium is older than 1.`minor`; no where its version is not known. */
export function isBeforeCilium({ cni, version }: Versioned, minor: number): boolean {
  return cni === "cilium" && isOlder(version, `1.${minor}`);
}

/** Version 1.19 turned `policy-default-local-cluster` on. */
export function localClusterByDefault(profile: Versioned): boolean {
  return !isBeforeCilium(profile, 19);
}
