/**
 * The kubelet and the scheduler of the lab in one small process: takes every Pod that the controllers make, gives it a
 * node and a network, answers on its ports and reports its status. No container is run.
 */
import { readFileSync } from "node:fs";
import type { ApiClient } from "../../control-plane/index";
import { apiClient, attachControlPlane } from "../../control-plane/index";
import { freeAddress } from "../calico-wiring";
import type { Spot } from "../helper";
import { helper } from "../helper";
import type { LabNode } from "../layout";
import { podNamespace } from "../layout";
import { dnsRecords } from "./names";
import type { Container, Pod, Service } from "../../nodes/objects";
import { PodAgent, runsToCompletion } from "../../nodes/pod-agent";
import type { RunningProber } from "./prober";
import { proberOf, runProber } from "./prober";
import { endedStatus, runningStatus } from "../../nodes/status";
import { follow } from "../../nodes/watch";
import type { WiringTools } from "./wiring";
import { isAnnouncedFirst, isWired, untilProgrammed, unwire, wire } from "./wiring";

/** What the process is told, as JSON in the file that its only argument names. */
export interface NodeAgentSettings {
  readonly controlPlane: string;
  readonly nodes: readonly LabNode[];
  readonly tools: WiringTools;
}

class NodeAgent extends PodAgent<LabNode> {
  private services: ReadonlyMap<string, Service> = new Map();
  /** Probers that run, by the uid of their pod. */
  private readonly probers = new Map<string, RunningProber>();
  private lastNames = "";
  /** Addresses that pods have got from here, by uid: their status comes back later. */
  private readonly reserved = new Map<string, string>();

  constructor(
    private readonly settings: NodeAgentSettings,
    client: ApiClient,
  ) {
    super(client, settings.nodes);
  }

  override podsChanged(pods: ReadonlyMap<string, Pod>): void {
    super.podsChanged(pods);
    this.publishNames();
  }

  servicesChanged(services: ReadonlyMap<string, Service>): void {
    this.services = services;
    this.publishNames();
  }

  protected override isUp(pod: Pod): boolean {
    return super.isUp(pod) || isWired(pod.metadata.uid);
  }

  protected async bringUp(pod: Pod, node: LabNode): Promise<void> {
    const { uid } = pod.metadata;
    const known = isWired(uid) ? pod.status?.podIP : undefined;
    const address = pod.spec.hostNetwork ? node.address : (known ?? (await this.wire(pod, node)));
    const namespace = pod.spec.hostNetwork ? node.namespace : podNamespace(uid);
    const prober = proberOf(pod);
    if (prober && !pod.spec.hostNetwork) await this.startProber(pod, node, address, prober);
    else await this.answer(pod, node, address, namespace);
  }

  private wire(pod: Pod, node: LabNode): Promise<string> {
    for (const uid of this.reserved.keys()) if (!this.pods.has(uid)) this.reserved.delete(uid);
    if (node.enforcer === "calico") {
      const taken = [...this.pods.values()].map(({ status }) => status?.podIP);
      const address = freeAddress(node, [...taken, ...this.reserved.values()]);
      this.reserved.set(pod.metadata.uid, address);
    }
    return wire(this.settings.tools, node, pod, this.reserved.get(pod.metadata.uid));
  }

  /** Nothing is run: the helper answers on the ports that the pod declares. */
  private async answer(pod: Pod, node: LabNode, address: string, namespace: string): Promise<void> {
    for (const complaint of await helper.listen(spotsOf(pod, namespace, address))) {
      // on the node's own network the agent and others may hold the port
      if (complaint) console.error(`${pod.metadata.namespace}/${pod.metadata.name}: ${complaint}`);
    }
    const result = { exitCode: 0, message: "the lab runs no containers" };
    if (runsToCompletion(pod)) return await this.setStatus(pod, endedStatus(pod, node, address, result));
    await this.announce(pod, node, address);
    await this.setStatus(pod, runningStatus(pod, node, address));
  }

