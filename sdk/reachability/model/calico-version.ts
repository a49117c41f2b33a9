/** What depends on Calico's version. */
import type { EnforcerProfile } from "./profile";

/** Whether Calico is older than 3.`minor`; no where its version is not known. */
export function isBeforeCalico({ cni, version }: EnforcerProfile, minor: number): boolean {
  const [major = "", own = ""] = (version ?? "").split(".");
  if (cni !== "calico" || major === "") return false;
  return Number(major) < 3 || (Number(major) === 3 && Number(own) < minor);
}
