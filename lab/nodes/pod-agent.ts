import type { ApiClient } from "../control-plane/index";
import type { ClusterNode } from "./node";
import type { Pod } from "./objects";
import { chooseNode } from "./scheduler";
import { unschedulableStatus } from "./status";

/** Pods that something is being done for at the same time. */
const atOnce = 4;

/** Milliseconds before something that failed is tried again. */
const retryAfter = 1000;

/**
 * The scheduler and the kubelet of some nodes, as far as every lab needs them: gives each Pod a node, brings it up and
 * completes its deletion. What it takes to bring a pod up is the subclass's to say.
 */
export abstract class PodAgent<N extends ClusterNode> {
  protected pods: ReadonlyMap<string, Pod> = new Map();
  /** Pods that something is being done for, by uid. */
  private readonly busy = new Set<string>();
  /** Pods that this process has brought up, or found up, by uid. */
  private readonly up = new Set<string>();
  /** Nodes of pods that are bound in this moment, by uid. */
  private readonly bound = new Map<string, N>();

  constructor(
    protected readonly client: ApiClient,
    protected nodes: readonly N[],
  ) {}

  /** Makes the pod run, and says so in its status. */
  protected abstract bringUp(pod: Pod, node: N): Promise<void>;

  /** Takes away what `bringUp` made. */
  protected abstract takeDown(pod: Pod, node: N): Promise<void>;

  /** Whether something of a pod that has ended is still to be taken down. */
  protected isUp(pod: Pod): boolean {
    return this.up.has(pod.metadata.uid);
  }

  podsChanged(pods: ReadonlyMap<string, Pod>): void {
    this.pods = pods;
    for (const uid of this.bound.keys()) if (!pods.has(uid)) this.bound.delete(uid);
    for (const uid of this.up) if (!pods.has(uid)) this.up.delete(uid);
    this.work();
  }

  protected work(): void {
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
    const node = this.nodes.find(({ name }) => name === pod.spec.nodeName);
    if (!node) {
      // its node is gone: nobody else would complete the deletion
      if (pod.spec.nodeName !== undefined && deletionTimestamp) return () => this.forget(pod);
      // where this agent stands aside nothing would come of it, again and again
      const takes =
        this.nodes.length > 0 &&
        pod.spec.nodeName === undefined &&
        (pod.spec.schedulerName ?? "default-scheduler") === "default-scheduler";
      return takes && !deletionTimestamp && !this.bound.has(uid) ? () => this.schedule(pod) : undefined;
    }
    if (deletionTimestamp) return () => this.remove(pod, node);
    if (pod.status?.phase === "Succeeded" || pod.status?.phase === "Failed") {
      return this.isUp(pod) ? () => this.end(pod, node) : undefined;
    }
    return this.up.has(uid) ? undefined : () => this.start(pod, node);
  }

  private async start(pod: Pod, node: N): Promise<void> {
    await this.bringUp(pod, node);
    this.up.add(pod.metadata.uid);
  }

  private async end(pod: Pod, node: N): Promise<void> {
    await this.takeDown(pod, node);
    this.up.delete(pod.metadata.uid);
  }

  private async remove(pod: Pod, node: N): Promise<void> {
    await this.end(pod, node);
    await this.forget(pod);
  }

  private async schedule(pod: Pod): Promise<void> {
    const { name, namespace, uid } = pod.metadata;
    const load = (node: N): number =>
      [...this.pods.values()].filter((each) => each.spec.nodeName === node.name).length +
      [...this.bound].filter(([each, on]) => on === node && !this.pods.get(each)?.spec.nodeName).length;
    const node = chooseNode(pod, this.nodes, load);
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

  protected async setStatus(pod: Pod, status: Record<string, unknown>): Promise<void> {
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
}

/** A pod that a Job made: it ends by itself. A bare pod that is not restarted runs until it is deleted. */
export function runsToCompletion(pod: Pod): boolean {
  const { restartPolicy } = pod.spec;
  const mayEnd = restartPolicy === "Never" || restartPolicy === "OnFailure";
  return mayEnd && pod.metadata.labels?.["batch.kubernetes.io/job-name"] !== undefined;
}
