/** One control plane and one datapath for all suites of this folder, started at the first use and stopped at the end. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import type { ControlPlane } from "../../lab/control-plane/index";
import { startControlPlane } from "../../lab/control-plane/index";
import type { Datapath, DatapathOptions, DatapathPrograms, EnforcerName } from "../../lab/datapath/index";
import {
  frontProxy,
  LabCluster,
  provideCalicoPrograms,
  provideDatapathPrograms,
  startDatapath,
} from "../../lab/datapath/index";
import { provideTools } from "../../lab/toolchain/index";

export interface SharedDatapath {
  readonly controlPlane: ControlPlane;
  readonly datapath: Datapath;
  readonly programs: DatapathPrograms;
  readonly cluster: LabCluster;
}

/** What a suite may ask for; without any of it there is one node. */
export type SharedOptions = Pick<DatapathOptions, "nodes" | "wireguard" | "agentArgs" | "calicoMode"> & {
  /** Who enforces policies. Default "cilium". */
  readonly cni?: EnforcerName;
  /** Who enforces them on the second of two nodes. Default: the same. */
  readonly beside?: EnforcerName;
};

let opened: Promise<SharedDatapath> | undefined;
let openedWith = "";
let folder: string | undefined;

/** The datapath that runs. One that was opened with other options is stopped first: there is room for one. */
export async function sharedDatapath(options: SharedOptions = {}): Promise<SharedDatapath> {
  const wanted = JSON.stringify(options);
  if (opened && openedWith !== wanted) await closeSharedDatapath();
  openedWith = wanted;
  opened ??= open(options);
  return await opened;
}

async function open({ cni = "cilium", beside, ...options }: SharedOptions): Promise<SharedDatapath> {
  folder = mkdtempSync(path.join(tmpdir(), "cluster-security-datapath-"));
  const programs = await programsOf(cni);
  const proxy =
    cni === "calico" || beside === "calico"
      ? await frontProxy(programs.helper.path, path.join(folder, "front-proxy"))
      : undefined;
  const tools = await provideTools(["etcd", "kube-apiserver", "kube-controller-manager"]);
  const controlPlane = await startControlPlane({
    dataDir: path.join(folder, "control-plane"),
    tools,
    ...(proxy ? { apiServerArgs: proxy.apiServerArgs } : {}),
  });
  try {
    const datapath = await startDatapath({
      dataDir: path.join(folder, "datapath"),
      controlPlane,
      programs,
      ...options,
      ...(beside ? { beside: await programsOf(beside) } : {}),
      ...(proxy ? { frontProxy: proxy } : {}),
    });
    return { controlPlane, datapath, programs, cluster: new LabCluster(controlPlane, datapath.nodes) };
  } catch (error) {
    await controlPlane.stop();
    throw error;
  }
}

async function programsOf(enforcer: EnforcerName): Promise<DatapathPrograms> {
  return await (enforcer === "calico" ? provideCalicoPrograms() : provideDatapathPrograms());
}

/** Stops it and removes what it kept. */
export async function closeSharedDatapath(): Promise<void> {
  const shared = await opened?.catch(() => undefined);
  opened = undefined;
  shared?.cluster.close();
  await shared?.datapath.stop();
  await shared?.controlPlane.stop();
  if (folder) rmSync(folder, { recursive: true, force: true });
}
