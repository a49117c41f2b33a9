import assert from "node:assert/strict";
import fc from "fast-check";
import type { EgressDeclaration, Plan } from "../../sdk/plan/index";
import { DeclarationError, Dialect, MetadataService, planEgress, tcp, udp, workload } from "../../sdk/plan/index";
import type { KubeObject, Peer, Reachability } from "../../sdk/reachability/index";
import { buildSnapshot, compile, metadataEndpoints, profileFor } from "../../sdk/reachability/index";
import { deploymentOf } from "./world";
import { printed } from "../support/problems";

const nothing = "No Connections";
const dialects = Object.values(Dialect);
const at = (address: string): Peer => ({ kind: "address", address });
const pod = (id: string): Peer => ({ kind: "workload", id: `${id}[Deployment]` });
const running = [
  workload("shop/api", { serviceAccount: "api", ports: [tcp(8080)] }),
  workload("shop/mailer"),
  workload("other/db", { ports: [tcp(5432)] }),
  workload("kube-system/kube-dns", { labels: { "k8s-app": "kube-dns" }, ports: [tcp(53), udp(53)] }),
];
const declaration: EgressDeclaration = {
  cluster: { podCidrs: ["10.244.0.0/16"] },
  namespace: "shop",
  workloads: [workload("shop/api", { serviceAccount: "api" })],
  hosts: [{ host: "api.stripe.com", reason: "customers pay", owner: "shop" }],
  ranges: [
    { cidr: "198.51.100.0/24", except: ["198.51.100.64/26"], ports: [tcp(587)], reason: "mail", owner: "shop" },
    { cidr: "2001:db8::/32", ports: [tcp(443)], reason: "partner", owner: "shop" },
  ],
};

function reachabilityOf(planned: Plan, extra: readonly KubeObject[] = [], without = /^$/): Reachability {
  const cilium = planned.dialect === Dialect.Cilium;
  const profile = profileFor(
    cilium ? "cilium@1.20" : planned.dialect === Dialect.Calico ? "calico@3.32" : "kubernetes",
  );
  const objects: KubeObject[] = [
    ...["shop", "other", "kube-system"].map((name) => ({ apiVersion: "v1", kind: "Namespace", metadata: { name } })),
    ...running.map(deploymentOf),
    ...planned.documents.map(({ object }) => structuredClone(object) as unknown as KubeObject),
    ...extra,
  ];
  for (const { spec } of objects) {
    for (const section of Object.keys((spec ?? {}) as object)) {
      if (without.test(section)) delete (spec as Record<string, unknown>)[section];
    }
  }
  const snapshot = buildSnapshot(
    objects.map((object) => ({ object })),
    { profile: { ...profile, unknownPodAddresses: "outside-cidrs" } },
  );
  assert.deepEqual(snapshot.problems, []);
  return compile(snapshot);
}

const possible = (reachability: Reachability, source: Peer, destination: Peer): string =>
  reachability.traffic(source, destination).possible.toString();

function problemsOf(changed: EgressDeclaration, name = "outbound"): readonly { path: string; message: string }[] {
  try {
    planEgress(name, changed);
  } catch (error) {
    assert.ok(error instanceof DeclarationError);
    return printed(error.problems);
  }
  return [];
}

/** What somebody else may write beside it. */
const openEverything: KubeObject = {
  apiVersion: "networking.k8s.io/v1",
  kind: "NetworkPolicy",
  metadata: { name: "open", namespace: "shop" },
  spec: { podSelector: {}, policyTypes: ["Egress"], egress: [{}] },
};

