/** One control plane and one datapath for all suites of this folder, started at the first use and stopped at the end. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import type { ControlPlane } from "../../lab/control-plane/index";
import { startControlPlane } from "../../lab/control-plane/index";
import type { Datapath, DatapathPrograms } from "../../lab/datapath/index";
import { LabCluster, provideDatapathPrograms, startDatapath } from "../../lab/datapath/index";
import { provideTools } from "../../lab/toolchain/index";

export interface SharedDatapath {
  readonly controlPlane: ControlPlane;
  readonly datapath: Datapath;
  readonly programs: DatapathPrograms;
  readonly cluster: LabCluster;
}

let opened: Promise<SharedDatapath> | undefined;
let folder: string | undefined;

export function sharedDatapath(): Promise<SharedDatapath> {
  opened ??= open();
  return opened;
}

async function open(): Promise<SharedDatapath> {
  folder = mkdtempSync(path.join(tmpdir(), "cluster-security-datapath-"));
  const programs = await provideDatapathPrograms();
  const tools = await provideTools(["etcd", "kube-apiserver", "kube-controller-manager"]);
  const controlPlane = await startControlPlane({ dataDir: path.join(folder, "control-plane"), tools });
  try {
    const datapath = await startDatapath({ dataDir: path.join(folder, "datapath"), controlPlane, programs });
    return { controlPlane, datapath, programs, cluster: new LabCluster(controlPlane, datapath.nodes) };
  } catch (error) {
    await controlPlane.stop();
    throw error;
  }
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
