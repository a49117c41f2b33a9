/** An audit as findings, for reports whose readers know findings only. */
import { controls } from "../findings/controls";
import type { Finding, RuleText, Severity } from "../findings/types";
import type { AuditDrift, AuditPaths, AuditResult, DriftKind, Ineffective } from "./types";

const change = [controls.nistChangeControl, controls.pciChanges, controls.isoChange];
const review = [controls.pciReview, controls.nistChangeControl];

/** What each kind of drift is called, and how bad the worst of them is. */
const titles: Readonly<Record<DriftKind, readonly [string, Severity]>> = {
  missing: ["Something of the baseline is not in the cluster", "critical"],
  changed: ["Something of the baseline was changed in the cluster", "critical"],
  extra: ["The cluster has a policy that the baseline does not have", "critical"],
  "not-enforced": ["A policy is stored and not enforced", "critical"],
  "enforcement-off": ["The agents enforce no policy, or only report", "critical"],
  "namespace-changed": ["Labels of a namespace that policies go by were changed", "critical"],
  "namespace-open": ["A namespace without a default deny is not in the baseline", "critical"],
  "edit-rights": ["Someone may change policies whom the baseline does not name", "high"],
  overdue: ["Something counts past its last day", "critical"],
};

const ineffectiveRule: RuleText = ruleText("ineffective", "A policy or a rule has no effect", "low", review);

/** What an audit asks, a rule each. The last is asked only of an audit that looks for it. */
export function auditRules({ ineffective }: Pick<AuditResult, "ineffective">): readonly RuleText[] {
  const drifts = (Object.keys(titles) as DriftKind[]).map((kind) =>
    ruleText(kind, titles[kind][0], titles[kind][1], kind === "overdue" ? review : change),
  );
  return ineffective === undefined ? drifts : [...drifts, ineffectiveRule];
}

/** Drifts, and what has no effect, as findings: `audit-missing`, `audit-ineffective`. */
export function auditFindings({ drifts, ineffective = [] }: AuditResult): readonly Finding[] {
  return [...drifts.map(driftFinding), ...ineffective.map(ineffectiveFinding)];
}

function ruleText(kind: string, title: string, severity: Severity, refs: RuleText["controls"]): RuleText {
  return {
    id: `audit-${kind}`,
    title,
    severity,
    why: "What a cluster enforces is what counts, not what was reviewed.",
    description: "The cluster is compared with its baseline; docs/audit.md describes each kind of drift.",
    remediation: "Apply the baseline, or change it after a review.",
    controls: refs,
  };
}

function driftFinding(drift: AuditDrift): Finding {
  const { kind, severity, object, source, message, effects, fix } = drift;
  return {
    id: `audit-${kind}`,
    severity,
    certainty: "definite",
    subject: subjectOf(object, source),
    message,
    because: [...effects, ...pathTexts("opens", drift.opens), ...pathTexts("closes", drift.closes), ...writers(drift)],
    fix,
    controls: kind === "overdue" ? review : change,
  };
}

function ineffectiveFinding({ kind, object, message, possible }: Ineffective): Finding {
  return {
    id: ineffectiveRule.id,
    severity: ineffectiveRule.severity,
    certainty: possible ? "possible" : "definite",
    subject: subjectOf(object, undefined),
    message,
    because: [kind],
    fix: "Remove it, or repair what it selects.",
    controls: review,
  };
}

function subjectOf({ kind, namespace, name }: AuditDrift["object"], source: AuditDrift["source"]): Finding["subject"] {
  return { kind, name, ...(namespace === undefined ? {} : { namespace }), ...(source === undefined ? {} : { source }) };
}

function pathTexts(what: string, { count, examples }: AuditPaths): readonly string[] {
  const shown = examples.map(
    ({ source, destination, connections }) => `it ${what} ${source} -> ${destination}: ${connections}`,
  );
  return count > examples.length ? [...shown, `it ${what} ${count} paths in all`] : shown;
}

function writers({ managers, requests }: AuditDrift): readonly string[] {
  return [
    ...managers.map(({ manager }) => `field manager ${manager} wrote it`),
    ...requests.map(({ user, verb, time }) => `user ${user} sent the ${verb} at ${time}`),
  ];
}
