/** The real cilium-agent: how it is started, and what it says about itself over its own API. */
import path from "node:path";
import type { Command } from "../control-plane/protocol";
import { DatapathError } from "./errors";
import type { LabNode } from "./layout";
import { agentName, clusterCidr, namespacePrefix, nodeLayout } from "./layout";
import type { CiliumPrograms } from "./programs";
import { askSocket } from "./unix-http";

const clusterName = "lab";

/** How packets get from node to node. */
export interface BetweenNodes {
  /** Through a VXLAN tunnel; else the network outside knows the routes to the pods of each node. */
  readonly tunnel: boolean;
  /** Encrypted with WireGuard. */
  readonly encrypt: boolean;
}

export interface AgentOptions extends BetweenNodes {
  readonly programs: CiliumPrograms;
  /** Folder that holds `bpf/` with the sources to compile; the agent writes there. */
  readonly library: string;
  readonly kubeconfig: string;
  readonly logs: string;
  /** The agent's scratch folder: compiled programs and endpoints. */
  readonly stateFolder: string;
  readonly extraArgs: readonly string[];
}

/** The settings of it, by the agent's own names. */
function betweenNodes({ tunnel, encrypt }: BetweenNodes): Readonly<Record<string, string>> {
  return {
    ...(tunnel ? { "routing-mode": "tunnel", "tunnel-protocol": "vxlan" } : { "routing-mode": "native" }),
    ...(encrypt ? { "enable-wireguard": "true" } : {}),
  };
}

/** The agent in its node's network namespace, with mounts of its own. */
export function agentCommand(node: LabNode, options: AgentOptions): Command {
  const { programs } = options;
  const layout = nodeLayout(node);
  const environment = { PATH: process.env.PATH ?? "", HOME: options.stateFolder, ...programs.agentEnv };
  return {
    name: agentName(node),
    path: programs.helper.path,
    args: [
      "enter",
      ...["-namespace", node.namespace],
      ...["-empty", "/run/cilium"],
      ...["-bpf", layout.bpf],
      ...["-cgroup-top", layout.cgroupTop],
      ...["-cgroup", `${namespacePrefix}${node.name}`],
      ...(options.encrypt ? ["-wireguard", layout.wireguard] : []),
      "--",
      programs.agent.path,
      ...agentFlags(node, options),
      // the last one wins
      ...options.extraArgs,
    ],
    env: { ...environment, K8S_NODE_NAME: node.name },
    log: path.join(options.logs, `${agentName(node)}.log`),
    grace: 5000,
  };
}

function agentFlags(node: LabNode, options: AgentOptions): string[] {
  const layout = nodeLayout(node);
  const flags: Readonly<Record<string, string | number | boolean>> = {
    "k8s-kubeconfig-path": options.kubeconfig,
    "k8s-namespace": "kube-system",
    "cluster-name": clusterName,
    "cluster-id": 0,
    "state-dir": options.stateFolder,
    "socket-path": layout.agentSocket,
    "shell-sock-path": layout.shellSocket,
    "lib-dir": options.library,
    "bpf-root": layout.bpf,
    "cgroup-root": layout.cgroup,
    "cni-log-file": path.join(options.logs, "cilium-cni.log"),
    // no operator: the agent makes identities, endpoints and its CiliumNode by itself
    "identity-allocation-mode": "crd",
    ipam: "kubernetes",
    "k8s-require-ipv4-pod-cidr": true,
    "enable-ipv6": false,
    ...betweenNodes(options),
    "auto-direct-node-routes": false,
    ...(options.tunnel ? {} : { "ipv4-native-routing-cidr": clusterCidr }),
    "enable-ipv4-masquerade": false,
    devices: "eth0",
    "direct-routing-device": "eth0",
    "kube-proxy-replacement": false,
    "bpf-lb-sock": false,
    // the DNS proxy is the agent's own; Envoy, for HTTP rules, is not there
    "enable-l7-proxy": true,
    "external-envoy-proxy": true,
    "enable-envoy-config": false,
    "disable-envoy-version-check": true,
    "enable-policy": "default",
    "enable-k8s-cluster-network-policy": true,
    "enable-health-checking": false,
    "enable-endpoint-health-checking": false,
    "enable-hubble": true,
    "hubble-socket-path": layout.hubbleSocket,
    "hubble-listen-address": "",
    "monitor-aggregation": "none",
    // a change of labels takes effect at once; by default it waits 5 s and up to 30 s more
    "identity-change-grace-period": "100ms",
    "identity-max-jitter": "1ms",
    "endpoint-regen-interval": 0,
    "enable-bandwidth-manager": false,
    "enable-gops": false,
    "agent-health-port": 9879,
    // small tables: the lab has a handful of pods
    "bpf-ct-global-tcp-max": 16384,
    "bpf-ct-global-any-max": 16384,
    "bpf-nat-global-max": 16384,
    "bpf-neigh-global-max": 16384,
    "bpf-policy-map-max": 4096,
    "bpf-lb-map-max": 4096,
    "bpf-auth-map-max": 4096,
    "k8s-client-qps": 100,
    "k8s-client-burst": 200,
  };
  return Object.entries(flags).map(([name, value]) => `--${name}=${String(value)}`);
}

/**
 * What a cluster publishes of the agent's settings, in the ConfigMap kube-system/cilium-config: those that decide what
 * policies mean. Paths and sizes are the machine's own affair.
 */
