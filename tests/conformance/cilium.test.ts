import assert from "node:assert/strict";
import {
  buildSnapshot,
  compile,
  profileFor,
  type EnforcerProfile,
  type Flow,
  type FlowProtocol,
  type KubeObject,
  type Peer,
  type Reachability,
} from "../../sdk/reachability";
import { measuredForms, measuredSets } from "./measured";
import { objectsOf, type World } from "./support";

/** The agent that was measured: cilium-agent 1.20.2 with ClusterNetworkPolicy enabled. */
const profile: EnforcerProfile = { ...profileFor("cilium@1.20"), clusterNetworkPolicy: true };

/** The one node of the measurements, on which the API server ran too. */
const nodeAddress = "172.30.0.2";

function clusterObjects(nodeAddresses: readonly string[]): KubeObject[] {
  return [
    {
      apiVersion: "v1",
      kind: "Node",
      metadata: { name: "node" },
      spec: { podCIDR: "10.244.0.0/24" },
      status: { addresses: nodeAddresses.map((address) => ({ type: "InternalIP", address })) },
    },
    {
      apiVersion: "discovery.k8s.io/v1",
      kind: "EndpointSlice",
      metadata: { name: "kubernetes", namespace: "default", labels: { "kubernetes.io/service-name": "kubernetes" } },
      addressType: "IPv4",
      endpoints: [{ addresses: [nodeAddress] }],
    },
  ];
}

function judge(world: World, policies: readonly KubeObject[], nodeAddresses: readonly string[]): Reachability {
  const objects = [...clusterObjects(nodeAddresses), ...objectsOf(world), ...policies].map((object) => ({ object }));
  return compile(buildSnapshot(objects, { profile }));
}

/** `ns/pod`, `node`, an address, or an address after `world:`; addresses of the node itself are the node. */
function peerOf(text: string, nodeAddresses: readonly string[]): Peer {
  if (text.includes("/")) return { kind: "workload", id: `${text}[Pod]` };
  if (text === "node") return { kind: "node", where: "local", address: nodeAddress };
  const address = text.replace(/^world:/, "");
  return nodeAddresses.includes(address) ? { kind: "node", where: "local", address } : { kind: "address", address };
}

function report(compared: number, mismatches: readonly string[]): void {
  console.log(`      compared ${compared} verdicts`);
  assert.deepEqual(mismatches.slice(0, 20), [], `${mismatches.length} mismatches`);
}

describe("conformance: Cilium 1.20.2 (measured)", () => {
  it("decides the documented forms as the agent did", function () {
    const data = measuredForms<KubeObject>();
    const mismatches: string[] = [];
    let compared = 0;
    for (const each of data.cases) {
      const nodeAddresses = each.case.startsWith("B:") ? [nodeAddress, "169.254.169.254"] : [nodeAddress];
      const reachability = judge(data.world, each.policies, nodeAddresses);
      for (const { from, to, port, protocol, allowed } of each.expected) {
        const flow: Flow = {
          source: peerOf(from, nodeAddresses),
          destination: peerOf(to, nodeAddresses),
          protocol: protocol.toUpperCase() as FlowProtocol,
          port,
        };
        const got = reachability.verdict(flow);
        compared++;
        if (got !== (allowed ? "allowed" : "denied")) {
          mismatches.push(`${each.case}: ${from} to ${to} ${protocol} ${port} is ${got}, measured ${allowed}`);
        }
      }
    }
    report(compared, mismatches);
    assert.ok(compared >= 604, "all verdicts were compared");
  });

  it("decides 90 random sets of policies as the agent did", function () {
    this.timeout(60_000);
    const { world, probes, cases } = measuredSets<KubeObject>();
    const mismatches: string[] = [];
    let compared = 0;
    for (const each of cases) {
      const accepted = each.policies.filter((_policy, index) => !each.refused.includes(index));
      const reachability = judge(world, accepted, [nodeAddress]);
      const { allowed } = each;
      for (const probe of probes) {
        const [from = "", to = "", port, protocol = ""] = probe.split(" ");
        const got = reachability.verdict({
          source: peerOf(from, [nodeAddress]),
          destination: peerOf(to, [nodeAddress]),
          protocol: protocol.toUpperCase() as FlowProtocol,
          port: Number(port),
        });
        compared++;
        const wanted = allowed.has(probe) ? "allowed" : "denied";
        if (got !== wanted) mismatches.push(`${each.id}: ${probe} is ${got}, measured ${wanted}`);
      }
    }
    report(compared, mismatches);
    assert.ok(compared >= 19_530, "all verdicts were compared");
  });
});
