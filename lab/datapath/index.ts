/**
 * The datapath of the lab: a real cilium-agent or a real Felix of Calico on a node that is a network namespace, pods that
 * are network namespaces, and a world outside – on top of the lab's one control plane, without a container and
 * without touching the machine's own network.
 */
import { cpSync, existsSync, mkdirSync, readdirSync, rmSync, rmdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { stringify } from "yaml";
import { bareEnvironment } from "../control-plane/commands";
import { isAlive, signalProcess, waitForEnd } from "../control-plane/identity";
import type { ApiClient, ControlPlane } from "../control-plane/index";
import { apiClient } from "../control-plane/index";
import { killLeftovers, readState, takeLock } from "../control-plane/state";
import { Supervised } from "../control-plane/supervised";
import { installCrdFiles, installCrds } from "../crds/index";
import { registerNode, withdrawNodes } from "../nodes/index";
import { findTools } from "../toolchain/index";
import { findOnPath } from "../toolchain/lookup";
import { run } from "../toolchain/run";
import type { BetweenNodes } from "./cilium";
import type { FrontProxy } from "./aggregation";
import { calicoApiServer, calicoApiServerCommand, freePort, registerCalicoApi, servesCalicoApi } from "./aggregation";
import { AgentApi, agentCommand, publishedSettings } from "./cilium";
import { publishApiServer, publishCalico, publishDns, publishSettings, withdrawDatapath } from "./cluster-objects";
import { DatapathError } from "./errors";
import type { CalicoMode } from "./felix";
import { FelixApi, felixCommand } from "./felix";
import { helper } from "./helper";
import { KubeProxyApi, kubeProxyCommand, kubeProxyName } from "./kube-proxy";
import type { EnforcerName, LabNode } from "./layout";
import {
  agentName,
  apiServerPort,
  helperSocket,
  labNodes,
  namespacePrefix,
  nodeLayout,
  runtimeFolder,
  world,
} from "./layout";
import { labNamespaces, makeNetwork, removeNetwork, routeBetween } from "./network";
import type { NodeAgentSettings } from "./node-agent/main";
import type { CalicoPrograms, CiliumPrograms, DatapathPrograms } from "./programs";
import { datapathProblem } from "./programs";
import { logsIn, readRecord, writeRecord } from "./record";
import { checkSentinels, makeSentinel } from "./sentinel";
import type { Wireguard } from "./wireguard";
import { kernelRefusesWireguard, wireguardDevice, wireguardSocket } from "./wireguard";

export { DatapathError } from "./errors";
export { LabCluster } from "./cluster";
export type { DroppedFlow, PodWish } from "./cluster";
export { LabExecutor } from "./executor";
export { computedReachability, Expectation } from "./expectation";
export { firstVerdict } from "./first-verdict";
export type { RawOutcome } from "./helper";
export { world } from "./layout";
export type { EnforcerName, LabNode } from "./layout";
export { agentMemory, agentProcess, crowd, handshakeTimes, onTheWire, pulse, throughput } from "./measurements";
export type { LabObject } from "./objects";
export type { PolicyState } from "./policies";
export type { LabPod, LabProbe } from "./probes";
export { frontProxy } from "./aggregation";
export type { FrontProxy } from "./aggregation";
export type { CalicoMode } from "./felix";
export { calicoMissing, datapathProblem, provideCalicoPrograms, provideDatapathPrograms } from "./programs";
export type { DatapathPrograms } from "./programs";
export { wireguardPort } from "./wireguard";

export interface DatapathOptions {
  /** Folder of its own for logs and the agent's scratch files. */
  readonly dataDir: string;
  readonly controlPlane: ControlPlane;
  readonly programs: DatapathPrograms;
  /** Another enforcer, for the second of two nodes, as while one takes the place of the other. Default: none. */
  readonly beside?: DatapathPrograms;
  /** Whether kube-system gets a DNS server of the lab's. Default true; false where a stack brings its own. */
  readonly clusterDns?: boolean;
  /** Further arguments for cilium-agent; they win over the lab's own. Not for Calico's agent, which takes none. */
  readonly agentArgs?: readonly string[];
  /** How many nodes: 1 (default) or 2, with a VXLAN tunnel between them. */
  readonly nodes?: number;
  /** Whether WireGuard encrypts what goes from node to node. Default false; Cilium only. */
  readonly wireguard?: boolean;
  /** With what Calico's Felix programs the kernel. Default "nftables". */
  readonly calicoMode?: CalicoMode;
  /** By which Calico's API server and the control plane know each other; the latter was started with its arguments. */
  readonly frontProxy?: FrontProxy;
  /** Milliseconds until it must be ready. Default 120000. */
  readonly readyWithin?: number;
}

/** A running datapath. */
export interface Datapath {
  readonly nodes: readonly LabNode[];
  /** Folder with a log for each program. */
  readonly logs: string;
  /** Milliseconds that the start took. */
  readonly startedIn: number;
  /** Which WireGuard encrypts what goes from node to node; undefined where none was asked for. */
  readonly wireguard?: Wireguard;
  /** Stops everything and removes its namespaces; Nodes and pods are taken out of the API server where it answers. */
  stop(): Promise<void>;
  /** Lets it outlive this process; `stopDatapath` ends it. */
  detach(): Promise<void>;
  /** Throws where one of its programs has ended by itself. */
  check(): void;
}

/**
 * Starts a datapath on a running control plane and resolves once the agent says that it works and pods are taken. What an
 * earlier, killed run left behind is removed first. It ends with this process, however that ends, unless `detach` is
 * called.
 * @throws DatapathError "not-here", "already-running", "failed"
 */
export async function startDatapath(options: DatapathOptions): Promise<Datapath> {
  const begun = Date.now();
  const problem = datapathProblem();
  if (problem) throw new DatapathError("not-here", problem);
  mkdirSync(runtimeFolder, { recursive: true, mode: 0o700 });
  const release = takeLock(path.join(runtimeFolder, "start.lock"));
  if (!release) throw alreadyRunning();
  try {
    await recover(options.programs.ip, options.programs.helper.path);
    const starting = new Starting(options, nodesOf(options));
    try {
      await starting.startAll();
    } catch (error) {
      await starting.stop();
      throw error;
    }
    return starting.handle(Date.now() - begun);
  } finally {
    release();
  }
}

/** What runs on this machine. */
export interface DatapathStatus {
  readonly running: boolean;
  /** Folder of the lab that it belongs to. */
  readonly dataDir?: string;
  readonly nodes: readonly LabNode[];
  /** Process numbers by program. */
  readonly processes: Readonly<Record<string, number>>;
}

export function datapathStatus(): DatapathStatus {
  const state = readState(runtimeFolder);
  const record = readRecord();
  if (!state || !isAlive(state.supervisor) || !record) return { running: false, nodes: [], processes: {} };
  const alive = Object.entries(state.processes).filter(([, identity]) => isAlive(identity));
  return {
    running: true,
    dataDir: record.dataDir,
    nodes: record.nodes,
    processes: Object.fromEntries(alive.map(([name, { pid }]) => [name, pid])),
  };
}

/**
 * Stops the datapath of a folder, whoever started it, and removes what it made; also what a killed one left. False where
 * there was nothing. `controlPlane` is told that its nodes are gone, where there is one.
 */
export async function stopDatapath(dataDir: string, controlPlane?: ControlPlane): Promise<boolean> {
  const record = readRecord();
  if (datapathProblem() || record?.dataDir !== path.resolve(dataDir)) return false;
  const state = readState(runtimeFolder);
  if (controlPlane) await withClient(controlPlane, withdrawDatapath).catch(() => undefined);
  if (state) {
    signalProcess(state.supervisor, "SIGTERM");
    await waitForEnd([state.supervisor], 20_000);
  }
  await cleanUp();
  return true;
}

/** Nodes that a datapath left in a cluster's store, which now has none: nothing must wait for them. */
export async function forgetNodes(controlPlane: ControlPlane): Promise<void> {
  await withClient(controlPlane, withdrawDatapath);
}

async function withClient<T>(controlPlane: ControlPlane, work: (client: ApiClient) => Promise<T>): Promise<T> {
  const client = apiClient(controlPlane);
  try {
    return await work(client);
  } finally {
    client.close();
  }
}

/** @throws DatapathError "failed" for a number of nodes that the lab has no addresses for */
function nodesOf({ programs, beside, nodes = beside ? 2 : 1 }: DatapathOptions): readonly LabNode[] {
  if (Number.isInteger(nodes) && nodes >= 1 && nodes <= labNodes.length) {
    return labNodes
      .slice(0, nodes)
      .map((node, index) => ({ ...node, enforcer: (index > 0 && beside ? beside : programs).enforcer }));
  }
  throw new DatapathError("failed", `the lab has 1 to ${labNodes.length} nodes, not ${nodes}`);
}

/** One start, from nothing to a handle. */
class Starting {
  private readonly logs: string;
  private readonly mode: BetweenNodes;
  private wireguard: Wireguard | undefined;
  private readonly deadline: number;
  private supervised: Supervised | undefined;

  constructor(
    private readonly options: DatapathOptions,
    private readonly nodes: readonly LabNode[],
  ) {
    this.logs = logsIn(options.dataDir);
    this.deadline = Date.now() + (options.readyWithin ?? 120_000);
    // a tunnel has two ends that know of each other
    this.mode = { tunnel: nodes.length > 1 && !options.beside, encrypt: options.wireguard === true };
  }

  /** The programs of each enforcer that there is. */
  private get cilium(): CiliumPrograms | undefined {
    return [this.options.programs, this.options.beside].find((each) => each?.enforcer === "cilium");
  }

  private get calico(): CalicoPrograms | undefined {
    return [this.options.programs, this.options.beside].find((each) => each?.enforcer === "calico");
  }

  private nodesOf(enforcer: EnforcerName): readonly LabNode[] {
    return this.nodes.filter((node) => node.enforcer === enforcer);
  }

  async startAll(): Promise<void> {
    const { controlPlane, programs, dataDir } = this.options;
    const folder = path.resolve(dataDir);
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(this.logs, { recursive: true, mode: 0o700 });
    writeRecord({ dataDir: folder, nodes: this.nodes });
    this.supervised = await Supervised.start(runtimeFolder, this.logs);
    await this.run("helper", programs.helper.path, ["serve", helperSocket]);
    await this.until("helper", () => helper.names(world.names).then(() => true));
    await Promise.all([makeNetwork(programs.ip, this.nodes), this.prepareCluster()]);
    const server = new URL(controlPlane.server).host;
    for (const { namespace, address } of this.nodes) {
      await helper.forward({ namespace, address, port: apiServerPort, protocol: "tcp" }, server);
    }
    if (this.options.beside) await routeBetween(programs.ip, this.nodes);
    await this.listenOutside();
    if (this.calico) await this.startCalico(this.calico);
    if (this.cilium) await this.startCilium(this.cilium);
    await this.startNodeAgent(folder);
    if (this.options.clusterDns ?? true) await withClient(controlPlane, publishDns);
  }

  private async startCilium(programs: CiliumPrograms): Promise<void> {
    if (this.mode.encrypt) await this.provideWireguard();
    const nodes = this.nodesOf("cilium");
    for (const node of nodes) await this.startAgent(programs, node);
    for (const node of nodes) {
      const agent = new AgentApi(node);
      await this.until(agentName(node), () => agent.isReady());
    }
    for (const node of nodes) {
      const agent = new AgentApi(node);
      await this.until("the agents' knowledge of each other", async () => {
        return (await agent.knownNodes()).length === nodes.length;
      });
    }
  }

  private async startCalico(programs: CalicoPrograms): Promise<void> {
    const { controlPlane, calicoMode: mode = "nftables" } = this.options;
    const nodes = this.nodesOf("calico");
    await routeBetween(programs.ip, nodes);
    for (const node of nodes) {
      mkdirSync(nodeLayout(node).endpointStatus, { recursive: true, mode: 0o700 });
      const kubeconfig = this.kubeconfigFor(controlPlane, node);
      const command = felixCommand(node, { programs, mode, kubeconfig, logs: this.logs });
      await this.supervised?.ask({ do: "start", command });
    }
    for (const node of nodes) {
      const felix = new FelixApi(node);
      await this.until(agentName(node), () => felix.isReady());
      await this.startKubeProxy(programs, node, mode);
      await helper.settings(node.namespace, forgetUdp);
      await makeSentinel(programs.ip, node);
      await checkSentinels([node]);
    }
    for (const node of nodes) {
      const proxy = new KubeProxyApi(node);
      await this.until(kubeProxyName(node), () => proxy.isReady());
    }
  }

  /** After Felix, which looks at the tables that it finds to choose between two kinds of iptables. */
  private async startKubeProxy(programs: CalicoPrograms, node: LabNode, mode: CalicoMode): Promise<void> {
    const kubeconfig = this.kubeconfigFor(this.options.controlPlane, node);
    const places = { kubeconfig, logs: this.logs, folder: this.folderOf(node) };
    await this.supervised?.ask({ do: "start", command: kubeProxyCommand(node, { programs, mode, ...places }) });
  }

  handle(startedIn: number): Datapath {
    return {
      nodes: this.nodes,
      logs: this.logs,
      startedIn,
      ...(this.wireguard ? { wireguard: this.wireguard } : {}),
      stop: () => this.stop(),
      detach: async () => await this.supervised?.stay(),
      check: () => this.supervised?.check(),
    };
  }

  async stop(): Promise<void> {
    // the API server may be gone already
    await withClient(this.options.controlPlane, withdrawDatapath).catch(() => undefined);
    await this.supervised?.endAll();
    await cleanUp(this.options.programs.ip, this.options.programs.helper.path);
  }

  private async prepareCluster(): Promise<void> {
    const { controlPlane, agentArgs = [] } = this.options;
    const { calico, cilium } = this;
    if (calico) await installCrdFiles(controlPlane, [calico.definitions]);
    if (cilium) await installCrds(controlPlane, ["cilium-all", "cluster-network-policy"]);
    await withClient(controlPlane, async (client) => {
      // a node that is only simulated takes no pods beside these
      await withdrawNodes(client);
      for (const node of this.nodes) await registerNode(client, node, "a network namespace of the lab");
      await publishApiServer(client, this.nodes);
      if (cilium) await publishSettings(client, publishedSettings(agentArgs, this.mode));
      if (!calico) return;
      await publishCalico(client, this.nodes);
      await this.startCalicoApi(calico, client);
    });
  }

  /** Calico's API server, behind the one that runs. */
  private async startCalicoApi(programs: CalicoPrograms, client: ApiClient): Promise<void> {
    const { controlPlane, frontProxy: proxy } = this.options;
    if (!proxy) {
      throw new DatapathError("failed", "the API server was not started for Calico's to stand behind it");
    }
    const port = await freePort();
    const command = calicoApiServerCommand(programs, { controlPlane, proxy, port, logs: this.logs });
    await this.supervised?.ask({ do: "start", command });
    await registerCalicoApi(client, proxy, port);
    await this.until(calicoApiServer, () => servesCalicoApi(client));
  }

  /** Where the kernel has no WireGuard, each node gets a device of user space, which the agent then takes as it finds it. */
  private async provideWireguard(): Promise<void> {
    const { ip, helper: program } = this.options.programs;
    const [first] = this.nodes;
    const refusal = first && (await kernelRefusesWireguard(ip, first));
    this.wireguard = refusal === undefined ? { kind: "kernel" } : { kind: "user-space", kernelSays: refusal };
    if (refusal === undefined) return;
    for (const node of this.nodes) {
      const folder = nodeLayout(node).wireguard;
      await this.run(`wireguard-${node.name}`, program.path, ["wireguard", node.namespace, wireguardDevice, folder]);
      await this.until("the WireGuard device", () => Promise.resolve(existsSync(wireguardSocket(node))));
    }
  }

  /** Writes the kubeconfig of a node's agent. */
  private kubeconfigFor(controlPlane: ControlPlane, node: LabNode): string {
    const folder = this.folderOf(node);
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    const file = path.join(folder, "kubeconfig");
    writeFileSync(file, agentKubeconfig(controlPlane, node), { mode: 0o600 });
    return file;
  }

  private folderOf({ name }: LabNode): string {
    return path.join(path.resolve(this.options.dataDir), name);
  }

  private async startAgent(programs: CiliumPrograms, node: LabNode): Promise<void> {
    const { controlPlane, agentArgs = [] } = this.options;
    const folder = this.folderOf(node);
    const kubeconfig = this.kubeconfigFor(controlPlane, node);
    mkdirSync(path.dirname(nodeLayout(node).bpf), { recursive: true, mode: 0o700 });
    // the agent writes what it finds out about the kernel among the sources that it compiles
    const library = path.join(folder, "library");
    cpSync(programs.library, library, { recursive: true });
    await this.supervised?.ask({
      do: "start",
      command: agentCommand(node, {
        programs,
        library,
        kubeconfig,
        logs: this.logs,
        stateFolder: folder,
        ...this.mode,
        extraArgs: agentArgs,
      }),
    });
  }

  /** The world's DNS server, and something that answers on the ports that one expects of it. */
  private async listenOutside(): Promise<void> {
    const { namespace } = world;
    const web = world.addresses.flatMap((address) =>
      [80, 443].map((port) => ({ namespace, address, port, protocol: "tcp" as const })),
    );
    const complaints = await helper.listen([{ namespace, address: world.router, port: 53, protocol: "dns" }, ...web]);
    const complaint = complaints.find((text) => text !== "");
    if (complaint) throw new DatapathError("failed", complaint);
  }

  private async startNodeAgent(folder: string): Promise<void> {
    const { controlPlane, programs } = this.options;
    const settings: NodeAgentSettings = {
      controlPlane: controlPlane.dataDir,
      nodes: this.nodes,
      tools: {
        ip: programs.ip,
        nsenter: programs.nsenter,
        cni: this.cilium?.cni.path,
        cniLog: path.join(this.logs, "cilium-cni.log"),
      },
    };
    const file = path.join(folder, "node-agent.json");
    writeFileSync(file, JSON.stringify(settings), { mode: 0o600 });
    const entry = path.join(__dirname, "node-agent", "main.ts");
    await this.run("node-agent", process.execPath, ["--require", require.resolve("tsx/cjs"), entry, file], true);
  }

  private async run(name: string, program: string, args: readonly string[], restart = false): Promise<void> {
    const log = path.join(this.logs, `${name}.log`);
    await this.supervised?.ask({
      do: "start",
      command: { name, path: program, args, env: bareEnvironment(), log, restart },
    });
  }

  private async until(what: string, ready: () => Promise<boolean>): Promise<void> {
    for (;;) {
      this.supervised?.check();
      // refused connections are part of starting
      if (await ready().catch(() => false)) return;
      if (Date.now() >= this.deadline) {
        throw new DatapathError("failed", `${what} did not become ready in time; its log is in ${this.logs}`);
      }
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}

/**
 * Felix lets pass what belongs to a connection that was allowed before, and to the kernel two UDP packets with the same ends
 * are one connection for 30 s or more: a probe must not be taken for a part of an earlier one.
 */
const forgetUdp = { "netfilter/nf_conntrack_udp_timeout": "1", "netfilter/nf_conntrack_udp_timeout_stream": "1" };

/** The API server as a node sees it: at the node's own address, with the certificate of the machine's loopback. */
function agentKubeconfig(controlPlane: ControlPlane, node: LabNode): string {
  const cluster = {
    server: `https://${node.address}:${apiServerPort}`,
    "certificate-authority": controlPlane.certificateAuthority,
    "tls-server-name": "127.0.0.1",
  };
  return stringify({
    apiVersion: "v1",
    kind: "Config",
    clusters: [{ name: "lab", cluster }],
    users: [{ name: "node", user: { token: controlPlane.token } }],
    contexts: [{ name: "lab", context: { cluster: "lab", user: "node" } }],
    "current-context": "lab",
  });
}

function alreadyRunning(): DatapathError {
  const owner = readRecord()?.dataDir;
  const where = owner ? ` (for ${path.dirname(owner)})` : "";
  return new DatapathError(
    "already-running",
    `a datapath runs on this machine already${where}; npm run lab -- down ends it`,
  );
}

/** Refuses where one runs; removes what a killed run left. */
async function recover(ip: string, helperProgram: string): Promise<void> {
  const state = readState(runtimeFolder);
  if (state && isAlive(state.supervisor)) {
    if (!state.owner || isAlive(state.owner)) throw alreadyRunning();
    // its owner was killed just now: it is ending by itself
    await waitForEnd([state.supervisor], 10_000);
  }
  await cleanUp(ip, helperProgram);
}

/** Ends what still runs and removes namespaces, cgroups and the runtime folder. Mounts end with their processes. */
async function cleanUp(ip = findOnPath("ip", process.env.PATH), helperProgram?: string): Promise<void> {
  await killLeftovers(runtimeFolder);
  if (ip && labNamespaces().length > 0) await removeNetwork(ip);
  const program = helperProgram ?? (await findTools(["datapath-helper"]))["datapath-helper"]?.path;
  for (const node of readRecord()?.nodes ?? []) {
    if (program) await run(program, ["tidy", `${namespacePrefix}${node.name}`], { timeout: 10_000 });
  }
  for (const entry of existsSync(runtimeFolder) ? readdirSync(runtimeFolder) : []) {
    if (!entry.startsWith("start.lock")) rmSync(path.join(runtimeFolder, entry), { recursive: true, force: true });
  }
  for (const folder of ["/run/cilium", "/run/wireguard", "/run/calico", "/var/lib/calico"]) {
    try {
      // the agent's own mounts lay on them; one with files in it belongs to somebody else
      rmdirSync(folder);
    } catch {
      // in use or not there
    }
  }
}