  /** Where the agent learns of a pod from the API server: tells it, and waits until its policies are programmed. */
  private async announce(pod: Pod, node: LabNode, address: string): Promise<void> {
    if (!isAnnouncedFirst(node, pod)) return;
    await this.setStatus(pod, runningStatus(pod, node, address, undefined, false));
    await untilProgrammed(node, pod);
  }

  /** The prober runs for real, and says what it saw in the pod's status, as it does on every cluster. */
  private async startProber(pod: Pod, node: LabNode, address: string, container: Container): Promise<void> {
    const { uid } = pod.metadata;
    const namespace = podNamespace(uid);
    await helper.settings(namespace, networkSettings(pod));
    this.probers.get(uid)?.kill();
    await this.announce(pod, node, address);
    const prober = runProber(this.settings.tools.nsenter, namespace, container);
    this.probers.set(uid, prober);
    await this.setStatus(pod, runningStatus(pod, node, address, undefined, false));
    const told = prober.listening
      .then(
        () => this.setStatus(pod, runningStatus(pod, node, address)),
        () => undefined,
      )
      .catch((error: unknown) => console.error(error));
    prober.ended
      .then(async (result) => {
        // one status after the other
        await told;
        // taken down, or started anew
        if (this.probers.get(uid) !== prober) return;
        this.probers.delete(uid);
        await this.setStatus(pod, endedStatus(pod, node, address, result));
      })
      .catch((error: unknown) => console.error(error));
  }

  protected async takeDown(pod: Pod, node: LabNode): Promise<void> {
    const prober = this.probers.get(pod.metadata.uid);
    this.probers.delete(pod.metadata.uid);
    prober?.kill();
    if (!pod.spec.hostNetwork) await unwire(this.settings.tools, node, pod);
  }

  private publishNames(): void {
    const records = dnsRecords(this.services.values(), this.pods.values());
    const text = JSON.stringify(records);
    if (text === this.lastNames) return;
    this.lastNames = text;
    helper.names(records).catch((error: unknown) => {
      this.lastNames = "";
      console.error(error);
    });
  }
}

/** The pod's sysctls of its network namespace, as the helper takes them: net.ipv4.x is ipv4/x. */
function networkSettings(pod: Pod): Record<string, string> {
  const sysctls = pod.spec.securityContext?.sysctls ?? [];
  return Object.fromEntries(
    sysctls
      .filter(({ name }) => name.startsWith("net."))
      .map(({ name, value }) => [name.slice(4).replaceAll(".", "/"), value]),
  );
}

/** Where the pod answers: on the ports that it declares. The cluster's DNS server answers names. */
function spotsOf(pod: Pod, namespace: string, address: string): Spot[] {
  const isDns = pod.metadata.namespace === "kube-system" && pod.metadata.labels?.["k8s-app"] === "kube-dns";
  return pod.spec.containers
    .flatMap(({ ports = [] }) => ports)
    .filter(({ protocol }) => protocol !== "SCTP")
    .map(({ containerPort, protocol }) => ({
      namespace,
      // on the node's network the pod must not answer for others
      address: pod.spec.hostNetwork ? address : "",
      port: containerPort,
      protocol: listenerFor(protocol, isDns && containerPort === 53),
    }));
}

function listenerFor(protocol: string | undefined, isDns: boolean): Spot["protocol"] {
  if (protocol === "UDP") return isDns ? "dns" : "udp";
  return isDns ? "dns-tcp" : "tcp";
}

async function main(): Promise<void> {
  const settings = JSON.parse(readFileSync(process.argv[2] ?? "", "utf8")) as NodeAgentSettings;
  const access = attachControlPlane(settings.controlPlane);
  const client = apiClient(access);
  const agent = new NodeAgent(settings, client);
  await Promise.all([
    follow<Pod>(access, client, "/api/v1/pods", (pods) => agent.podsChanged(pods)),
    follow<Service>(access, client, "/api/v1/services", (services) => agent.servicesChanged(services)),
  ]);
}

if (require.main === module) {
  main().catch((error: unknown) => {
    console.error(error);
    process.exit(1);
  });
}
