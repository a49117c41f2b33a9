import type { Plan } from "../../plan";
import { computedControls, type ComputedInput } from "./computed";
import { declaredEvidence } from "./declared";
import type { Observation } from "./observations";
import { observedEvidence } from "./observed";
import { topicOf } from "./topics";
import type { ControlEvidence } from "./types";

/** What evidence is collected from. */
export interface EvidenceInput extends ComputedInput {
  readonly plan?: Plan;
  readonly observations: readonly Observation[];
  /** `YYYY-MM-DD`. */
  readonly today: string;
  readonly tenantOf: (end: string) => string | undefined;
}

/** Every control with what is declared, computed and observed about it, apart. */
export function collectEvidence(input: EvidenceInput): ControlEvidence[] {
  return computedControls(input).map((each) => {
    const topic = topicOf(each.control);
    if (topic === undefined) return each;
    return {
      ...each,
      declared: declaredEvidence(topic, input.plan, input.today),
      observed: observedEvidence(topic, input.observations, input.tenantOf),
    };
  });
}
