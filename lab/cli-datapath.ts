/** The commands of `npm run lab` that need the datapath: pods, probe, matrix, verify. */
import { readFileSync } from "node:fs";
import path from "node:path";
import Table from "cli-table3";
import type { Command } from "commander";
import { Option } from "commander";
import { parse } from "yaml";
import type { VerificationFormat } from "../sdk/cluster/index";
import { formatVerification, verificationFormats, verify } from "../sdk/cluster/index";
import type { ClusterSecurityDeclaration } from "../sdk/plan/index";
import { plan } from "../sdk/plan/index";
import { attachControlPlane } from "./control-plane/index";
import type { ControlPlane } from "./control-plane/index";
import type { LabPod, LabProbe, RawOutcome } from "./datapath/index";
import {
  computedReachability,
  DatapathError,
  datapathStatus,
  Expectation,
  LabCluster,
  LabExecutor,
  world,
} from "./datapath/index";
import { labFolders } from "./index";

type MakeCommand = (name: string, description: string) => Command;

interface Common {
  readonly dataDir: string;
}

/** Adds the commands; `command` makes one with the options that all commands of the lab share. */
export function addDatapathCommands(command: MakeCommand): void {
  addPods(command);
  addProbe(command);
  addMatrix(command);
  addVerify(command);
}

function addPods(command: MakeCommand): void {
  command("pods", "the pods that run on the datapath").action(async (options: Common) => {
    await onDatapath(options, async ({ cluster }) => {
      const table = new Table({ head: ["pod", "address", "node", "service account", "state"], style: plainTable });
      for (const pod of await cluster.pods()) {
        const state = pod.ready ? "ready" : pod.phase.toLowerCase();
        table.push([`${pod.namespace}/${pod.name}`, pod.address, pod.node, pod.serviceAccount, state]);
      }
      console.log(table.toString());
    });
  });
}

function addProbe(command: MakeCommand): void {
  command("probe", "try one connection: exit 0 allowed, 1 denied, 2 where it could not be tried")
    .argument(
      "<from>",
      `NAMESPACE/POD, node, node:NAME, world, or world:ADDRESS with one of ${world.addresses.join(", ")}`,
    )
    .argument("<to>", "the same, or such an address, or service:ADDRESS of a Service")
    .argument("<port>", "number of the port")
    .argument("[protocol]", "tcp, udp or dns", "tcp")
    .option("--name <name>", "with dns: the name to ask for")
    .option("--timeout <seconds>", "silence that means denied", "2")
    .action(async (from: string, to: string, port: string, protocol: string, options: ProbeCommand) => {
      const probe = readProbe(from, to, port, protocol, options.name);
      const timeout = positive(options.timeout, "--timeout") * 1000;
      await onDatapath(options, async ({ cluster }) => {
        const [outcome] = await cluster.probe([probe], { timeout });
        if (!outcome) throw new DatapathError("failed", "the probe has no outcome");
        console.log(describe(outcome));
        process.exitCode = { allowed: 0, denied: 1, refused: 1, error: 2 }[outcome.verdict];
      });
    });
}

function addMatrix(command: MakeCommand): void {
  command("matrix", "try every pair of pods on the ports they declare, beside what the engine computes")
    .option("--port <ports>", "also these, as 80/tcp,53/udp", "")
    .option("--namespace <names>", "only pods of these namespaces, separated by commas")
    .action(async (options: Common & { port: string; namespace?: string }) => {
      const extra = readPorts(options.port);
      const names = options.namespace?.split(",");
      await onDatapath(options, async (running) => {
        process.exitCode = await printMatrix(running, extra, names);
      });
    });
}

function addVerify(command: MakeCommand): void {
  command("verify", "try what is declared and a sample of what is not, with real packets; a canary comes first")
    .option("--declaration <file>", "module that exports `declaration`, or the declaration as YAML or JSON")
    .option("--sample <count>", "undeclared paths tried from each workload", "5")
    .option("--all", "every undeclared path")
    .addOption(new Option("--format <format>", "how to print it").choices(verificationFormats).default("table"))
    .addHelpText(
      "after",
      `
Without --declaration the policies of the cluster say what is expected.

Exit codes:
  0  every probe did what it must
  1  one did not
  3  some proved nothing, or the canary was not blocked: then nothing was tried`,
    )
    .action(async (options: VerifyCommand) => {
      const sample = options.all ? "all" : positive(options.sample, "--sample");
      const declared = options.declaration === undefined ? undefined : await readDeclaration(options.declaration);
      await onDatapath(options, async ({ controlPlane, cluster }) => {
        const reachability = await computedReachability(controlPlane);
        const verification = await verify(reachability, new LabExecutor(cluster, reachability), {
          sample,
          ...(declared ? { plan: plan(declared) } : {}),
        });
        process.stdout.write(formatVerification(verification, options.format));
        process.exitCode = { holds: 0, violated: 1, incomplete: 3, "no-evidence": 3 }[verification.verdict];
      });
    });
}

interface VerifyCommand extends Common {
  readonly declaration?: string;
  readonly sample: string;
  readonly all?: boolean;
  readonly format: VerificationFormat;
}

