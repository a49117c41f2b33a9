import assert from "node:assert/strict";
import type { ApiClient } from "../../lab/control-plane/index";
import type { ClusterNode } from "../../lab/nodes/node";
import type { Pod } from "../../lab/nodes/objects";
import { PodAgent } from "../../lab/nodes/pod-agent";

/** Counts how often it looks for work, and stops where that would never end. */
class CountingAgent extends PodAgent<ClusterNode> {
  looks = 0;

  constructor(nodes: readonly ClusterNode[]) {
    super({ call: () => Promise.resolve({ status: 201, body: {} }) } as unknown as ApiClient, nodes);
  }

  protected bringUp(): Promise<void> {
    return Promise.resolve();
  }

  protected takeDown(): Promise<void> {
    return Promise.resolve();
  }

  protected override work(): void {
    this.looks += 1;
    if (this.looks < 50) super.work();
  }
}

const pending = {
  metadata: { name: "web", namespace: "shop", uid: "1", resourceVersion: "1" },
  spec: {},
} as unknown as Pod;

describe("the agent of the lab's nodes", () => {
  const looksOf = async (nodes: readonly ClusterNode[]): Promise<number> => {
    const agent = new CountingAgent(nodes);
    agent.podsChanged(new Map([["1", pending]]));
    await new Promise((resolve) => setImmediate(resolve));
    return agent.looks;
  };

  it("leaves a pod to others, and rests, where it has no node", async () => {
    assert.equal(await looksOf([]), 1);
  });

  it("gives a pod a node once", async () => {
    assert.equal(await looksOf([{ name: "node", address: "172.30.0.1", podCidr: "10.244.0.0/16" }]), 2);
  });
});
