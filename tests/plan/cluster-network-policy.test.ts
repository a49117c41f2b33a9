import assert from "node:assert/strict";
import fc from "fast-check";
import type { ClusterSecurityDeclaration } from "../../sdk/plan/index";
import { Dialect, allOf, cidr, flow, fqdn, internet, namespace, plan, tcp, workload } from "../../sdk/plan/index";
import type { KubeObject, Peer } from "../../sdk/reachability/index";
import { metadataEndpoints } from "../../sdk/reachability/index";
import { clusterNetworkPolicyAllows } from "../oracle/cluster-network-policy";
import { assertValid } from "./crd-schema";
import { assertAsDeclared, oracleClusterOf } from "./oracle-world";
import { commonDeclaration } from "./random-declarations";
import { fixture } from "../support/fixtures";
import { open, pod, worldOf } from "./world";

const crds = fixture("crds/network-policy-api");
const dialect = Dialect.ClusterNetworkPolicy;
const nothing = "No Connections";
const because = "needed";

interface Spec {
  readonly tier: string;
  readonly priority: number;
  readonly ingress?: readonly { readonly action: string }[];
  readonly egress?: readonly { readonly action: string; readonly to: readonly object[] }[];
}

function clusterPolicies(declaration: ClusterSecurityDeclaration): readonly { name: string; spec: Spec }[] {
  return plan({ ...declaration, dialect })
    .documents.filter(({ object }) => object.kind === "ClusterNetworkPolicy")
    .map(({ object }) => ({ name: object.metadata.name, spec: object["spec"] as Spec }));
}

const shop: ClusterSecurityDeclaration = {
  dialect,
  namespaces: [namespace("shop")],
  workloads: [workload("shop/web"), workload("shop/db", { denyExternal: true })],
  flows: [flow("web").to("db").on(tcp(5432)).because(because).ownedBy("team")],
};

