/** A lab of the kind that the examples are deployed on, whoever enforces. */
import { Dialect } from "../../sdk/plan/index";
import { installCrds } from "../crds/index";
import type { CalicoMode, EnforcerName } from "../datapath/index";
import { LabCluster, provideDatapathPrograms } from "../datapath/index";
import type { Lab } from "../index";
import { openLab } from "../index";

export interface ExamplesLabOptions {
  /** Folder for everything that the lab keeps. Its cluster is new. */
  readonly dataDir: string;
  /** Say nothing. Default false. */
  readonly quiet?: boolean;
  /** Who enforces policies. Default "cilium". */
  readonly cni?: EnforcerName;
  /** With what Calico programs the kernel. Default "nftables". */
  readonly calicoMode?: CalicoMode;
}

/** A lab with a node on which policies are enforced. */
export interface ExamplesLab {
  readonly lab: Lab;
  readonly cluster: LabCluster;
  /** The `hubble` program; none where another than Cilium enforces. */
  readonly hubble?: string;
  /** Ends all of it. Data stays. */
  close(): Promise<void>;
}

/** The policy APIs that each enforcer of the lab reads; the first is its own. Calico reads ClusterNetworkPolicy from 3.32 on. */
export const dialectsOf: Readonly<Record<EnforcerName, readonly [Dialect, ...Dialect[]]>> = {
  cilium: [Dialect.Cilium, Dialect.Kubernetes, Dialect.ClusterNetworkPolicy],
  calico: [Dialect.Calico, Dialect.Kubernetes],
};

/** Starts it: a new cluster with one node, Istio's definitions, and no DNS server, since the examples bring their own. */
export async function openExamplesLab(options: ExamplesLabOptions): Promise<ExamplesLab> {
  const { dataDir, quiet = false, cni = "cilium", calicoMode } = options;
  const hubble = cni === "cilium" ? (await provideDatapathPrograms()).hubble.path : undefined;
  const datapath = { clusterDns: false, cni, ...(calicoMode === undefined ? {} : { calicoMode }) };
  const lab = await openLab({ dataDir, quiet, fresh: true, datapath });
  const cluster = new LabCluster(lab.controlPlane, lab.datapath?.nodes ?? []);
  const close = async (): Promise<void> => {
    cluster.close();
    await lab.close();
  };
  try {
    await installCrds(lab.controlPlane, ["istio"]);
  } catch (error) {
    await close();
    throw error;
  }
  return { lab, cluster, ...(hubble === undefined ? {} : { hubble }), close };
}
