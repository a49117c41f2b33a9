import { controls } from "../controls";
import { isDate } from "../plain";
import type { Finding, RuleText } from "../types";

/**
 * A decision that a finding is accepted for a time: somebody owns it, says why, and it ends. Nothing is exempt for ever
 * and nothing is exempt everywhere.
 */
export interface Exemption {
  /** The id of the rule. */
  readonly finding: string;
  /** What it is for: at least one of the three. A namespace covers what lies in it and the namespace itself. */
  readonly namespace?: string;
  readonly kind?: string;
  readonly name?: string;
  /** Who answers for it. */
  readonly owner: string;
  readonly reason: string;
  /** The last day it holds, `YYYY-MM-DD` (UTC). */
  readonly expires: string;
}

/** An exemption that has ended, or that does not say what it has to say, is a violation itself. */
export const exemptionOverdue: RuleText = {
  id: "exemption-overdue",
  title: "An exemption is not permitted, incomplete or overdue",
  severity: "high",
  why: "An exception without an owner, a reason and an end becomes the rule.",
  description:
    "Every exemption, in the configuration or as an annotation, names a finding, a subject, an owner, a reason and a date " +
    "in the future, and is set where exemptions are accepted.",
  remediation: "Repair what is exempt, or have its owner decide again and set a new date.",
  controls: [controls.pciReview, controls.nistChangeControl],
};

/** What applying exemptions to findings gives. */
export interface ExemptionResult {
  /** The findings, exempt ones marked, in their order. */
  readonly findings: Finding[];
  /** Exemptions that are overdue or incomplete. */
  readonly overdue: Finding[];
}

/**
 * Marks findings that an exemption covers. An exemption that is overdue or incomplete covers nothing.
 *
 * @param today `YYYY-MM-DD`; given by the caller because this room has no clock.
 */
export function applyExemptions(
  findings: readonly Finding[],
  exemptions: readonly Exemption[],
  today: string,
): ExemptionResult {
  const faults = exemptions.map((exemption) => faultOf(exemption, today));
  const current = exemptions.filter((_, index) => faults[index] === undefined);
  return {
    findings: findings.map((finding) => {
      const exemption = finding.exempt === true ? undefined : current.find((item) => covers(item, finding));
      return exemption === undefined ? finding : exempted(finding, exemption);
    }),
    overdue: exemptions.flatMap((exemption, index) => {
      const fault = faults[index];
      return fault === undefined ? [] : [describeFault(exemption, fault, index)];
    }),
  };
}

function covers(exemption: Exemption, { id, subject }: Finding): boolean {
  const home = subject.namespace ?? (subject.kind === "Namespace" ? subject.name : undefined);
  return (
    exemption.finding === id &&
    (exemption.namespace === undefined || exemption.namespace === home) &&
    (exemption.kind === undefined || exemption.kind === subject.kind) &&
    (exemption.name === undefined || exemption.name === subject.name)
  );
}

function exempted(finding: Finding, exemption: Exemption): Finding {
  return {
    ...finding,
    exempt: true,
    message: `${finding.message}; accepted by ${exemption.owner} until ${exemption.expires}: ${exemption.reason}`,
  };
}

function faultOf(exemption: Exemption, today: string): string | undefined {
  const given = exemption as Partial<Record<keyof Exemption, unknown>>;
  for (const key of ["finding", "owner", "reason", "expires"] as const) {
    if (typeof given[key] !== "string" || given[key].trim() === "") return `it does not say "${key}"`;
  }
  if (given.namespace === undefined && given.name === undefined) return "it names no namespace and no object";
  if (!isDate(exemption.expires)) return '"expires" is not a date of the form YYYY-MM-DD';
  return exemption.expires < today ? `it ended on ${exemption.expires}` : undefined;
}

function describeFault(exemption: Exemption, fault: string, index: number): Finding {
  const subject = [exemption.namespace, exemption.name].filter((item) => typeof item === "string").join("/");
  return {
    id: exemptionOverdue.id,
    severity: exemptionOverdue.severity,
    certainty: "definite",
    subject: { kind: "Exemption", name: `${index + 1}` },
    message: `Exemption ${index + 1} (${exemption.finding} for ${subject === "" ? "nothing" : subject}) does not count`,
    because: [fault],
    fix: exemptionOverdue.remediation,
    controls: exemptionOverdue.controls,
  };
}
