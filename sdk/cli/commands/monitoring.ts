import { readFileSync } from "node:fs";
import * as path from "node:path";
import { load, YAMLException } from "js-yaml";
import type { MonitoringDeclaration, MonitoringPlan } from "../../monitoring";
import { MonitoringError, monitoringFiles, planMonitoring, readMonitoringDeclaration } from "../../monitoring";
import { planOf } from "../declaration-file";
import { inputError } from "../errors";
import { exitCodes, type ExitCode } from "../exit-codes";
import { changeTogether } from "../files-together";
import { outputOf } from "./options";

export interface MonitoringOptions {
  readonly declaration: string;
  readonly settings?: string;
  readonly out?: string;
  readonly output?: string;
}

/** `cluster-security monitoring`: rules, routes, dashboards and runbooks for a declaration. Reads no cluster. */
export async function monitoring(options: MonitoringOptions): Promise<ExitCode> {
  const plan = await planOf(options.declaration);
  const settings = options.settings === undefined ? {} : read(options.settings);
  const planned = attempted(options.settings ?? options.declaration, () => planMonitoring(plan, settings));
  const output = outputOf(options);
  if (options.out !== undefined) {
    const { out } = options;
    // files of other names are left alone
    const files = monitoringFiles(planned).map(({ file, text }) => ({ file: path.join(out, file), text }));
    await changeTogether(files, { followLinks: true });
  }
  output.write(summary(planned, options.out));
  await output.end();
  return exitCodes.ok;
}

function read(file: string): MonitoringDeclaration {
  let value: unknown;
  try {
    value = load(readFileSync(file, "utf8")) ?? {};
  } catch (error) {
    const reason = error instanceof YAMLException ? error.reason : (error as NodeJS.ErrnoException).code;
    throw inputError(`"${file}" cannot be read: ${reason ?? "it is neither YAML nor JSON"}`);
  }
  return attempted(file, () => readMonitoringDeclaration(value));
}

function attempted<T>(file: string, action: () => T): T {
  try {
    return action();
  } catch (error) {
    if (error instanceof MonitoringError) throw inputError(`"${file}": ${error.message}`);
    throw error;
  }
}

function summary(planned: MonitoringPlan, folder: string | undefined): string {
  const { alerts, rules, pairs, series, dashboards, documents, warnings, settings } = planned;
  const count = rules.groups.reduce((sum, group) => sum + group.rules.length, 0);
  const severities = ["critical", "warning", "info"].map(
    (severity) =>
      `${new Set(alerts.filter((alert) => alert.severity === severity).map(({ name }) => name)).size} ${severity}`,
  );
  const lines = [
    `rules        ${count} in ${rules.groups.length} groups`,
    `alerts       ${severities.join(", ")}`,
    `declared     ${pairs.length} pairs that denied connections are compared with`,
    `series       about ${series.total} (${settings.maxSeries} at most)`,
    ...[...series.counts]
      .sort((a, b) => b.series - a.series)
      .map(({ metric, series: own, because }) => `  ${metric}: ${own} (${because})`),
    `dashboards   ${dashboards.map(({ uid }) => uid).join(", ")}`,
    `documents    ${documents.length}, a runbook for each alert among them`,
    ...warnings.map((warning) => `warning: ${warning}`),
    folder === undefined ? "Nothing was written: name a folder with --out." : `Written to ${folder}.`,
  ];
  return `${lines.join("\n")}\n`;
}
