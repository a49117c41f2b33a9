import type { ControlRef } from "../../findings";

/**
 * `holds`: it shows what the control asks for. `fails`: it shows the contrary. `undecided`: something is not known, so it
 * shows neither. `absent`: nothing of this kind was given or can be had.
 */
export type EvidenceState = "holds" | "fails" | "undecided" | "absent";

/** One kind of evidence for one control. */
export interface Evidence {
  readonly state: EvidenceState;
  /** What it is, in a sentence or two. */
  readonly text: string;
  /** When it was seen, RFC 3339. Without it: it was computed for this report. */
  readonly at?: string;
}

/** A control with its three kinds of evidence, which never stand for each other. */
export interface ControlEvidence {
  readonly control: ControlRef;
  /** Ids of the rules that bear on it and were asked. */
  readonly rules: readonly string[];
  /** What the declaration states. */
  readonly declared: Evidence;
  /** What the policies come to, computed. */
  readonly computed: Evidence;
  /** What packets or recorded flows showed. */
  readonly observed: Evidence;
}

/** Nothing of this kind was given. */
export function absent(text: string): Evidence {
  return { state: "absent", text };
}
