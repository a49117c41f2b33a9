/**
 * The kubelet and the scheduler of the lab in one small process: takes every Pod that the controllers make, gives it a
 * node and a network, answers on its ports and reports its status. No container is run.
 */
import { readFileSync } from "node:fs";
import type { ApiClient } from "../../control-plane/index";
import { apiClient, attachControlPlane } from "../../control-plane/index";
import type { Spot } from "../helper";
import { helper } from "../helper";
import type { LabNode } from "../layout";
import { podNamespace } from "../layout";
import { dnsRecords } from "./names";
import type { Container, Pod, Service } from "./objects";
import type { RunningProber } from "./prober";
import { proberOf, runProber } from "./prober";
import { chooseNode } from "./scheduler";
import { endedStatus, runningStatus, unschedulableStatus } from "./status";
import { follow } from "./watch";
import type { WiringTools } from "./wiring";
import { isWired, unwire, wire } from "./wiring";

/** What the process is told, as JSON in the file that its only argument names. */
export interface NodeAgentSettings {
  readonly controlPlane: string;
  readonly nodes: readonly LabNode[];
  readonly tools: WiringTools;
}

/** Pods that are wired at the same time. */
const atOnce = 4;

/** Milliseconds before something that failed is tried again. */
const retryAfter = 1000;

class NodeAgent {
  private pods: ReadonlyMap<string, Pod> = new Map();
  private services: ReadonlyMap<string, Service> = new Map();
  /** Pods that something is being done for, by uid. */
  private readonly busy = new Set<string>();
  /** Pods that this process has brought up, or found up, by uid. */
  private readonly up = new Set<string>();
  /** Nodes of pods that are bound in this moment, by uid. */
  private readonly bound = new Map<string, LabNode>();
  /** Probers that run, by the uid of their pod. */
  private readonly probers = new Map<string, RunningProber>();
  private lastNames = "";

  constructor(
    private readonly settings: NodeAgentSettings,
    private readonly client: ApiClient,
  ) {}

  podsChanged(pods: ReadonlyMap<string, Pod>): void {
    this.pods = pods;
    for (const uid of this.bound.keys()) if (!pods.has(uid)) this.bound.delete(uid);
    this.work();
    this.publishNames();
  }

  servicesChanged(services: ReadonlyMap<string, Service>): void {
    this.services = services;
    this.publishNames();
  }

  private work(): void {
    for (const [uid, pod] of this.pods) {
      if (this.busy.size >= atOnce) return;
      if (this.busy.has(uid)) continue;
      const task = this.taskFor(pod);
      if (!task) continue;
      this.busy.add(uid);
      void task()
        .then(
          () => this.busy.delete(uid),
          async (error: unknown) => {
            console.error(`${pod.metadata.namespace}/${pod.metadata.name}:`, error);
            await new Promise((resolve) => setTimeout(resolve, retryAfter));
            this.busy.delete(uid);
          },
        )
        .then(() => this.work());
    }
  }

  /** What is to be done for a pod now, or nothing. */
  private taskFor(pod: Pod): (() => Promise<void>) | undefined {
    const { uid, deletionTimestamp } = pod.metadata;
    const node = this.settings.nodes.find(({ name }) => name === pod.spec.nodeName);
    if (!node) {
      // its node is gone: nobody else would complete the deletion
      if (pod.spec.nodeName !== undefined && deletionTimestamp) return () => this.forget(pod);
      const takes =
        pod.spec.nodeName === undefined && (pod.spec.schedulerName ?? "default-scheduler") === "default-scheduler";
      return takes && !deletionTimestamp && !this.bound.has(uid) ? () => this.schedule(pod) : undefined;
    }
    if (deletionTimestamp) return () => this.remove(pod, node);
    if (pod.status?.phase === "Succeeded" || pod.status?.phase === "Failed") {
      return this.up.has(uid) || isWired(uid) ? () => this.takeDown(pod, node) : undefined;
    }
    return this.up.has(uid) ? undefined : () => this.bringUp(pod, node);
  }

