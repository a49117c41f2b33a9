/** Probes in the words of a person – `shop/web` to `shop/db` on TCP 5432 – and the connections that answer them. */
import type { ApiClient } from "../control-plane/index";
import { DatapathError } from "./errors";
import type { RawOutcome, RawProbe } from "./helper";
import { helper } from "./helper";
import type { LabNode } from "./layout";
import { podNamespace, world } from "./layout";
import { checkSentinels, judgeSentinels, sentinelProbes } from "./sentinel";

/** A pod that runs in the lab. */
export interface LabPod {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  readonly node: string;
  readonly address: string;
  readonly hostNetwork: boolean;
  readonly serviceAccount: string;
  readonly labels: Readonly<Record<string, string>>;
  /** TCP and UDP ports that its containers declare. */
  readonly ports: readonly { readonly port: number; readonly protocol: "tcp" | "udp" }[];
  /** Ready to be probed. */
  readonly ready: boolean;
  readonly phase: string;
}

/** A connection to try. */
export interface LabProbe {
  /** `NAMESPACE/POD`, `node`, `node:NAME`, `world`, or `world:ADDRESS` for one of the addresses outside the cluster. */
  readonly from: string;
  /** The same, or an address of the lab; `service:ADDRESS` for the address of a Service. */
  readonly to: string;
  readonly port: number;
  /** "dns" (over UDP) and "dns-tcp" ask the server at `to` for `name`; what others send begins with it. */
  readonly protocol: "tcp" | "udp" | "dns" | "dns-tcp";
  readonly name?: string;
}

export interface ProbeOptions {
  /** Milliseconds of silence that mean "denied". Default 1000: nothing here is more than a millisecond away. */
  readonly timeout?: number;
  /** Probes at once. Default 128. */
  readonly parallel?: number;
}

/** The pods that the nodes of the lab have taken. */
export async function labPods(client: ApiClient, nodes: readonly LabNode[]): Promise<LabPod[]> {
  const { status, body } = await client.call("GET", "/api/v1/pods");
  if (status !== 200) throw new DatapathError("failed", `the pods cannot be listed: status ${status}`);
  return (body as { items: ApiPod[] }).items
    .filter(({ spec, metadata }) => nodes.some(({ name }) => name === spec.nodeName) && !metadata.deletionTimestamp)
    .map(({ metadata, spec, status: state }) => ({
      namespace: metadata.namespace,
      name: metadata.name,
      uid: metadata.uid,
      node: spec.nodeName ?? "",
      address: state.podIP ?? "",
      hostNetwork: spec.hostNetwork === true,
      serviceAccount: spec.serviceAccountName ?? "default",
      labels: metadata.labels ?? {},
      ports: (spec.containers ?? [])
        .flatMap(({ ports = [] }) => ports)
        .filter(({ protocol }) => protocol !== "SCTP")
        .map(({ containerPort, protocol }) => ({ port: containerPort, protocol: protocol === "UDP" ? "udp" : "tcp" })),
      ready: (state.conditions ?? []).some(({ type, status: holds }) => type === "Ready" && holds === "True"),
      phase: state.phase ?? "Pending",
    }));
}

interface ApiPod {
  readonly metadata: {
    readonly name: string;
    readonly namespace: string;
    readonly uid: string;
    readonly labels?: Readonly<Record<string, string>>;
    readonly deletionTimestamp?: string;
  };
  readonly spec: {
    readonly nodeName?: string;
    readonly hostNetwork?: boolean;
    readonly serviceAccountName?: string;
    readonly containers?: readonly {
      readonly ports?: readonly { readonly containerPort: number; readonly protocol?: string }[];
    }[];
  };
  readonly status: {
    readonly phase?: string;
    readonly podIP?: string;
    readonly conditions?: readonly { readonly type: string; readonly status: string }[];
  };
}

/** Knows who has which address and in which network namespace, and tries connections between them. */
export class Prober {
  private readonly pods: ReadonlyMap<string, LabPod>;

  /** `onNode` are addresses that a node has besides its own, such as a metadata agent's. */
  constructor(
    private readonly nodes: readonly LabNode[],
    pods: readonly LabPod[],
    private readonly onNode: readonly string[] = [],
  ) {
    this.pods = new Map(pods.map((pod) => [`${pod.namespace}/${pod.name}`, pod]));
  }

  /**
   * Tries all of them; outcomes are in the order of the probes.
   * @throws DatapathError "failed" where an end is not one of the lab's: no probe leaves the machine; and where a node
   * enforces nothing any more: what was seen meanwhile proves nothing
   */
  async try(probes: readonly LabProbe[], options: ProbeOptions = {}): Promise<readonly RawOutcome[]> {
    const raw = probes.map((probe) => this.raw(probe));
    if (raw.length === 0) return [];
    // rules that Felix puts back during the round would hide that its first probes met none
    await checkSentinels(this.nodes);
    const sentinels = sentinelProbes(this.nodes);
    const outcomes = await helper.probe([...sentinels, ...raw], options.timeout ?? 1000, options.parallel ?? 128);
    judgeSentinels(this.nodes, outcomes);
    return outcomes.slice(sentinels.length);
  }

  /** A probe in addresses and network namespaces. @throws DatapathError "failed" as `try` does */
  raw({ from, to, port, protocol, name = "" }: LabProbe): RawProbe {
    const source = this.place(from);
    const bind = from.startsWith("world:") ? source.address : "";
    if (to.startsWith("service:")) {
      return { from: source.namespace, bind, to: "", address: to.slice("service:".length), port, protocol, name };
    }
    const target = this.place(to);
    return { from: source.namespace, bind, to: target.namespace, address: target.address, port, protocol, name };
  }

  /** Network namespace and address of one end. */
  private place(end: string): { readonly namespace: string; readonly address: string } {
    const [first] = this.nodes;
    if (end === "node" && first) return first;
    if (end.startsWith("node:")) {
      const node = this.nodes.find(({ name }) => `node:${name}` === end);
      if (node) return node;
    }
    if (end === "world") return { namespace: world.namespace, address: world.router };
    const outside = end.replace(/^world:/, "");
    if (first && this.onNode.includes(end)) return { namespace: first.namespace, address: end };
    if (outside === world.router || (world.addresses as readonly string[]).includes(outside)) {
      return { namespace: world.namespace, address: outside };
    }
    const pod = this.pods.get(end) ?? [...this.pods.values()].find((each) => each.address === end && !each.hostNetwork);
    if (pod?.address) {
      const node = this.nodes.find(({ name }) => name === pod.node);
      const namespace = pod.hostNetwork ? node?.namespace : podNamespace(pod.uid);
      if (namespace) return { namespace, address: pod.address };
    }
    const node = this.nodes.find(({ address }) => address === end);
    if (node) return node;
    throw new DatapathError("failed", `${end} is no pod, node or address of the lab`);
  }
}
