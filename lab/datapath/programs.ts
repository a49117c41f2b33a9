import { existsSync } from "node:fs";
import path from "node:path";
import { ciliumBpfSources } from "../crds/index";
import type { Tool, ToolchainOptions } from "../toolchain/index";
import { provideTools, streamProgress } from "../toolchain/index";
import { findOnPath } from "../toolchain/lookup";
import { run } from "../toolchain/run";
import { unpackedPrograms } from "./debian";
import { DatapathError } from "./errors";

/** Everything that a datapath runs. */
export interface DatapathPrograms {
  readonly agent: Tool;
  readonly cni: Tool;
  readonly hubble: Tool;
  readonly helper: Tool;
  /** Folder that holds `bpf/` with the sources that the agent compiles. */
  readonly library: string;
  /** `ip` of iproute2. */
  readonly ip: string;
  /** `nsenter` of util-linux. */
  readonly nsenter: string;
  /** What the agent's environment must say for it to find clang, iptables and ipset. */
  readonly agentEnv: Readonly<Record<string, string>>;
}

/** Why this machine cannot run a datapath at all, in one sentence; undefined where it can. */
export function datapathProblem(): string | undefined {
  if (process.platform !== "linux") return `The datapath runs on Linux only; this is ${process.platform}.`;
  if (process.getuid?.() !== 0) return "The datapath makes network namespaces and loads BPF programs: run it as root.";
  if (!existsSync("/proc/self/ns/net")) return "The datapath needs a kernel with network namespaces.";
  return undefined;
}

/**
 * Finds, fetches or builds all of it. Debian packages are unpacked into the cache and nothing is installed.
 * @throws DatapathError "not-here", ToolchainError
 */
export async function provideDatapathPrograms(options: ToolchainOptions = {}): Promise<DatapathPrograms> {
  const problem = datapathProblem();
  if (problem) throw new DatapathError("not-here", problem);
  const env = options.env ?? process.env;
  const progress = options.progress ?? streamProgress();
  const ip = findOnPath("ip", env.PATH);
  const nsenter = findOnPath("nsenter", env.PATH);
  if (!ip || !nsenter) {
    throw new DatapathError("not-here", "The datapath needs ip (iproute2) and nsenter (util-linux) on PATH.");
  }
  const agentEnv = (await onMachine(env)) ? {} : await fromPackages();
  const tools = await provideTools(["cilium-agent", "cilium-cni", "hubble", "datapath-helper"], options);
  return {
    agent: tools["cilium-agent"],
    cni: tools["cilium-cni"],
    hubble: tools.hubble,
    helper: tools["datapath-helper"],
    library: await ciliumBpfSources(tools["cilium-agent"].version, { env, progress }),
    ip,
    nsenter,
    agentEnv,
  };

  async function fromPackages(): Promise<Record<string, string>> {
    const programs = await unpackedPrograms(progress, env);
    return { ...programs.env, PATH: [programs.bin, env.PATH].filter(Boolean).join(path.delimiter) };
  }
}

/** Whether the machine itself has a compiler that is new enough, iptables and ipset. */
async function onMachine(env: NodeJS.ProcessEnv): Promise<boolean> {
  const [clang, iptables, ipset] = ["clang", "iptables", "ipset"].map((name) => findOnPath(name, env.PATH));
  if (!clang || !iptables || !ipset) return false;
  const { stdout } = await run(clang, ["--version"], { env, timeout: 20_000 });
  return Number(/clang version (\d+)/.exec(stdout)?.[1] ?? 0) >= 18;
}
