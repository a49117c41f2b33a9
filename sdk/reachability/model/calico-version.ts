/** What depends on Calico's version. */
import type { Versioned } from "./versions";
import { isOlder } from "./versions";

/** Whether Calico is older than 3.`minor`; no where its version is not known. */
export function isBeforeCalico({ cni, version }: Versioned, minor: number): boolean {
  return cni === "calico" && isOlder(version, `3.${minor}`);
}
