import type { Finding } from "../sdk/findings";
import { describeControl } from "../sdk/findings";

/**
 * The text of a violation. Findings hold names, paths, addresses and ports and no other values of fields; names are
 * printed only where they are well-formed Kubernetes names, so that a value which strayed into a name is not shown.
 */
export function violationText(finding: Finding): string {
  const lines = [
    headline(finding),
    ...finding.because.map((reason) => `  because: ${reason}.`),
    `  fix: ${finding.fix}`,
    `  controls: ${finding.controls.map(describeControl).join("; ")}`,
  ];
  return lines.join("\n");
}

/** A violation whose causes were shown in full at the objects that cause it. */
export function shortViolationText(finding: Finding): string {
  return `${headline(finding)}\n  because and fix: shown at the object that causes it.`;
}

function headline(finding: Finding): string {
  const doubt = finding.certainty === "possible" ? " (not decidable yet)" : "";
  return `${finding.id}${doubt}: ${finding.message}.`;
}

/** Everything about one subject that is exempt, in one text. */
export function exemptText(findings: readonly Finding[]): string {
  return findings.map((finding) => `exempt from ${finding.id}: ${finding.message}.`).join("\n  ");
}

/** What a failed stack check in an update means: it runs after the resources were created. */
export const afterCreation =
  "  now: the check of the whole stack runs after its resources were created, so they stand. Repair the program and run " +
  "the update again, or go back with `pulumi destroy` or by updating from the previous version of the program.";
