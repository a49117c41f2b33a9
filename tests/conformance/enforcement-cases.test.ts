/** The cases that were measured on the lab's own datapath, judged without one: what the agent did is on file. */
import assert from "node:assert/strict";
import type { FlowProtocol, KubeObject, Peer } from "../../sdk/reachability";
import { buildSnapshot, compile, profileFor } from "../../sdk/reachability";
import { verdictWithNames } from "../enforcement/by-name";
import { readCases } from "../enforcement/cases";
import { objectsOf } from "./support";

/** The agent that the lab runs. */
const profile = { ...profileFor("cilium@1.20"), clusterNetworkPolicy: true };

const nodeAddress = "172.30.0.2";

const node: KubeObject = {
  apiVersion: "v1",
  kind: "Node",
  metadata: { name: "node" },
  spec: { podCIDR: "10.244.0.0/24" },
  status: { addresses: [{ type: "InternalIP", address: nodeAddress }] },
};

function peerOf(end: string): Peer {
  if (end === "node") return { kind: "node", where: "local", address: nodeAddress };
  return end.includes("/")
    ? { kind: "workload", id: `${end}[Pod]` }
    : { kind: "address", address: end.replace(/^world:/, "") };
}

describe("conformance: what the lab's datapath was measured to do", () => {
  const cases = readCases();

  it("has cases", () => assert.ok(cases.length > 0));

  for (const { title, world, policies, probes, asked = {} } of cases) {
    it(title, () => {
      const pods = world.pods.map(({ ports = [], ...pod }) => ({
        ...pod,
        ports: ports.map(({ name = "", port, protocol = "TCP" }) => ({ name, containerPort: port, protocol })),
      }));
      const objects = [
        node,
        ...objectsOf({ namespaces: world.namespaces.map(({ name, labels = {} }) => ({ name, labels })), pods }),
        ...(world.objects ?? []),
        ...policies,
      ] as KubeObject[];
      const snapshot = buildSnapshot(
        objects.map((object) => ({ object })),
        { profile },
      );
      const reachability = compile(snapshot);
      const wrong = probes.flatMap(({ from, to, port, protocol, measured }) => {
        const ends = { source: peerOf(from), destination: peerOf(to), port };
        const flow = { ...ends, protocol: protocol.toUpperCase() as FlowProtocol };
        // whoever may ask has asked, and was told
        const got = verdictWithNames(reachability, flow, asked, () => true);
        return got === measured ? [] : [`${from} to ${to} ${port}/${protocol} is ${got}, measured ${measured}`];
      });
      assert.deepEqual(wrong, []);
    });
  }
});
