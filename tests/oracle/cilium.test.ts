import assert from "node:assert/strict";
import type { MeasuredWorld } from "../conformance/measured";
import { measuredForms, measuredSets } from "../conformance/measured";
import { ciliumAllows, stockCilium } from "./cilium";
import { ciliumAccepts, isCiliumPolicy } from "./cilium-rules";
import type { OracleCluster, OracleFlow, Party, PolicyObject, Protocol } from "./cluster";

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
  let compared = 0;
  after(() => console.log(`      ${compared} verdicts compared with a measured cilium-agent`));

  it("agrees with every measured form", () => {
    const data = measuredForms<PolicyObject>();
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

  it("agrees with every probe of the 90 random policy sets", () => {
    const data = measuredSets<PolicyObject>();
    const cluster = clusterOf(data.world);
    const wrong: string[] = [];
    for (const one of data.cases) {
      const policies = one.policies.filter((_, index) => !one.refused.includes(index));
      one.policies.forEach((policy, index) => {
        const enforced = one.states.includes(`${index}:enforced`);
        if (isCiliumPolicy(policy) && ciliumAccepts(policy) !== enforced)
          wrong.push(`${one.id}: policy ${index} enforced ${enforced}`);
      });
      for (const text of data.probes) {
        const [from = "", to = "", port, protocol = ""] = text.split(" ");
        const flow: OracleFlow = {
          source: partyOf(cluster, from, false),
          destination: partyOf(cluster, to, false),
          protocol: protocol.toUpperCase() as Protocol,
          port: Number(port),
        };
        compared++;
        if (ciliumAllows(cluster, policies, flow, stockCilium) !== one.allowed.has(text))
          wrong.push(`${one.id}: ${text} measured ${one.allowed.has(text)}`);
      }
    }
    assert.equal(wrong.length, 0, wrong.join("\n"));
  });
});
