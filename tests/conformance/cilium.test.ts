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
import { hasConformanceFile, objectsOf, readConformanceText, type World } from "./support";

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
    if (!hasConformanceFile("cilium.json")) {
      this.test!.title += " (skipped: ../shared/conformance/cilium.json is not there)";
      this.skip();
    }
    const data = JSON.parse(readConformanceText("cilium.json")) as {
      world: World;
      cases: readonly {
        case: string;
        policies: readonly KubeObject[];
        expected: readonly { from: string; to: string; port: number; protocol: FlowProtocol; allowed: boolean }[];
      }[];
    };
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
    if (!hasConformanceFile("cilium-random.json") || !hasConformanceFile("cilium-random-measured.jsonl")) {
      this.test!.title += " (skipped: ../shared/conformance/cilium-random.json is not there)";
      this.skip();
    }
    this.timeout(60_000);
    const data = JSON.parse(readConformanceText("cilium-random.json")) as {
      world: World & { ports: readonly (readonly [FlowProtocol, number])[] };
      cases: readonly { id: string; policies: readonly KubeObject[] }[];
    };
    const measured = new Map(
      readConformanceText("cilium-random-measured.jsonl")
        .split("\n")
        .filter((line) => line !== "")
        .map(
          (line) =>
            JSON.parse(line) as { id: string; refused: readonly number[]; probes: number; allowed: readonly string[] },
        )
        .map((each) => [each.id, each]),
    );
    const probes = probesOf(data.world);
    const mismatches: string[] = [];
    let compared = 0;
    for (const each of data.cases) {
      const result = measured.get(each.id);
      assert.ok(result !== undefined, each.id);
      assert.equal(probes.length, result.probes, each.id);
      const accepted = each.policies.filter((_policy, index) => !result.refused.includes(index));
      const reachability = judge(data.world, accepted, [nodeAddress]);
      const allowed = new Set(result.allowed);
      for (const probe of allowed) assert.ok(probes.includes(probe), `${each.id}: ${probe} is no known probe`);
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

/** What was tried in every random case, in the notation of the measurements: `FROM TO PORT PROTO`. */
function probesOf(world: World & { ports: readonly (readonly [FlowProtocol, number])[] }): string[] {
  const probes: string[] = [];
  const pods = world.pods.map((pod) => `${pod.namespace}/${pod.name}`);
  for (const from of pods) {
    for (const to of pods) {
      if (from === to) continue;
      for (const [protocol, port] of world.ports) probes.push(`${from} ${to} ${port} ${protocol.toLowerCase()}`);
    }
    for (const to of ["169.254.169.254", "198.51.100.10", "10.99.0.10", "node"]) probes.push(`${from} ${to} 80 tcp`);
  }
  for (const to of pods) {
    probes.push(`world:198.51.100.10 ${to} 80 tcp`, `world:10.99.0.10 ${to} 8080 tcp`, `node ${to} 80 tcp`);
  }
  return probes;
}
