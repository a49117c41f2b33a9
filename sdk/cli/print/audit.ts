import { dump } from "js-yaml";
import type {
  AuditDrift,
  AuditedRequest,
  AuditPaths,
  AuditResult,
  FieldManager,
  Ineffective,
  RecordedDrift,
  RunsCompared,
} from "../../audit";
import { auditFindings, auditRules } from "../../audit";
import type { Severity } from "../../findings";
import { describeRef } from "../../reachability";
import { assessmentResults, computedControls, describeSource, policyReports } from "../../reports";
import { printable } from "../output";
import type { Colours } from "./colours";
import type { AuditFormat } from "./formats";
import { countsBySeverity, severityHead } from "./severity";
import { markdownCell } from "./text";

/** What stands around the answer. */
export interface AuditRun {
  readonly time: string;
  readonly cluster: string;
  readonly baseline: readonly string[];
}

/** What reports for other programs say besides. */
export interface AuditReporting {
  /** Of this package. */
  readonly version: string;
  /** The namespaces of the cluster: each gets a PolicyReport. */
  readonly namespaces: readonly string[];
  /** Whether a drift fails the run. */
  readonly fails: (drift: AuditDrift) => boolean;
}

/** So many paths of a drift stand in a text; JSON holds more. */
const shownPaths = 3;

/** An audit in the format asked for. */
export function printAudit(
  result: AuditResult,
  run: AuditRun,
  format: AuditFormat,
  { colours, reporting }: { readonly colours: Colours; readonly reporting: AuditReporting },
): string {
  switch (format) {
    case "policyreport":
      return asPolicyReports(result, run, reporting);
    case "oscal":
      return `${JSON.stringify(asOscal(result, run, reporting), null, 2)}\n`;
    case "json":
      return `${JSON.stringify(asJson(result, run), null, 2)}\n`;
    case "md":
      return asMarkdown(result, run);
    case "table":
      return asText(result, colours);
  }
}

/** Reports of their own, beside those of `check`. */
function asPolicyReports(result: AuditResult, { time }: AuditRun, reporting: AuditReporting): string {
  const findings = auditFindings(result);
  const failsAt = (index: number): boolean => {
    const drift = result.drifts[index];
    return drift !== undefined && reporting.fails(drift);
  };
  // drifts come first, in their order
  const failing = new Set(findings.slice(0, result.drifts.length).filter((_, index) => failsAt(index)));
  const reports = policyReports({
    name: "cluster-security-audit",
    findings,
    rules: result.verdict === "inconclusive" ? [] : auditRules(result),
    problems: result.gaps.map((gap) => ({
      code: "unreadable",
      message: `not compared: ${gap}`,
      affectsVerdicts: true,
    })),
    fails: (finding) => failing.has(finding),
    namespaces: reporting.namespaces,
    time: Date.parse(time),
  });
  return reports.map((report) => dump(report, { noRefs: true, lineWidth: -1 })).join("---\n");
}

function asOscal(result: AuditResult, { cluster, baseline, time }: AuditRun, { version }: AuditReporting): object {
  const findings = auditFindings(result);
  const incomplete = result.gaps.length === 0 ? {} : { incomplete: "not everything could be compared" };
  return assessmentResults({
    title: `Audit of ${cluster} by cluster-security`,
    at: time,
    version,
    findings,
    controls: computedControls({ findings, rules: auditRules(result), ...incomplete }),
    inputs: baseline.map((name) => ({ name })),
  });
}

/** `2 critical, 1 low`. */
export function describeDrifts(drifts: readonly { readonly severity: Severity }[]): string {
  const counts = countsBySeverity(drifts);
  return counts.length === 0 ? "no drift" : counts.join(", ");
}

function asJson({ verdict, drifts, gaps, compared, ineffective }: AuditResult, run: AuditRun): unknown {
  return {
    ...run,
    verdict,
    compared,
    gaps,
    ineffective: ineffective?.map(({ object, ...each }) => ({
      object: describeRef(object),
      reference: object,
      ...each,
    })),
    drifts: drifts.map(({ kind, severity, object, source, ...drift }) => ({
      kind,
      severity,
      object: describeRef(object),
      reference: object,
      ...drift,
      place: describeSource(source),
    })),
  };
}

function asText(result: AuditResult, colours: Colours): string {
  const { ineffective } = result;
  const head = driftText(result, colours);
  if (ineffective === undefined) return head;
  if (ineffective.length === 0) return `${head}every policy and rule has an effect\n`;
  const lines = ineffective.map((each) => `  ${describeIneffective(each)}\n`);
  return `${head}\nwithout effect: ${ineffective.length}\n${lines.map(printable).join("")}`;
}

function describeIneffective({ kind, message, possible }: Ineffective): string {
  return `${possible ? `possibly ${kind}` : kind}: ${message}`;
}

function driftText({ drifts, verdict, compared }: AuditResult, colours: Colours): string {
  if (verdict === "clean") return `no drift: ${describeCompared(compared)}\n`;
  if (drifts.length === 0) return "inconclusive: not everything could be compared, and nothing else has drifted\n";
  const blocks = drifts.map((drift) => {
    const head = severityHead(drift.severity, drift.kind, colours);
    return `${[head, ...linesOf(drift).map((line) => `  ${printable(line)}`)].join("\n")}\n`;
  });
  return [`${describeDrifts(drifts)}\n`, ...blocks].join("\n");
}

