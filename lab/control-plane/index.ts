import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import path from "node:path";
import type { ProvidedTools } from "../toolchain/index";
import type { ApiAccess, ApiClient } from "./api";
import { apiClient } from "./api";
import type { Controller, Layout } from "./commands";
import {
  apiServerCommand,
  auditPolicy,
  bareEnvironment,
  controllerManagerCommand,
  etcdCommand,
  layoutOf,
  nodeCommand,
} from "./commands";
import type { Credentials } from "./credentials";
import { prepareCredentials, writeKubeconfig } from "./credentials";
import { ControlPlaneError } from "./errors";
import { isAlive, signalProcess, waitForEnd } from "./identity";
import type { Command } from "./protocol";
import { killLeftovers, processesOf, readState, takeLock } from "./state";
import { Supervised } from "./supervised";

export type { ApiAccess, ApiClient, ApiResponse } from "./api";
export { apiClient } from "./api";
export { labContext } from "./credentials";
export { ControlPlaneError } from "./errors";
/** The programs of a control plane. */
type ControlPlaneTools = Pick<ProvidedTools, "etcd" | "kube-apiserver" | "kube-controller-manager">;

export interface ControlPlaneOptions {
  /** Folder of its own for data, certificates, token, kubeconfig and logs; made where it is absent, mode 0700. */
  readonly dataDir: string;
  /** The programs, as `provideTools` gives them. */
  readonly tools: ControlPlaneTools;
  /** Start with an empty store. Default false: what an earlier run on this folder left is there again. */
  readonly fresh?: boolean;
  /** Addresses of Services. Default 10.96.0.0/16. */
  readonly serviceCidr?: string;
  /** Keep an audit log of every request, in {@link ControlPlane.auditLog}. Default false. */
  readonly auditLog?: boolean;
  /** Further arguments for kube-apiserver; they win over the lab's own. */
  readonly apiServerArgs?: readonly string[];
  /** A program for Node that runs beside the controllers, told `dataDir`: a node that is only simulated. Default: none. */
  readonly nodeProgram?: string;
  /** Milliseconds until it must be ready, on a machine that is busy too. Default 300000. */
  readonly readyWithin?: number;
}

/** A running API server with its store and controllers. */
export interface ControlPlane extends ApiAccess {
  readonly dataDir: string;
  /** Absolute path of a kubeconfig with the administrator's token; readable by this user only. */
  readonly kubeconfigPath: string;
  /** "https://127.0.0.1:PORT". */
  readonly server: string;
  /** The administrator's bearer token. Not enumerable, so that no log prints it by accident. */
  readonly token: string;
  /** Where the API server writes its requests, JSON lines, if it was told to. */
  readonly auditLog: string;
  /** What a child needs to reach it: KUBECONFIG. */
  readonly env: Readonly<Record<string, string>>;
  /** False where no kube-controller-manager was to be had: then only namespaces are cleared, by the lab itself. */
  readonly hasControllerManager: boolean;
  /** Milliseconds that the start took. */
  readonly startedIn: number;
  /** Stops everything; the data stays. Never fails because something has ended already. */
  stop(): Promise<void>;
  /** Stops kube-apiserver alone; store and controllers stay. */
  stopApiServer(): Promise<void>;
  /** Starts it again on the same port and data, and waits until it is ready. */
  startApiServer(): Promise<void>;
  /** Stops kube-controller-manager alone: asked to end, or killed (SIGKILL). Default: asked. */
  stopControllers(how?: "asked" | "killed"): Promise<void>;
  /** Starts it again; it works once it has read the cluster. @param without Controllers that it does not run. Default: none. */
  startControllers(without?: readonly Controller[]): Promise<void>;
  /** Lets it outlive this process; `stopControlPlane(dataDir)` ends it. */
  detach(): Promise<void>;
  /** Throws where one of its programs has ended by itself. */
  check(): void;
}

/** A file that tells a lab's folder from any other. */
const marker = ".cluster-security-lab";

/**
 * Starts etcd, kube-apiserver and kube-controller-manager on free ports of 127.0.0.1 with credentials of their own, and
 * resolves once the API server is ready and the controllers work. What an earlier, killed run left behind on the folder
 * is ended first. All of it ends with this process, however that ends, unless `detach` is called.
 * @throws ControlPlaneError "already-running", "foreign-folder", "ended", "not-ready"
 */
