import type { Finding } from "../findings";
import { isViolation } from "../findings";
import { junitDocument, type JunitCase, type JunitOutcome } from "./junit-document";
import type { RuleDescription } from "./sarif";
import { describeSource, describeSubject, placeOfFinding } from "./source";

export interface JunitInput {
  readonly findings: readonly Finding[];
  /** The rules that were asked: one without findings is a test that passed. */
  readonly rules: readonly RuleDescription[];
  /** Whether a violation fails the run; one that does not is a test that passed, with its text as output. */
  readonly fails: (finding: Finding) => boolean;
}

/** Findings as JUnit XML: a suite for each rule, a test for each subject. Exempt findings are skipped tests. */
export function junitReport({ findings, rules, fails }: JunitInput): string {
  const suites = rules.map(({ id, title }) => {
    const found = findings.filter((finding) => finding.id === id);
    const cases = found.map((finding): JunitCase => ({
      group: id,
      name: describeSubject(finding),
      outcome: outcomeOf(finding, isViolation(finding) && fails(finding)),
    }));
    return { name: id, cases: cases.length === 0 ? [{ group: id, name: title }] : cases };
  });
  return junitDocument(suites, "cluster-security check");
}

function outcomeOf(finding: Finding, failed: boolean): JunitOutcome {
  const { message, severity, certainty } = finding;
  if (finding.exempt === true) return { kind: "skipped", message: `exempt: ${message}`, text: bodyOf(finding) };
  const type = certainty === "possible" ? `${severity}, possibly` : severity;
  if (failed) return { kind: "failure", type, message, text: bodyOf(finding) };
  return { kind: "note", text: `${type}: ${message}\n${bodyOf(finding)}` };
}

function bodyOf(finding: Finding): string {
  const place = describeSource(placeOfFinding(finding));
  return [
    ...finding.because.map((reason) => `because ${reason}`),
    `fix: ${finding.fix}`,
    ...(place === undefined ? [] : [`at ${place}`]),
  ].join("\n");
}
