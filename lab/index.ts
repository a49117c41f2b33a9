/**
 * The lab: a Pulumi engine and a Kubernetes API server of its own on this machine. `openLab` is what examples, the start
 * command and the engine tests use.
 */
import { existsSync, mkdirSync, rmSync } from "node:fs";
import path from "node:path";
import type { ControlPlane } from "./control-plane/index";
import { attachControlPlane, controlPlaneStatus, startControlPlane, stopControlPlane } from "./control-plane/index";
import type { Engine } from "./engine";
import { prepareEngine } from "./engine";
import type { Progress, ToolchainOptions } from "./toolchain/index";
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
  /** Use the lab's own Kubernetes provider even where Pulumi's plugin is installed. */
  readonly ownProvider?: boolean;
  /** Further arguments for kube-apiserver. */
  readonly apiServerArgs?: readonly string[];
  readonly toolchain?: ToolchainOptions;
}

/** A lab that runs. */
export interface Lab {
  readonly dataDir: string;
  readonly engine: Engine;
  readonly controlPlane: ControlPlane;
  /** Complete environment for a child `pulumi` (the same as `engine.env`). */
  readonly env: Readonly<Record<string, string>>;
  /** Milliseconds that each stage of the opening took. */
  readonly times: Readonly<Record<"tools" | "controlPlane", number>>;
  /** Ends all processes of the lab; a detached one goes on. Data stays. */
  close(): Promise<void>;
}

/** `.lab` in this checkout. */
export const defaultDataDir = path.resolve(__dirname, "..", ".lab");

/** Where the parts of a lab lie. */
export function labFolders(dataDir: string = defaultDataDir): { controlPlane: string; pulumi: string } {
  const folder = path.resolve(dataDir);
  return { controlPlane: path.join(folder, "control-plane"), pulumi: path.join(folder, "pulumi") };
}

/**
 * Provides the tools, starts the control plane and prepares the engine.
 * @throws ToolchainError where a tool cannot be had, ControlPlaneError where the control plane cannot be started
 */
export async function openLab(options: LabOptions = {}): Promise<Lab> {
  const progress = progressFor(options.quiet);
  const dataDir = path.resolve(options.dataDir ?? defaultDataDir);
  const folders = labFolders(dataDir);
  const begun = Date.now();
  const tools = await provideTools(["pulumi", "etcd", "kube-apiserver", "kube-controller-manager"], {
    progress,
    ...options.toolchain,
  });
  const toolsTime = Date.now() - begun;

  const takenOver = options.detached === true && controlPlaneStatus(folders.controlPlane).detached;
  if (takenOver && options.fresh) await stopControlPlane(folders.controlPlane);
  const controlPlane =
    takenOver && !options.fresh
      ? attachControlPlane(folders.controlPlane)
      : await startWithProgress(progress, () =>
          startControlPlane({
            dataDir: folders.controlPlane,
            tools,
            ...(options.fresh === undefined ? {} : { fresh: options.fresh }),
            ...(options.apiServerArgs ? { apiServerArgs: options.apiServerArgs } : {}),
          }),
        );
  try {
    if (options.fresh) emptyEngine(folders.pulumi);
    const engine = prepareEngine({
      dataDir: folders.pulumi,
      pulumi: tools.pulumi,
      kubeconfigPath: controlPlane.kubeconfigPath,
      ...(options.toolchain?.env ? { env: options.toolchain.env } : {}),
      ...(options.ownProvider === undefined ? {} : { ownProvider: options.ownProvider }),
    });
    if (options.detached) await controlPlane.detach();
    for (const line of describeLab(engine, controlPlane, tools["kube-apiserver"].version)) progress.note(line);
    return {
      dataDir,
      engine,
      controlPlane,
      env: engine.env,
      times: { tools: toolsTime, controlPlane: controlPlane.startedIn },
      close: async () => {
        if (!options.detached) await controlPlane.stop();
      },
    };
  } catch (error) {
    await controlPlane.stop();
    throw error;
  }
}

async function startWithProgress(progress: Progress, start: () => Promise<ControlPlane>): Promise<ControlPlane> {
  const step = progress.step("starting the API server");
  try {
    const controlPlane = await start();
    step.done(controlPlane.server);
    return controlPlane;
  } catch (error) {
    step.fail();
    throw error;
  }
}

/** What runs, one line each: the engine, the provider, the cluster. */
export function describeLab(engine: Engine, controlPlane: ControlPlane, kubernetesVersion: string): string[] {
  const provider =
    engine.provider.kind === "real"
      ? `Pulumi's own kubernetes plugin ${engine.provider.version} (${engine.provider.path})`
      : `the lab's own kubernetes provider, standing in for plugin ${engine.provider.version}`;
  const controllers = controlPlane.hasControllerManager
    ? "with controllers, without nodes: nothing is scheduled, so rollouts are not waited for"
    : "without kube-controller-manager: only the deletion of namespaces is completed";
  return [
    `engine    pulumi ${engine.version} (${engine.origin}), state in a folder of the lab`,
    `provider  ${provider}`,
    `cluster   Kubernetes ${kubernetesVersion} at ${controlPlane.server}, ${controllers}`,
  ];
}

/** Stops a lab, whoever started it. False where none ran. */
export async function stopLab(dataDir: string = defaultDataDir): Promise<boolean> {
  return await stopControlPlane(labFolders(dataDir).controlPlane);
}

/** Removes the engine's state and secrets, which belong to a cluster that is no more. */
function emptyEngine(folder: string): void {
  for (const part of ["home", "state", "passphrase"]) {
    if (existsSync(path.join(folder, part))) rmSync(path.join(folder, part), { recursive: true, force: true });
  }
  mkdirSync(folder, { recursive: true, mode: 0o700 });
}
