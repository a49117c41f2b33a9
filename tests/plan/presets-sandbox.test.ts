import assert from "node:assert/strict";
import type { AgentSandboxDeclaration, ClusterSecurityDeclaration } from "../../sdk/plan/index";
import {
  DeclarationError,
  Dialect,
  Tier,
  allOf,
  flow,
  fqdn,
  namespace,
  plan,
  tcp,
  workload,
} from "../../sdk/plan/index";
import type { KubeObject, Peer } from "../../sdk/reachability/index";
import { buildSnapshot, compile, metadataEndpoints, profileFor } from "../../sdk/reachability/index";
import { deploymentOf } from "./world";
import { printed } from "../support/problems";

const nothing = "No Connections";
const sandbox: AgentSandboxDeclaration = {
  namespace: "agents",
  hosts: ["api.anthropic.com", "*.example.org"],
  callers: ["shop/orchestrator"],
  port: 8000,
  reason: "agents call a model",
  owner: "ml",
};
const declaration: ClusterSecurityDeclaration = {
  cluster: { apiServer: { cidrs: ["10.0.0.1/32"] }, nodeCidrs: ["192.168.0.0/16"] },
  namespaces: [namespace("agents"), namespace("shop"), { name: "vault", tier: Tier.SharedServices }],
  workloads: [workload("shop/orchestrator"), workload("shop/db"), workload("vault/vault")],
  applications: { agentSandboxes: [sandbox] },
};
const agent: Peer = { kind: "freshPod", namespace: "agents" };
const pod = (id: string): Peer => ({ kind: "workload", id: `${id}[Deployment]` });
const at = (address: string): Peer => ({ kind: "address", address });

interface World {
  readonly planned: ReturnType<typeof plan>;
  possible(source: Peer, destination: Peer): string;
  verdict(name: string, port?: number): string;
}

function worldOf(changed: ClusterSecurityDeclaration): World {
  const planned = plan(changed);
  const dns = workload("kube-system/kube-dns", { labels: { "k8s-app": "kube-dns" } });
  const names = ["agents", "shop", "vault", "kube-system", "elsewhere"];
  const cilium = planned.dialect === Dialect.Cilium;
  const calico = planned.dialect === Dialect.Calico;
  const profile = profileFor(cilium ? "cilium@1.20" : calico ? "calico@3.32" : "kubernetes");
  const reachabilityOf = (without: string): ReturnType<typeof compile> => {
    const objects: KubeObject[] = [
      ...names.map((name) => ({ apiVersion: "v1", kind: "Namespace", metadata: { name } })),
      ...[...(declaration.workloads ?? []), dns].map(deploymentOf),
      ...planned.documents
        .filter(({ object }) => object.metadata.name !== without)
        .map(({ object }) => object as unknown as KubeObject),
    ];
    return compile(
      buildSnapshot(
        objects.map((object) => ({ object })),
        { profile: { ...profile, unknownPodAddresses: "outside-cidrs" } },
      ),
    );
  };
  const reachability = reachabilityOf("");
  // a name may stand for an address that the metadata deny closes; without it what a name opens is certain
  const unguarded = reachabilityOf("deny-cloud-metadata");
  return {
    planned,
    possible: (source, destination) => reachability.traffic(source, destination).possible.toString(),
    verdict: (name, port = 443) =>
      unguarded.verdict({ source: agent, destination: { kind: "fqdn", name }, protocol: "TCP", port }),
  };
}

function problemsOf(changed: ClusterSecurityDeclaration): readonly { path: string; message: string }[] {
  try {
    plan(changed);
  } catch (error) {
    assert.ok(error instanceof DeclarationError);
    return printed(error.problems);
  }
  return [];
}