function linesOf(drift: AuditDrift): readonly string[] {
  const place = describeSource(drift.source);
  return [
    `${drift.message}${place === undefined ? "" : `  [${place}]`}`,
    ...drift.effects,
    ...pathLines("opens", drift.opens),
    ...pathLines("closes", drift.closes),
    ...drift.managers.map((manager) => `by ${describeManager(manager)}`),
    ...drift.requests.map((request) => `by ${describeRequest(request)}`),
    `fix: ${drift.fix}`,
  ];
}

function pathLines(what: string, { count, examples }: AuditPaths): readonly string[] {
  if (count === 0) return [];
  const shown = examples.slice(0, shownPaths);
  const rest = count - shown.length;
  return [
    `${what} ${count} ${count === 1 ? "path" : "paths"}:`,
    ...shown.map((path) => `  ${describePath(path)}`),
    ...(rest > 0 ? [`  and ${rest} more`] : []),
  ];
}

function describePath({ source, destination, connections }: AuditPaths["examples"][number]): string {
  return `${source} -> ${destination}: ${connections}`;
}

function describeManager({ manager, operation, time }: FieldManager): string {
  const details = [operation, time].filter((each) => each !== undefined);
  return `field manager ${manager}${details.length === 0 ? "" : ` (${details.join(", ")})`}`;
}

function describeRequest({ user, as, verb, time, addresses, userAgent }: AuditedRequest): string {
  const from = addresses.length === 0 ? "" : ` from ${addresses.join(", ")}`;
  const acting = as === undefined ? "" : ` as ${as}`;
  return `user ${user}${acting}${from} (${[verb, time, userAgent].filter((each) => each !== undefined).join(", ")})`;
}

function asMarkdown(
  { drifts, verdict, gaps, compared, ineffective = [] }: AuditResult,
  { cluster, baseline, time }: AuditRun,
): string {
  const said = verdict === "clean" ? `no drift: ${describeCompared(compared)}` : describeDrifts(drifts);
  const head = `**Audit of ${cell(cluster)}** against ${baseline.map(cell).join(", ")}, ${time}: ${said}\n`;
  const rows = drifts.map((drift) =>
    [
      drift.severity,
      drift.kind,
      [`${drift.message}.`, ...drift.effects].join(" "),
      summary(drift.opens),
      summary(drift.closes),
      [...drift.managers.map(describeManager), ...drift.requests.map(describeRequest)].join("; "),
    ]
      .map(cell)
      .join(" | "),
  );
  const table =
    rows.length === 0
      ? ""
      : `\n| severity | drift | what | opens | closes | who |\n|---|---|---|---|---|---|\n${rows.map((row) => `| ${row} |\n`).join("")}`;
  const open = gaps.length === 0 ? "" : `\nNot compared:\n\n${gaps.map((gap) => `- ${cell(gap)}\n`).join("")}`;
  const idle =
    ineffective.length === 0
      ? ""
      : `\nWithout effect:\n\n${ineffective.map((each) => `- ${cell(describeIneffective(each))}\n`).join("")}`;
  return `${head}${table}${open}${idle}`;
}

function summary({ count, examples }: AuditPaths): string {
  const [first] = examples;
  return first === undefined ? "" : `${count}: ${describePath(first)}${count > 1 ? ", …" : ""}`;
}

/** A name with markup stays text. */
function cell(text: string): string {
  return markdownCell(printable(text));
}

function describeCompared({ policies, namespaces, workloads }: AuditResult["compared"]): string {
  return `${policies} policies, ${namespaces} namespaces and ${workloads} workloads compared`;
}

/** What became of the drifts between two runs. */
export function printComparison(runs: RunsCompared, format: "table" | "json" | "md"): string {
  if (format === "json") return `${JSON.stringify(runs, null, 2)}\n`;
  const bullet = format === "md" ? "- " : "  ";
  const say = format === "md" ? cell : printable;
  const block = (title: string, lines: readonly string[]): string =>
    lines.length === 0 ? "" : `${title}\n${lines.map((line) => `${bullet}${say(line)}\n`).join("")}`;
  const blocks = [
    block("new:", runs.appeared.map(describeRecorded)),
    block(
      "changed:",
      runs.changed.map(
        ({ before, after }) => `${describeRecorded(after)}; was ${before.severity}, ${describeCounts(before)}`,
      ),
    ),
    block("gone:", runs.gone.map(describeRecorded)),
  ].filter((text) => text !== "");
  return `${[...blocks, `${runs.unchanged} unchanged\n`].join(format === "md" ? "\n" : "")}`;
}

function describeRecorded(drift: RecordedDrift): string {
  return `${drift.severity} ${drift.kind} ${drift.object}: ${describeCounts(drift)}`;
}

function describeCounts({ opens, closes }: RecordedDrift): string {
  return `opens ${opens}, closes ${closes} ${closes === 1 ? "path" : "paths"}`;
}
