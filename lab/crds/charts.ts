/** Charts of Calico and Istio out of their Go modules, for clusters and machines that reach no chart repository. */
import path from "node:path";
import { downloadGoModule } from "../toolchain/go-modules";
import type { ManifestOptions } from "./manifests";
import { cached, copyWritable, pinFolder, pinnedVersion } from "./manifests";

/** Istio's charts by the names under which they are published, as folders. */
export interface IstioChartFolders {
  readonly base: string;
  readonly istiod: string;
  readonly cni: string;
  readonly ztunnel: string;
}

const istioFolders: IstioChartFolders = {
  base: "base",
  istiod: "istio-control/istio-discovery",
  cni: "istio-cni",
  ztunnel: "ztunnel",
};

/**
 * Istio's charts, from the source of release 1.31: its module has no version numbers, and the charts in it call
 * themselves 1.0.0.
 *
 * @throws ToolchainError where they cannot be had
 */
export async function istioCharts(options: ManifestOptions = {}): Promise<IstioChartFolders> {
  const folder = await fromModule("chart-istio", "istio.io/istio", "manifests/charts", istioFolders, options);
  return Object.fromEntries(
    Object.keys(istioFolders).map((name) => [name, path.join(folder, name)]),
  ) as unknown as IstioChartFolders;
}

/**
 * The chart of Calico's operator, with the definitions that it needs to start, from the source of 3.28.5: the only
 * version of that module that proxies keep. The chart calls itself v0.0.
 *
 * @throws ToolchainError where it cannot be had
 */
export async function calicoOperatorChart(options: ManifestOptions = {}): Promise<string> {
  const parts = { "tigera-operator": "tigera-operator" };
  const folder = await fromModule("chart-calico", "github.com/projectcalico/calico", "charts", parts, options);
  return path.join(folder, "tigera-operator");
}

async function fromModule(
  name: string,
  module: string,
  inModule: string,
  parts: object,
  options: ManifestOptions,
): Promise<string> {
  const version = pinnedVersion(module);
  return await cached(name, version, `${module} ${version}`, options, async (target) => {
    const source = await downloadGoModule(module, version, pinFolder, options.env);
    for (const [part, folder] of Object.entries(parts) as [string, string][]) {
      copyWritable(path.join(source, inModule, folder), path.join(target, part));
    }
  });
}
