import type { Finding } from "../findings";
import { describeControl, isViolation } from "../findings";
import { describeSource, placeOfFinding } from "./source";
import type { ReachabilitySummary, Status } from "./summary";

/** What a report is made of. */
export interface ReportInput {
  /** The headline; default `Cluster security report`. */
  readonly title?: string;
  /** What was looked at: a stack, a folder, a cluster. */
  readonly subject?: string;
  /** The date to print, given by the caller because this room has no clock. */
  readonly date?: string;
  /** Before a change, if there was one. */
  readonly before?: {
    readonly label: string;
    readonly summary: ReachabilitySummary;
    readonly findings: readonly Finding[];
  };
  readonly after: {
    readonly label: string;
    readonly summary: ReachabilitySummary;
    readonly findings: readonly Finding[];
  };
}

/** The report as Markdown (GitHub flavour). Names from the cluster are escaped. */
export function markdownReport(input: ReportInput): string {
  const { before, after } = input;
  const sections = [
    `# ${escape(input.title ?? "Cluster security report")}`,
    [input.subject === undefined ? "" : `**${escape(input.subject)}**`, input.date ?? ""].filter(Boolean).join(" · "),
    before === undefined ? "" : comparison(before, after),
    "## What is reachable now",
    counts(after.summary),
    namespaceTable(after.summary),
    "### Who talks to whom",
    pairTable(after.summary),
    findingSection(`## Findings: ${after.label}`, after.findings),
    before === undefined ? "" : findingSection(`## Findings: ${before.label}`, before.findings),
    exemptSection(after.summary),
    method(after.summary),
  ];
  return `${sections.filter((section) => section !== "").join("\n\n")}\n`;
}

function comparison(before: NonNullable<ReportInput["before"]>, after: ReportInput["after"]): string {
  const rows: [string, (side: ReportInput["after"]) => string][] = [
    ["Pairs of workloads that can talk", ({ summary }) => `${summary.pairs.allowed} of ${summary.pairs.total}`],
    ["Pairs that possibly can", ({ summary }) => String(summary.pairs.possible)],
    ["Namespaces with a default deny", ({ summary }) => share(summary, "defaultDeny")],
    ["Namespaces without a way to cloud metadata", ({ summary }) => share(summary, "metadata")],
    ["Violations", ({ findings }) => String(findings.filter(isViolation).length)],
  ];
  return [
    "## Before and after",
    table(
      ["", before.label, after.label],
      rows.map(([title, read]) => [title, read(before), read(after)]),
    ),
  ].join("\n\n");
}

/** Exempt namespaces are left out of both numbers. */
function share(summary: ReachabilitySummary, question: "defaultDeny" | "metadata"): string {
  const asked = summary.namespaces.filter((namespace) => namespace[question] !== "exempt");
  return `${asked.filter((namespace) => namespace[question] === "closed").length} of ${asked.length}`;
}

function counts(summary: ReachabilitySummary): string {
  const { pairs } = summary;
  return (
    `${summary.workloads} workloads in ${summary.namespaces.length} namespaces, ${summary.policies} policies, read as ` +
    `${summary.enforcer} enforces them. ${pairs.allowed} of ${pairs.total} pairs of workloads can talk` +
    `${pairs.possible > 0 ? `, ${pairs.possible} more possibly` : ""}.`
  );
}

function namespaceTable(summary: ReachabilitySummary): string {
  return table(
    ["Namespace", "Workloads", "Closed by default", "Cloud metadata"],
    summary.namespaces.map((namespace) => [
      namespace.name,
      String(namespace.workloads),
      describeStatus(namespace.defaultDeny),
      describeStatus(namespace.metadata),
    ]),
  );
}

function describeStatus(status: Status): string {
  switch (status) {
    case "closed":
      return "closed";
    case "open":
      return "**OPEN**";
    case "unknown":
      return "not decidable";
    case "exempt":
      return "exempt (tier 0)";
  }
}

function pairTable(summary: ReachabilitySummary): string {
  if (summary.groupPairs.length === 0) return "No connection is possible.";
  return table(
    ["From", "To", "Pairs", "Traffic"],
    summary.groupPairs.map((pair) => [
      pair.source,
      pair.destination,
      `${pair.allowed} of ${pair.total}${pair.possible > 0 ? ` (+${pair.possible} possible)` : ""}`,
      pair.traffic,
    ]),
  );
}

function findingSection(title: string, findings: readonly Finding[]): string {
  const violations = findings.filter(isViolation);
  if (violations.length === 0) return `${title}\n\nNone.`;
  return [title, ...violations.map(describeFinding)].join("\n\n");
}

/** Findings as Markdown sections, violations first, then what is exempt and by whom. Names are escaped. */
export function markdownFindings(findings: readonly Finding[], title = "# Findings"): string {
  const exempt = findings.filter((finding) => finding.exempt === true).map(({ message }) => `- ${escape(message)}.`);
  const known = findings.filter((finding) => finding.exempt !== true && !isViolation(finding));
  const sections = [
    findingSection(title, findings),
    exempt.length === 0 ? "" : ["## Exempt", exempt.join("\n")].join("\n\n"),
    known.length === 0
      ? ""
      : ["## Worth knowing", known.map(({ message }) => `- ${escape(message)}.`).join("\n")].join("\n\n"),
  ];
  return `${sections.filter((section) => section !== "").join("\n\n")}\n`;
}

function describeFinding(finding: Finding): string {
  const doubt = finding.certainty === "possible" ? ", not decidable yet" : "";
  const points = [
    ...finding.because.map((reason) => `- Because ${escape(reason)}.`),
    `- Fix: ${escape(finding.fix)}`,
    `- Controls: ${escape(finding.controls.map(describeControl).join("; "))}`,
  ];
  const place = describeSource(placeOfFinding(finding));
  const about = `\`${finding.id}\` · ${finding.severity}${doubt}${place === undefined ? "" : ` · ${escape(place)}`}`;
  return [`### ${escape(finding.message)}`, about, points.join("\n")].join("\n\n");
}

function exemptSection(summary: ReachabilitySummary): string {
  if (summary.exempt.length === 0) return "";
  return ["## Exempt", summary.exempt.map((text) => `- ${escape(text)}.`).join("\n")].join("\n\n");
}

function method(summary: ReachabilitySummary): string {
  return [
    "## How this was found",
    "Computed from the policies: who can reach whom if the enforcer does what the policies say. It does not show that " +
      "the enforcer runs, nor that the business needs a flow. Cloud metadata: " +
      `${summary.metadataAddresses} addresses (every cloud, IPv4 and IPv6, and the IPv6 forms of IPv4 addresses) asked ` +
      "on every protocol and port for every workload and for a new pod of every namespace.",
  ].join("\n\n");
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.map(cell).join(" | ")} |`;
  return [line(head), `|${head.map(() => " --- ").join("|")}|`, ...rows.map(line)].join("\n");
}

/** A table's cell: `**` marks of our own stay. */
function cell(text: string): string {
  return /^\*\*[A-Z]+\*\*$/.test(text) ? text : escape(text);
}

/** Text that Markdown leaves as it is: no tables, links, HTML or emphasis out of an object's name. */
function escape(text: string): string {
  return text.replace(/[\\`*_[\]<>|#]/g, (mark) => `\\${mark}`).replace(/\s*\n\s*/g, " ");
}
