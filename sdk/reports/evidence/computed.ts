import type { ControlRef, Finding } from "../../findings";
import { describeControl, isViolation } from "../../findings";
import type { Problem, Snapshot } from "../../reachability";
import type { RuleDescription } from "../sarif";
import type { ControlEvidence, Evidence } from "./types";
import { absent } from "./types";

/** What {@link computedControls} judges. */
export interface ComputedInput {
  readonly findings: readonly Finding[];
  /** The rules that were asked. */
  readonly rules: readonly RuleDescription[];
  /** Why no rule was asked about everything, in words: something could not be understood, or nothing was read. */
  readonly incomplete?: string;
}

/**
 * The controls that the rules bear on, by framework and id, each with what was computed; nothing is declared or observed yet.
 * That a rule finds nothing answers the rule's question: it does not show that the control as a whole is met.
 */
export function computedControls(input: ComputedInput): ControlEvidence[] {
  const controls = new Map<string, ControlRef>();
  for (const { controls: refs } of [...input.rules, ...input.findings]) {
    for (const ref of refs) controls.set(describeControl(ref), ref);
  }
  return [...controls.values()].sort(byId).map((control) => ({
    control,
    rules: input.rules.filter(({ controls: refs }) => refs.some((ref) => isSame(ref, control))).map(({ id }) => id),
    declared: absent("no declaration was given"),
    computed: computedOf(control, input),
    observed: absent("nothing observed was given"),
  }));
}

/** The findings that bear on a control. */
export function findingsOf(control: ControlRef, findings: readonly Finding[]): Finding[] {
  return findings.filter(({ controls }) => controls.some((ref) => isSame(ref, control)));
}

function computedOf(control: ControlRef, { findings, rules, incomplete }: ComputedInput): Evidence {
  const about = findingsOf(control, findings);
  const violations = about.filter(isViolation);
  const definite = violations.filter(({ certainty }) => certainty === "definite");
  const asked = rules.filter(({ controls }) => controls.some((ref) => isSame(ref, control))).length;
  const exempt = about.filter((finding) => finding.exempt === true).length;
  const exemptText = exempt === 0 ? "" : `; ${count(exempt, "finding is", "findings are")} exempt`;
  if (definite.length > 0) {
    const ids = [...new Set(definite.map(({ id }) => id))].join(", ");
    return { state: "fails", text: `${count(definite.length, "violation", "violations")} (${ids})${exemptText}` };
  }
  if (violations.length > 0) {
    const ids = [...new Set(violations.map(({ id }) => id))].join(", ");
    return { state: "undecided", text: `possibly violated: something is not known (${ids})${exemptText}` };
  }
  if (asked === 0) return { state: "undecided", text: `no rule that bears on it was asked${exemptText}` };
  if (incomplete !== undefined) return { state: "undecided", text: `${incomplete}${exemptText}` };
  return { state: "holds", text: `${count(asked, "rule finds", "rules find")} no violation${exemptText}` };
}

/** Why the answer of rules is no answer about everything, in words; undefined where it is. */
export function incompleteness(
  snapshot: Pick<Snapshot, "workloads" | "namespaces">,
  problems: readonly Problem[],
  holes: boolean,
): string | undefined {
  if (holes || problems.some(({ affectsVerdicts }) => affectsVerdicts)) {
    return "something of the input could not be understood";
  }
  return snapshot.workloads.length === 0 && snapshot.namespaces.size === 0
    ? "no workload and no namespace was read"
    : undefined;
}

function count(number: number, one: string, many: string): string {
  return `${number} ${number === 1 ? one : many}`;
}

function isSame(a: ControlRef, b: ControlRef): boolean {
  return a.framework === b.framework && a.id === b.id;
}

function byId(a: ControlRef, b: ControlRef): number {
  const [first, second] = [describeControl(a), describeControl(b)];
  return first.localeCompare(second, "en", { numeric: true });
}
