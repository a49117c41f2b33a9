import type { ListedBypass } from "../../cluster";
import { columns } from "./text";

/** How bypasses are printed. */
export type BypassFormat = "table" | "json";

/** The bypasses of a cluster as text. */
export function printBypasses(found: readonly ListedBypass[], format: BypassFormat): string {
  if (format === "json") return `${JSON.stringify(found, null, 2)}\n`;
  if (found.length === 0) return "no bypass is open\n";
  const head = ["state", "timer", "of", "until", "by", "owner", "pods", "reason"];
  const rows = found.map(({ state, namespace, timer, of, until, requester, owner, pods, reason }) => [
    state,
    `${namespace}/${timer}`,
    of,
    until,
    requester,
    owner,
    String(pods.length),
    reason,
  ]);
  return columns([head, ...rows]);
}
