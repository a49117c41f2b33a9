import * as path from "node:path";
import { dump } from "js-yaml";
import { describeControl, isViolation, severities } from "../../findings";
import type { Finding } from "../../findings";
import type { Problem, Source } from "../../reachability";
import {
  assessmentResults,
  computedControls,
  describeSubject,
  junitReport,
  markdownFindings,
  policyReports,
  sarifLog,
} from "../../reports";
import type { PolicyReportInput } from "../../reports";
import type { RuleDescription } from "../../reports";
import { printable } from "../output";
import type { Colours } from "./colours";
import type { CheckFormat } from "./formats";
import { printList } from "./list";
import { placeOf } from "./place";
import { countsBySeverity, severityHead } from "./severity";
import type { InputDigest } from "../inputs";

export interface CheckPrinting {
  readonly format: CheckFormat;
  readonly colours: Colours;
  readonly findings: readonly Finding[];
  /** The rules that were asked. */
  readonly rules: readonly RuleDescription[];
  readonly problems: readonly Problem[];
  /** Whether a violation counts for the exit code. */
  readonly fails: (finding: Finding) => boolean;
  readonly version: string;
  /** Milliseconds since 1970. */
  readonly time: number;
  /** The namespaces that were judged. */
  readonly namespaces: readonly string[];
  readonly apiVersionOf: NonNullable<PolicyReportInput["apiVersionOf"]>;
  /** Why the rules were not asked about everything, where they were not. */
  readonly incomplete: string | undefined;
  /** What was read, for formats that name it. */
  readonly inputs: () => readonly InputDigest[];
}

/** Findings in the format asked for. */
export function printCheck(printing: CheckPrinting): string {
  const { format, findings, rules, problems, fails, version } = printing;
  switch (format) {
    case "sarif":
      return `${JSON.stringify(sarifLog({ findings, rules, problems, version, uriOf: fromHere }), null, 2)}\n`;
    case "junit":
      return junitReport({ findings, rules, fails });
    case "policyreport":
      return policyReports(printing)
        .map((report) => dump(report, { noRefs: true, lineWidth: -1 }))
        .join("---\n");
    case "oscal":
      return `${JSON.stringify(oscalOf(printing), null, 2)}\n`;
    case "md":
      return markdownFindings(findings);
    case "json":
    case "csv":
      return printList({ titles, items: findings, cells: cellsOf, json: asJson }, format);
    case "table":
      return asText(printing);
  }
}

function oscalOf({ findings, rules, incomplete, version, time, inputs }: CheckPrinting): object {
  return assessmentResults({
    title: "Findings of cluster-security",
    at: new Date(time).toISOString(),
    version,
    findings,
    controls: computedControls({ findings, rules, ...(incomplete === undefined ? {} : { incomplete }) }),
    inputs: inputs(),
  });
}

/** Code scanning wants paths of the repository; the command is run in it. */
function fromHere(file: string): string {
  return path.relative(process.cwd(), file).split(path.sep).join("/");
}

const titles = ["SEVERITY", "RULE", "STATE", "SUBJECT", "SOURCE", "MESSAGE", "FIX"];

function cellsOf(finding: Finding): string[] {
  const { severity, id, message, fix } = finding;
  return [severity, id, stateOf(finding), describeSubject(finding), placeOf(finding) ?? "", message, fix];
}

function stateOf(finding: Finding): "violation" | "possible" | "exempt" | "info" {
  if (finding.exempt === true) return "exempt";
  if (!isViolation(finding)) return "info";
  return finding.certainty === "possible" ? "possible" : "violation";
}

function asJson(finding: Finding): unknown {
  const { id, severity, certainty, subject, message, because, fix, controls, causes } = finding;
  const { source, ...about } = subject;
  return {
    rule: id,
    severity,
    state: stateOf(finding),
    certainty,
    subject: about,
    message,
    because,
    fix,
    controls: controls.map(describeControl),
    place: placeOf(finding),
    sources: uniqueSources([...(causes ?? []), ...(source === undefined ? [] : [source])]),
  };
}

function uniqueSources(sources: readonly Source[]): Source[] {
  return [...new Map(sources.map((source) => [JSON.stringify(source), source])).values()];
}

/**
 * Counts, then what is wrong, worst first; findings of one rule with one remedy are printed together, and say a common
 * cause once.
 */
function asText({ findings, colours, fails }: CheckPrinting): string {
  const blocks = groupsOf(findings.filter(isViolation)).map((group) => {
    const [first] = group;
    if (first === undefined) return "";
    const { severity, id, because, fix, certainty, controls } = first;
    const doubt = certainty === "possible" ? " (possibly: something is not known)" : "";
    const below = fails(first) ? "" : " (below --fail-on)";
    const reasons = (of: Finding): string[] => of.because.map((reason) => `because ${reason}`);
    const isOneCause = group.every((finding) => finding.because.join("\n") === because.join("\n"));
    const messages = group.flatMap((finding) => {
      const place = placeOf(finding);
      const message = `${finding.message}${place === undefined ? "" : `  [${place}]`}`;
      return isOneCause ? [message] : [message, ...reasons(finding).map((reason) => `  ${reason}`)];
    });
    const lines = [
      `${severityHead(severity, id, colours)}${doubt}${below}`,
      ...[
        ...messages,
        ...(isOneCause ? reasons(first) : []),
        `fix: ${fix}`,
        `controls: ${controls.map(describeControl).join("; ")}`,
      ].map((line) => `  ${printable(line)}`),
    ];
    return `${lines.join("\n")}\n`;
  });
  const rest = findings.filter((finding) => !isViolation(finding));
  const known = rest.map((finding) => `${colours.dim(stateOf(finding))}: ${printable(finding.message)}\n`);
  const counts = findings.length === 0 ? "" : `${countsOf(findings)}\n`;
  return [counts, blocks.join("\n"), [...new Set(known)].join("")].filter((part) => part !== "").join("\n");
}

/** Worst first, certain before possible; those of one rule with one remedy together. */
function groupsOf(findings: readonly Finding[]): readonly (readonly Finding[])[] {
  const groups = new Map<string, Finding[]>();
  for (const finding of findings) {
    const { id, severity, certainty, fix, controls } = finding;
    const key = JSON.stringify([id, severity, certainty, fix, controls]);
    groups.set(key, [...(groups.get(key) ?? []), finding]);
  }
  const rank = ([first]: readonly Finding[]): number =>
    first === undefined ? 0 : severities.indexOf(first.severity) * 2 + (first.certainty === "definite" ? 0 : 1);
  return [...groups.values()].sort((a, b) => rank(a) - rank(b));
}

/** `2 critical, 1 high (1 only possibly); 3 exempt`. */
export function countsOf(findings: readonly Finding[]): string {
  const violations = findings.filter(isViolation);
  const counts = countsBySeverity(violations);
  const possible = violations.filter(({ certainty }) => certainty === "possible").length;
  const exempt = findings.filter((finding) => finding.exempt === true).length;
  const doubt = possible === 0 ? "" : ` (${possible === violations.length ? "all" : possible} only possibly)`;
  return [
    counts.length === 0 ? "no violations" : `${counts.join(", ")}${doubt}`,
    ...(exempt > 0 ? [`${exempt} exempt`] : []),
  ].join("; ");
}
