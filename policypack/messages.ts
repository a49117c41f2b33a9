import type { Finding } from "../sdk/findings";
import { describeControl, exemptionOverdue, rules } from "../sdk/findings";
import { liveDrift } from "./live-drift";

/**
 * The text of a violation. Findings hold names, paths, addresses and ports and no other values of fields; names are
 * printed only where they are well-formed Kubernetes names, so that a value which strayed into a name is not shown.
 */
export function violationText(finding: Finding): string {
  return [headline(finding), ...finding.because.map((reason) => `  because: ${reason}.`), ...endOf(finding)].join("\n");
}

/** Findings listed in one text before the rest is only counted. */
const shown = 10;

/** Findings of one rule that have the same fix, in one text. */
export function groupText(findings: readonly [Finding, ...Finding[]]): string {
  const [first] = findings;
  return [
    `${first.id}${doubt(first)}: ${findings.length} findings.`,
    ...some(findings.map(({ message, because }) => `${message}: ${because.join("; ")}.`)),
    ...endOf(first),
  ].join("\n");
}

/** Violations of the whole stack whose causes were shown in full at the objects that cause them. */
export function consequencesText(findings: readonly Finding[]): string {
  return [
    "What is shown at the objects that cause it (with its reasons, fix and controls) has these consequences:",
    ...some(findings.map((finding) => `${headline(finding)} Severity: ${finding.severity}.`)),
  ].join("\n");
}

function some(lines: readonly string[]): string[] {
  const rest = lines.length - shown;
  const more = rest > 0 ? [`  and ${rest} more; \`cluster-security check\` lists all.`] : [];
  return [...lines.slice(0, shown).map((line) => `  ${line}`), ...more];
}

function endOf({ id, fix, severity, controls }: Finding): string[] {
  return [
    `  fix: ${fix}`,
    `  severity: ${severity}`,
    `  controls: ${controls.map(describeControl).join("; ")}`,
    ...whyOf(id).map((why) => `  why: ${why}`),
  ];
}

const whyById = new Map([...rules, exemptionOverdue, liveDrift].map(({ id, why }) => [id, why]));

/** Why a rule matters. The text has to stand alone: whoever reads it in a log has no copy of the documentation. */
function whyOf(id: string): string[] {
  const why = whyById.get(id);
  return why === undefined ? [] : [why];
}

function headline(finding: Finding): string {
  return `${finding.id}${doubt(finding)}: ${finding.message}.`;
}

function doubt({ certainty }: Finding): string {
  return certainty === "possible" ? " (not decidable yet)" : "";
}

/** Everything about one subject that is exempt, in one text. */
export function exemptText(findings: readonly Finding[]): string {
  return findings.map((finding) => `exempt from ${finding.id}: ${finding.message}.`).join("\n  ");
}

/** What a failed stack check in an update means: it runs after the resources were created. */
export const afterCreation =
  "  now: the check of the whole stack runs after its resources were created, so they stand. Repair the program and run " +
  "the update again, or go back with `pulumi destroy` or by updating from the previous version of the program.";
