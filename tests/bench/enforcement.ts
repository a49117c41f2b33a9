/** `npm run bench:enforcement`: the cost of enforcement on a real Cilium (root on Linux). */
import { cpus } from "node:os";
import Table from "cli-table3";
import { Command, InvalidArgumentError } from "commander";
import { datapathProblem } from "../../lab/datapath/index";
import { closeSharedDatapath, sharedDatapath } from "../enforcement/shared-datapath";
import type { Cost, MemoryPerPolicy, Propagation } from "./enforcement-costs";
import { budget, measureCosts, measureMemory, measurePropagation, overBudget, quantile } from "./enforcement-costs";
import type { ExportCost } from "./hubble-export";
import { exportOnDemand, measureExport } from "./hubble-export";
import { closingPolicy, measuredFlow, pulsedFlow, putUpMeasured, variants } from "./enforcement-world";

interface Arguments {
  readonly policies: number;
  readonly rounds: number;
  readonly connections: number;
  readonly seconds: number;
  readonly changes: number;
  readonly json: boolean;
}

interface Report {
  readonly machine: string;
  readonly costs: readonly Cost[];
  readonly memoryPerPolicy: MemoryPerPolicy;
  /** Without other policies, and with many. */
  readonly propagation: Readonly<Record<"alone" | "amongMany", Propagation>>;
  readonly flowExport: ExportCost;
  readonly overBudget: readonly string[];
}

function readArguments(): Arguments {
  return new Command("npm run bench:enforcement --")
    .description("What enforcement costs on a real Cilium: connections, throughput, memory, time until a change works.")
    .option("--policies <count>", "policies on top of the example's", positive, 1000)
    .option("--rounds <count>", "times that each variant is measured", positive, 5)
    .option("--connections <count>", "connections of a round", positive, 2000)
    .option("--seconds <count>", "length of a round's stream", positive, 3)
    .option("--changes <count>", "times that a policy is applied and taken away", positive, 5)
    .option("--json", "print one JSON document in place of tables", false)
    .parse()
    .opts<Arguments>();
}

function positive(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1) throw new InvalidArgumentError("It takes a whole number from 1 on.");
  return value;
}

async function measured(wanted: Arguments): Promise<Report> {
  const { cluster } = await sharedDatapath({ agentArgs: exportOnDemand });
  await putUpMeasured(cluster);
  const [plain, example, many] = variants(wanted.policies);
  // memory first: what the agent has once taken it keeps for a while
  const memoryPerPolicy = await measureMemory(cluster, many.policies);
  const alone = await measurePropagation(cluster, pulsedFlow, closingPolicy, wanted.changes);
  const costs = await measureCosts(cluster, measuredFlow, [plain, example, many], {
    rounds: wanted.rounds,
    connections: wanted.connections,
    streamMillis: wanted.seconds * 1000,
  });
  await cluster.apply(example.policies);
  const { rounds, connections } = wanted;
  const flowExport = await measureExport(cluster, measuredFlow, { rounds, connections });
  await cluster.apply(many.policies);
  const amongMany = await measurePropagation(cluster, pulsedFlow, closingPolicy, wanted.changes);
  const [cpu] = cpus();
  return {
    machine: `${cpus().length} × ${cpu?.model ?? "?"}`,
    costs,
    memoryPerPolicy,
    propagation: { alone, amongMany },
    flowExport,
    overBudget: overBudget(costs, memoryPerPolicy),
  };
}

const method = (wanted: Arguments): string => `
Method: two pods of one node, one cilium-agent 1.20.2 with its BPF datapath. The variants take turns in one run,
${wanted.rounds} rounds of ${wanted.connections} connections and a stream of ${wanted.seconds} s each, after a warm-up. A connection's time is that of
connect(2) alone. The many policies all select the server and each admit one more label and one more address.
Memory is the growth of the agent's anonymous memory and of its BPF tables, divided by the policies. A change's time
runs from the request to the API server to the first packet that fares accordingly, one being sent every millisecond.
Budgets: less than ${budget.addedMicros / 1000} ms more for a connection, ${budget.throughputLeft * 100} % of the throughput left, ${budget.memoryPerPolicy / 1024 / 1024} MiB for each policy.`;

function print(wanted: Arguments, report: Report): void {
  const { machine, costs, memoryPerPolicy, propagation, flowExport, overBudget: over } = report;
  const [plain] = costs;
  const table = new Table({
    head: ["variant", "policies", "connect p50", "p99", "added p50", "GB/s", "ratio"],
    style: { head: [], border: [], compact: true },
  });
  for (const { name, policies, p50, p99, throughput } of costs) {
    const added = plain ? p50 - plain.p50 : 0;
    const ratio = plain ? throughput / plain.throughput : 1;
    const micros = [p50, p99, added].map((each) => `${each.toFixed(1)} µs`);
    table.push([name, policies, ...micros, (throughput / 1e9).toFixed(2), ratio.toFixed(2)]);
  }
  console.log(`${machine}\n${table.toString()}`);
  const kib = (bytes: number): string => `${(bytes / 1024).toFixed(1)} KiB`;
  console.log(
    `memory for each policy: ${kib(memoryPerPolicy.process)} of the agent, ${kib(memoryPerPolicy.maps)} of tables`,
  );
  const changes = [
    ["where nothing else is enforced", propagation.alone],
    ["among the many", propagation.amongMany],
  ] as const;
  for (const [where, { closing, opening }] of changes) {
    const told = (name: string, times: readonly number[]): string =>
      `${name} ${quantile(times, 0.5).toFixed(0)} ms (${quantile(times, 0).toFixed(0)} to ${quantile(times, 1).toFixed(0)})`;
    console.log(`a change takes effect, ${where}: ${told("closing", closing)}, ${told("opening", opening)}`);
  }
  const stateText = ({ cpu, p50, bytes }: ExportCost["on"]): string =>
    `${cpu.toFixed(2)} s of the agent for 1,000 connections, connect ${p50.toFixed(1)} µs, ${bytes.toFixed(0)} bytes written for each`;
  console.log(`export of flows off: ${stateText(flowExport.off)}\nexport of flows on: ${stateText(flowExport.on)}`);
  console.log(method(wanted));
  for (const each of over) console.log(`OVER BUDGET ${each}`);
}

async function main(): Promise<void> {
  const wanted = readArguments();
  const problem = datapathProblem();
  if (problem) throw new Error(problem);
  try {
    const report = await measured(wanted);
    if (wanted.json) console.log(JSON.stringify(report, undefined, 2));
    else print(wanted, report);
    process.exitCode = report.overBudget.length === 0 ? 0 : 1;
  } finally {
    await closeSharedDatapath();
  }
}

main().catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 2;
});
