/**
 * The lab: a Pulumi engine and a Kubernetes API server of its own on this machine. `openLab` is what examples, the start
 * command and the engine tests use.
 */
import { existsSync, mkdirSync, rmSync } from "node:fs";
import path from "node:path";
import type { ControlPlane, ControlPlaneOptions } from "./control-plane/index";
import { attachControlPlane, controlPlaneStatus, startControlPlane, stopControlPlane } from "./control-plane/index";
import type { Datapath, DatapathOptions, DatapathPrograms, EnforcerName, FrontProxy } from "./datapath/index";
import {
  DatapathError,
  datapathStatus,
  forgetNodes,
  frontProxy,
  provideCalicoPrograms,
  provideDatapathPrograms,
  startDatapath,
  stopDatapath,
} from "./datapath/index";
import type { Engine } from "./engine";
import { prepareEngine } from "./engine";
import type { Language } from "./languages";
import { provideLanguages } from "./languages";
import { simulatedNodeProgram, simulateNode } from "./nodes/index";
import { releaseOf } from "./toolchain/catalog";
import type { Progress, ToolchainOptions, ToolName } from "./toolchain/index";
import { progressFor, provideTools } from "./toolchain/index";

export type { ControlPlane } from "./control-plane/index";
export { ControlPlaneError } from "./control-plane/index";
export type { Engine, KubernetesProvider } from "./engine";
export { prepareEngine } from "./engine";
export { ToolchainError } from "./toolchain/index";

/** Settings of a lab. */
export interface LabOptions {
  /** Folder for everything that a lab keeps. Default: `.lab` in this checkout. */
  readonly dataDir?: string;
  /** Say nothing. Default false: stages and what runs are told on standard error. */
  readonly quiet?: boolean;
  /** Start with an empty cluster and an empty backend. Default false: both go on where the last run ended. */
  readonly fresh?: boolean;
  /** Let the control plane outlive this process once it is ready; a running one is taken over. Default false. */
  readonly detached?: boolean;
  /**
   * With nodes on which pods run and a real enforcer; root on Linux only. Default false: there is one node, simulated, on
   * which pods run by their status alone.
   */
  readonly datapath?: boolean | DatapathSettings;
  /** Further arguments for kube-apiserver. */
  readonly apiServerArgs?: readonly string[];
  /** Languages whose programs the engine can run, beside Node's. Default: none. */
  readonly languages?: readonly Language[];
  readonly toolchain?: ToolchainOptions;
}

/** Settings of a lab's datapath. */
export interface DatapathSettings extends Pick<
  DatapathOptions,
  "clusterDns" | "agentArgs" | "nodes" | "wireguard" | "calicoMode"
> {
  /** Who enforces policies. Default "cilium". */
  readonly cni?: EnforcerName;
}

/** A lab that runs. */
export interface Lab {
  readonly dataDir: string;
  readonly engine: Engine;
  readonly controlPlane: ControlPlane;
  /** Where it was asked for. */
  readonly datapath?: Datapath;
  /** Complete environment for a child `pulumi` (the same as `engine.env`). */
  readonly env: Readonly<Record<string, string>>;
  /** Milliseconds that each stage of the opening took. */
  readonly times: Readonly<Record<"tools" | "controlPlane", number>>;
  /** Ends all processes of the lab; a detached one goes on. Data stays. */
  close(): Promise<void>;
}

/** The programs of every lab. */
export const labTools = [
  "pulumi",
  "pulumi-resource-kubernetes",
  "etcd",
  "kube-apiserver",
  "kube-controller-manager",
] as const satisfies readonly ToolName[];

/** `.lab` in this checkout. */
export const defaultDataDir = path.resolve(__dirname, "..", ".lab");

/** Where the parts of a lab lie. */
export function labFolders(dataDir: string = defaultDataDir): Readonly<Record<LabPart, string>> {
  const folder = path.resolve(dataDir);
  return {
    controlPlane: path.join(folder, "control-plane"),
    datapath: path.join(folder, "datapath"),
    frontProxy: path.join(folder, "front-proxy"),
    pulumi: path.join(folder, "pulumi"),
  };
}

