/** The report as Markdown and as CSV. */
import { describeControl, severities } from "../../findings";
import { csvField, markdownCell } from "../cells";
import type { Evidence } from "../evidence/types";
import type { ReportModel, ReportPath } from "./model";

/** So many rows of one table stand in Markdown: it is read by people, and pull requests take 65,536 characters. */
const shownRows = 100;

/** The report as Markdown (GitHub flavour). */
export function markdownOfReport(model: ReportModel): string {
  const { title, subject, at, versions, posture, complete, problems } = model;
  const sum = Object.entries(posture.violations).filter(([, number]) => number > 0);
  const sections = [
    `# ${markdownCell(title)}`,
    `**${markdownCell(subject)}** · ${at} · ${markdownCell(versions.enforcer)} · cluster-security ${versions.tool}`,
    sum.length === 0
      ? `No rule finds a violation${complete ? "" : " in what could be read"}.`
      : `**${sum.map(([severity, number]) => `${number} ${severity}`).join(", ")}**`,
    complete
      ? ""
      : `Not everything could be understood (${problems.length} problems): nothing that it may change is called closed or allowed.`,
    "## Namespaces",
    table(
      ["Namespace", "Workloads", "Tenant", "Default deny", "Cloud metadata", "Violations"],
      model.namespaces.map(({ name, workloads, tenant, defaultDeny, metadata, violations }) => [
        name,
        String(workloads),
        tenant ?? "",
        defaultDeny,
        metadata,
        String(violations),
      ]),
    ),
    changes(model),
    ...details(model),
    ...appendix(model),
  ];
  return `${sections.filter((section) => section !== "").join("\n\n")}\n`;
}

/** The tables below the summary. */
function details(model: ReportModel): string[] {
  return [
    "## Findings",
    table(
      ["Severity", "Rule", "State", "What", "Fix", "Where"],
      bySeverity(model).map(({ severity, rule, state, message, fix, place }) => [
        severity,
        rule,
        state,
        message,
        fix,
        place ?? "",
      ]),
    ),
    "## Controls",
    table(
      ["Control", "Declared", "Computed", "Observed"],
      model.controls.map(({ control, declared, computed, observed }) => [
        `${describeControl(control)}: ${control.title}`,
        evidenceText(declared),
        evidenceText(computed),
        evidenceText(observed),
      ]),
    ),
    ...(model.flows === undefined
      ? []
      : [
          "## Declared flows",
          table(
            ["From", "To", "Ports", "Reason", "Owner", "Review by", "Computed", "Observed"],
            model.flows.map(({ from, to, ports, reason, owner, reviewBy, computed, observed }) => [
              from,
              to,
              ports,
              reason,
              owner,
              reviewBy ?? "",
              computed,
              observed === undefined ? "" : `${observed.state} (${observed.at})`,
            ]),
          ),
        ]),
  ];
}

/** What is open by exception, every path, and what was read. */
function appendix(model: ReportModel): string[] {
  return [
    "## Exceptions",
    table(
      ["State", "Kind", "What", "Reason", "Owner", "Last day"],
      model.exceptions.map(({ state, kind, what, reason, owner, expires }) => [
        state,
        kind,
        what,
        reason,
        owner,
        expires ?? "",
      ]),
    ),
    "## Paths",
    table(["From", "To", "Connections"], model.paths.map(pathCells)),
    "## Inputs",
    table(
      ["Role", "Input", "SHA-256"],
      model.inputs.map(({ role, name, sha256 }) => [role, name, sha256]),
    ),
  ];
}

function changes({ comparison }: ReportModel): string {
  if (comparison === undefined) return "";
  const rows = [
    ...comparison.openedPaths.map((path) => ["path opened", pathCells(path).join(" ")]),
    ...comparison.closedPaths.map((path) => ["path closed", pathCells(path).join(" ")]),
    ...comparison.newFindings.map(({ rule, message }) => ["new finding", `${rule}: ${message}`]),
    ...comparison.goneFindings.map(({ rule, message }) => ["finding gone", `${rule}: ${message}`]),
    ...comparison.changedControls.map(({ control, before, after }) => [
      "control",
      `${control}: ${before}, now ${after}`,
    ]),
  ];
  return `## Changes since ${comparison.with.at}\n\n${table(["Change", "What"], rows)}`;
}

function bySeverity({ findings }: ReportModel): ReportModel["findings"] {
  const rank = (severity: string): number => severities.findIndex((each) => each === severity);
  return [...findings].sort((a, b) => rank(a.severity) - rank(b.severity));
}

function pathCells({ from, to, traffic }: ReportPath): string[] {
  return [from, to, traffic];
}

function evidenceText({ state, text, at }: Evidence): string {
  if (state === "absent") return `– ${text}`;
  return `${state}: ${text}${at === undefined ? "" : ` (${at})`}`;
}

function table(titles: readonly string[], rows: readonly (readonly string[])[]): string {
  if (rows.length === 0) return "None.";
  const line = (cells: readonly string[]): string => `| ${cells.map(markdownCell).join(" | ")} |`;
  const shown = rows.slice(0, shownRows).map(line);
  const more = rows.length > shownRows ? `\n\nand ${rows.length - shownRows} more; CSV and JSON list all.` : "";
  return `${[line(titles), `|${titles.map(() => " --- ").join("|")}|`, ...shown].join("\n")}${more}`;
}

/** The report as one CSV table: a row for each namespace, finding, control, flow, exception, path and input. */
export function csvOfReport(model: ReportModel): string {
  const head = ["section", "subject", "state", "severity", "what", "owner", "date", "detail"];
  const rows: (readonly string[])[] = [
    ...model.namespaces.map((each) => [
      "namespace",
      each.name,
      each.defaultDeny,
      "",
      `metadata ${each.metadata}`,
      each.tenant ?? "",
      "",
      `${each.workloads} workloads, ${each.violations} violations`,
    ]),
    ...model.findings.map((each) => [
      "finding",
      each.subject,
      each.state,
      each.severity,
      `${each.rule}: ${each.message}`,
      "",
      "",
      [...each.because, `fix: ${each.fix}`, each.place ?? ""].filter((part) => part !== "").join("; "),
    ]),
    ...model.controls.flatMap(({ control, declared, computed, observed }) =>
      Object.entries({ declared, computed, observed }).map(([kind, evidence]) => [
        "control",
        describeControl(control),
        evidence.state,
        "",
        `${kind}: ${evidence.text}`,
        "",
        evidence.at ?? "",
        control.title,
      ]),
    ),
    ...decidedRows(model),
  ];
  return [head, ...rows].map((row) => `${row.map(csvField).join(",")}\n`).join("");
}

/** What people decided, what passes, and what was read. */
function decidedRows(model: ReportModel): (readonly string[])[] {
  return [
    ...(model.flows ?? []).map((each) => [
      "flow",
      `${each.from} to ${each.to}`,
      each.computed,
      "",
      each.ports,
      each.owner,
      each.reviewBy ?? "",
      each.reason,
    ]),
    ...model.exceptions.map((each) => [
      each.kind,
      each.what,
      each.state,
      "",
      "",
      each.owner,
      each.expires ?? "",
      each.reason,
    ]),
    ...model.paths.map((each) => [
      "path",
      `${each.from} to ${each.to}`,
      each.possible === true ? "possible" : "allowed",
      "",
      each.traffic,
      "",
      "",
      "",
    ]),
    ...model.inputs.map((each) => ["input", each.name, "", "", each.role, "", "", each.sha256]),
  ];
}
