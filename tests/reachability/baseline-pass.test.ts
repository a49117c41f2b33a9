/** A Pass rule of the Baseline tier beside NetworkPolicies, as cilium-agent 1.20.2 was measured to enforce it. */
import assert from "node:assert/strict";
import type { KubeObject } from "../../sdk/reachability";
import { buildSnapshot, compile, profileFor } from "../../sdk/reachability";

function pod(name: string): KubeObject {
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name, namespace: "shop", labels: { app: name } },
    spec: { containers: [{ name: "main" }] },
  };
}

/** What a NetworkPolicy with these ports lets through to a pod that a Baseline Pass of TCP 80 is about. */
function open(ports: readonly unknown[], tier = "Baseline"): string {
  const objects: KubeObject[] = [
    { apiVersion: "v1", kind: "Namespace", metadata: { name: "shop" } },
    pod("web"),
    pod("db"),
    {
      apiVersion: "networking.k8s.io/v1",
      kind: "NetworkPolicy",
      metadata: { name: "in", namespace: "shop" },
      spec: {
        podSelector: { matchLabels: { app: "db" } },
        policyTypes: ["Ingress"],
        ingress: [{ from: [{ podSelector: {} }], ports }],
      },
    },
    {
      apiVersion: "policy.networking.k8s.io/v1alpha2",
      kind: "ClusterNetworkPolicy",
      metadata: { name: "pass" },
      spec: {
        tier,
        priority: 5,
        subject: { namespaces: {} },
        ingress: [
          {
            action: "Pass",
            from: [{ namespaces: {} }],
            protocols: [{ tcp: { destinationPort: { number: 80 } } }],
          },
        ],
      },
    },
  ];
  const profile = { ...profileFor("cilium@1.20"), clusterNetworkPolicy: true };
  const reachability = compile(
    buildSnapshot(
      objects.map((object) => ({ object })),
      { profile },
    ),
  );
  return reachability
    .traffic({ kind: "workload", id: "shop/web[Pod]" }, { kind: "workload", id: "shop/db[Pod]" })
    .allowed.toString();
}

describe("a Baseline Pass beside NetworkPolicies (Cilium)", () => {
  it("takes its ports from an allow whose block of ports is larger", () => {
    assert.equal(open([{ protocol: "TCP" }]), "TCP 1-79,81-65535");
    assert.equal(open([{ protocol: "TCP", port: 80, endPort: 81 }]), "TCP 81");
  });

  it("leaves an allow of the same block alone, and takes nothing in the Admin tier", () => {
    assert.equal(open([{ protocol: "TCP", port: 80 }]), "TCP 80");
    assert.equal(open([{ protocol: "TCP" }], "Admin"), "TCP 1-65535");
  });
});
