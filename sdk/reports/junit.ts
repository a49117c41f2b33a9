import type { Finding } from "../findings";
import { isViolation } from "../findings";
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
  const suites = rules.map((rule) =>
    suiteOf(
      rule,
      findings.filter(({ id }) => id === rule.id),
      fails,
    ),
  );
  const total = (key: "tests" | "failures" | "skipped"): number => suites.reduce((sum, suite) => sum + suite[key], 0);
  const head = `tests="${total("tests")}" failures="${total("failures")}" errors="0" skipped="${total("skipped")}"`;
  return `<?xml version="1.0" encoding="UTF-8"?>\n<testsuites name="cluster-security check" ${head}>\n${suites.map(({ xml }) => xml).join("")}</testsuites>\n`;
}

interface Suite {
  readonly xml: string;
  readonly tests: number;
  readonly failures: number;
  readonly skipped: number;
}

function suiteOf(rule: RuleDescription, findings: readonly Finding[], fails: (finding: Finding) => boolean): Suite {
  const failed = findings.filter((finding) => isViolation(finding) && fails(finding));
  const skipped = findings.filter(({ exempt }) => exempt === true);
  const cases =
    findings.length === 0
      ? [`    <testcase classname="${attribute(rule.id)}" name="${attribute(rule.title)}"/>\n`]
      : findings.map((finding) => caseOf(finding, failed.includes(finding)));
  const counts = { tests: cases.length, failures: failed.length, skipped: skipped.length };
  const head = `tests="${counts.tests}" failures="${counts.failures}" errors="0" skipped="${counts.skipped}"`;
  return { ...counts, xml: `  <testsuite name="${attribute(rule.id)}" ${head}>\n${cases.join("")}  </testsuite>\n` };
}

function caseOf(finding: Finding, failed: boolean): string {
  const place = placeOfFinding(finding);
  const file = place?.file === undefined ? "" : ` file="${attribute(place.file)}" line="${place.line ?? 1}"`;
  const head = `    <testcase classname="${attribute(finding.id)}" name="${attribute(describeSubject(finding))}"${file}>\n`;
  return `${head}      ${outcomeOf(finding, failed)}\n    </testcase>\n`;
}

function outcomeOf(finding: Finding, failed: boolean): string {
  const { message, severity, certainty } = finding;
  if (finding.exempt === true) return `<skipped message="${attribute(`exempt: ${message}`)}"/>`;
  const type = certainty === "possible" ? `${severity}, possibly` : severity;
  if (failed)
    return `<failure type="${attribute(type)}" message="${attribute(message)}">${text(bodyOf(finding))}</failure>`;
  return `<system-out>${text(`${type}: ${message}\n${bodyOf(finding)}`)}</system-out>`;
}

function bodyOf(finding: Finding): string {
  const place = describeSource(placeOfFinding(finding));
  return [
    ...finding.because.map((reason) => `because ${reason}`),
    `fix: ${finding.fix}`,
    ...(place === undefined ? [] : [`at ${place}`]),
  ].join("\n");
}

/** XML 1.0 has no way to write most control characters, nor half of a surrogate pair. */
function text(value: string): string {
  return value
    .replace(
      /[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g,
      "\ufffd",
    )
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;");
}

function attribute(value: string): string {
  return text(value)
    .replaceAll('"', "&quot;")
    .replaceAll("\n", "&#10;")
    .replaceAll("\r", "&#13;")
    .replaceAll("\t", "&#9;");
}