export async function startControlPlane(options: ControlPlaneOptions): Promise<ControlPlane> {
  const begun = Date.now();
  const dataDir = path.resolve(options.dataDir);
  claimFolder(dataDir);
  const release = takeLock(path.join(dataDir, "start.lock"));
  if (!release) throw alreadyRunning(dataDir);
  try {
    await recover(dataDir);
    const layout = layoutOf(dataDir);
    if (options.fresh) emptyFolder(dataDir);
    for (const folder of [layout.logs, layout.certificates]) mkdirSync(folder, { recursive: true, mode: 0o700 });
    const credentials = prepareCredentials(dataDir);
    for (let attempt = 1; ; attempt += 1) {
      const port = await freePort(readPort(layout));
      for (const log of readdirSync(layout.logs)) rmSync(path.join(layout.logs, log), { force: true });
      const supervised = await Supervised.start(dataDir, layout.logs);
      const starting = new Starting(layout, supervised, credentials, port, options);
      try {
        writeFileSync(layout.portFile, `${port}\n`, { mode: 0o600 });
        await starting.startAll();
        return starting.handle(Date.now() - begun);
      } catch (error) {
        await supervised.endAll();
        // between choosing a port and listening on it somebody else may have taken it
        if (attempt < 3 && portWasTaken(layout)) continue;
        throw error;
      }
    }
  } finally {
    release();
  }
}

/** Stops the control plane of a data folder, whoever started it. False where none ran. */
export async function stopControlPlane(dataDir: string): Promise<boolean> {
  const folder = path.resolve(dataDir);
  const state = readState(folder);
  if (!state) return false;
  const ran = processesOf(state).some(isAlive);
  signalProcess(state.supervisor, "SIGTERM");
  await waitForEnd([state.supervisor], 20_000);
  await killLeftovers(folder);
  return ran;
}

/** What runs on a data folder. */
export interface ControlPlaneStatus {
  readonly running: boolean;
  /** It does not depend on the process that started it. */
  readonly detached: boolean;
  readonly server?: string;
  readonly kubeconfigPath?: string;
  /** Process numbers by program. */
  readonly processes: Readonly<Record<string, number>>;
}

export function controlPlaneStatus(dataDir: string): ControlPlaneStatus {
  const folder = path.resolve(dataDir);
  const state = readState(folder);
  if (!state || !isAlive(state.supervisor)) return { running: false, detached: false, processes: {} };
  const layout = layoutOf(folder);
  const port = readPort(layout);
  const alive = Object.entries(state.processes).filter(([, identity]) => isAlive(identity));
  return {
    running: true,
    detached: state.owner === undefined,
    ...(port === undefined ? {} : { server: serverAt(port), kubeconfigPath: layout.kubeconfig }),
    processes: Object.fromEntries(alive.map(([name, identity]) => [name, identity.pid])),
  };
}

/**
 * A handle on a control plane that another process started and detached: `stop` works, stopping the API server alone
 * does not.
 * @throws ControlPlaneError "not-possible" where none runs
 */
export function attachControlPlane(dataDir: string): ControlPlane {
  const folder = path.resolve(dataDir);
  const layout = layoutOf(folder);
  const port = readPort(layout);
  const state = readState(folder);
  if (port === undefined || !state || !isAlive(state.supervisor)) {
    throw new ControlPlaneError("not-possible", `no control plane runs on ${folder}`);
  }
  const refuse = (): Promise<void> =>
    Promise.reject(
      new ControlPlaneError("not-possible", "only the process that started the control plane can do that"),
    );
  return handleFor(layout, prepareCredentials(folder), port, {
    hasControllerManager: "kube-controller-manager" in state.processes,
    startedIn: 0,
    stop: async () => void (await stopControlPlane(folder)),
    stopApiServer: refuse,
    startApiServer: refuse,
    stopControllers: refuse,
    startControllers: refuse,
    detach: () => Promise.resolve(),
    check: () => {
      if (!isAlive(state.supervisor)) throw new ControlPlaneError("ended", `the control plane on ${folder} has ended`);
    },
  });
}

/** One start, from nothing to a handle. */
class Starting {
  private readonly deadline: number;
  private readonly serviceCidr: string;

  constructor(
    private readonly layout: Layout,
    private readonly supervised: Supervised,
    private readonly credentials: Credentials,
    private readonly port: number,
    private readonly options: ControlPlaneOptions,
  ) {
    this.deadline = Date.now() + (options.readyWithin ?? 300_000);
    this.serviceCidr = options.serviceCidr ?? "10.96.0.0/16";
  }

