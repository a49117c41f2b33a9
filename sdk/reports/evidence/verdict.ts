import type { ControlEvidence, EvidenceState } from "./types";

/**
 * What the three kinds of evidence come to: one that fails fails it, one that is undecided leaves it open, and without
 * anything computed it is open.
 */
export function controlVerdict({ declared, computed, observed }: ControlEvidence): Exclude<EvidenceState, "absent"> {
  const states = [declared, computed, observed].map(({ state }) => state);
  if (states.includes("fails")) return "fails";
  return computed.state === "holds" && !states.includes("undecided") ? "holds" : "undecided";
}
