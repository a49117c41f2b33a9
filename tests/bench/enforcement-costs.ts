/** What enforcement costs on a real Cilium: connections, throughput, memory, and the time until a change takes effect. */
import type { LabCluster, LabObject, LabProbe } from "../../lab/datapath/index";
import { agentMemory, handshakeTimes, pulse, throughput } from "../../lab/datapath/index";

/** A set of policies that is measured; the first variant is what the others are compared with. */
export interface Variant {
  readonly name: string;
  readonly policies: readonly LabObject[];
}

export interface CostWishes {
  /** Times that each variant is measured; the variants take turns, each round in another order. */
  readonly rounds: number;
  /** Connections of a round. */
  readonly connections: number;
  /** Milliseconds that a round's stream lasts. */
  readonly streamMillis: number;
}

/** What one variant costs. */
export interface Cost {
  readonly name: string;
  readonly policies: number;
  /** Connections that were opened; each of them came about. */
  readonly connections: number;
  /** Microseconds that setting up a connection took: the median and the 99th percentile of all rounds. */
  readonly p50: number;
  readonly p99: number;
  /** Bytes a second through one connection: the median of the rounds. */
  readonly throughput: number;
}

/**
 * Measures a flow under each variant. All of it happens in one run on one machine, so that the ratios mean something
 * where the figures do not.
 */
export async function measureCosts(
  cluster: LabCluster,
  flow: LabProbe,
  variants: readonly Variant[],
  wishes: CostWishes,
): Promise<Cost[]> {
  const times = new Map(variants.map(({ name }) => [name, [] as number[]]));
  const streams = new Map(variants.map(({ name }) => [name, [] as number[]]));
  for (let round = 0; round < wishes.rounds; round += 1) {
    const turn = round % variants.length;
    for (const { name, policies } of [...variants.slice(turn), ...variants.slice(0, turn)]) {
      await under(cluster, policies, async () => {
        // the first ones meet cold caches and an unknown neighbour
        await handshakeTimes(cluster, flow, Math.ceil(wishes.connections / 10));
        times.get(name)?.push(...(await handshakeTimes(cluster, flow, wishes.connections)));
        streams.get(name)?.push(await throughput(cluster, flow, wishes.streamMillis));
      });
    }
  }
  return variants.map(({ name, policies }) => {
    const taken = times.get(name) ?? [];
    return {
      name,
      policies: policies.length,
      connections: taken.length,
      p50: quantile(taken, 0.5),
      p99: quantile(taken, 0.99),
      throughput: quantile(streams.get(name) ?? [], 0.5),
    };
  });
}

/** Bytes of memory for each policy: of the agent's process, and of the tables in the kernel. */
export interface MemoryPerPolicy {
  readonly process: number;
  readonly maps: number;
}

/** How much the agent of the first node grows by `policies`, which must not have been there before in this run. */
export async function measureMemory(cluster: LabCluster, policies: readonly LabObject[]): Promise<MemoryPerPolicy> {
  const [node] = cluster.nodes;
  if (!node) throw new Error("the datapath has no node");
  const before = agentMemory(node);
  return await under(cluster, policies, async () => {
    const after = agentMemory(node);
    return {
      process: (after.process - before.process) / policies.length,
      maps: (after.maps - before.maps) / policies.length,
    };
  });
}

/** Milliseconds from the request to the API server until the first packet that fared accordingly. */
export interface Propagation {
  readonly closing: readonly number[];
  readonly opening: readonly number[];
}

/**
 * Applies a policy that closes a UDP flow and takes it away again, `times` times, while a packet is sent every
 * millisecond.
 * @throws Error where packets do not cease to arrive, or do not begin to again
 */
