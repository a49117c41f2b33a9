import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { ciliumAllows, stockCilium } from "./cilium";
import { ciliumAccepts, isCiliumPolicy } from "./cilium-rules";
import type { OracleCluster, OracleFlow, OraclePod, Party, PolicyObject, Protocol } from "./cluster";

const folder = path.join(__dirname, "..", "..", "..", "shared", "conformance");
const present = existsSync(path.join(folder, "cilium.json"));

interface MeasuredWorld {
  readonly namespaces: readonly { readonly name: string; readonly labels?: Record<string, string> }[];
  readonly pods: readonly {
    readonly namespace: string;
    readonly name: string;
    readonly labels: Record<string, string>;
    readonly serviceAccount?: string;
  }[];
}

function clusterOf(world: MeasuredWorld): OracleCluster {
  return {
    namespaces: world.namespaces.map(({ name, labels }) => ({ name, labels: labels ?? {} })),
    pods: world.pods.map((pod) => ({
      namespace: pod.namespace,
      name: pod.name,
      labels: pod.labels,
      serviceAccount: pod.serviceAccount ?? "default",
      hostNetwork: false,
      ports: [],
      addresses: [],
    })),
  };
}

/** The one node of the rig runs every pod and the API server. */
const node: Party = { kind: "node", where: "local", address: "172.30.0.2", apiserver: true };

function partyOf(cluster: OracleCluster, text: string, metadataOnNode: boolean): Party {
  if (text === "node") return node;
  const address = text.replace(/^world:/, "");
  if (/^\d+\./.test(address))
    return metadataOnNode && address === "169.254.169.254" ? node : { kind: "address", address };
  const found = cluster.pods.find((pod) => `${pod.namespace}/${pod.name}` === text);
  assert.ok(found, text);
  return { kind: "pod", pod: found };
}

describe("oracle: Cilium", function () {
  this.timeout(120_000);
  if (!present) {
    it.skip("skipped: ../shared/conformance/cilium.json is not beside the checkout");
    return;
  }
  let compared = 0;
  after(() => console.log(`      ${compared} verdicts compared with a measured cilium-agent`));

  it("agrees with every measured form in cilium.json", () => {
    const data = JSON.parse(readFileSync(path.join(folder, "cilium.json"), "utf8")) as {
      world: MeasuredWorld;
      cases: {
        case: string;
        state: string;
        policies: PolicyObject[];
        expected: { from: string; to: string; port: number; protocol: Protocol; allowed: boolean }[];
      }[];
    };
    const cluster = clusterOf(data.world);
    const wrong: string[] = [];
    for (const one of data.cases) {
      const refused = one.policies.some((policy) => isCiliumPolicy(policy) && !ciliumAccepts(policy));
      if (refused !== /^(API server|stored)/.test(one.state))
        wrong.push(`${one.case}: refused ${refused}, measured: ${one.state}`);
      for (const probe of one.expected) {
        const flow: OracleFlow = {
          source: partyOf(cluster, probe.from, one.case.startsWith("B:")),
          destination: partyOf(cluster, probe.to, one.case.startsWith("B:")),
          protocol: probe.protocol,
          port: probe.port,
        };
        const allowed = ciliumAllows(cluster, one.policies, flow, stockCilium);
        compared++;
        if (allowed !== probe.allowed)
          wrong.push(
            `${one.case}: ${probe.from} > ${probe.to} ${probe.protocol}/${probe.port} measured ${probe.allowed}`,
          );
      }
    }
    assert.equal(wrong.length, 0, wrong.join("\n"));
  });

  it("agrees with every probe of the 90 random policy sets in cilium-random", () => {
    const data = JSON.parse(readFileSync(path.join(folder, "cilium-random.json"), "utf8")) as {
      world: MeasuredWorld & { ports: [Protocol, number][] };
      cases: { id: string; policies: PolicyObject[] }[];
    };
    const measured = readFileSync(path.join(folder, "cilium-random-measured.jsonl"), "utf8")
      .trim()
      .split("\n")
      .map(
        (line) =>
          JSON.parse(line) as { id: string; refused: number[]; states: string[]; probes: number; allowed: string[] },
      );
    const cluster = clusterOf(data.world);
    const wrong: string[] = [];
    for (const one of data.cases) {
      const result = measured.find((line) => line.id === one.id);
      assert.ok(result, one.id);
      const policies = one.policies.filter((_, index) => !result.refused.includes(index));
      one.policies.forEach((policy, index) => {
        const enforced = result.states.includes(`${index}:enforced`);
        if (isCiliumPolicy(policy) && ciliumAccepts(policy) !== enforced)
          wrong.push(`${one.id}: policy ${index} enforced ${enforced}`);
      });
      const allowed = new Set(result.allowed);
      const probes = probesOf(cluster.pods, data.world.ports);
      assert.equal(probes.length, result.probes, one.id);
      for (const [from, to, port, protocol] of probes) {
        const flow: OracleFlow = {
          source: partyOf(cluster, from, false),
          destination: partyOf(cluster, to, false),
          protocol,
          port,
        };
        const text = `${from} ${to} ${port} ${protocol.toLowerCase()}`;
        compared++;
        if (ciliumAllows(cluster, policies, flow, stockCilium) !== allowed.has(text))
          wrong.push(`${one.id}: ${text} measured ${allowed.has(text)}`);
      }
    }
    assert.equal(wrong.length, 0, wrong.join("\n"));
  });
});

/** What the rig tried in every case (conformance/README.md). */
function probesOf(
  pods: readonly OraclePod[],
  ports: readonly [Protocol, number][],
): [string, string, number, Protocol][] {
  const name = (pod: OraclePod): string => `${pod.namespace}/${pod.name}`;
  const probes: [string, string, number, Protocol][] = [];
  for (const from of pods) {
    for (const to of pods) {
      if (from !== to) for (const [protocol, port] of ports) probes.push([name(from), name(to), port, protocol]);
    }
    for (const address of ["169.254.169.254", "198.51.100.10", "10.99.0.10", "node"])
      probes.push([name(from), address, 80, "TCP"]);
    probes.push(["world:198.51.100.10", name(from), 80, "TCP"]);
    probes.push(["world:10.99.0.10", name(from), 8080, "TCP"]);
    probes.push(["node", name(from), 80, "TCP"]);
  }
  return probes;
}