describe("EgressPolicy, planned", () => {
  for (const dialect of dialects) {
    it(`S0-08, S2-03: opens the named ranges without their exceptions, DNS, and nothing else (${dialect})`, () => {
      const planned = planEgress("outbound", { ...declaration, dialect });
      // a name is any address for all that is known: names are left out here, and looked at below
      const reachability = reachabilityOf(planEgress("outbound", { ...declaration, hosts: [], dialect }));
      const api = pod("shop/api");
      assert.equal(possible(reachability, api, at("198.51.100.7")), "TCP 587");
      assert.equal(possible(reachability, api, at("2001:db8::7")), "TCP 443");
      assert.equal(possible(reachability, api, pod("kube-system/kube-dns")), "TCP 53; UDP 53");
      for (const closed of ["198.51.100.65", "198.51.101.1", "8.8.8.8", "2606:4700::1111", "10.0.0.1"]) {
        assert.equal(possible(reachability, api, at(closed)), nothing, closed);
      }
      assert.equal(possible(reachability, api, pod("other/db")), nothing);
      // others in the namespace, and what comes in, are not its business
      assert.equal(possible(reachability, pod("shop/mailer"), at("8.8.8.8")), "All Connections");
      assert.equal(possible(reachability, pod("other/db"), api), "All Connections");
      assert.ok(!planned.warnings.some(({ code }) => code === "first-allow-isolates"));
      assert.equal(
        planned.warnings.some(({ code, paths }) => code === "fqdn-unsupported" && paths.join() === "hosts[0]"),
        dialect !== Dialect.Cilium,
      );
    });

    it(`S1-13: keeps every cloud's metadata endpoints closed whatever the ranges are (${dialect})`, () => {
      const wide = ["0.0.0.0/0", "::/0", "169.254.0.0/16", "168.63.128.0/20", "fd00::/8", "64:ff9b::/96", "2002::/16"];
      fc.assert(
        fc.property(fc.subarray(wide, { minLength: 1 }), fc.boolean(), (cidrs, isWhole) => {
          const ranges = cidrs.map((cidr) => ({ cidr, ports: [tcp(80), tcp(443)], reason: "all", owner: "nobody" }));
          const { workloads, ...everyPod } = declaration;
          const changed = { ...(isWhole ? everyPod : { ...everyPod, workloads }), hosts: [], ranges, dialect };
          const planned = planEgress("outbound", changed);
          const isFinal = dialect !== Dialect.Kubernetes;
          const reachability = reachabilityOf(planned, isFinal ? [openEverything] : []);
          for (const { address } of metadataEndpoints) {
            assert.equal(possible(reachability, pod("shop/api"), at(address)), nothing, `${address} ${cidrs.join()}`);
          }
          // something is open: the test would notice
          const isOpen = possible(reachability, pod("shop/api"), at("8.8.8.8")) !== nothing;
          assert.equal(isOpen, isFinal || cidrs.includes("0.0.0.0/0"));
        }),
        { numRuns: 25 },
      );
    });
  }

  it("S1-14: opens the named hosts and no others (cilium)", () => {
    const planned = planEgress("outbound", { ...declaration, ranges: [] });
    // without the deny: a name may stand for an address that it closes
    const reachability = reachabilityOf(planned, [], /^egressDeny$/);
    const ask = (name: string, port: number): string => {
      const destination: Peer = { kind: "fqdn", name };
      return reachability.verdict({ source: pod("shop/api"), destination, protocol: "TCP", port });
    };
    assert.equal(ask("api.stripe.com", 443), "allowed");
    for (const [name, port] of [
      ["api.stripe.com", 80],
      ["stripe.com", 443],
      ["api.stripe.com.evil.net", 443],
    ] as const) {
      assert.equal(ask(name, port), "denied", name);
    }
  });

  it("isolates its pods also where the dialect can say none of it", () => {
    const { ranges, ...named } = declaration;
    assert.ok(ranges);
    for (const dialect of dialects.filter((one) => one !== Dialect.Cilium)) {
      const reachability = reachabilityOf(planEgress("outbound", { ...named, dialect }));
      assert.equal(possible(reachability, pod("shop/api"), at("8.8.8.8")), nothing, dialect);
      assert.equal(possible(reachability, pod("shop/api"), pod("kube-system/kube-dns")), "TCP 53; UDP 53", dialect);
    }
  });

  it("refuses metadata endpoints, ranges and hosts that mean nothing, and workloads of others, where they are written", () => {
    const range = (cidr: string): EgressDeclaration => ({
      ...declaration,
      ranges: [{ cidr, ports: [tcp(80)], reason: "x", owner: "y" }],
    });
    for (const cidr of ["169.254.169.254/32", "fd00:ec2::254/128", "168.63.129.16/32", "100.100.100.200/32"]) {
      const [problem] = problemsOf(range(cidr));
      assert.deepEqual([problem?.path, problem?.message], ["ranges[0].cidr", "is a metadata endpoint"], cidr);
    }
    assert.equal(problemsOf(range("10.0.0.1/8"))[0]?.path, "ranges[0].cidr");
    const named = (host: string): EgressDeclaration => ({ ...declaration, hosts: [{ host, reason: "x", owner: "y" }] });
    assert.equal(problemsOf(named("https://api.stripe.com"))[0]?.path, "hosts[0].host");
    assert.equal(problemsOf(named("metadata.google.internal"))[0]?.path, "hosts[0].host");
    const foreign = { ...declaration, workloads: [workload("other/db")] };
    assert.equal(problemsOf(foreign)[0]?.path, "workloads[0].namespace");
    assert.equal(problemsOf(declaration, "Not A Name")[0]?.path, "name");
    const access = [{ service: MetadataService.EksPodIdentity, reason: "x", owner: "y" }];
    const excepted = { ...declaration, workloads: [workload("shop/api", { metadataAccess: access })] };
    assert.equal(problemsOf(excepted)[0]?.path, "workloads[0].metadataAccess");
  });
});