type LabPart = "controlPlane" | "datapath" | "frontProxy" | "pulumi";

/**
 * Provides the tools, starts the control plane and prepares the engine.
 * @throws ToolchainError where a tool cannot be had, ControlPlaneError where the control plane cannot be started
 */
export async function openLab(options: LabOptions = {}): Promise<Lab> {
  const progress = progressFor(options.quiet);
  const dataDir = path.resolve(options.dataDir ?? defaultDataDir);
  const folders = labFolders(dataDir);
  const begun = Date.now();
  refuseOtherNodes(options);
  const tools = await provideTools(labTools, { progress, ...options.toolchain });
  const programs = await programsFor(options, progress);
  const proxy =
    programs?.enforcer === "calico" ? await frontProxy(programs.helper.path, folders.frontProxy) : undefined;
  const apiServerArgs = [...(proxy?.apiServerArgs ?? []), ...(options.apiServerArgs ?? [])];
  const toolsTime = Date.now() - begun;

  const controlPlane = await openControlPlane({ ...options, apiServerArgs }, dataDir, tools, progress);
  let datapath: Datapath | undefined;
  try {
    if (options.fresh) emptyEngine(folders.pulumi);
    datapath = await withOrWithoutDatapath(options, controlPlane, { programs, proxy }, progress);
    const engine = prepareEngine({
      dataDir: folders.pulumi,
      pulumi: tools.pulumi,
      kubernetesProvider: tools["pulumi-resource-kubernetes"],
      kubeconfigPath: controlPlane.kubeconfigPath,
      ...(options.toolchain?.env ? { env: options.toolchain.env } : {}),
    });
    await provideLanguages(engine, options.languages ?? [], { progress, ...options.toolchain });
    if (options.detached) await controlPlane.detach();
    if (options.detached) await datapath?.detach();
    const version = tools["kube-apiserver"].version;
    const nodeCount = datapathStatus().nodes.length;
    for (const line of describeLab(engine, controlPlane, version, programs, nodeCount)) progress.note(line);
    return {
      dataDir,
      engine,
      controlPlane,
      ...(datapath ? { datapath } : {}),
      env: engine.env,
      times: { tools: toolsTime, controlPlane: controlPlane.startedIn },
      close: async () => {
        if (options.detached) return;
        await datapath?.stop();
        await controlPlane.stop();
      },
    };
  } catch (error) {
    await datapath?.stop();
    await controlPlane.stop();
    throw error;
  }
}

/** The control plane that runs detached already, or one that is started. */
async function openControlPlane(
  { fresh, detached, apiServerArgs }: LabOptions,
  dataDir: string,
  tools: ControlPlaneOptions["tools"],
  progress: Progress,
): Promise<ControlPlane> {
  const { controlPlane: folder } = labFolders(dataDir);
  const takenOver = detached === true && controlPlaneStatus(folder).detached;
  if (takenOver && fresh !== true) return attachControlPlane(folder);
  if (takenOver) await stopLab(dataDir);
  return stepped(progress, "starting the API server", async () => {
    const result = await startControlPlane({
      dataDir: folder,
      tools,
      ...(fresh === undefined ? {} : { fresh }),
      nodeProgram: simulatedNodeProgram(),
      ...(apiServerArgs === undefined ? {} : { apiServerArgs }),
    });
    return { result, detail: result.server };
  });
}

function datapathSettings({ datapath }: LabOptions): DatapathSettings {
  return typeof datapath === "object" ? datapath : {};
}

/** The programs of the datapath that is asked for; undefined where none is. */
async function programsFor(options: LabOptions, progress: Progress): Promise<DatapathPrograms | undefined> {
  if (!options.datapath) return undefined;
  const provide = datapathSettings(options).cni === "calico" ? provideCalicoPrograms : provideDatapathPrograms;
  return await provide({ progress, ...options.toolchain });
}

