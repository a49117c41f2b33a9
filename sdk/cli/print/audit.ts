import type {
  AuditDrift,
  AuditedRequest,
  AuditPaths,
  AuditResult,
  FieldManager,
  RecordedDrift,
  RunsCompared,
} from "../../audit";
import type { Severity } from "../../findings";
import { describeRef } from "../../reachability";
import { describeSource } from "../../reports";
import { printable } from "../output";
import type { Colours } from "./colours";
import { countsBySeverity, severityHead } from "./severity";
import { markdownCell } from "./text";

/** The values of `--format` of `audit`. */
export const auditFormats = ["table", "json", "md"] as const;
export type AuditFormat = (typeof auditFormats)[number];

/** What stands around the answer. */
export interface AuditRun {
  readonly time: string;
  readonly cluster: string;
  readonly baseline: readonly string[];
}

/** So many paths of a drift stand in a text; JSON holds more. */
const shownPaths = 3;

/** An audit in the format asked for. */
export function printAudit(result: AuditResult, run: AuditRun, format: AuditFormat, colours: Colours): string {
  switch (format) {
    case "json":
      return `${JSON.stringify(asJson(result, run), null, 2)}\n`;
    case "md":
      return asMarkdown(result, run);
    case "table":
      return asText(result, colours);
  }
}

/** `2 critical, 1 low`. */
export function describeDrifts(drifts: readonly { readonly severity: Severity }[]): string {
  const counts = countsBySeverity(drifts);
  return counts.length === 0 ? "no drift" : counts.join(", ");
}

function asJson({ verdict, drifts, gaps, compared }: AuditResult, run: AuditRun): unknown {
  return {
    ...run,
    verdict,
    compared,
    gaps,
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

function asText({ drifts, verdict, compared }: AuditResult, colours: Colours): string {
  if (verdict === "clean") return `no drift: ${describeCompared(compared)}\n`;
  if (drifts.length === 0) return "no drift was found, and not everything could be compared\n";
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

function asMarkdown({ drifts, verdict, gaps, compared }: AuditResult, { cluster, baseline, time }: AuditRun): string {
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
  return `${head}${table}${open}`;
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
export function printComparison(runs: RunsCompared, format: AuditFormat): string {
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
