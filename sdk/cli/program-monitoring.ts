/** The command that writes what watches a declaration. */
import type { Command } from "commander";
import type { MonitoringOptions } from "./commands/monitoring";
import { exitCodesHelp } from "./exit-codes";
import { outputHelp, type Outcome } from "./program-options";

/** Adds the command. */
export function addMonitoring(program: Command, outcome: Outcome): void {
  program
    .command("monitoring")
    .summary("rules, routes, dashboards and runbooks for a declaration")
    .description(
      "Writes what watches a declaration: rules that tell a declared flow that is cut from an attempt, routes by owner, dashboards, a runbook for each alert, and what the charts have to be told. Reads no cluster.",
    )
    .requiredOption(
      "-d, --declaration <file>",
      "who may talk to whom: the arguments of ClusterSecurity as YAML or JSON, or a module that exports `declaration`",
    )
    .option("--settings <file>", "owners, objective, mutes and limits, as YAML or JSON")
    .option("--out <folder>", "write the files there; without it only the summary is printed")
    .option("-o, --output <file>", outputHelp)
    .addHelpText(
      "after",
      `
Files: rules.yaml, prometheus-rule.yaml, alertmanager.yaml, values of the charts, scrape.yaml, dashboards/, runbooks/,
and procedures for incidents, emergencies and changes.

Settings (all have defaults): enforcer, securityOwner, platformOwner, namespaceOwners, appLabels, runbookBase,
encrypted, objective, leastTraffic, scrapeInterval, maxSeries, flowLog, podLabels, nodes, ztunnelNamespace, mutes.

Examples:
  cluster-security monitoring -d declaration.yaml
  cluster-security monitoring -d declaration.yaml --settings monitoring.yaml --out monitoring/

${exitCodesHelp("answered")}`,
    )
    .action(async (options: MonitoringOptions) => {
      const { monitoring } = await import("./commands/monitoring.js");
      outcome.exitCode = await monitoring(options);
    });
}