/** A datapath that runs is taken over as it is; another enforcer or number of nodes was not what was asked for. */
function refuseOtherNodes(options: LabOptions): void {
  const { nodes: wanted, cni = "cilium" } = datapathSettings(options);
  const { running, dataDir, nodes } = datapathStatus();
  if (!options.datapath || !running || dataDir !== labFolders(options.dataDir).datapath || options.fresh) return;
  const runs = nodes[0]?.enforcer ?? "cilium";
  if (cni !== runs) {
    throw new DatapathError("already-running", `The datapath runs already, with ${runs}: npm run lab -- down ends it.`);
  }
  if (wanted === undefined || wanted === nodes.length) return;
  const count = nodes.length === 1 ? "one node" : `${nodes.length} nodes`;
  throw new DatapathError("already-running", `The datapath runs already, with ${count}: npm run lab -- down ends it.`);
}

/** Starts the datapath where it is asked for; elsewhere a simulated node takes the place of nodes that an earlier run left. */
async function withOrWithoutDatapath(
  options: LabOptions,
  controlPlane: ControlPlane,
  { programs, proxy }: { readonly programs: DatapathPrograms | undefined; readonly proxy: FrontProxy | undefined },
  progress: Progress,
): Promise<Datapath | undefined> {
  const folder = labFolders(options.dataDir).datapath;
  const status = datapathStatus();
  const runs = status.running && status.dataDir === folder;
  if (!programs) {
    if (runs) return undefined;
    await forgetNodes(controlPlane);
    await simulateNode(controlPlane);
    return undefined;
  }
  if (runs) {
    progress.note("the datapath runs already");
    return undefined;
  }
  const settings = datapathSettings(options);
  return await stepped(progress, `starting ${nameOf(programs)}`, async () => {
    const started = await startDatapath({
      ...{ dataDir: folder, controlPlane, programs, ...settings },
      ...(proxy ? { frontProxy: proxy } : {}),
    });
    return { result: started, detail: started.nodes.map(({ name }) => name).join(", ") };
  });
}

function nameOf({ enforcer }: DatapathPrograms): string {
  return enforcer === "calico" ? "Calico" : "Cilium";
}

/** Work with a line of progress that says how it ended. */
async function stepped<T>(
  progress: Progress,
  label: string,
  work: () => Promise<{ readonly result: T; readonly detail: string }>,
): Promise<T> {
  const step = progress.step(label);
  try {
    const { result, detail } = await work();
    step.done(detail);
    return result;
  } catch (error) {
    step.fail();
    throw error;
  }
}

/** What runs, one line each: the engine, the provider, the cluster. */
export function describeLab(
  engine: Engine,
  controlPlane: ControlPlane,
  kubernetesVersion: string,
  datapath?: DatapathPrograms,
  nodeCount = 1,
): string[] {
  const nodes = datapath
    ? `with controllers and ${nodeCount === 1 ? "a node" : `${nodeCount} nodes`} on which ${nameOf(datapath)} ${releaseOf(datapath.agent.version)} enforces policies`
    : "with controllers and a simulated node: pods run by their status, and nothing enforces policies";
  const controllers = controlPlane.hasControllerManager
    ? nodes
    : "without kube-controller-manager: only the deletion of namespaces is completed";
  return [
    `engine    pulumi ${engine.version} (${engine.origin}), state in a folder of the lab`,
    `provider  Pulumi's own for Kubernetes, ${engine.provider.version} (${engine.provider.origin})`,
    `cluster   Kubernetes ${kubernetesVersion} at ${controlPlane.server}, ${controllers}`,
  ];
}

/** Stops a lab, whoever started it. False where none ran. */
export async function stopLab(dataDir: string = defaultDataDir): Promise<boolean> {
  const folders = labFolders(dataDir);
  const running = controlPlaneStatus(folders.controlPlane).running;
  const stopped = await stopDatapath(folders.datapath, running ? attachControlPlane(folders.controlPlane) : undefined);
  return (await stopControlPlane(folders.controlPlane)) || stopped;
}

/** Removes the engine's state and secrets, which belong to a cluster that is no more. */
function emptyEngine(folder: string): void {
  for (const part of ["home", "state", "passphrase"]) {
    if (existsSync(path.join(folder, part))) rmSync(path.join(folder, part), { recursive: true, force: true });
  }
  mkdirSync(folder, { recursive: true, mode: 0o700 });
}
