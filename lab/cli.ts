/** `npm run lab -- …`: starts, shows and stops a lab that outlives the command. */
import path from "node:path";
import { Command, InvalidArgumentError, Option } from "commander";
import { addDatapathCommands } from "./cli-datapath";
import { addExamplesCommand } from "./cli-examples";
import { controlPlaneStatus } from "./control-plane/index";
import { crdFolder, crdSets, installCrds } from "./crds/index";
import type { CrdSetName } from "./crds/index";
import type { CalicoMode, Datapath, EnforcerName } from "./datapath/index";
import { datapathProblem, datapathStatus, firstVerdict, LabCluster } from "./datapath/index";
import type { ControlPlane } from "./index";
import { defaultDataDir, labFolders, labTools, openLab, prepareEngine, stopLab } from "./index";
import { thisPlatform } from "./toolchain/catalog";
import { cacheFolder, findTools, provideTools, streamProgress, toolNames } from "./toolchain/index";
import type { ToolName } from "./toolchain/index";

interface Common {
  readonly dataDir: string;
}

const program = new Command("lab")
  .description(
    "A Pulumi engine, a Kubernetes API server and, where asked for, Cilium or Calico of its own on this machine.",
  )
  .hook("preAction", () => {
    if (!thisPlatform()) {
      throw new Error(
        `The lab runs on Linux and macOS, on x64 and arm64; this is ${process.platform} ${process.arch}.`,
      );
    }
  });

function command(name: string, description: string): Command {
  return program
    .command(name)
    .description(description)
    .option("--data-dir <folder>", "folder of the lab", process.env.CLUSTER_SECURITY_LAB ?? defaultDataDir);
}

command("up", "start the lab and leave it running")
  .option("--fresh", "with an empty cluster and an empty Pulumi backend")
  .option(
    "--crds <sets>",
    `definitions to install, of: ${Object.keys(crdSets).join(", ")} (default: cilium,cluster-network-policy; none with Calico)`,
  )
  .option("--datapath", "with a node on which pods run and policies are really enforced (root on Linux)")
  .addOption(new Option("--cni <name>", "with --datapath: who enforces them").choices(["cilium", "calico"]))
  .addOption(
    new Option(
      "--calico-mode <mode>",
      "with --cni calico: with what the kernel is programmed (default: nftables)",
    ).choices(["nftables", "iptables"]),
  )
  .option("--nodes <count>", "with --datapath: nodes, 1 or 2; Cilium makes a VXLAN tunnel between two", nodeCount)
  .option("--wireguard", "with --nodes 2: what goes from node to node is encrypted")
  .action(async (options: UpCommand) => {
    if (!options.datapath && (options.nodes !== undefined || options.wireguard)) {
      throw new Error("--nodes and --wireguard are about the datapath: they go with --datapath.");
    }
    if (!options.datapath && options.cni !== undefined) {
      throw new Error("--cni is about the datapath: it goes with --datapath.");
    }
    if (options.calicoMode !== undefined && options.cni !== "calico") {
      throw new Error("--calico-mode is about Calico: it goes with --cni calico.");
    }
    if (options.wireguard && options.cni === "calico") {
      throw new Error("--wireguard is there for Cilium alone: leave out --cni calico.");
    }
    if (options.wireguard && options.nodes !== 2) {
      throw new Error("--wireguard encrypts what goes from node to node: it goes with --nodes 2.");
    }
    const problem = options.datapath ? datapathProblem() : undefined;
    if (problem) throw new Error(problem);
    const sets = crdSetNames(options.crds ?? (options.cni === "calico" ? "" : "cilium,cluster-network-policy"));
    // what cannot be had is found out before anything runs
    for (const set of sets) await crdFolder(set);
    const lab = await openLab({
      dataDir: options.dataDir,
      fresh: options.fresh === true,
      detached: true,
      datapath: options.datapath === true && {
        ...(options.nodes === undefined ? {} : { nodes: options.nodes }),
        ...(options.cni === undefined ? {} : { cni: options.cni }),
        ...(options.calicoMode === undefined ? {} : { calicoMode: options.calicoMode }),
        wireguard: options.wireguard === true,
      },
    });
    await installCrds(lab.controlPlane, sets);
    if (lab.datapath) await showVerdict(lab.controlPlane, lab.datapath);
    console.log(`running; look around:  eval "$(npm run --silent lab -- env${dataDirHint(options.dataDir)})"`);
    console.log(`stop it:               npm run lab -- down${dataDirHint(options.dataDir)}`);
  });

interface UpCommand extends Common {
  readonly fresh?: boolean;
  readonly crds?: string;
  readonly datapath?: boolean;
  readonly nodes?: number;
  readonly wireguard?: boolean;
  readonly cni?: EnforcerName;
  readonly calicoMode?: CalicoMode;
}

