import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import path from "node:path";
import fc from "fast-check";
import type { ClusterSecurityDeclaration } from "../../sdk/plan/index";
import { DeclarationError, Dialect, flow, namespace, plan, tcp, workload } from "../../sdk/plan/index";
import { metadataEndpoints } from "../../sdk/reachability/index";
import { calicoAllows } from "../oracle/calico";
import type { OracleCluster, OraclePod, Party, PolicyObject } from "../oracle/cluster";
import type { Attempt, End } from "./expectation";
import { assertValid } from "./crd-schema";
import { isDeclared } from "./expectation";
import { commonDeclaration } from "./random-declarations";

const addresses = ["8.8.8.8", "203.0.113.77", "10.0.5.5", "10.1.5.5", "2001:db8::7"];
const attempts: readonly Attempt[] = (["TCP", "UDP", "SCTP"] as const).flatMap((protocol) =>
  [53, 80, 443, 8000, 8500, 9001].map((port) => ({ protocol, port })),
);

/** The declared workloads as pods with addresses of 10.0.0.0/8, so that a range could match them by mistake. */
function clusterOf(declaration: ClusterSecurityDeclaration): OracleCluster {
  const dns = { name: "kube-dns", namespace: "kube-system", labels: { "k8s-app": "kube-dns" } };
  const pods = [...(declaration.workloads ?? []), dns].map(
    ({ namespace: home, name, labels, ...rest }, index): OraclePod => ({
      namespace: home,
      name,
      labels: labels ?? { app: name },
      serviceAccount: ("serviceAccount" in rest ? rest.serviceAccount : undefined) ?? "default",
      hostNetwork: false,
      ports: [],
      addresses: [`10.0.9.${index + 1}`],
    }),
  );
  const names = [...new Set([...pods.map((pod) => pod.namespace), "alpha", "beta", "gamma"])];
  return { namespaces: names.map((name) => ({ name, labels: {} })), pods };
}

function policiesOf(declaration: ClusterSecurityDeclaration): PolicyObject[] {
  const { documents } = plan({ ...declaration, dialect: Dialect.Calico });
  return documents.map(({ object }) => object as unknown as PolicyObject);
}

function partyOf(cluster: OracleCluster, end: End): Party {
  if ("address" in end) return { kind: "address", address: end.address };
  const pod = cluster.pods.find((one) => `${one.namespace}/${one.name}` === end.pod);
  return { kind: "pod", pod: pod ?? assert.fail(end.pod) };
}

const crds = path.resolve(__dirname, "..", "..", "..", "shared", "crds", "calico-3.32.1");

describe("calico dialect", function () {
  this.timeout(120_000);

  it("S0-07 allows exactly the declared flows, as the oracle for Calico reads it", () => {
    fc.assert(
      fc.property(commonDeclaration, (declaration) => {
        const cluster = clusterOf(declaration);
        const policies = policiesOf(declaration);
        const ends: readonly End[] = [
          ...cluster.pods.map((pod) => ({ pod: `${pod.namespace}/${pod.name}` })),
          ...addresses.map((address) => ({ address })),
        ];
        for (const from of ends) {
          for (const to of ends) {
            if (!("pod" in from || "pod" in to) || JSON.stringify(from) === JSON.stringify(to)) continue;
            for (const attempt of attempts) {
              const parties = { source: partyOf(cluster, from), destination: partyOf(cluster, to) };
              assert.equal(
                calicoAllows(cluster, policies, { ...parties, ...attempt }),
                isDeclared(declaration, from, to, attempt),
                `${JSON.stringify(from)} → ${JSON.stringify(to)} ${attempt.protocol} ${attempt.port}`,
              );
            }
          }
        }
      }),
      { numRuns: 20 },
    );
  });

  const shop: ClusterSecurityDeclaration = {
    namespaces: [namespace("alpha")],
    workloads: [workload("alpha/web", { serviceAccount: "web" }), workload("alpha/db", { serviceAccount: "db" })],
    flows: [flow("web").to("db").on(tcp(5432)).because("data").ownedBy("team")],
  };

  it("S0-12 tells pods with the same labels apart by their service account", () => {
    const cluster = clusterOf(shop);
    const [web, db] = cluster.pods as [OraclePod, OraclePod];
    const impostor: OraclePod = { ...web, name: "impostor", serviceAccount: "default" };
    const withImpostor = { ...cluster, pods: [...cluster.pods, impostor] };
    const attempt = { destination: { kind: "pod", pod: db }, protocol: "TCP", port: 5432 } as const;
    const policies = policiesOf(shop);
    assert.ok(calicoAllows(withImpostor, policies, { ...attempt, source: { kind: "pod", pod: web } }));
    assert.ok(!calicoAllows(withImpostor, policies, { ...attempt, source: { kind: "pod", pod: impostor } }));
  });

  it("closes metadata endpoints before every other tier, and isolates nothing with it", () => {
    const cluster = clusterOf(shop);
    const [web] = cluster.pods as [OraclePod];
    const opener: PolicyObject = {
      apiVersion: "projectcalico.org/v3",
      kind: "GlobalNetworkPolicy",
      metadata: { name: "opens-everything" },
      spec: { tier: "default", order: 1, selector: "all()", types: ["Egress"], egress: [{ action: "Allow" }] },
    };
    const guard = policiesOf(shop).slice(0, 3);
    assert.deepEqual(
      guard.map(({ kind }) => kind),
      ["Tier", "Tier", "GlobalNetworkPolicy"],
    );
    const from = { source: { kind: "pod", pod: web }, protocol: "TCP", port: 80 } as const;
    for (const { address } of metadataEndpoints) {
      const flowTo = { ...from, destination: { kind: "address", address } } as const;
      assert.ok(!calicoAllows(cluster, [...policiesOf(shop), opener], flowTo), address);
      assert.ok(!calicoAllows(cluster, guard, flowTo), address);
    }
    assert.ok(calicoAllows(cluster, guard, { ...from, destination: { kind: "address", address: "8.8.8.8" } }));
  });

  it("writes what the published CRDs of Calico 3.32 take, without an unknown field", function () {
    if (!existsSync(crds)) return this.skip();
    fc.assert(
      fc.property(commonDeclaration, (declaration) => {
        for (const policy of policiesOf(declaration)) assertValid(crds, policy);
      }),
      { numRuns: 60 },
    );
  });

  it("refuses Calico without tiers (before 3.30)", () => {
    const declaration = { ...shop, dialect: Dialect.Calico, cluster: { enforcerVersion: "3.29.1" } };
    assert.throws(() => plan(declaration), DeclarationError);
    assert.ok(plan({ ...declaration, cluster: { enforcerVersion: "v3.32.1" } }));
  });
});