export async function measurePropagation(
  cluster: LabCluster,
  flow: LabProbe,
  closing: LabObject,
  times: number,
): Promise<Propagation> {
  const result = { closing: [] as number[], opening: [] as number[] };
  for (let time = 0; time < times; time += 1) {
    result.closing.push(await changeAfter(cluster, flow, false, () => cluster.apply([closing])));
    result.opening.push(await changeAfter(cluster, flow, true, () => cluster.remove([closing])));
  }
  return result;
}

async function changeAfter(
  cluster: LabCluster,
  flow: LabProbe,
  delivered: boolean,
  act: () => Promise<unknown>,
): Promise<number> {
  const sending = pulse(cluster, flow, 4000);
  await new Promise((resolve) => setTimeout(resolve, 500));
  const asked = Date.now();
  await act();
  const { changes } = await sending;
  const [first, second, ...more] = changes;
  if (first?.delivered !== !delivered || second?.delivered !== delivered || more.length > 0) {
    throw new Error(`packets did not ${delivered ? "begin" : "cease"} to arrive just once: ${JSON.stringify(changes)}`);
  }
  return second.at / 1000 - asked;
}

async function under<T>(cluster: LabCluster, policies: readonly LabObject[], work: () => Promise<T>): Promise<T> {
  try {
    const states = await cluster.apply(policies);
    const idle = policies.filter((_policy, index) => states[index]?.state !== "enforced");
    if (idle.length > 0) throw new Error(`not enforced: ${idle.map(({ metadata }) => metadata.name).join(", ")}`);
    return await work();
  } finally {
    await cluster.remove(policies);
  }
}

/**
 * Policies that all select the same pods and each admit one more label and one more address: the worst case for what
 * those pods have to look up.
 */
export function manyPolicies(
  count: number,
  about: { readonly namespace: string; readonly labels: Readonly<Record<string, string>>; readonly port: number },
): LabObject[] {
  return Array.from({ length: count }, (_nothing, index) => ({
    apiVersion: "networking.k8s.io/v1",
    kind: "NetworkPolicy",
    metadata: { name: `many-${String(index).padStart(4, "0")}`, namespace: about.namespace },
    spec: {
      podSelector: { matchLabels: about.labels },
      policyTypes: ["Ingress"],
      ingress: [
        {
          from: [
            { podSelector: { matchLabels: { client: `client-${index}` } } },
            { ipBlock: { cidr: `198.18.${Math.floor(index / 250)}.${(index % 250) + 1}/32` } },
          ],
          ports: [{ port: about.port }],
        },
      ],
    },
  }));
}

/** The budgets of the rows S1-26 and S4-15. */
export const budget = {
  /** Microseconds that policies may add to the median connection. */
  addedMicros: 1000,
  /** Share of the throughput without policies that must be left. A stream's figures differ by so much by themselves. */
  throughputLeft: 0.85,
  /** Bytes of memory for each policy, process and tables together. */
  memoryPerPolicy: 2 * 1024 * 1024,
} as const;

/** What costs more than it may, one sentence each. */
export function overBudget([plain, ...others]: readonly Cost[], memory: MemoryPerPolicy): string[] {
  if (!plain) return ["nothing was measured"];
  const over = others.flatMap(({ name, p50, throughput: left }) => {
    const added = p50 - plain.p50;
    const share = left / plain.throughput;
    return [
      ...(added >= budget.addedMicros ? [`${name}: ${added.toFixed(0)} µs more for each connection`] : []),
      ...(share < budget.throughputLeft ? [`${name}: ${(share * 100).toFixed(0)} % of the throughput is left`] : []),
    ];
  });
  const bytes = memory.process + memory.maps;
  return bytes > budget.memoryPerPolicy ? [...over, `${Math.round(bytes / 1024)} KiB of memory for each policy`] : over;
}

/** A quantile of unsorted figures; 0 of none. */
export function quantile(figures: readonly number[], share: number): number {
  const sorted = [...figures].sort((a, b) => a - b);
  return sorted[Math.floor((sorted.length - 1) * share)] ?? 0;
}