/** A declaration from a module or a document. What is no declaration is refused by the planner. */
async function readDeclaration(file: string): Promise<ClusterSecurityDeclaration> {
  const absolute = path.resolve(file);
  if (/\.(ya?ml|json)$/.test(absolute)) return parse(readFileSync(absolute, "utf8")) as ClusterSecurityDeclaration;
  const module = (await import(absolute)) as { declaration?: ClusterSecurityDeclaration };
  if (!module.declaration) throw new DatapathError("failed", `${file} exports no \`declaration\``);
  return module.declaration;
}

interface ProbeCommand extends Common {
  readonly name?: string;
  readonly timeout: string;
}

interface Running {
  readonly controlPlane: ControlPlane;
  readonly cluster: LabCluster;
}

async function onDatapath(options: Common, work: (running: Running) => Promise<void>): Promise<void> {
  const status = datapathStatus();
  const folders = labFolders(options.dataDir);
  if (!status.running || status.dataDir !== folders.datapath) {
    throw new DatapathError("not-running", "No datapath runs here: npm run lab -- up --datapath starts it.");
  }
  const controlPlane = attachControlPlane(folders.controlPlane);
  const cluster = new LabCluster(controlPlane, status.nodes);
  try {
    await work({ controlPlane, cluster });
  } finally {
    cluster.close();
  }
}

const plainTable = { head: [], border: [], compact: true };

function describe({ verdict, reason, micros, answers }: RawOutcome): string {
  const details = [reason, answers?.join(", "), verdict === "allowed" ? `${(micros / 1000).toFixed(1)} ms` : undefined];
  const text = details.filter((each) => each !== undefined && each !== "").join(", ");
  return text ? `${verdict} (${text})` : verdict;
}

function readProbe(from: string, to: string, port: string, protocol: string, name?: string): LabProbe {
  if (protocol !== "tcp" && protocol !== "udp" && protocol !== "dns") {
    throw new DatapathError("failed", `${protocol} is no protocol that can be probed: tcp, udp or dns`);
  }
  if ((protocol === "dns") !== (name !== undefined)) {
    throw new DatapathError("failed", "dns and --name NAME go together");
  }
  return { from, to, port: readPort(port), protocol, ...(name === undefined ? {} : { name }) };
}

function readPort(text: string): number {
  const port = Number(text);
  if (!Number.isInteger(port) || port < 1 || port > 65535) throw new DatapathError("failed", `${text} is no port`);
  return port;
}

function positive(text: string, option: string): number {
  const value = Number(text);
  if (!(value > 0)) throw new DatapathError("failed", `${option} takes a positive number, not ${text}`);
  return value;
}

interface PortOfPod {
  readonly port: number;
  readonly protocol: "tcp" | "udp";
}

function readPorts(text: string): PortOfPod[] {
  return text
    .split(",")
    .filter((each) => each !== "")
    .map((each) => {
      const [number = "", protocol = "tcp"] = each.split("/");
      if (protocol !== "tcp" && protocol !== "udp") throw new DatapathError("failed", `${each}: write it as 80/tcp`);
      return { port: readPort(number), protocol };
    });
}

/** Rows are sources, columns destinations with their ports. Returns the exit code: 1 where a probe contradicts the engine. */
async function printMatrix(
  { controlPlane, cluster }: Running,
  extra: readonly PortOfPod[],
  namespaces: readonly string[] | undefined,
): Promise<number> {
  const pods = (await cluster.pods()).filter(
    (pod) => pod.ready && !pod.hostNetwork && (namespaces?.includes(pod.namespace) ?? true),
  );
  const ends = pods.map(nameOf);
  const nodes = cluster.nodes.map(({ name }, index) => (index === 0 ? "node" : `node:${name}`));
  const sources = [...ends, ...nodes, ...world.addresses.map((address) => `world:${address}`)];
  const targets = pods.flatMap((pod) =>
    uniquePorts([...pod.ports, ...extra]).map(({ port, protocol }) => ({ to: nameOf(pod), port, protocol })),
  );
  const outside = world.addresses.map((to) => ({ to: to as string, port: 80, protocol: "tcp" as const }));
  const probes = sources.flatMap((from) =>
    [...targets, ...(ends.includes(from) ? outside : [])]
      .filter(({ to }) => to !== from)
      .map((target): LabProbe => ({ from, ...target })),
  );
  const outcomes = await cluster.probe(probes);
  const expectation = new Expectation(await computedReachability(controlPlane), await cluster.pods(), cluster.nodes);
  const table = new Table({ head: ["from", "to", "port", "measured", "computed", ""], style: plainTable });
  let differences = 0;
  probes.forEach((probe, index) => {
    const measured = outcomes[index]?.verdict ?? "error";
    const computed = expectation.verdict(probe) ?? "unknown";
    const differs = measured !== computed && computed !== "unknown";
    if (differs) differences += 1;
    const mark = differs ? "DIFFERS" : "";
    table.push([probe.from, probe.to, `${probe.port}/${probe.protocol}`, measured, computed, mark]);
  });
  console.log(table.toString());
  console.log(`${probes.length} probes, ${differences} of them not as computed`);
  return differences === 0 ? 0 : 1;
}

function nameOf(pod: LabPod): string {
  return `${pod.namespace}/${pod.name}`;
}

function uniquePorts(ports: readonly PortOfPod[]): PortOfPod[] {
  return [...new Map(ports.map((each) => [`${each.port}/${each.protocol}`, each])).values()];
}