function nodeCount(text: string): number {
  if (text !== "1" && text !== "2") throw new InvalidArgumentError("It is 1 or 2.");
  return Number(text);
}

/** Says what encrypts, and after how long the first packets showed that policies are enforced. */
async function showVerdict(controlPlane: ControlPlane, datapath: Datapath): Promise<void> {
  const { wireguard } = datapath;
  if (wireguard?.kind === "user-space") {
    console.log(`WireGuard runs in user space: the kernel has none ("${wireguard.kernelSays}")`);
  }
  const cluster = new LabCluster(controlPlane, datapath.nodes);
  try {
    const seconds = ((await firstVerdict(cluster)) - performance.timeOrigin) / 1000;
    console.log(
      `first verdict ${seconds.toFixed(1)} s after the command: a flow passes, and under a deny-all it does not`,
    );
  } finally {
    cluster.close();
  }
}

command("down", "stop the lab; its data stays").action(async (options: Common) => {
  console.log((await stopLab(options.dataDir)) ? "stopped" : "nothing ran");
});

command("status", "what runs").action((options: Common) => {
  const status = controlPlaneStatus(labFolders(options.dataDir).controlPlane);
  if (!status.running) {
    console.log("not running");
    process.exitCode = 1;
    return;
  }
  console.log(
    `running at ${status.server ?? "?"}${status.detached ? "" : ", for as long as the command that started it"}`,
  );
  console.log(`kubeconfig ${status.kubeconfigPath ?? "?"}`);
  const datapath = datapathStatus();
  const ours = datapath.running && datapath.dataDir === labFolders(options.dataDir).datapath;
  const processes = { ...status.processes, ...(ours ? datapath.processes : {}) };
  for (const [name, pid] of Object.entries(processes)) console.log(`${String(pid).padStart(8)}  ${name}`);
});

addDatapathCommands(command);
addExamplesCommand(command);

command("env", "shell lines that point pulumi and kubectl at the lab").action(async (options: Common) => {
  const folders = labFolders(options.dataDir);
  const status = controlPlaneStatus(folders.controlPlane);
  if (!status.running || !status.kubeconfigPath) throw new Error("The lab does not run: npm run lab -- up starts it.");
  const tools = await provideTools(["pulumi", "pulumi-resource-kubernetes"]);
  const engine = prepareEngine({
    dataDir: folders.pulumi,
    pulumi: tools.pulumi,
    kubernetesProvider: tools["pulumi-resource-kubernetes"],
    kubeconfigPath: status.kubeconfigPath,
  });
  // what npm has put on PATH to run this command does not belong into anybody's shell
  console.log(`export PATH='${path.join(engine.root, "bin")}':"$PATH"`);
  for (const [name, value] of Object.entries(engine.env)) {
    if (name !== "PATH" && process.env[name] !== value)
      console.log(`export ${name}='${value.replaceAll("'", `'\\''`)}'`);
  }
  const gone = Object.keys(process.env).filter((name) => !(name in engine.env));
  if (gone.length > 0) console.log(`unset ${gone.join(" ")}`);
});

command("tools", "where each program comes from")
  .argument("[names...]", `of: ${toolNames.join(", ")}`, [...labTools])
  .option("--provide", "download or build what is missing")
  .action(async (names: string[], options: Common & { provide?: boolean }) => {
    const wanted = names.map(toolName);
    const progress = streamProgress();
    const tools = options.provide ? await provideTools(wanted, { progress }) : await findTools(wanted, { progress });
    for (const name of wanted) {
      const tool = tools[name];
      const where = tool ? `${tool.version}  ${tool.origin}  ${tool.path}` : "not here";
      console.log(`${name.padEnd(24)}${where}`);
    }
    console.log(`${"cache".padEnd(24)}${cacheFolder()}`);
  });

function toolName(text: string): ToolName {
  const found = toolNames.find((name) => name === text);
  if (!found) throw new Error(`${text} is no tool of the lab; there are ${toolNames.join(", ")}.`);
  return found;
}

function crdSetNames(text: string): CrdSetName[] {
  const known = Object.keys(crdSets) as CrdSetName[];
  return text
    .split(",")
    .map((name) => name.trim())
    .filter((name) => name !== "")
    .map((name) => {
      const found = known.find((set) => set === name);
      if (!found) throw new Error(`${name} is no set of definitions; there are ${known.join(", ")}.`);
      return found;
    });
}

function dataDirHint(dataDir: string): string {
  return path.resolve(dataDir) === defaultDataDir ? "" : ` --data-dir ${path.resolve(dataDir)}`;
}

program.parseAsync().catch((error: unknown) => {
  // one sentence for the person at the terminal; a stack trace only where it is asked for
  console.error(process.env.DEBUG ? error : error instanceof Error ? error.message : String(error));
  process.exit((error as { exitCode?: number }).exitCode ?? 1);
});
