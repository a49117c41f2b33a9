/** What Hubble's exporter writes while packets are sent, and what it is read as. */
import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { RecordingReader, type FlowClass, type Recording, type ReplayedFlow } from "../../sdk/flows/index";
import type { LabObject, LabPod, LabProbe } from "../../lab/datapath/index";
import { ciliumMonitoringValues } from "../../sdk/monitoring/index";
import type { FlowLog } from "../../sdk/monitoring/index";

/** Where each agent exports to: in its own mount namespace, where this folder is its own. */
const exported = "/run/cilium/flows/events.log";

/** The agent's own settings for it. */
export const exporting: readonly string[] = [
  `--hubble-export-file-path=${exported}`,
  "--hubble-export-file-max-size-mb=900",
  // bursts of probes
  "--hubble-event-buffer-capacity=65535",
  "--hubble-event-queue-size=65536",
];

/** The agent's settings that the chart makes of a level of the flow log, its file apart. */
export function loggingAs(flowLog: FlowLog): readonly string[] {
  const { hubble } = ciliumMonitoringValues("1.20.2", { flowLog }) as {
    hubble: { export: { static: { fieldMask: string[]; allowList?: string[] } } };
  };
  const { fieldMask, allowList = [] } = hubble.export.static;
  return [
    ...exporting,
    `--hubble-export-fieldmask=${fieldMask.join(",")}`,
    ...(allowList.length === 0 ? [] : [`--hubble-export-allowlist=${allowList.join(",")}`]),
  ];
}

/** Every whole line that the agents have exported so far. */
export function exportedLines(): string[] {
  return exportedFiles().flatMap((file) =>
    (existsSync(file) ? readFileSync(file, "utf8") : "").split("\n").slice(0, -1).filter(Boolean),
  );
}

/** The files of all agents, as this process sees them. */
function exportedFiles(): string[] {
  const isAgent = (pid: string): boolean => {
    try {
      return readFileSync(`/proc/${pid}/cmdline`, "utf8").includes(`\0${exporting[0] ?? ""}\0`);
    } catch {
      // it has ended
      return false;
    }
  };
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name) && isAgent(name))
    .map((pid) => `/proc/${pid}/root${exported}`);
}

const pause = (milliseconds: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, milliseconds));

/** The lines that the agents export while the work is done. */
export async function linesOf(work: () => Promise<unknown>): Promise<string[]> {
  const sizes = (): number[] => exportedFiles().map((file) => (existsSync(file) ? statSync(file).size : 0));
  await settled(sizes);
  const begun = sizes();
  await work();
  await settled(sizes);
  const files = exportedFiles();
  assert.equal(files.length, begun.length, "an agent came or went");
  return files.flatMap((file, index) =>
    (existsSync(file) ? readFileSync(file).subarray(begun[index]).toString("utf8") : "").split("\n").filter(Boolean),
  );
}

/** Waits until nothing is written any more. */
async function settled(sizes: () => readonly number[]): Promise<void> {
  for (let before = ""; ;) {
    const now = sizes().join();
    if (now === before) return;
    before = now;
    await pause(1000);
  }
}

/** Lines as a recording. @param holdout As of `RecordingReader`. */
export function recordingOf(lines: readonly string[], holdout?: number): Recording {
  const reader = new RecordingReader(holdout);
  lines.forEach((line, index) => reader.line(line, "export", index + 1));
  return reader.result();
}

/** Whether a class of flows is what a probe sent; each end by name or address. */
export function isOf({ source, destination, protocol, port }: FlowClass, probe: LabProbe): boolean {
  const is = (end: FlowClass["source"], name: string): boolean =>
    end.kind === "pod" ? `${end.namespace}/${end.pod ?? ""}` === name : end.kind === "address" && end.address === name;
  return (
    port === probe.port &&
    protocol === (probe.protocol === "udp" ? "UDP" : "TCP") &&
    is(source, probe.from.replace(/^world:/, "")) &&
    is(destination, probe.to)
  );
}

/** The judgement of what a probe sent, by the pods that the engine found for its ends. */
export function judgementOf(
  judged: readonly ReplayedFlow[],
  pods: ReadonlyMap<string, string>,
  { from, to, port, protocol }: LabProbe,
): ReplayedFlow | undefined {
  const is = (end: ReplayedFlow["source"], name: string): boolean => {
    if (end.kind === "workload") return end.id === pods.get(name);
    return end.kind === "address" && end.address === name.replace(/^world:/, "");
  };
  return judged.find(
    (each) =>
      each.port === port &&
      each.protocol === (protocol === "udp" ? "UDP" : "TCP") &&
      is(each.source, from) &&
      is(each.destination, to),
  );
}

/** Ids of the snapshot by the names of pods. */
export function idsOf(pods: readonly LabPod[]): ReadonlyMap<string, string> {
  return new Map(pods.map(({ namespace, name }) => [`${namespace}/${name}`, `${namespace}/${name}[Pod]`]));
}

/** Planned objects as the lab takes them. */
export function asLabObjects(documents: readonly { readonly object: unknown }[]): LabObject[] {
  return documents.map(({ object }) => object as LabObject);
}
