/** Measurements on a running datapath. All of them are made by the helper, inside the pods' network namespaces. */
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { readState } from "../control-plane/state";
import type { LabCluster } from "./cluster";
import { DatapathError } from "./errors";
import type { Captured, Change, Crowd, RawProbe } from "./helper";
import { helper } from "./helper";
import type { LabNode } from "./layout";
import { agentName, runtimeFolder, world } from "./layout";
import { wirePort } from "./network";
import type { LabProbe } from "./probes";

/**
 * Opens TCP connections one after the other and says how long the handshake of each took, in microseconds, by the clock
 * around connect(2).
 * @throws DatapathError "failed" where one of them does not come about
 */
export async function handshakeTimes(cluster: LabCluster, probe: LabProbe, count: number): Promise<readonly number[]> {
  const nanos = await helper.handshakes(await resolved(cluster, probe), count, 5000);
  return nanos.map((each) => each / 1000);
}

/** Bytes a second through one TCP connection that is kept busy for `millis` (at most 20000), as far as they arrived. */
export async function throughput(cluster: LabCluster, probe: LabProbe, millis: number): Promise<number> {
  const { bytes, nanos } = await helper.stream(await resolved(cluster, probe), millis);
  return (bytes * 1e9) / nanos;
}

/**
 * Sends a UDP packet from a new port every millisecond for `millis`, while something else goes on. Returns the moments at
 * which packets began to arrive or ceased to, and how many were sent.
 */
export async function pulse(
  cluster: LabCluster,
  probe: LabProbe,
  millis: number,
): Promise<{ readonly changes: readonly Change[]; readonly sent: number }> {
  return await helper.pulse(await resolved(cluster, probe), 1000, millis);
}

/** How a crowd behaves. */
export interface CrowdWish {
  /** Users, each with one open connection. User i takes probe i modulo their number. */
  readonly count: number;
  /** Milliseconds that they go on, once each of them has connected. */
  readonly millis: number;
  /** Milliseconds that a user rests after each exchange; ten exchanges make a connection. Default 200. */
  readonly pause?: number;
  /** Milliseconds without an answer that are a failure. Default 5000. */
  readonly timeout?: number;
}

/** Many users at once, while something else goes on. */
export async function crowd(cluster: LabCluster, probes: readonly LabProbe[], wish: CrowdWish): Promise<Crowd> {
  const { count, millis, pause = 200, timeout = 5000 } = wish;
  return await helper.users(await cluster.resolve(probes), { count, millis, pause, timeout });
}

/** Does some work and says what was on the wire of a node meanwhile, and in how many frames a text could be read. */
export async function onTheWire(
  cluster: LabCluster,
  node: LabNode,
  marker: string,
  work: () => Promise<void>,
): Promise<Captured> {
  const index = cluster.nodes.findIndex(({ name }) => name === node.name);
  const id = await helper.capture(world.namespace, wirePort(index), marker);
  try {
    await work();
  } catch (error) {
    await helper.captured(id);
    throw error;
  }
  return await helper.captured(id);
}

/** Memory of a node's agent in bytes: its own, and that of the BPF tables in which policies and addresses are. */
export interface AgentMemory {
  readonly process: number;
  readonly maps: number;
}

/** @throws DatapathError "not-running" where the node has no agent */
export function agentMemory(node: LabNode): AgentMemory {
  const pid = readState(runtimeFolder)?.processes[agentName(node)]?.pid;
  if (pid === undefined) throw new DatapathError("not-running", `no agent runs on ${node.name}`);
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  const kilobytes = /^RssAnon:\s+(\d+) kB$/m.exec(status)?.[1];
  if (kilobytes === undefined) throw new DatapathError("failed", "the kernel does not tell the agent's memory");
  return { process: Number(kilobytes) * 1024, maps: mapMemory(pid) };
}

/** A node's agent as a process. */
interface AgentProcess {
  /** Its root, seen from here. */
  readonly root: string;
  /** Seconds of processor time that it has used. */
  cpuSeconds(): number;
}

/** @throws DatapathError "not-running" where the node has no agent */
export function agentProcess(node: LabNode): AgentProcess {
  const pid = readState(runtimeFolder)?.processes[agentName(node)]?.pid;
  if (pid === undefined) throw new DatapathError("not-running", `no agent runs on ${node.name}`);
  return {
    root: `/proc/${pid}/root`,
    cpuSeconds: () => {
      // behind the name, which may have spaces: user and system time in hundredths of a second (proc_pid_stat(5))
      const fields = readFileSync(`/proc/${pid}/stat`, "utf8")
        .replace(/^.*\) /s, "")
        .split(" ");
      return (Number(fields[11]) + Number(fields[12])) / 100;
    },
  };
}

/** BPF_MAP_TYPE_LPM_TRIE (linux/bpf.h): the tables that grow with policies and addresses. Others have a fixed size. */
const lpmTrie = "11";

/** Sum over the tables that a process holds open; one that is open twice counts once. */
function mapMemory(pid: number): number {
  const folder = `/proc/${pid}/fdinfo`;
  const maps = new Map<string, number>();
  for (const entry of readdirSync(folder)) {
    let text: string;
    try {
      text = readFileSync(path.join(folder, entry), "utf8");
    } catch {
      // closed meanwhile
      continue;
    }
    const id = /^map_id:\s+(\d+)$/m.exec(text)?.[1];
    const bytes = /^memlock:\s+(\d+)$/m.exec(text)?.[1];
    const type = /^map_type:\s+(\d+)$/m.exec(text)?.[1];
    if (type === lpmTrie && id !== undefined && bytes !== undefined) maps.set(id, Number(bytes));
  }
  return [...maps.values()].reduce((sum, bytes) => sum + bytes, 0);
}

async function resolved(cluster: LabCluster, probe: LabProbe): Promise<RawProbe> {
  const [raw] = await cluster.resolve([probe]);
  if (!raw) throw new DatapathError("failed", "the probe cannot be resolved");
  return raw;
}