  async startAll(): Promise<void> {
    const { tools } = this.options;
    await this.run(etcdCommand(tools.etcd.path, this.layout));
    await this.startApiServer(this.deadline, async () => {
      // the managers wait for the API server by themselves once it listens
      await this.startManagers();
    });
    await this.untilControllersWork();
  }

  handle(startedIn: number): ControlPlane {
    return handleFor(this.layout, this.credentials, this.port, {
      hasControllerManager: this.options.tools["kube-controller-manager"] !== undefined,
      startedIn,
      stop: () => this.supervised.endAll(),
      stopApiServer: () => this.supervised.ask({ do: "stop", name: "kube-apiserver" }),
      startApiServer: () => this.startApiServer(Date.now() + (this.options.readyWithin ?? 300_000)),
      stopControllers: (how = "asked") =>
        this.supervised.ask({ do: "stop", name: "kube-controller-manager", kill: how === "killed" }),
      startControllers: (without) => this.startControllers(without),
      detach: () => this.supervised.stay(),
      check: () => this.supervised.check(),
    });
  }

  private run(command: Command): Promise<void> {
    return this.supervised.ask({ do: "start", command });
  }

  /** Starts kube-apiserver and waits for its own word that it is ready. `onListening` runs at its first answer. */
  private async startApiServer(deadline: number, onListening?: () => Promise<void>): Promise<void> {
    if (this.options.auditLog === true) writeFileSync(this.layout.auditPolicy, JSON.stringify(auditPolicy));
    await this.run(
      apiServerCommand(this.options.tools["kube-apiserver"].path, this.layout, {
        port: this.port,
        credentials: this.credentials,
        serviceCidr: this.serviceCidr,
        hasControllerManager: this.options.tools["kube-controller-manager"] !== undefined,
        auditLog: this.options.auditLog === true,
        extraArgs: this.options.apiServerArgs ?? [],
      }),
    );
    let client: ApiClient | undefined;
    let listening = false;
    try {
      await this.poll(deadline, "kube-apiserver", async () => {
        if (!existsSync(this.layout.certificateAuthority)) return false;
        client ??= this.client();
        const { status } = await client.call("GET", "/readyz");
        if (!listening) {
          listening = true;
          await onListening?.();
        }
        return status === 200;
      });
    } finally {
      client?.close();
    }
  }

  private async startManagers(): Promise<void> {
    const server = serverAt(this.port);
    const { certificateAuthority } = this.layout;
    const { adminToken } = this.credentials;
    writeKubeconfig(this.layout.kubeconfig, { server, certificateAuthority, user: "lab-admin", token: adminToken });
    const { nodeProgram } = this.options;
    if (nodeProgram !== undefined) await this.run(nodeCommand(nodeProgram, this.layout));
    if (this.options.tools["kube-controller-manager"] !== undefined) return await this.startControllers();
    await this.run({
      name: "namespace-finisher",
      path: process.execPath,
      args: [
        "--require",
        require.resolve("tsx/cjs"),
        path.join(__dirname, "namespace-finisher.ts"),
        this.layout.dataDir,
      ],
      env: bareEnvironment(),
      log: path.join(this.layout.logs, "namespace-finisher.log"),
      restart: true,
    });
  }

  private async startControllers(without: readonly Controller[] = []): Promise<void> {
    const manager = this.options.tools["kube-controller-manager"];
    if (manager === undefined) throw new ControlPlaneError("not-possible", "there is no kube-controller-manager");
    const { certificateAuthority, managerKubeconfig } = this.layout;
    const [server, user, token] = [serverAt(this.port), "kube-controller-manager", this.credentials.managerToken];
    writeKubeconfig(managerKubeconfig, { server, certificateAuthority, user, token });
    const settings = { credentials: this.credentials, serviceCidr: this.serviceCidr };
    await this.run(controllerManagerCommand(manager.path, this.layout, { ...settings, without }));
  }

  /** The controllers work once the first thing that they make is there: the default service account. */
  private async untilControllersWork(): Promise<void> {
    if (!this.options.tools["kube-controller-manager"]) return;
    const client = this.client();
    try {
      await this.poll(this.deadline, "kube-controller-manager", async () => {
        const { status } = await client.call("GET", "/api/v1/namespaces/default/serviceaccounts/default");
        return status === 200;
      });
    } finally {
      client.close();
    }
  }

