import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import type { ChartSource, ChartValues } from "../charts/index";
import { isLocal } from "../charts/index";

/** Seconds that a Release has to become ready when nothing else is said. */
export const defaultTimeoutSeconds = 600;

/** One chart to install. */
export interface ChartRelease {
  /** Name of the Helm release. */
  readonly release: string;
  readonly namespace: string;
  readonly source: ChartSource;
  /** The version that the values were written for. */
  readonly version: string;
  readonly values: ChartValues;
  /** Defaults to 600. */
  readonly timeoutSeconds?: number | undefined;
  /** Do not wait for pods, and leave a release that failed for the next run to mend. Defaults to false. */
  readonly skipAwait?: boolean | undefined;
}

/**
 * Registers a Helm Release. It is atomic: a half-installed network is worse than none. A local chart is whatever version
 * lies there; one that is not the version which the values were written for is warned about.
 */
export function chartRelease(
  name: string,
  settings: ChartRelease,
  options: pulumi.CustomResourceOptions,
): k8s.helm.v3.Release {
  const { source, version } = settings;
  const skipAwait = settings.skipAwait ?? false;
  const made = new k8s.helm.v3.Release(
    name,
    {
      name: settings.release,
      namespace: settings.namespace,
      chart: source.chart,
      ...(source.version === undefined ? {} : { version: source.version }),
      ...(source.repositoryOpts === undefined ? {} : { repositoryOpts: { ...source.repositoryOpts } }),
      timeout: settings.timeoutSeconds ?? defaultTimeoutSeconds,
      atomic: !skipAwait,
      skipAwait,
      values: settings.values,
    },
    // what a published version draws by lot, such as certificates, is no change of the chart
    isLocal(source) ? options : { ...options, ignoreChanges: ["checksum"] },
  );
  if (isLocal(source)) {
    made.status.apply((status: { version?: string } | undefined) => {
      const found = status?.version?.replace(/^v/, "");
      if (found === undefined || found === version) return;
      void pulumi.log.warn(
        `The chart at ${source.chart} is version ${found}; its values were written for ${version}. Set version.`,
        made,
      );
    });
  }
  return made;
}
