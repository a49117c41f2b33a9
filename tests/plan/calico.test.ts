import assert from "node:assert/strict";
import fc from "fast-check";
import type { ClusterSecurityDeclaration } from "../../sdk/plan/index";
import {
  cidr,
  DeclarationError,
  Dialect,
  PolicyMode,
  flow,
  namespace,
  plan,
  tcp,
  workload,
} from "../../sdk/plan/index";
import { metadataEndpoints } from "../../sdk/reachability/index";
import { calicoAllows } from "../oracle/calico";
import type { OracleCluster, OraclePod, PolicyObject } from "../oracle/cluster";
import { fixture } from "../support/fixtures";
import { assertValid } from "./crd-schema";
import { assertAsDeclared, oracleClusterOf, policiesOf } from "./oracle-world";
import { commonDeclaration } from "./random-declarations";

/** Pods have addresses of 10.0.0.0/8, so that a range could match them by mistake. */
const clusterOf = (declaration: ClusterSecurityDeclaration): OracleCluster =>
  oracleClusterOf(declaration, (index) => `10.0.9.${index}`);

function calicoPolicies(declaration: ClusterSecurityDeclaration): PolicyObject[] {
  return policiesOf({ ...declaration, dialect: Dialect.Calico });
}

const crds = fixture("crds/calico");

describe("calico dialect", function () {
  it("S0-07 allows exactly the declared flows, as the oracle for Calico reads it", () => {
    fc.assert(
      fc.property(commonDeclaration, (declaration) => {
        const cluster = clusterOf(declaration);
        assertAsDeclared({ ...declaration, dialect: Dialect.Calico }, cluster, (policies, flow) =>
          calicoAllows(cluster, policies, flow),
        );
      }),
      { numRuns: 20 },
    );
  });

  it("S0-12 gives policies names that Calico takes: the dot after the tier is the only one", () => {
    // libcalico-go, validator/v3: networkPolicyNameRegex and globalNetworkPolicyNameRegex
    const label = "[a-z0-9]([-a-z0-9]*[a-z0-9])?";
    const names = new RegExp(`^(${label}\\.)?${label}$`);
    const acrossNamespaces: ClusterSecurityDeclaration = {
      namespaces: [namespace("front"), namespace("back")],
      workloads: [workload("front/web"), workload("back/api")],
      flows: [
        flow("web").to("api").on(tcp(9000)).because("pages").ownedBy("team"),
        flow("api").to(cidr("10.99.0.0/16")).on(tcp(443)).because("warehouse").ownedBy("team"),
      ],
    };
    const refused = (declaration: ClusterSecurityDeclaration): string[] =>
      calicoPolicies(declaration)
        .map(({ metadata }) => metadata.name ?? "")
        .filter((name) => !names.test(name));
    assert.deepEqual(refused(acrossNamespaces), []);
    fc.assert(
      fc.property(commonDeclaration, (declaration) => assert.deepEqual(refused(declaration), [])),
      { numRuns: 20 },
    );
  });

  it("says which ranges open the nodes too: only Cilium's own API leaves them out", () => {
    const warned = (dialect: Dialect, to: string, except: string[], nodeCidrs: string[]): boolean =>
      plan({
        dialect,
        namespaces: [namespace("alpha")],
        workloads: [workload("alpha/web")],
        flows: [flow("web").to({ cidr: to, except }).on(tcp(443)).because("reaches out").ownedBy("team")],
        cluster: { podCidrs: ["10.244.0.0/16"], ...(nodeCidrs.length === 0 ? {} : { nodeCidrs }) },
      }).warnings.some(({ code, paths }) => code === "range-covers-nodes" && paths.includes("flows[0]"));
    const nodes = ["192.168.77.0/24"];
    for (const dialect of [Dialect.Calico, Dialect.Kubernetes, Dialect.ClusterNetworkPolicy]) {
      assert.equal(warned(dialect, "0.0.0.0/0", [], nodes), true, dialect);
      assert.equal(warned(dialect, "192.168.77.9/32", [], nodes), true, dialect);
      assert.equal(warned(dialect, "0.0.0.0/0", ["192.168.0.0/16"], nodes), false, dialect);
      assert.equal(warned(dialect, "10.0.0.0/8", [], nodes), false, dialect);
      // nobody said where the nodes are
      assert.equal(warned(dialect, "0.0.0.0/0", [], []), true, dialect);
      assert.equal(warned(dialect, "10.0.0.0/8", [], []), true, dialect);
      assert.equal(warned(dialect, "10.99.0.0/16", [], []), false, dialect);
      assert.equal(warned(dialect, "203.0.113.0/24", [], []), false, dialect);
    }
    assert.equal(warned(Dialect.Cilium, "0.0.0.0/0", [], nodes), false);
  });

  it("writes no rule that would end Felix: no ICMP code, no protocol beside another", () => {
    fc.assert(
      fc.property(commonDeclaration, (declaration) => {
        for (const { spec } of calicoPolicies(declaration)) {
          assert.doesNotMatch(JSON.stringify(spec), /"((not)?icmp|notprotocol)"/i);
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
    const policies = calicoPolicies(shop);
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
    const guard = calicoPolicies(shop).slice(0, 3);
    assert.deepEqual(
      guard.map(({ kind }) => kind),
      ["Tier", "Tier", "GlobalNetworkPolicy"],
    );
    const from = { source: { kind: "pod", pod: web }, protocol: "TCP", port: 80 } as const;
    for (const { address } of metadataEndpoints) {
      const flowTo = { ...from, destination: { kind: "address", address } } as const;
      assert.ok(!calicoAllows(cluster, [...calicoPolicies(shop), opener], flowTo), address);
      assert.ok(!calicoAllows(cluster, guard, flowTo), address);
    }
    assert.ok(calicoAllows(cluster, guard, { ...from, destination: { kind: "address", address: "8.8.8.8" } }));
  });

  it("writes what the published CRDs of Calico 3.32 take, without an unknown field", function () {
    if (crds === undefined) return this.skip();
    fc.assert(
      fc.property(commonDeclaration, (declaration) => {
        for (const policy of calicoPolicies(declaration)) assertValid(crds, policy);
      }),
      { numRuns: 60 },
    );
  });

  it("S3-28 stages every policy in mode audit, as the published CRDs take it, and enforces none", function () {
    if (crds === undefined) return this.skip();
    const modes = fc.constantFrom(...Object.values(PolicyMode));
    fc.assert(
      fc.property(commonDeclaration, modes, (base, mode) => {
        const alpha = { name: "alpha", mode: PolicyMode.Audit };
        const namespaces = [alpha, ...(base.namespaces ?? []).filter(({ name }) => name !== "alpha")];
        const policies = calicoPolicies({ ...base, namespaces, mode });
        for (const policy of policies) {
          assertValid(crds, policy);
          const isStaged = policy.kind.startsWith("Staged");
          if (policy.kind !== "Tier" && mode === PolicyMode.Audit) assert.ok(isStaged, policy.metadata.name);
          if (policy.metadata.namespace === "alpha") assert.equal(policy.kind, "StagedNetworkPolicy");
        }
        const names = policies.map(({ kind, metadata }) => `${kind} ${metadata.namespace} ${metadata.name}`);
        assert.equal(new Set(names).size, names.length);
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
