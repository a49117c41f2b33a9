/** What one does with a running datapath: pods, policies, probes, and what Hubble saw. */
import type { ApiAccess, ApiClient } from "../control-plane/index";
import { apiClient } from "../control-plane/index";
import { run } from "../toolchain/run";
import { CalicoEnforcer } from "./calico-enforcer";
import { AgentApi } from "./cilium";
import { CiliumEnforcer } from "./cilium-enforcer";
import type { Enforcer } from "./enforcer";
import { bothEnforcers } from "./enforcer";
import { DatapathError } from "./errors";
import { FelixApi } from "./felix";
import type { RawOutcome, RawProbe } from "./helper";
import type { LabNode } from "./layout";
import { firstNode, nodeLayout, world } from "./layout";
import { runIp } from "./network";
import type { LabObject } from "./objects";
import { createOrReplace, objectPath, refusal } from "./objects";
import type { PolicyState } from "./policies";
import { applyPolicies, deletePolicies } from "./policies";
import type { LabPod, LabProbe, ProbeOptions } from "./probes";
import { labPods, Prober } from "./probes";

/** One pod to be made. */
export interface PodWish {
  readonly namespace: string;
  readonly name: string;
  readonly labels?: Readonly<Record<string, string>>;
  /** Default "default"; made where it is absent. */
  readonly serviceAccount?: string;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly ports?: readonly { readonly name?: string; readonly port: number; readonly protocol?: string }[];
  /** The node it must run on. Default: the scheduler chooses. */
  readonly node?: string;
}

/** A packet that the agent dropped, as Hubble tells it. */
export interface DroppedFlow {
  /** "namespace/pod", or the address. */
  readonly source: string;
  readonly destination: string;
  readonly port: number;
  /** "POLICY_DENIED" where no rule allows it, "POLICY_DENY" where a rule denies it. */
  readonly reason: string;
  /** Names of the policies that deny it; a drop for lack of a rule names none. */
  readonly deniedBy: readonly string[];
}

const metadataAddress = "169.254.169.254";

export class LabCluster {
  private readonly client: ApiClient;
  private readonly enforcer: Enforcer;
  private onNode: readonly string[] = [];

  constructor(
    access: ApiAccess,
    readonly nodes: readonly LabNode[],
  ) {
    this.client = apiClient(access);
    this.enforcer = enforcerOf(this.client, nodes);
  }

  /** Ends the connections to the API server; the cluster runs on. */
  close(): void {
    this.client.close();
  }

  pods(): Promise<LabPod[]> {
    return labPods(this.client, this.nodes);
  }

  /** Creates a namespace with labels, or gives an existing one these labels. */
  async namespace(name: string, labels: Readonly<Record<string, string>> = {}): Promise<void> {
    await this.must({ apiVersion: "v1", kind: "Namespace", metadata: { name, labels } });
  }

  /** Creates pods and resolves once they are ready. Their namespaces and service accounts are made where absent. */
  async addPods(wishes: readonly PodWish[]): Promise<void> {
    const namespaces = new Set(wishes.map(({ namespace }) => namespace));
    for (const name of namespaces) {
      const about = { apiVersion: "v1", kind: "Namespace", metadata: { name } };
      const { status } = await this.client.call("GET", objectPath(about));
      if (status === 404) await this.namespace(name);
    }
    const accounts = new Set(
      wishes.map(({ namespace, serviceAccount = "default" }) => `${namespace}/${serviceAccount}`),
    );
    for (const account of accounts) {
      const [namespace = "", name = ""] = account.split("/");
      const about = { apiVersion: "v1", kind: "ServiceAccount", metadata: { namespace, name } };
      const { status } = await this.client.call("GET", objectPath(about));
      if (status === 404) await this.must(about);
    }
    for (const wish of wishes) await this.must(podObject(wish));
    await this.untilReady(wishes.map(({ namespace, name }) => `${namespace}/${name}`));
  }

