import * as path from "node:path";
import { describeControl, isViolation } from "../../findings";
import type { Finding, Severity } from "../../findings";
import type { Problem, Source } from "../../reachability";
import {
  describeSource,
  describeSubject,
  placeOfFinding,
  junitReport,
  markdownFindings,
  sarifLog,
} from "../../reports";
import type { RuleDescription } from "../../reports";
import { printable } from "../output";
import type { Colours } from "./colours";
import type { CheckFormat } from "./formats";
import { printList } from "./list";

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
}

/** Findings in the format asked for. */
export function printCheck(printing: CheckPrinting): string {
  const { format, findings, rules, problems, fails, version } = printing;
  switch (format) {
    case "sarif":
      return `${JSON.stringify(sarifLog({ findings, rules, problems, version, uriOf: fromHere }), null, 2)}\n`;
    case "junit":
      return junitReport({ findings, rules, fails });
    case "md":
      return markdownFindings(findings);
    case "json":
    case "csv":
      return printList({ titles, items: findings, cells: cellsOf, json: asJson }, format);
    case "table":
      return asText(printing);
  }
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

function placeOf(finding: Finding): string | undefined {
  return describeSource(placeOfFinding(finding));
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
    sources: uniqueSources([...(causes ?? []), ...(source === undefined ? [] : [source])]),
  };
}

function uniqueSources(sources: readonly Source[]): Source[] {
  return [...new Map(sources.map((source) => [JSON.stringify(source), source])).values()];
}

function asText({ findings, colours, fails }: CheckPrinting): string {
  const paint: Readonly<Record<Severity, (text: string) => string>> = {
    critical: colours.red,
    high: colours.red,
    medium: colours.yellow,
    low: colours.yellow,
    info: colours.dim,
  };
  const violations = findings.filter(isViolation).map((finding) => {
    const { severity, id, message, because, fix, certainty, controls } = finding;
    const doubt = certainty === "possible" ? " (possibly: something is not known)" : "";
    const place = placeOf(finding);
    const below = fails(finding) ? "" : " (below --fail-on)";
    const lines = [
      `${colours.bold(paint[severity](severity.toUpperCase()))} ${colours.bold(id)}${doubt}${below}`,
      ...[
        `${message}${place === undefined ? "" : `  [${place}]`}`,
        ...because.map((reason) => `because ${reason}`),
        `fix: ${fix}`,
        `controls: ${controls.map(describeControl).join("; ")}`,
      ].map((line) => `  ${printable(line)}`),
    ];
    return `${lines.join("\n")}\n`;
  });
  const rest = findings.filter((finding) => !isViolation(finding));
  const known = rest.map((finding) => `${colours.dim(stateOf(finding))}: ${printable(finding.message)}\n`);
  return [violations.join("\n"), [...new Set(known)].join("")].filter((part) => part !== "").join("\n");
}
