/** The short name of a declared flow, by which metrics, alerts and recorded flows refer to it. */
import { createHash } from "node:crypto";
import type { ModelFlow } from "./model";
import { peerIdentity } from "./resolve/flows";
import { portKey } from "./resolve/ports";

/** Whether a text has the form of an id. */
export function isFlowId(text: string): boolean {
  return /^[0-9a-f]{10}$/.test(text);
}

/**
 * Ten hexadecimal digits that stay the same as long as source, destination and ports do: a new owner, reason or place in
 * the declaration changes nothing. What comes from an output has no part in it. Fits Cilium's `log.value` (32 characters).
 */
export function flowId({ from, to, ports }: Pick<ModelFlow, "from" | "to" | "ports">): string {
  const text = [peerIdentity(from), peerIdentity(to), ...ports.map(portKey).sort()].join("\n");
  return createHash("sha256").update(text).digest("hex").slice(0, 10);
}
