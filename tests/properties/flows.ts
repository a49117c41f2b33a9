/** Flows worth asking about in a small cluster: every kind of end, at ports and addresses where rules change their mind. */
import type { OracleCluster, OracleFlow, OraclePod, Party, Protocol } from "../oracle/cluster";

export const trafficPoints: readonly { readonly protocol: Protocol; readonly port?: number }[] = [
  { protocol: "TCP", port: 1 },
  { protocol: "TCP", port: 79 },
  { protocol: "TCP", port: 80 },
  { protocol: "TCP", port: 81 },
  { protocol: "TCP", port: 443 },
  { protocol: "TCP", port: 8080 },
  { protocol: "TCP", port: 8081 },
  { protocol: "TCP", port: 65535 },
  { protocol: "UDP", port: 53 },
  { protocol: "UDP", port: 80 },
  { protocol: "SCTP", port: 80 },
  { protocol: "ICMP" },
  { protocol: "ICMP", port: 8 },
];

/** The blocks that generated policies write, and addresses on both sides of their edges. */
export const cidrs: readonly string[] = [
  "0.0.0.0/0",
  "0.0.0.0/1",
  "128.0.0.0/1",
  "10.0.0.0/8",
  "10.1.0.0/16",
  "169.254.0.0/16",
  "169.254.169.254/32",
  "198.51.100.128/25",
  "::/0",
  "::/1",
  "8000::/1",
  "fd00:ec2::/32",
  "fd00:ec2::254/128",
  "64:ff9b::/96",
  "64:ff9b::a9fe:a9fe/128",
  "::ffff:0:0/96",
  "2002:a9fe:a9fe::/48",
];

export const worldAddresses: readonly string[] = [
  "0.0.0.1",
  "10.1.2.3",
  "10.2.0.1",
  "127.255.255.255",
  "128.0.0.0",
  "169.254.0.1",
  "169.254.169.253",
  "169.254.169.254",
  "198.51.100.127",
  "198.51.100.128",
  "::1",
  "7fff:ffff::1",
  "8000::1",
  "fd00:ec2::254",
  "fd00:ec2::253",
  "64:ff9b::a9fe:a9fe",
  "2002:a9fe:a9fe::1",
  "::ffff:169.254.169.254",
];

/** Nodes have addresses that CIDR rules reach where the enforcer lets them. */
export const localNode = "10.1.9.9";
export const remoteNode = "198.51.100.200";

/**
 * Where a node of unknown address may be: the engine takes any address that a node can have, of IPv4 here (not loopback, link-local
 * or 0.0.0.0/8) for possible.
 */
export const nodeAddresses: readonly string[] = [
  "10.1.2.3",
  "10.2.0.1",
  "11.0.0.1",
  "128.0.0.0",
  "198.51.100.127",
  "198.51.100.128",
];

/** Addresses of pods and nodes that lie in no generated block but those of a whole family and its halves. */
export const inNoCidr: readonly string[] = ["11.0.0.1", "2a00:1::9"];

const parties = (cluster: OracleCluster, fresh: readonly OraclePod[]): Party[] => [
  ...[...cluster.pods, ...fresh].map((pod): Party => ({ kind: "pod", pod })),
  ...worldAddresses.map((address): Party => ({ kind: "address", address })),
  { kind: "node", where: "local", address: localNode },
  { kind: "node", where: "remote", address: remoteNode },
];

/** Every pair in which at least one end is a pod (a pod and itself too), each at every traffic point. */
export function allFlows(cluster: OracleCluster, fresh: readonly OraclePod[]): OracleFlow[] {
  const ends = parties(cluster, fresh);
  const flows: OracleFlow[] = [];
  for (const source of ends) {
    for (const destination of ends) {
      if (source.kind !== "pod" && destination.kind !== "pod") continue;
      for (const point of trafficPoints) flows.push({ source, destination, ...point });
    }
  }
  return flows;
}

/** A reproducible sample, so that a slow oracle still sees every kind of flow over a run. */
export function sample<T>(all: readonly T[], count: number, salt: number): T[] {
  if (all.length <= count) return [...all];
  const chosen: T[] = [];
  let state = (salt ^ 0x9e3779b9) >>> 0;
  for (let index = 0; index < count; index++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    const one = all[Math.floor((state / 4294967296) * all.length)];
    if (one !== undefined) chosen.push(one);
  }
  return chosen;
}

export function describeParty(party: Party): string {
  if (party.kind === "address") return party.address;
  if (party.kind === "node") return `${party.where} node`;
  return `${party.pod.namespace}/${party.pod.name}${party.pod.hostNetwork ? " (hostNetwork)" : ""}`;
}

export function describeFlow(flow: OracleFlow): string {
  const port = flow.port === undefined ? "" : ` ${flow.port}`;
  return `${describeParty(flow.source)} -> ${describeParty(flow.destination)} ${flow.protocol}${port}`;
}