  private async schedule(pod: Pod): Promise<void> {
    const { name, namespace, uid } = pod.metadata;
    const load = (node: LabNode): number =>
      [...this.pods.values()].filter((each) => each.spec.nodeName === node.name).length +
      [...this.bound].filter(([each, on]) => on === node && !this.pods.get(each)?.spec.nodeName).length;
    const node = chooseNode(pod, this.settings.nodes, load);
    if (!node) {
      await this.setStatus(pod, unschedulableStatus("no node of the lab fits the pod's node selector and affinity"));
      throw new Error("unschedulable");
    }
    this.bound.set(uid, node);
    const { status } = await this.client.call("POST", `/api/v1/namespaces/${namespace}/pods/${name}/binding`, {
      apiVersion: "v1",
      kind: "Binding",
      metadata: { name, namespace, uid },
      target: { apiVersion: "v1", kind: "Node", name: node.name },
    });
    if (status >= 300 && status !== 404 && status !== 409) {
      this.bound.delete(uid);
      throw new Error(`binding to ${node.name} answered ${status}`);
    }
  }

  private async bringUp(pod: Pod, node: LabNode): Promise<void> {
    const { uid } = pod.metadata;
    const known = isWired(uid) ? pod.status?.podIP : undefined;
    const address = pod.spec.hostNetwork ? node.address : (known ?? (await wire(this.settings.tools, node, pod)));
    const namespace = pod.spec.hostNetwork ? node.namespace : podNamespace(uid);
    const prober = proberOf(pod);
    if (prober && !pod.spec.hostNetwork) await this.startProber(pod, node, address, prober);
    else await this.answer(pod, node, address, namespace);
    this.up.add(uid);
  }

  /** Nothing is run: the helper answers on the ports that the pod declares. */
  private async answer(pod: Pod, node: LabNode, address: string, namespace: string): Promise<void> {
    for (const complaint of await helper.listen(spotsOf(pod, namespace, address))) {
      // on the node's own network the agent and others may hold the port
      if (complaint) console.error(`${pod.metadata.namespace}/${pod.metadata.name}: ${complaint}`);
    }
    const runsToCompletion = pod.spec.restartPolicy === "Never" || pod.spec.restartPolicy === "OnFailure";
    const result = { exitCode: 0, message: "the lab runs no containers" };
    await this.setStatus(
      pod,
      runsToCompletion && isOfJob(pod) ? endedStatus(pod, node, address, result) : runningStatus(pod, node, address),
    );
  }

  /** The prober runs for real, and says what it saw in the pod's status, as it does on every cluster. */
  private async startProber(pod: Pod, node: LabNode, address: string, container: Container): Promise<void> {
    const { uid } = pod.metadata;
    const namespace = podNamespace(uid);
    await helper.settings(namespace, networkSettings(pod));
    this.probers.get(uid)?.kill();
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

  private async takeDown(pod: Pod, node: LabNode): Promise<void> {
    const prober = this.probers.get(pod.metadata.uid);
    this.probers.delete(pod.metadata.uid);
    prober?.kill();
    if (!pod.spec.hostNetwork) await unwire(this.settings.tools, node, pod);
    this.up.delete(pod.metadata.uid);
  }

  private async remove(pod: Pod, node: LabNode): Promise<void> {
    await this.takeDown(pod, node);
    await this.forget(pod);
  }

  /** Completes the deletion of a pod. */
  private async forget(pod: Pod): Promise<void> {
    const { name, namespace, uid } = pod.metadata;
    const { status } = await this.client.call("DELETE", `/api/v1/namespaces/${namespace}/pods/${name}`, {
      apiVersion: "v1",
      kind: "DeleteOptions",
      gracePeriodSeconds: 0,
      preconditions: { uid },
    });
    if (status >= 300 && status !== 404 && status !== 409) throw new Error(`its deletion answered ${status}`);
  }

  private async setStatus(pod: Pod, status: Record<string, unknown>): Promise<void> {
    const { name, namespace, uid } = pod.metadata;
    const answer = await this.client.call(
      "PATCH",
      `/api/v1/namespaces/${namespace}/pods/${name}/status`,
      { metadata: { uid }, status },
      "application/merge-patch+json",
    );
    // gone, or another pod of that name by now
    if (answer.status === 404 || answer.status === 409) return;
    if (answer.status >= 300) throw new Error(`its status answered ${answer.status}: ${JSON.stringify(answer.body)}`);
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

/** A pod that a Job made: it ends by itself. A bare pod that is not restarted runs until it is deleted. */
function isOfJob(pod: Pod): boolean {
  return pod.metadata.labels?.["batch.kubernetes.io/job-name"] !== undefined;
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
