/**
 * The node of a lab without a datapath: every pod that it gets runs at once, by its status alone. No container is run and
 * no packet is sent. It stands aside for as long as its Node is not in the API server.
 */
import type { ApiClient } from "../control-plane/index";
import { apiClient, attachControlPlane } from "../control-plane/index";
import type { ClusterNode } from "./node";
import { simulatedNode } from "./node";
import type { Pod } from "./objects";
import { PodAgent, runsToCompletion } from "./pod-agent";
import { endedStatus, runningStatus } from "./status";
import type { Watched } from "./watch";
import { follow } from "./watch";

class SimulatedNode extends PodAgent<ClusterNode> {
  private readonly addresses = new Addresses();

  constructor(client: ApiClient) {
    super(client, []);
  }

  nodesChanged(nodes: ReadonlyMap<string, Watched>): void {
    const present = [...nodes.values()].some(({ metadata }) => metadata.name === simulatedNode.name);
    this.nodes = present ? [simulatedNode] : [];
    this.work();
  }

  protected async bringUp(pod: Pod, node: ClusterNode): Promise<void> {
    const address = pod.spec.hostNetwork
      ? node.address
      : (pod.status?.podIP ?? this.addresses.free([...this.pods.values()].map(({ status }) => status?.podIP)));
    const status = runsToCompletion(pod)
      ? endedStatus(pod, node, address, { exitCode: 0, message: "the lab runs no containers" })
      : runningStatus(pod, node, address);
    await this.setStatus(pod, status);
  }

  protected takeDown(): Promise<void> {
    return Promise.resolve();
  }
}

/** Addresses of 10.244.0.0/16, one after the other. */
class Addresses {
  private last = 0;

  /** An address that no pod has. */
  free(taken: readonly (string | undefined)[]): string {
    const used = new Set(taken);
    for (;;) {
      this.last = (this.last % 65_000) + 1;
      const address = `10.244.${this.last >> 8}.${this.last & 255}`;
      if (!used.has(address)) return address;
    }
  }
}

async function main(): Promise<void> {
  const access = attachControlPlane(process.argv[2] ?? "");
  const client = apiClient(access);
  const node = new SimulatedNode(client);
  await Promise.all([
    follow<Watched>(access, client, "/api/v1/nodes", (nodes) => node.nodesChanged(nodes)),
    follow<Pod>(access, client, "/api/v1/pods", (pods) => node.podsChanged(pods)),
  ]);
}

main().catch((error: unknown) => {
  console.error(error);
  process.exit(1);
});
