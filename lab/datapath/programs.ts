import { existsSync } from "node:fs";
import path from "node:path";
import { calicoDefinitions, ciliumBpfSources } from "../crds/index";
import type { Progress, Tool, ToolchainOptions, ToolName } from "../toolchain/index";
import { findTools, provideTools, streamProgress } from "../toolchain/index";
import { findOnPath } from "../toolchain/lookup";
import { run } from "../toolchain/run";
import type { PackagedPrograms } from "./debian";
import { calicoPackages, ciliumPackages, unpackedPrograms } from "./debian";
import { DatapathError } from "./errors";

/** What every datapath runs. */
interface CommonPrograms {
  readonly helper: Tool;
  /** `ip` of iproute2. */
  readonly ip: string;
  /** `nsenter` of util-linux. */
  readonly nsenter: string;
  /** What the agent's environment must say for it to find the programs that it calls. */
  readonly agentEnv: Readonly<Record<string, string>>;
}

/** Everything that a datapath with Cilium runs. */
export interface CiliumPrograms extends CommonPrograms {
  readonly enforcer: "cilium";
  readonly agent: Tool;
  readonly cni: Tool;
  readonly hubble: Tool;
  /** Folder that holds `bpf/` with the sources that the agent compiles. */
  readonly library: string;
}

/** Everything that a datapath with Calico runs. */
export interface CalicoPrograms extends CommonPrograms {
  readonly enforcer: "calico";
  /** Felix, Calico's agent. */
  readonly agent: Tool;
  /** Calico's own API server, for projectcalico.org/v3. */
  readonly apiServer: Tool;
  /** kube-proxy, which translates the addresses of Services. */
  readonly proxy: Tool;
  /** Folder with the definitions of crd.projectcalico.org, in which that API server and Felix keep what they share. */
  readonly definitions: string;
}

export type DatapathPrograms = CiliumPrograms | CalicoPrograms;

/** Why Calico cannot run here without a build; undefined where it can. */
export async function calicoMissing(): Promise<string | undefined> {
  const built = await findTools(calicoTools);
  const missing = calicoTools.filter((name) => built[name] === undefined);
  if (missing.length === 0) return undefined;
  const be = missing.length === 1 ? "is" : "are";
  return `${missing.join(", ")} ${be} not built yet; \`npm run lab -- tools ${missing.join(" ")} --provide\` builds them`;
}

/** Why this machine cannot run a datapath at all, in one sentence; undefined where it can. */
export function datapathProblem(): string | undefined {
  if (process.platform !== "linux") return `The datapath runs on Linux only; this is ${process.platform}.`;
  if (process.getuid?.() !== 0) return "The datapath makes network namespaces and loads BPF programs: run it as root.";
  if (!existsSync("/proc/self/ns/net")) return "The datapath needs a kernel with network namespaces.";
  return undefined;
}

/**
 * Finds, fetches or builds all that a datapath with Cilium runs. Debian packages are unpacked into the cache and nothing
 * is installed.
 * @throws DatapathError "not-here", ToolchainError
 */
export async function provideDatapathPrograms(options: ToolchainOptions = {}): Promise<CiliumPrograms> {
  const { env, progress, ip, nsenter } = onThisMachine(options);
  const agentEnv = (await hasCompiler(env)) ? {} : await fromPackages(ciliumPackages, progress, env);
  const tools = await provideTools(["cilium-agent", "cilium-cni", "hubble", "datapath-helper"], options);
  return {
    enforcer: "cilium",
    agent: tools["cilium-agent"],
    cni: tools["cilium-cni"],
    hubble: tools.hubble,
    helper: tools["datapath-helper"],
    library: await ciliumBpfSources(tools["cilium-agent"].version, { env, progress }),
    ip,
    nsenter,
    agentEnv,
  };
}

/** What a datapath with Calico runs that is built. */
const calicoTools = ["calico-felix", "calico-apiserver", "kube-proxy"] as const satisfies readonly ToolName[];

/** The same for Calico. @throws DatapathError "not-here", ToolchainError */
export async function provideCalicoPrograms(options: ToolchainOptions = {}): Promise<CalicoPrograms> {
  const { env, progress, ip, nsenter } = onThisMachine(options);
  const found = ["nft", "iptables-nft-save", "ipset"].every((name) => findOnPath(name, env.PATH));
  const agentEnv = found ? {} : await fromPackages(calicoPackages, progress, env);
  const tools = await provideTools([...calicoTools, "datapath-helper"], options);
  return {
    enforcer: "calico",
    agent: tools["calico-felix"],
    apiServer: tools["calico-apiserver"],
    proxy: tools["kube-proxy"],
    helper: tools["datapath-helper"],
    definitions: await calicoDefinitions({ env, progress }),
    ip,
    nsenter,
    agentEnv,
  };
}

/** What every datapath needs of the machine. @throws DatapathError "not-here" */
function onThisMachine(options: ToolchainOptions): {
  readonly env: NodeJS.ProcessEnv;
  readonly progress: Progress;
  readonly ip: string;
  readonly nsenter: string;
} {
  const problem = datapathProblem();
  if (problem) throw new DatapathError("not-here", problem);
  const env = options.env ?? process.env;
  const ip = findOnPath("ip", env.PATH);
  const nsenter = findOnPath("nsenter", env.PATH);
  if (!ip || !nsenter) {
    throw new DatapathError("not-here", "The datapath needs ip (iproute2) and nsenter (util-linux) on PATH.");
  }
  return { env, progress: options.progress ?? streamProgress(), ip, nsenter };
}

async function fromPackages(
  wanted: PackagedPrograms,
  progress: Progress,
  env: NodeJS.ProcessEnv,
): Promise<Record<string, string>> {
  const programs = await unpackedPrograms(wanted, progress, env);
  return { ...programs.env, PATH: [programs.bin, env.PATH].filter(Boolean).join(path.delimiter) };
}

/** Whether the machine itself has a compiler that is new enough, iptables and ipset. */
async function hasCompiler(env: NodeJS.ProcessEnv): Promise<boolean> {
  const [clang, iptables, ipset] = ["clang", "iptables", "ipset"].map((name) => findOnPath(name, env.PATH));
  if (!clang || !iptables || !ipset) return false;
  const { stdout } = await run(clang, ["--version"], { env, timeout: 20_000 });
  return Number(/clang version (\d+)/.exec(stdout)?.[1] ?? 0) >= 18;
}
