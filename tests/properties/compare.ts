/** One policy set, judged by the engine and by an oracle: the first flow on which they differ, or nothing. */
import { TrafficSet, type Reachability, type Verdict } from "../../sdk/reachability";
import { worldAddresses, describeFlow, trafficPoints } from "./flows";
import { engineFlow, workloadId } from "./engine";
import { parseAddress } from "../oracle/addresses";
import { icmpFamilyOf, type OracleCluster, type OracleFlow, type Party } from "../oracle/cluster";

export interface Disagreement {
  readonly flow: string;
  readonly engine: string;
  readonly oracle: string;
}

/** Counts what was compared in a run; printed at its end. */
export class Tally {
  verdicts = 0;
  sets = 0;
  allowed = 0;
  vague = 0;
}

export type Judge = (flow: OracleFlow) => Verdict;

/**
 * `judge` says what the oracle expects: "unknown" where the API leaves it open (for example which node a pod runs on). For
 * flows that `mayBeVague` names, the engine may answer "unknown" where every open world agrees: sound, less sharp.
 */
export function firstDisagreement(
  engine: Reachability,
  flows: readonly OracleFlow[],
  judge: Judge,
  tally: Tally,
  mayBeVague: (flow: OracleFlow) => boolean,
): Disagreement | undefined {
  for (const flow of flows) {
    const expected = judge(flow);
    const actual = engine.verdict(engineFlow(flow));
    tally.verdicts++;
    if (expected === "allowed") tally.allowed++;
    if (actual === "unknown" && expected !== "unknown" && mayBeVague(flow)) tally.vague++;
    else if (actual !== expected) return { flow: describeFlow(flow), engine: actual, oracle: expected };
  }
  return undefined;
}

/** What a snapshot leaves open. */
export interface OpenWorlds {
  /** The named ports that policies use: a pod that does not exist yet may declare any of them. */
  readonly namedPorts: readonly string[];
  /** Addresses that a node may have, where CIDR rules match nodes; none where they do not. */
  readonly nodeAddresses: readonly string[];
  /** The same for pods whose address the snapshot does not state; empty where such pods lie outside of every CIDR. */
  readonly podAddresses: readonly string[];
}

/**
 * The verdict of a two-valued oracle over every world that the snapshot leaves open: where a pod on the host network runs
 * (its peer's node or another) and at which address, and which of the named ports a fresh pod will declare.
 */
export function overOpenWorlds(flow: OracleFlow, worlds: OpenWorlds, allows: (flow: OracleFlow) => boolean): Verdict {
  const answers = placements(flow.source, worlds).flatMap((source) =>
    placements(flow.destination, worlds)
      .flatMap((destination) => portAssignments(destination, flow, worlds.namedPorts))
      .map((destination) => allows({ ...flow, source, destination })),
  );
  if (answers.every((answer) => answer)) return "allowed";
  return answers.some((answer) => answer) ? "unknown" : "denied";
}

/** A fresh pod may declare the flow's port under any of the names that policies use, or under none. */
function portAssignments(party: Party, flow: OracleFlow, names: readonly string[]): Party[] {
  const { port, protocol } = flow;
  if (party.kind !== "pod" || party.pod.name !== "fresh" || port === undefined || protocol === "ICMP") return [party];
  const subsets = names.reduce<string[][]>((sets, name) => [...sets, ...sets.map((set) => [...set, name])], [[]]);
  return subsets.map((set) => ({
    kind: "pod",
    pod: { ...party.pod, ports: set.map((name) => ({ name, port, protocol })) },
  }));
}

function placements(party: Party, worlds: OpenWorlds): Party[] {
  return hashed(party).flatMap((each) => places(each, worlds));
}

/** A Deployment's pods have a hash that its controller makes up, whatever the template says. */
function hashed(party: Party): Party[] {
  if (!isDeployment(party)) return [party];
  return ["abc", "made-up"].map((hash) => ({
    kind: "pod",
    pod: { ...party.pod, labels: { ...party.pod.labels, "pod-template-hash": hash } },
  }));
}

/** Whether an end is a Deployment, of which the objects say so by the name. */
export function isDeployment(party: Party): party is Extract<Party, { kind: "pod" }> {
  return party.kind === "pod" && party.pod.name.endsWith("-deploy");
}

function places(party: Party, { nodeAddresses, podAddresses }: OpenWorlds): Party[] {
  if (party.kind !== "pod") return [party];
  if (!party.pod.hostNetwork) {
    if (party.pod.addresses.length > 0 || podAddresses.length === 0) return [party];
    return podAddresses.map((address) => ({ kind: "pod", pod: { ...party.pod, addresses: [address] } }));
  }
  return (["local", "remote"] as const).flatMap((where): Party[] =>
    nodeAddresses.length === 0
      ? [{ kind: "node", where }]
      : nodeAddresses.map((address) => ({ kind: "node", where, address })),
  );
}

/**
 * The matrix must say what verdict() says: an entry's traffic holds exactly the allowed points, pairs without an entry
 * allow none, and a range of addresses stands for each of its addresses.
 */
export function matrixDisagreement(
  engine: Reachability,
  cluster: OracleCluster,
  judge: Judge,
  tally: Tally,
  mayBeVague: (flow: OracleFlow) => boolean,
): Disagreement | undefined {
  const entries = [...engine.matrix()];
  const find = (source: string, destination: string) =>
    entries.filter((entry) => covers(entry.sourceId, source) && covers(entry.destinationId, destination));
  const ends: { readonly id: string; readonly party: Party }[] = [
    ...cluster.pods.map((pod) => ({ id: workloadId(pod), party: { kind: "pod", pod } as const })),
    ...worldAddresses.map((address) => ({ id: address, party: { kind: "address", address } as const })),
  ];
  for (const from of ends) {
    for (const to of ends) {
      if (from === to || (from.party.kind !== "pod" && to.party.kind !== "pod")) continue;
      const rows = find(from.id, to.id);
      if (rows.length > 1)
        return { flow: `${from.id} -> ${to.id}`, engine: `${rows.length} matrix rows`, oracle: "at most one" };
      for (const point of trafficPoints) {
        const flow: OracleFlow = { source: from.party, destination: to.party, ...point };
        const expected = judge(flow);
        const row = rows[0];
        const must = row !== undefined && holds(row.allowed, flow);
        const may = row !== undefined && holds(row.possible, flow);
        const actual: Verdict = must ? "allowed" : may ? "unknown" : "denied";
        tally.verdicts++;
        if (expected === "allowed") tally.allowed++;
        if (actual === "unknown" && expected !== "unknown" && mayBeVague(flow)) tally.vague++;
        else if (actual !== expected)
          return { flow: `matrix: ${describeFlow(flow)}`, engine: actual, oracle: expected };
      }
    }
  }
  return undefined;
}

/** Whether a set holds some of the traffic that a flow asks about. */
export function holds(traffic: TrafficSet, flow: OracleFlow): boolean {
  if (flow.protocol !== "ICMP") return traffic.contains(flow.protocol, flow.port);
  return !traffic.intersect(TrafficSet.icmp(icmpFamilyOf(flow), flow.port)).isEmpty();
}

/** Whether a matrix id is this workload or a range that holds this address. */
function covers(id: string, wanted: string): boolean {
  const external = /^(.+)-(.+)\[External\]$/.exec(id);
  if (!external) return id === wanted;
  if (wanted.includes("[")) return false;
  const [, first = "", last = ""] = external;
  const point = parseAddress(wanted);
  const low = parseAddress(first);
  const high = parseAddress(last);
  return point.family === low.family && low.bits <= point.bits && point.bits <= high.bits;
}