export function publishedSettings(
  extraArgs: readonly string[],
  mode: BetweenNodes = { tunnel: false, encrypt: false },
): Record<string, string> {
  const settings: Record<string, string> = {
    "cluster-name": clusterName,
    "enable-policy": "default",
    "enable-k8s-cluster-network-policy": "true",
    ...betweenNodes(mode),
  };
  for (const argument of extraArgs) {
    const [, name, value] = /^--([\w-]+)=(.*)$/.exec(argument) ?? [];
    if (name !== undefined && value !== undefined) settings[name] = value;
  }
  return settings;
}

/** An endpoint as the agent describes it, as far as the lab reads it. */
interface AgentEndpoint {
  readonly status?: {
    readonly state?: string;
    readonly "external-identifiers"?: { readonly "cni-attachment-id"?: string };
    readonly policy?: { readonly realized?: { readonly "policy-revision"?: number } };
    readonly identity?: { readonly labels?: readonly string[] };
  };
}

/** A rule as the agent holds it. */
interface AgentRule {
  readonly Labels?: readonly { readonly key: string; readonly value: string }[];
}

/** What the agent says of one pod. */
export interface EndpointState {
  /** The pod's uid without dashes, or "" for the node itself. */
  readonly uid: string;
  /** "ready" once what it enforces is what it should. */
  readonly state: string;
  /** Revision of the policies that it enforces. */
  readonly revision: number;
  /** Labels of its security identity. */
  readonly labels: readonly string[];
}

/** A WireGuard device as the agent describes it (schema WireguardInterface of its API). */
export interface WireguardDevice {
  readonly name?: string;
  readonly "listen-port"?: number;
  readonly "peer-count"?: number;
  readonly "public-key"?: string;
}

/** Numbers of reserved identities (Cilium documentation, "Special Identities"), as far as the lab meets them. */
const reservedLabels: Readonly<Record<number, string>> = {
  1: "reserved:host",
  2: "reserved:world",
  6: "reserved:remote-node",
  7: "reserved:kube-apiserver",
};

/** The agent's API (https://docs.cilium.io/en/stable/api/, version 1) on one node. */
export class AgentApi {
  private readonly socket: string;

  constructor(node: LabNode) {
    this.socket = nodeLayout(node).agentSocket;
  }

  /** The WireGuard devices that the agent has configured, as it tells them itself; empty where nothing is encrypted. */
  async wireguard(): Promise<readonly WireguardDevice[]> {
    interface Health {
      readonly encryption?: { readonly wireguard?: { readonly interfaces?: readonly WireguardDevice[] } };
    }
    return (await this.get<Health>("/v1/healthz")).encryption?.wireguard?.interfaces ?? [];
  }

  /** Names of the nodes that the agent knows, "cluster/node". */
  async knownNodes(): Promise<readonly string[]> {
    interface Nodes {
      readonly "nodes-added"?: readonly { readonly name?: string }[];
    }
    return ((await this.get<Nodes>("/v1/cluster/nodes"))["nodes-added"] ?? []).map(({ name }) => name ?? "");
  }

  /** Whether the agent says it works. False while it starts. */
  async isReady(): Promise<boolean> {
    try {
      const { status, text } = await askSocket(this.socket, "GET", "/v1/healthz?brief=true", undefined, 5000);
      return status === 200 && (JSON.parse(text) as { cilium?: { state?: string } }).cilium?.state === "Ok";
    } catch {
      return false;
    }
  }

  /** Revision of the policies that the agent has taken note of. */
  async policyRevision(): Promise<number> {
    const policy = await this.get<{ revision?: number }>("/v1/policy");
    if (typeof policy.revision !== "number") throw new DatapathError("failed", "the agent tells no policy revision");
    return policy.revision;
  }

  async endpoints(): Promise<EndpointState[]> {
    const list = await this.get<AgentEndpoint[]>("/v1/endpoint");
    return list.map(({ status }) => ({
      uid: status?.["external-identifiers"]?.["cni-attachment-id"]?.split(":")[0] ?? "",
      state: status?.state ?? "unknown",
      revision: status?.policy?.realized?.["policy-revision"] ?? 0,
      labels: status?.identity?.labels ?? [],
    }));
  }

  /** uids of the Kubernetes objects whose rules the agent holds. */
  async policyUids(): Promise<ReadonlySet<string>> {
    const { policy } = await this.get<{ policy?: string }>("/v1/policy");
    const rules = JSON.parse(policy ?? "[]") as AgentRule[] | null;
    const labels = (rules ?? []).flatMap((rule) => rule.Labels ?? []);
    return new Set(labels.filter(({ key }) => key === "io.cilium.k8s.policy.uid").map(({ value }) => value));
  }

  /** The reserved label ("reserved:host") that the agent gives an address or prefix; undefined where it has none. */
  async identityOf(prefix: string): Promise<string | undefined> {
    const entries = await this.get<{ cidr?: string; identity?: number }[]>(`/v1/ip?cidr=${encodeURIComponent(prefix)}`);
    const identity = entries.find(({ cidr }) => cidr === prefix)?.identity;
    return identity === undefined ? undefined : reservedLabels[identity];
  }

  private async get<T>(path: string): Promise<T> {
    const { status, text } = await askSocket(this.socket, "GET", path);
    // it answers so where a list is empty
    if (status === 404 && /^\/v1\/(endpoint|ip\b)/.test(path)) return [] as T;
    if (status !== 200)
      throw new DatapathError("failed", `cilium-agent answers ${path} with ${status}: ${text.trim()}`);
    return JSON.parse(text) as T;
  }
}
