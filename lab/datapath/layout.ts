/** Names, addresses and places of a datapath. One runs on a machine at a time, so they are fixed. */
import path from "node:path";
import type { ClusterNode } from "../nodes/node";

/** Folder of what belongs to a running datapath: sockets, mounts, state. Short, since a socket's path has a limit. */
export const runtimeFolder = "/run/cluster-security-lab";

/** Every network namespace of the lab has this prefix. */
export const namespacePrefix = "cslab-";

/** A machine of the cluster, which here is a network namespace. */
export interface LabNode extends ClusterNode {
  readonly namespace: string;
  /** Who enforces policies there. Default "cilium". */
  readonly enforcer?: EnforcerName;
}

/** The network plugins that the lab runs. */
export type EnforcerName = "cilium" | "calico";

/** Name of a node's agent among the processes of the datapath. */
export function agentName({ name, enforcer }: LabNode): string {
  return `${enforcer === "calico" ? "calico-felix" : "cilium-agent"}-${name}`;
}

export const firstNode: LabNode = {
  name: "lab-node-1",
  namespace: "cslab-node-1",
  address: "172.30.0.2",
  podCidr: "10.244.0.0/24",
};

/** The nodes that a datapath may have; it has the first ones. */
export const labNodes: readonly LabNode[] = [
  firstNode,
  { name: "lab-node-2", namespace: "cslab-node-2", address: "172.30.0.3", podCidr: "10.244.1.0/24" },
];

/** What lies outside of the cluster: a router, a DNS server, and hosts. */
export const world = {
  namespace: "cslab-world",
  router: "172.30.0.1",
  network: "172.30.0.0/24",
  /**
   * Addresses that answer: the cloud metadata address, hosts in documentation ranges (RFC 5737), two of a corporate network,
   * and one that stands for the public internet. None of them is what it is elsewhere: nothing leaves the machine.
   */
  addresses: [
    ...["169.254.169.254", "198.51.100.10", "198.51.100.129", "203.0.113.10", "203.0.113.66"],
    ...["10.1.2.3", "10.99.0.10", "93.184.215.14"],
  ],
  /** Names that the DNS servers know. */
  names: {
    "metadata.example.com": ["169.254.169.254"],
    "api.example.com": ["198.51.100.10"],
    "www.example.com": ["203.0.113.10"],
    "evil.example.net": ["203.0.113.66"],
  },
} as const;

export const clusterCidr = "10.244.0.0/16";

/** Where the nodes and their pods reach the API server. */
export const apiServerPort = 6443;

/** ClusterIP of the cluster's DNS service, inside the control plane's default service range. */
export const dnsServiceAddress = "10.96.0.10";

/** Network namespace of a pod. */
export function podNamespace(uid: string): string {
  return `${namespacePrefix}pod-${uid}`;
}

/** Network namespace of a node's sentinel; see sentinel.ts. */
export function sentinelNamespace({ name }: LabNode): string {
  return `${namespacePrefix}sentinel-${name}`;
}

/** Where things lie for one node. */
export interface NodeLayout {
  readonly bpf: string;
  readonly cgroupTop: string;
  readonly cgroup: string;
  readonly agentSocket: string;
  readonly shellSocket: string;
  readonly hubbleSocket: string;
  /** Where Felix says of each pod that its policies are programmed. */
  readonly endpointStatus: string;
  /** What whoever calls iptables in this node's network locks. */
  readonly xtablesLock: string;
  /** Where a WireGuard device of user space is configured; the agent sees it as /var/run/wireguard. */
  readonly wireguard: string;
}

export function nodeLayout(node: LabNode): NodeLayout {
  const folder = path.join(runtimeFolder, node.name);
  const cgroupTop = path.join(folder, "cgroup");
  return {
    bpf: path.join(folder, "bpf"),
    cgroupTop,
    // the helper mounts the node's own cgroup beside the hierarchy
    cgroup: `${cgroupTop}.own`,
    agentSocket: path.join(folder, "cilium.sock"),
    shellSocket: path.join(folder, "shell.sock"),
    hubbleSocket: path.join(folder, "hubble.sock"),
    endpointStatus: path.join(folder, "felix"),
    xtablesLock: path.join(folder, "xtables.lock"),
    wireguard: path.join(folder, "wireguard"),
  };
}

export const helperSocket = path.join(runtimeFolder, "helper.sock");
