/** Prometheus and Alertmanager, and what judges rules: promtool of the oldest and of the newest version that the rules are for. */
import { existsSync } from "node:fs";
import path from "node:path";
import { prometheusPackages, unpackedPrograms } from "../datapath/debian";
import { DatapathError } from "../datapath/errors";
import { findTools, silentProgress } from "../toolchain/index";

/** The programs of Debian's packages: absolute paths. */
export interface MonitoringPrograms {
  readonly prometheus: string;
  readonly promtool: string;
  readonly alertmanager: string;
  readonly amtool: string;
  /** Folder with Alertmanager's templates, which it looks for in /usr/share/prometheus/alertmanager. */
  readonly templates: string;
}

/** Prometheus 2.42 and Alertmanager 0.25, fetched once; undefined where the machine cannot have them. */
export async function monitoringPrograms(
  env: NodeJS.ProcessEnv = process.env,
): Promise<MonitoringPrograms | undefined> {
  try {
    const { bin } = await unpackedPrograms(prometheusPackages, silentProgress, env);
    return {
      prometheus: path.join(bin, "prometheus"),
      promtool: path.join(bin, "promtool"),
      alertmanager: path.join(bin, "prometheus-alertmanager"),
      amtool: path.join(bin, "amtool"),
      templates: path.join(bin, "..", "share", "prometheus", "alertmanager"),
    };
  } catch (error) {
    if (error instanceof DatapathError) return undefined;
    throw error;
  }
}

/** A promtool, and how its version is called. */
export interface RuleJudge {
  readonly version: string;
  readonly path: string;
}

/** Each promtool that is here: 2.42, and 3.x where the lab has built it (`npm run lab -- tools promtool --provide`). */
export async function ruleJudges(env: NodeJS.ProcessEnv = process.env): Promise<readonly RuleJudge[]> {
  const old = await monitoringPrograms(env);
  const { promtool } = await findTools(["promtool"], { env, progress: silentProgress });
  return [
    ...(old !== undefined && existsSync(old.promtool) ? [{ version: "2.42", path: old.promtool }] : []),
    ...(promtool === undefined ? [] : [{ version: promtool.version, path: promtool.path }]),
  ];
}
