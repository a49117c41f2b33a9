/** The command that writes a report. */
import { Option, type Command } from "commander";
import type { ReportOptions } from "./commands/report";
import { exitCodesHelp } from "./exit-codes";
import { reportFormats } from "./print/formats";
import { inputOptions, several, sourcesArgument, sourcesHelp, type Outcome } from "./program-options";

/** Adds `report`. `version` is named by the report. */
export function addReport(program: Command, version: string, outcome: Outcome): void {
  const command = program
    .command("report")
    .summary("a report for auditors and engineers: one HTML file that loads nothing")
    .description(
      "Writes what is reachable, what is wrong, who decided what and for how long, and the evidence for each control: declared, computed and observed, apart. HTML, Markdown, CSV, JSON or OSCAL.",
    )
    .addArgument(sourcesArgument())
    .option("-d, --declaration <file>", "who may talk to whom, why, and who answers for it, as for verify")
    .option("--exemptions <file>", "findings that are accepted until a date: a list in YAML or JSON")
    .option("--verify <file>", "what verify --format json wrote (repeatable)", repeatable, [])
    .option("--replay <file>", "what replay --format json --all wrote (repeatable)", repeatable, [])
    .option("--compare <file>", "an earlier report of --format json: what changed since")
    .option("--title <text>", "its headline", "Network security report")
    .addOption(
      new Option("--fail-on <severity>", "exit with 1 for violations of this severity or worse")
        .choices(["critical", "high", "medium", "low", "none"])
        .default("none"),
    )
    .option("--tier0 <namespace>", "the namespaces that are exempt (repeatable, or a,b)", several, [])
    .option("--tier1 <namespace>", "the namespaces of shared services (repeatable, or a,b)", several, []);
  inputOptions(command, reportFormats)
    .addHelpText(
      "after",
      `
${sourcesHelp}

--format is html, unless the name of --output says otherwise (.md, .csv, .json).

Examples:
  cluster-security report manifests/ -d security.yaml -o report.html
  cluster-security report --context prod -d security.yaml --verify verify.json --replay replay.json -o report.html
  cluster-security report manifests/ --format json -o today.json
  cluster-security report manifests/ --compare yesterday.json -o report.html

${exitCodesHelp("written; with --fail-on: no violation of its severity or worse", "with --fail-on: there are such violations")}`,
    )
    .action(async (sources: string[], options: Omit<ReportOptions, "version">) => {
      const { report } = await import("./commands/report.js");
      outcome.exitCode = await report(sources, { ...options, version });
    });
}

/** Not split at commas: a file's name may hold one. */
function repeatable(value: string, previous: readonly string[]): string[] {
  return [...previous, value];
}