describe("cluster-network-policy dialect", function () {
  it("allows exactly the declared flows, as the oracle for ClusterNetworkPolicy reads it, CIDRs matching pods or not", () => {
    fc.assert(
      fc.property(commonDeclaration, fc.boolean(), (base, cidrMatchesPods) => {
        const declaration = { ...base, dialect, cluster: { podCidrs: ["172.30.0.0/16"] } };
        const cluster = oracleClusterOf(declaration, (index) => `172.30.0.${index}`);
        assertAsDeclared(declaration, cluster, (policies, flowOf) =>
          clusterNetworkPolicyAllows(cluster, policies, flowOf, { cidrMatchesPods }),
        );
      }),
      { numRuns: 20 },
    );
  });

  it("closes metadata endpoints finally: no NetworkPolicy and no later Accept opens them, and alone it isolates nothing", () => {
    const opener: KubeObject = {
      apiVersion: "networking.k8s.io/v1",
      kind: "NetworkPolicy",
      metadata: { name: "open", namespace: "shop" },
      spec: { podSelector: {}, policyTypes: ["Egress"], egress: [{}] },
    };
    const whole = worldOf(shop, { extra: [opener] });
    const alone = worldOf(shop, {
      standing: ({ documents }) => documents.filter(({ stage }) => stage === "metadata-deny"),
    });
    for (const { address } of metadataEndpoints) {
      const endpoint: Peer = { kind: "address", address };
      assert.equal(open(whole, pod("shop/web"), endpoint), nothing, address);
      assert.equal(open(alone, pod("shop/web"), endpoint), nothing, address);
    }
    assert.equal(open(whole, pod("shop/web"), { kind: "address", address: "8.8.8.8" }), "All Connections");
    assert.equal(open(alone, pod("shop/web"), pod("shop/db")), "All Connections");
  });

  it("denies what pods of undeclared namespaces do in the Baseline tier, where their own policies still count", () => {
    const stray = workload("elsewhere/tool");
    const world = worldOf(shop, { workloads: [...(shop.workloads ?? []), stray] });
    const to = (address: string): string => open(world, pod("elsewhere/tool"), { kind: "address", address });
    assert.equal(open(world, pod("elsewhere/tool"), pod("shop/db")), nothing);
    assert.equal(open(world, pod("shop/web"), pod("elsewhere/tool")), nothing);
    assert.deepEqual(["8.8.8.8", "2606:4700::1111", "169.254.169.254"].map(to), [nothing, nothing, nothing]);
    const own: KubeObject = {
      apiVersion: "networking.k8s.io/v1",
      kind: "NetworkPolicy",
      metadata: { name: "calls-out", namespace: "elsewhere" },
      spec: { podSelector: {}, policyTypes: ["Egress"], egress: [{ to: [{ ipBlock: { cidr: "8.8.8.8/32" } }] }] },
    };
    const opened = worldOf(shop, { workloads: [...(shop.workloads ?? []), stray], extra: [own] });
    assert.equal(open(opened, pod("elsewhere/tool"), { kind: "address", address: "8.8.8.8" }), "All Connections");
    assert.match(
      world.plan.warnings.map(({ code }) => code).join(),
      /undeclared-namespaces-uncovered.*outside-not-nameable/,
    );
  });

  it("gives one priority to policies that agree, and lower numbers to what comes first", () => {
    fc.assert(
      fc.property(commonDeclaration, (declaration) => {
        const actions = new Map<string, Set<string>>();
        for (const { spec } of clusterPolicies(declaration)) {
          const key = `${spec.tier} ${spec.priority}`;
          const found = actions.get(key) ?? new Set<string>();
          for (const { action } of [...(spec.ingress ?? []), ...(spec.egress ?? [])]) found.add(action);
          actions.set(key, found);
        }
        for (const [key, found] of actions) assert.equal(found.size, 1, key);
      }),
      { numRuns: 100 },
    );
  });

  it("splits what is longer than the API takes, and loses nothing", function () {
    const many = Array.from({ length: 60 }, (_, index) => workload(`shop/w${index}`));
    const ports = Array.from({ length: 30 }, (_, index) => tcp(7000 + 2 * index));
    const declaration: ClusterSecurityDeclaration = {
      dialect,
      namespaces: [namespace("shop")],
      workloads: [...many, workload("shop/hub")],
      flows: many.map(({ name }, index) =>
        flow("hub")
          .to(name)
          .on(tcp(9000 + index), ...ports)
          .because(because)
          .ownedBy("team"),
      ),
    };
    const policies = clusterPolicies(declaration).filter(({ name }) => name.startsWith("shop.allow-hub-egress"));
    assert.deepEqual(
      policies.map(({ name }) => name),
      ["", "-2", "-3", "-4", "-5"].map((suffix) => `shop.allow-hub-egress${suffix}`),
    );
    const world = worldOf(declaration);
    many.forEach(({ name }, index) => {
      const wanted = [...ports.map(({ port }) => port), 9000 + index].sort().join();
      assert.equal(open(world, pod("shop/hub"), pod(`shop/${name}`)), `TCP ${wanted}`);
    });
    if (crds === undefined) return this.skip();
    for (const { object } of plan(declaration).documents) {
      if (object.kind === "ClusterNetworkPolicy") assertValid(crds, object);
    }
  });

  it("writes what the published CRDs take, without an unknown field", function () {
    if (crds === undefined) return this.skip();
    fc.assert(
      fc.property(commonDeclaration, (declaration) => {
        for (const { object } of plan({ ...declaration, dialect }).documents) {
          if (object.kind === "ClusterNetworkPolicy") assertValid(crds, object);
        }
      }),
      { numRuns: 60 },
    );
  });

  it("says DNS names only where the experimental channel is read, and only the patterns that it has", () => {
    const names = (name: string, experimentalPeers: boolean): string => {
      const flows = [flow("web").to(fqdn(name)).on(tcp(443)).because(because).ownedBy("team")];
      return JSON.stringify(clusterPolicies({ ...shop, flows, cluster: { experimentalPeers } }));
    };
    assert.match(names("api.example.com", true), /"domainNames":\["api.example.com"\]/);
    assert.match(names("**.example.com", true), /"domainNames":\["\*.example.com"\]/);
    // one label only, or a part of one: nothing of this API means that
    for (const name of ["*.example.com", "api-*.example.com"]) assert.doesNotMatch(names(name, true), /domainNames/);
    assert.doesNotMatch(names("api.example.com", false), /domainNames/);
  });

  it("leaves ranges with exceptions, and whatever comes from outside, to NetworkPolicy", () => {
    const flows = [
      flow("web").to(internet()).on(tcp(443)).because(because).ownedBy("team"),
      flow(cidr("203.0.113.0/24")).to("web").on(tcp(80)).because(because).ownedBy("team"),
      flow(allOf("shop")).to("db").on(tcp(5432)).because(because).ownedBy("team"),
    ];
    const world = worldOf({ ...shop, flows });
    const address = (text: string): Peer => ({ kind: "address", address: text });
    assert.equal(open(world, pod("shop/web"), address("8.8.8.8")), "TCP 443");
    assert.equal(open(world, pod("shop/web"), address("10.1.1.1")), nothing);
    assert.equal(open(world, address("203.0.113.9"), pod("shop/web")), "TCP 80");
    assert.equal(open(world, address("203.0.113.9"), pod("shop/db")), nothing);
    assert.equal(open(world, pod("shop/web"), pod("shop/db")), "TCP 5432");
  });
});
