import type { Finding } from "../findings";
import { isViolation } from "../findings";
import type { ReachabilitySummary, Status } from "./summary";

const marks: Readonly<Record<Status, string>> = {
  closed: "closed",
  open: "OPEN",
  unknown: "not decidable",
  exempt: "exempt",
};

/** A summary for a terminal: plain text, no colours, lines of at most about 100 characters where names allow. */
export function textSummary(summary: ReachabilitySummary): string {
  const { pairs } = summary;
  const possible = pairs.possible > 0 ? `, ${pairs.possible} more possibly` : "";
  const namespaces = summary.namespaces.map((namespace) => [
    namespace.name,
    String(namespace.workloads),
    marks[namespace.defaultDeny],
    marks[namespace.metadata],
  ]);
  const groups = summary.groupPairs.map((pair) => [
    pair.source,
    pair.destination,
    `${pair.allowed}${pair.possible > 0 ? `+${pair.possible}?` : ""} of ${pair.total}`,
    pair.traffic,
  ]);
  return [
    `${summary.workloads} workloads, ${summary.policies} policies, enforcer ${summary.enforcer}: ` +
      `${pairs.allowed} of ${pairs.total} pairs can talk${possible}`,
    "",
    columns([["NAMESPACE", "WORKLOADS", "BY DEFAULT", "CLOUD METADATA"], ...namespaces]),
    "",
    groups.length === 0 ? "No connection is possible." : columns([["FROM", "TO", "PAIRS", "TRAFFIC"], ...groups]),
    ...(summary.exempt.length === 0 ? [] : ["", ...summary.exempt.map((text) => `exempt: ${text}`)]),
  ].join("\n");
}

/** Two summaries in a few lines: what a change did. */
export function textComparison(
  before: { readonly label: string; readonly summary: ReachabilitySummary },
  after: { readonly label: string; readonly summary: ReachabilitySummary },
): string {
  const row = (title: string, read: (summary: ReachabilitySummary) => string): string[] => [
    title,
    read(before.summary),
    read(after.summary),
  ];
  const closed = (question: "defaultDeny" | "metadata") => (summary: ReachabilitySummary) => {
    const asked = summary.namespaces.filter((namespace) => namespace[question] !== "exempt");
    return `${asked.filter((namespace) => namespace[question] === "closed").length} of ${asked.length}`;
  };
  return columns([
    ["", before.label, after.label],
    row("pairs that can talk", ({ pairs }) => `${pairs.allowed} of ${pairs.total}`),
    row("namespaces with a default deny", closed("defaultDeny")),
    row("namespaces without cloud metadata", closed("metadata")),
  ]);
}

/** Findings that are violations, with reason and fix, for a terminal. */
export function textFindings(findings: readonly Finding[]): string {
  const violations = findings.filter(isViolation);
  if (violations.length === 0) return "no violations";
  return violations
    .map((finding) =>
      [
        `${finding.severity.toUpperCase()} ${finding.id}${finding.certainty === "possible" ? " (not decidable yet)" : ""}`,
        `  ${finding.message}`,
        ...finding.because.map((reason) => `  because ${reason}`),
        `  fix: ${finding.fix}`,
      ].join("\n"),
    )
    .join("\n\n");
}

function columns(rows: readonly (readonly string[])[]): string {
  const widths: number[] = [];
  for (const row of rows) {
    for (const [index, cell] of row.entries()) widths[index] = Math.max(widths[index] ?? 0, cell.length);
  }
  return rows
    .map((row) =>
      row
        .map((cell, index) => (index === row.length - 1 ? cell : cell.padEnd(widths[index] ?? 0)))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}
