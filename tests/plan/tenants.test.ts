import assert from "node:assert/strict";
import * as example from "../../examples/tenants/declaration";
import type { ClusterSecurityDeclaration } from "../../sdk/plan/index";
import { DeclarationError, Dialect, flow, plan, tcp } from "../../sdk/plan/index";
import type { KubeObject, Peer } from "../../sdk/reachability/index";
import type { World } from "./world";
import { open, pod, worldOf } from "./world";

const { declaration } = example;
const workloads = [...example.applications, ...example.platform];
const tenantOf = (namespace: string): string => namespace.slice(0, namespace.indexOf("-"));
const nothing = "No Connections";
const exception = "acme-web/web → globex-web/web";

function crossings(world: World): string[] {
  const found: string[] = [];
  for (const source of example.applications) {
    for (const target of example.applications) {
      if (tenantOf(source.namespace) === tenantOf(target.namespace)) continue;
      const [from, to] = [`${source.namespace}/${source.name}`, `${target.namespace}/${target.name}`];
      const text = open(world, pod(from), pod(to));
      if (text !== nothing) found.push(`${from} → ${to}: ${text}`);
    }
  }
  return found;
}

/** What an eager tenant might write into its own namespaces, to open them to everybody. */
function openEverything(namespace: string): KubeObject[] {
  return [
    {
      apiVersion: "networking.k8s.io/v1",
      kind: "NetworkPolicy",
      metadata: { name: "open", namespace },
      spec: { podSelector: {}, policyTypes: ["Ingress", "Egress"], ingress: [{}], egress: [{}] },
    },
    {
      apiVersion: "cilium.io/v2",
      kind: "CiliumNetworkPolicy",
      metadata: { name: "open", namespace },
      spec: {
        endpointSelector: {},
        ingress: [{ fromEntities: ["all"] }],
        egress: [{ toEntities: ["all"] }],
      },
    },
  ];
}

function problemsOf(changed: ClusterSecurityDeclaration): readonly { path: string; message: string }[] {
  try {
    plan(changed);
  } catch (error) {
    assert.ok(error instanceof DeclarationError);
    return error.problems;
  }
  return [];
}

describe("examples/tenants", () => {
  for (const dialect of [Dialect.Cilium, Dialect.Kubernetes]) {
    it(`S2-01 S2-02 S2-03 lets nothing pass between tenants but the documented exception (${dialect})`, () => {
      const world = worldOf({ ...declaration, dialect }, { workloads });
      assert.deepEqual(crossings(world), [`${exception}: TCP 8080`]);
      assert.equal(open(world, pod("acme-web/web"), pod("acme-data/store")), "TCP 5432");
      for (const { namespace, name } of example.applications) {
        const outside: Peer = { kind: "address", address: "203.0.113.9" };
        assert.equal(open(world, outside, pod(`${namespace}/${name}`)), nothing);
      }
    });

    it(`S2-04 gives every tenant DNS (${dialect})`, () => {
      const world = worldOf({ ...declaration, dialect }, { workloads });
      for (const { namespace, name } of example.applications) {
        assert.equal(open(world, pod(`${namespace}/${name}`), pod("kube-system/kube-dns")), "TCP 53; UDP 53");
      }
    });
  }

  it("S2-05 holds against what tenants write themselves: no customisation opens a boundary", () => {
    const all = example.applications.flatMap(({ namespace }) => openEverything(namespace));
    const world = worldOf(declaration, { workloads, extra: all });
    const opened = crossings(world).map((text) => text.slice(0, text.indexOf(":")));
    // the namespaces between which an exception was granted are open to what both tenants agree on, no others
    assert.deepEqual(opened, [exception]);
    // and the policies did open something: the test would notice
    assert.equal(open(world, pod("acme-data/store"), pod("acme-web/web")), "All Connections");
  });

  it("S2-02 writes a register of exceptions: reason, owner, last day", () => {
    const { flows, documents } = plan(declaration);
    assert.deepEqual(
      flows
        .filter(({ expires }) => expires !== undefined)
        .map(({ from, to, owner, expires }) => [from, to, owner, expires]),
      [["acme-web/web", "globex-web/web", "partnerships", "2027-06-30"]],
    );
    const policy = documents.find(({ logicalName }) => logicalName === "globex-web/allow-web.acme-web-to-web");
    assert.match(
      JSON.stringify(policy?.object.metadata.annotations),
      /contract 2026-114 \(partnerships, until 2027-06-30\)/,
    );
  });

  it("S2-05 S2-07 refuses a flow across the boundary that is no exception, and an exception that is none", () => {
    const across = flow("acme-web/web").to("initech-data/store").on(tcp(5432)).because("x").ownedBy("acme");
    const [first, ...rest] = problemsOf({ ...declaration, flows: [across] });
    assert.deepEqual([first?.path, rest], ["flows[0]", []]);
    assert.match(first?.message ?? "", /from tenant acme to tenant initech/);

    const inside = flow("acme-web/web").to("acme-data/store").on(tcp(5432)).because("x").ownedBy("acme");
    const tenants = [
      { name: "acme", namespaces: ["acme-web", "acme-data"], exceptions: [{ flow: inside, expires: "soon" }] },
    ];
    assert.deepEqual(
      problemsOf({ ...declaration, tenants, flows: [] }).map(({ path }) => path),
      ["tenants[0].exceptions[0].expires", "tenants[0].exceptions[0].flow"],
    );
  });

  it("refuses a namespace of two tenants, an undeclared one and one of tier 0", () => {
    const tenants = [
      { name: "one", namespaces: ["acme-web", "nowhere", "kube-system"] },
      { name: "two", namespaces: ["acme-web"] },
    ];
    assert.deepEqual(
      problemsOf({ ...declaration, tenants, flows: [] }).map(({ path }) => path),
      ["tenants[0].namespaces[1]", "tenants[0].namespaces[2]", "tenants[1].namespaces[0]"],
    );
  });

  it("S2-22 lets only the named groups edit policies, in the tenant's namespaces", () => {
    const { documents } = plan(declaration);
    const bindings = documents.filter(({ object }) => object.kind === "RoleBinding");
    assert.deepEqual(
      bindings.map(({ object }) => [object.metadata.namespace, (object["subjects"] as { name: string }[])[0]?.name]),
      [
        ["acme-data", "acme-admins"],
        ["acme-web", "acme-admins"],
        ["globex-data", "globex-admins"],
        ["globex-web", "globex-admins"],
      ],
    );
    const [role] = documents.filter(({ object }) => object.kind === "Role");
    const rules = role?.object["rules"] as { apiGroups: string[]; resources: string[] }[];
    assert.ok(
      rules.some(
        ({ apiGroups, resources }) => apiGroups[0] === "cilium.io" && resources[0] === "ciliumnetworkpolicies",
      ),
    );
    assert.ok(!JSON.stringify(rules).includes("clusterwide") && !JSON.stringify(rules).includes("*"));
  });
});