describe("agent sandbox", () => {
  for (const dialect of Object.values(Dialect)) {
    it(`closes the cluster, the metadata endpoints and every address to agents (${dialect})`, () => {
      const world = worldOf({ ...declaration, dialect });
      for (const other of [pod("shop/orchestrator"), pod("shop/db"), pod("vault/vault"), agent]) {
        assert.equal(world.possible(agent, other), nothing);
      }
      assert.equal(world.possible(agent, { kind: "freshPod", namespace: "elsewhere" }), nothing);
      assert.equal(world.possible(agent, { kind: "node", where: "remote", address: "192.168.3.4" }), nothing);
      for (const { address } of metadataEndpoints) assert.equal(world.possible(agent, at(address)), nothing, address);
      assert.equal(world.possible(pod("shop/orchestrator"), agent), "TCP 8000");
      assert.equal(world.possible(pod("shop/db"), agent), nothing);
      const dns = world.possible(agent, pod("kube-system/kube-dns"));
      if (dialect === Dialect.Cilium) return assert.equal(dns, "TCP 53; UDP 53");
      // where names cannot be limited, DNS would carry anything away: it stays closed, and the plan says so
      assert.equal(dns, nothing);
      assert.ok(world.planned.warnings.some(({ code }) => code === "dns-names-unsupported"));
      for (const other of ["shop", "vault"]) {
        const neighbour: Peer = { kind: "freshPod", namespace: other };
        assert.equal(world.possible(neighbour, pod("kube-system/kube-dns")), "TCP 53; UDP 53");
      }
    });
  }

  it("S1-14: reaches the named hosts, on their port, and no others", () => {
    const world = worldOf(declaration);
    for (const name of ["api.anthropic.com", "a.example.org"]) assert.equal(world.verdict(name), "allowed", name);
    assert.equal(world.verdict("api.anthropic.com", 80), "denied");
    for (const name of ["example.org", "a.b.example.org", "api.anthropic.com.evil.net", "evil.net"]) {
      assert.equal(world.verdict(name), "denied", name);
    }
  });

  it("asks DNS for these names only: nothing can be carried away in a name", () => {
    const { documents } = plan(declaration);
    const own = documents.filter(({ object }) => object.metadata.namespace === "agents" && object.kind !== "Namespace");
    const rules = [...JSON.stringify(own).matchAll(/"dns":(\[[^\]]*\])/g)].flatMap(
      ([, list = ""]) => JSON.parse(list) as { matchName?: string; matchPattern?: string }[],
    );
    const expressions = rules.map(({ matchName, matchPattern }) => {
      const text = (matchPattern ?? matchName ?? assert.fail()).replace(/\./g, "\\.").replace(/\*/g, "[-a-z0-9_]*");
      return new RegExp(`^${text}$`);
    });
    const mayAsk = (name: string): boolean => expressions.some((expression) => expression.test(name));
    for (const name of [
      "api.anthropic.com",
      "docs.example.org",
      // what a resolver with search domains asks for first
      "api.anthropic.com.agents.svc.cluster.local",
      "api.anthropic.com.svc.cluster.local",
      "docs.example.org.cluster.local",
    ]) {
      assert.ok(mayAsk(name), name);
    }
    for (const name of [
      "c2VjcmV0.evil.net",
      "api.anthropic.com.evil.net",
      "c2VjcmV0.api.anthropic.com",
      "c2Vj.cmV0.example.org",
      "db.shop.svc.cluster.local",
      "kubernetes.default.svc.cluster.local",
    ]) {
      assert.ok(!mayAsk(name), name);
    }
    // no policy of the whole cluster opens DNS to the namespace a second time
    const wide = documents.find(({ logicalName }) => logicalName === "allow-dns-egress");
    assert.match(JSON.stringify(wide?.object["spec"]), /"NotIn","values":\["agents",/);
  });

  it("without hosts reaches nothing at all, DNS included, in every dialect", () => {
    for (const dialect of Object.values(Dialect)) {
      const silent: AgentSandboxDeclaration = { namespace: "agents", reason: "none", owner: "ml" };
      const world = worldOf({ ...declaration, dialect, applications: { agentSandboxes: [silent] } });
      for (const end of [pod("kube-system/kube-dns"), at("8.8.8.8"), at("2606:4700::1111"), pod("shop/db")]) {
        assert.equal(world.possible(agent, end), nothing, dialect);
      }
    }
  });

  it("refuses whatever else opens its namespace, and a namespace that is not its own", () => {
    const opened = flow(allOf("agents")).to(fqdn("evil.net")).on(tcp(443)).because("x").ownedBy("y");
    const [crossing] = problemsOf({ ...declaration, flows: [opened] });
    assert.deepEqual([crossing?.path, crossing?.message], ["flows[0]", "opens agents, which is a sandbox"]);

    const withWorkload = { ...declaration, workloads: [...(declaration.workloads ?? []), workload("agents/debug")] };
    assert.match(problemsOf(withWorkload)[0]?.message ?? "", /holds the workload agents\/debug/);

    const shared = { ...declaration, applications: { agentSandboxes: [{ ...sandbox, namespace: "vault" }] } };
    assert.ok(problemsOf(shared).some(({ message }) => message === "is not of tier 2"));
    const twice = { ...declaration, applications: { agentSandboxes: [sandbox, { ...sandbox, callers: [] }] } };
    assert.ok(problemsOf(twice).some(({ message }) => message === "is the namespace of another sandbox"));
  });
});
