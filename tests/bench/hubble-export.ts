/** What exporting flows costs the agent: its processor time for each connection, with and without, in one run. */
import { existsSync, mkdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import path from "node:path";
import type { LabCluster, LabProbe } from "../../lab/datapath/index";
import { agentProcess, handshakeTimes } from "../../lab/datapath/index";
import { ciliumMonitoringValues } from "../../sdk/monitoring/index";
import { quantile } from "./enforcement-costs";

const folder = "/run/cilium/flows";
const settings = `${folder}/export.json`;
const exported = `${folder}/bench.log`;

/** The agent's setting for an export that can be turned on and off while it runs. */
export const exportOnDemand: readonly string[] = [`--hubble-flowlogs-config-path=${settings}`];

/** The agent looks at its file every five seconds. */
const reload = 7000;

/** One state of the export. */
interface ExportState {
  /** Seconds of the agent's processor time for 1,000 connections: the median of the rounds. */
  readonly cpu: number;
  /** Microseconds that setting up a connection took: the median. */
  readonly p50: number;
  /** Bytes that were written for each connection. */
  readonly bytes: number;
}

/** With the export off, and on. */
export interface ExportCost {
  readonly off: ExportState;
  readonly on: ExportState;
}

const pause = (milliseconds: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, milliseconds));

/** Measures connections of a flow on the first node; the states take turns, so that the ratio means something. */
export async function measureExport(
  cluster: LabCluster,
  flow: LabProbe,
  { rounds, connections }: { readonly rounds: number; readonly connections: number },
): Promise<ExportCost> {
  const [node] = cluster.nodes;
  if (!node) throw new Error("the datapath has no node");
  const agent = agentProcess(node);
  const inAgent = (file: string): string => path.join(agent.root, file);
  mkdirSync(inAgent(folder), { recursive: true });
  const size = (): number => (existsSync(inAgent(exported)) ? statSync(inAgent(exported)).size : 0);
  const taken = { off: taking(), on: taking() };
  try {
    for (let round = 0; round < rounds; round += 1) {
      for (const state of round % 2 === 0 ? (["off", "on"] as const) : (["on", "off"] as const)) {
        writeFileSync(inAgent(settings), settingsFor(state));
        await pause(reload);
        await handshakeTimes(cluster, flow, Math.ceil(connections / 10));
        await pause(500);
        const before = { cpu: agent.cpuSeconds(), size: size() };
        taken[state].times.push(...(await handshakeTimes(cluster, flow, connections)));
        // what is in the buffers is written a moment later
        await pause(1500);
        taken[state].cpu.push(((agent.cpuSeconds() - before.cpu) * 1000) / connections);
        taken[state].bytes.push((size() - before.size) / connections);
      }
    }
  } finally {
    writeFileSync(inAgent(settings), settingsFor("off"));
    rmSync(inAgent(exported), { force: true });
  }
  return { off: stateOf(taken.off), on: stateOf(taken.on) };
}

const taking = (): Record<"cpu" | "times" | "bytes", number[]> => ({ cpu: [], times: [], bytes: [] });

function stateOf({ cpu, times, bytes }: ReturnType<typeof taking>): ExportState {
  return { cpu: quantile(cpu, 0.5), p50: quantile(times, 0.5), bytes: quantile(bytes, 0.5) };
}

/** As the chart writes it; the fields are those that the package exports. JSON is YAML. */
function settingsFor(state: "off" | "on"): string {
  const { hubble } = ciliumMonitoringValues("1.20.2") as { hubble: { export: { static: { fieldMask: string[] } } } };
  const { fieldMask } = hubble.export.static;
  // a file that is rotated in a round would be smaller at its end than at its beginning
  const file = { filePath: exported, fileMaxSizeMb: 2000 };
  const log = { name: "bench", ...file, fieldMask, includeFilters: [], excludeFilters: [] };
  return JSON.stringify({ flowLogs: state === "on" ? [log] : [] });
}