  /** Resolves once these pods ("namespace/name") are ready and enforce the policies of now. */
  async untilReady(names: readonly string[], within = 120_000): Promise<void> {
    const deadline = Date.now() + within;
    for (;;) {
      const ready = new Set(
        (await this.pods()).filter((pod) => pod.ready).map((pod) => `${pod.namespace}/${pod.name}`),
      );
      const missing = names.filter((name) => !ready.has(name));
      if (missing.length === 0) break;
      if (Date.now() >= deadline) throw new DatapathError("failed", `not ready in time: ${missing.join(", ")}`);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    await this.enforcer.settled();
  }

  /** Resolves once a namespace has pods and all of them are ready. */
  async untilReadyIn(namespace: string, within = 120_000): Promise<void> {
    const deadline = Date.now() + within;
    for (;;) {
      const pods = (await this.pods()).filter((pod) => pod.namespace === namespace);
      if (pods.length > 0 && pods.every(({ ready }) => ready)) return;
      if (Date.now() >= deadline) throw new DatapathError("failed", `the pods of ${namespace} are not ready in time`);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }

  /** Resolves once no pod is left and no namespace is on its way out. */
  async untilEmpty(within = 120_000): Promise<void> {
    const deadline = Date.now() + within;
    for (;;) {
      const pods = (await this.client.call("GET", "/api/v1/pods")).body as { items: readonly unknown[] };
      const namespaces = (await this.client.call("GET", "/api/v1/namespaces")).body as {
        items: readonly { readonly metadata: { readonly deletionTimestamp?: string } }[];
      };
      const ending = namespaces.items.filter(({ metadata }) => metadata.deletionTimestamp !== undefined).length;
      if (pods.items.length + ending === 0) return;
      if (Date.now() >= deadline) {
        throw new DatapathError("failed", `${pods.items.length} pods and ${ending} ending namespaces are left`);
      }
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }

  /** Deletes pods at once, and resolves when they are gone. */
  async removePods(pods: readonly Pick<PodWish, "namespace" | "name">[]): Promise<void> {
    const paths = pods.map(({ namespace, name }) => `/api/v1/namespaces/${namespace}/pods/${name}`);
    for (const path of paths) await this.client.call("DELETE", path);
    await this.untilGone(paths, 60_000);
  }

  /** Deletes namespaces with all that is in them, and resolves once they are gone. */
  async removeNamespaces(names: readonly string[], within = 120_000): Promise<void> {
    const paths = names.map((name) => `/api/v1/namespaces/${name}`);
    for (const path of paths) await this.client.call("DELETE", path);
    await this.untilGone(paths, within);
  }

  private async untilGone(paths: readonly string[], within: number): Promise<void> {
    const deadline = Date.now() + within;
    for (const path of paths) {
      while ((await this.client.call("GET", path)).status !== 404) {
        if (Date.now() >= deadline) throw new DatapathError("failed", `${path} is still there`);
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
    }
  }

  /** Creates or replaces policies; see `applyPolicies`. */
  apply(policies: readonly LabObject[]): Promise<PolicyState[]> {
    return applyPolicies(this.client, this.enforcer, policies);
  }

  /** Deletes policies and resolves once nothing of them is enforced. */
  remove(policies: readonly LabObject[]): Promise<void> {
    return deletePolicies(this.client, this.enforcer, policies);
  }

  /** Tries connections; outcomes are in the order of the probes. */
  async probe(probes: readonly LabProbe[], options?: ProbeOptions): Promise<readonly RawOutcome[]> {
    const prober = new Prober(this.nodes, await this.pods(), this.onNode);
    try {
      return await prober.try(probes, options);
    } finally {
      // an agent that has ended explains more than what it left behind
      await this.enforcer.check();
    }
  }

  /** Probes in addresses and network namespaces, for the measurements that the helper makes. */
  async resolve(probes: readonly LabProbe[]): Promise<readonly RawProbe[]> {
    const prober = new Prober(this.nodes, await this.pods(), this.onNode);
    return probes.map((probe) => prober.raw(probe));
  }

  /**
   * Puts the metadata address on the first node, as a node-local agent (EKS Pod Identity, the GKE metadata server) has it,
   * or back outside. To Cilium it is the entity `host` there, which no CIDR rule reaches.
   */
  async placeMetadata(ip: string, where: "node" | "world"): Promise<void> {
    const on = (namespace: string, verb: "replace" | "del"): Promise<string> =>
      runIp(ip, ["-n", namespace, "addr", verb, `${metadataAddress}/32`, "dev", "lo"]);
    if ((where === "node") === this.onNode.includes(metadataAddress)) return;
    const [from, to] = where === "node" ? [world, firstNode] : [firstNode, world];
    await on(from.namespace, "del");
    await on(to.namespace, "replace");
    this.onNode = where === "node" ? [metadataAddress] : [];
    // to Calico an address is an address, wherever it is
    if (this.nodes[0]?.enforcer === "calico") return;
    await this.untilIdentity(`${metadataAddress}/32`, where === "node" ? "reserved:host" : undefined);
  }

  /** Waits until the first agent takes an address for what it is. */
  private async untilIdentity(prefix: string, label: string | undefined): Promise<void> {
    const [node] = this.nodes;
    const agent = node && new AgentApi(node);
    const deadline = Date.now() + 90_000;
    while (agent && (await agent.identityOf(prefix)) !== label) {
      if (Date.now() >= deadline) throw new DatapathError("failed", `the agent does not see where ${prefix} is`);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }

  /** The drops that Hubble remembers, the latest last. `hubble` is the client program. */
  async drops(hubble: string, last = 100): Promise<DroppedFlow[]> {
    const lines = await this.flows(hubble, last, ["--verdict", "DROPPED", "--type", "policy-verdict"]);
    return lines.map(droppedFlow);
  }

  /** The flows that Hubble remembers, as its client prints them: one JSON object a line. `filter` is given to the client. */
  async flows(hubble: string, last: number, filter: readonly string[] = []): Promise<string[]> {
    const lines: string[] = [];
    for (const node of this.nodes) {
      const server = `unix://${nodeLayout(node).hubbleSocket}`;
      const query = [...filter, "--last", String(last), "-o", "jsonpb"];
      const result = await run(hubble, ["observe", "--server", server, ...query], {
        timeout: 20_000,
        outputLimit: last * 4096,
      });
      if (result.code !== 0) throw new DatapathError("failed", `hubble: ${result.stderr.trim()}`);
      lines.push(...result.stdout.split("\n").filter(Boolean));
    }
    return lines;
  }

  private async must(object: LabObject): Promise<void> {
    const answer = await createOrReplace(this.client, object);
    if (answer.status >= 300) throw new DatapathError("failed", `${objectPath(object)}: ${refusal(answer)}`);
  }
}

function enforcerOf(client: ApiClient, nodes: readonly LabNode[]): Enforcer {
  const felix = nodes.filter(({ enforcer }) => enforcer === "calico").map((node) => new FelixApi(node));
  const agents = nodes.filter(({ enforcer }) => enforcer !== "calico").map((node) => new AgentApi(node));
  const calico = new CalicoEnforcer(felix);
  const cilium = new CiliumEnforcer(client, agents);
  if (felix.length === 0) return cilium;
  return agents.length === 0 ? calico : bothEnforcers(calico, cilium);
}

function podObject(wish: PodWish): LabObject {
  const { namespace, name, labels = {}, annotations = {}, serviceAccount = "default", ports = [], node } = wish;
  const metadata = { namespace, name, labels, annotations };
  const containerPorts = ports.map((each) => ({
    ...(each.name ? { name: each.name } : {}),
    containerPort: each.port,
    protocol: each.protocol ?? "TCP",
  }));
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata,
    spec: {
      serviceAccountName: serviceAccount,
      automountServiceAccountToken: false,
      containers: [{ name: "main", image: "main", ports: containerPorts }],
      ...(node ? { nodeSelector: { "kubernetes.io/hostname": node } } : {}),
    },
  };
}

interface HubbleEnd {
  readonly namespace?: string;
  readonly pod_name?: string;
}

interface HubbleFlow {
  readonly source?: HubbleEnd;
  readonly destination?: HubbleEnd;
  readonly IP?: { readonly source?: string; readonly destination?: string };
  readonly l4?: Readonly<Record<string, { readonly destination_port?: number }>>;
  readonly drop_reason_desc?: string;
  readonly ingress_denied_by?: readonly { readonly name?: string }[];
  readonly egress_denied_by?: readonly { readonly name?: string }[];
}

function droppedFlow(line: string): DroppedFlow {
  const flow = (JSON.parse(line) as { flow?: HubbleFlow }).flow ?? {};
  const name = (end: HubbleEnd | undefined, address: string | undefined): string =>
    end?.pod_name ? `${end.namespace ?? ""}/${end.pod_name}` : (address ?? "unknown");
  const denied = [...(flow.ingress_denied_by ?? []), ...(flow.egress_denied_by ?? [])];
  return {
    source: name(flow.source, flow.IP?.source),
    destination: name(flow.destination, flow.IP?.destination),
    port: Object.values(flow.l4 ?? {})[0]?.destination_port ?? 0,
    reason: flow.drop_reason_desc ?? "unknown",
    deniedBy: denied.map((policy) => policy.name ?? "").filter((text) => text !== ""),
  };
}