  private client(): ApiClient {
    const { certificateAuthority } = this.layout;
    return apiClient({ server: serverAt(this.port), certificateAuthority, token: this.credentials.adminToken });
  }

  private async poll(deadline: number, what: string, ready: () => Promise<boolean>): Promise<void> {
    for (;;) {
      this.supervised.check();
      // refused connections are part of starting
      if (await ready().catch((error: unknown) => isOurs(error))) return;
      if (Date.now() >= deadline) {
        const log = path.join(this.layout.logs, `${what}.log`);
        throw new ControlPlaneError("not-ready", `${what} did not become ready in time; its log is ${log}`);
      }
      await new Promise((resolve) => setTimeout(resolve, 40));
    }
  }
}

/** Passes our own errors on; anything else means "not yet". */
function isOurs(error: unknown): false {
  if (error instanceof ControlPlaneError) throw error;
  return false;
}

function handleFor(
  layout: Layout,
  credentials: Credentials,
  port: number,
  rest: Omit<
    ControlPlane,
    "dataDir" | "auditLog" | "kubeconfigPath" | "certificateAuthority" | "server" | "env" | "token"
  >,
): ControlPlane {
  const handle = {
    dataDir: layout.dataDir,
    auditLog: layout.auditLog,
    kubeconfigPath: layout.kubeconfig,
    certificateAuthority: layout.certificateAuthority,
    server: serverAt(port),
    env: { KUBECONFIG: layout.kubeconfig },
    ...rest,
  };
  Object.defineProperty(handle, "token", { value: credentials.adminToken, enumerable: false });
  return handle as typeof handle & { token: string };
}

function serverAt(port: number): string {
  return `https://127.0.0.1:${port}`;
}

function alreadyRunning(dataDir: string): ControlPlaneError {
  return new ControlPlaneError(
    "already-running",
    `a control plane runs on ${dataDir} already (npm run lab -- status shows it, npm run lab -- down ends it)`,
  );
}

/** Makes the folder ours, and refuses one with other people's files in it: `fresh` would remove them. */
function claimFolder(dataDir: string): void {
  mkdirSync(dataDir, { recursive: true, mode: 0o700 });
  const file = path.join(dataDir, marker);
  if (existsSync(file)) return;
  if (readdirSync(dataDir).length > 0) {
    throw new ControlPlaneError("foreign-folder", `${dataDir} holds files that are not the lab's; name another folder`);
  }
  writeFileSync(file, "Data of a local Kubernetes API server. May be removed while it is not running.\n");
}

function emptyFolder(dataDir: string): void {
  for (const entry of readdirSync(dataDir)) {
    if (entry === marker || entry.startsWith("start.lock") || entry === "port") continue;
    rmSync(path.join(dataDir, entry), { recursive: true, force: true });
  }
}

/** Refuses a folder in use; ends what a killed run left. */
async function recover(dataDir: string): Promise<void> {
  const state = readState(dataDir);
  if (!state) return;
  if (isAlive(state.supervisor)) {
    if (!state.owner || isAlive(state.owner)) throw alreadyRunning(dataDir);
    // its owner was killed just now: it is ending by itself
    await waitForEnd([state.supervisor], 10_000);
  }
  await killLeftovers(dataDir);
}

function readPort(layout: Layout): number | undefined {
  try {
    const port = Number(readFileSync(layout.portFile, "utf8"));
    return Number.isInteger(port) && port > 0 && port < 65536 ? port : undefined;
  } catch {
    return undefined;
  }
}

/** The preferred port where it is free, else any free one of 127.0.0.1. */
async function freePort(preferred: number | undefined): Promise<number> {
  if (preferred !== undefined && (await listenOnce(preferred)) !== undefined) return preferred;
  const port = await listenOnce(0);
  if (port === undefined) throw new ControlPlaneError("not-ready", "no free port on 127.0.0.1");
  return port;
}

function listenOnce(port: number): Promise<number | undefined> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(undefined));
    server.listen({ port, host: "127.0.0.1", exclusive: true }, () => {
      const address = server.address();
      const chosen = typeof address === "object" && address ? address.port : undefined;
      server.close(() => resolve(chosen));
    });
  });
}

function portWasTaken(layout: Layout): boolean {
  try {
    return /address already in use/.test(readFileSync(path.join(layout.logs, "kube-apiserver.log"), "utf8"));
  } catch {
    return false;
  }
}
