import assert from "node:assert/strict";
import { declaredBy } from "../../lab/examples/index";
import type {
  ClusterSecurityDeclaration,
  FlowDeclaration,
  DestinationLike,
  SourceLike,
  TenantDeclaration,
  TenantException,
} from "../../sdk/plan/index";
import {
  DeclarationError,
  Dialect,
  Entity,
  cidr,
  exceptionRegister,
  flow,
  fqdn,
  internet,
  plan,
  tcp,
} from "../../sdk/plan/index";
import type { KubeObject, Peer } from "../../sdk/reachability/index";
import type { World } from "./world";
import { open, pod, worldOf } from "./world";
import { printed } from "../support/problems";

const [example] = declaredBy("tenants");
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
    return printed(error.problems);
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
      [
        [
          { kind: "workload", namespace: "acme-web", name: "web" },
          { kind: "workload", namespace: "globex-web", name: "web" },
          "partnerships",
          "2027-06-30",
        ],
      ],
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

describe("tenants, their limits", () => {
  const of = (changes: Partial<TenantDeclaration>): ClusterSecurityDeclaration => ({
    ...declaration,
    tenants: (declaration.tenants ?? []).map((tenant) => (tenant.name === "acme" ? { ...tenant, ...changes } : tenant)),
  });

  it("S2-03: refuses flows that lead further outside, or let in more, than the tenant was granted", () => {
    const web = "acme-web/web";
    const [because, ownedBy] = ["x", "acme"];
    const into = (source: SourceLike): FlowDeclaration =>
      flow(source).to(web).on(tcp(8080)).because(because).ownedBy(ownedBy);
    const out = (target: DestinationLike): FlowDeclaration =>
      flow(web).to(target).on(tcp(443)).because(because).ownedBy(ownedBy);
    const limits = {
      egress: { hosts: ["*.example.com"], cidrs: ["198.51.100.0/24"] },
      ingress: { cidrs: ["203.0.113.0/24"], gateway: true },
    };
    const cases: readonly (readonly [FlowDeclaration, boolean])[] = [
      [out(fqdn("shop.example.com")), true],
      [out(fqdn("*.example.com")), true],
      [out(fqdn("a.b.example.com")), false],
      [out(fqdn("**.example.com")), false],
      [out(fqdn("api.example.net")), false],
      [out(cidr("198.51.100.0/25")), true],
      [out(cidr("198.51.0.0/16")), false],
      [out(internet()), false],
      [into(cidr("203.0.113.7/32")), true],
      [into(cidr("0.0.0.0/0")), false],
      [into(internet()), false],
      [into({ entity: Entity.Ingress }), true],
    ];
    for (const [one, isGranted] of cases) {
      const problems = problemsOf({ ...of(limits), flows: [one] });
      assert.equal(problems.length === 0, isGranted, JSON.stringify(one));
      if (!isGranted) assert.match(problems[0]?.message ?? "", /outside than tenant acme may/);
    }
    // other tenants, and tenants without limits, are not concerned
    assert.deepEqual(problemsOf({ ...declaration, flows: [out(internet())] }), []);
  });

  it("S2-04, S2-08: lets a tenant ask for its own names, those of its flows and no others", () => {
    const world = worldOf(of({ dns: { names: ["status.acme.org"] } }), { workloads });
    const own = world.plan.documents.filter(({ object }) => object.metadata.namespace === "acme-web");
    const rules = [...JSON.stringify(own).matchAll(/"dns":(\[[^\]]*\])/g)].flatMap(
      ([, list = ""]) => JSON.parse(list) as { matchName?: string; matchPattern?: string }[],
    );
    const mayAsk = (asked: string): boolean =>
      rules.some(({ matchName, matchPattern = matchName ?? "" }) =>
        new RegExp(`^${matchPattern.replace(/\./g, "\\.").replace(/\*/g, "[-a-z0-9_]*")}$`).test(asked),
      );
    for (const name of [
      "store.acme-data.svc.cluster.local",
      "store-0.store.acme-data.svc.cluster.local",
      "web.globex-web.svc.cluster.local", // the exception
      "kubernetes.default.svc.cluster.local",
      "api.example.com",
      "status.acme.org",
    ]) {
      assert.ok(mayAsk(name), name);
    }
    for (const name of ["store.initech-data.svc.cluster.local", "store.globex-data.svc.cluster.local", "evil.net"]) {
      assert.ok(!mayAsk(name), name);
    }
    assert.equal(open(world, pod("acme-web/web"), pod("kube-system/kube-dns")), "TCP 53; UDP 53");
    // the dialect without names closes DNS to the tenant instead of opening it all, and says so
    const plain = worldOf({ ...of({ dns: {} }), dialect: Dialect.Kubernetes }, { workloads });
    assert.equal(open(plain, pod("acme-web/web"), pod("kube-system/kube-dns")), nothing);
    assert.equal(open(plain, pod("globex-web/web"), pod("kube-system/kube-dns")), "TCP 53; UDP 53");
    assert.ok(plain.plan.warnings.some(({ code }) => code === "dns-names-unsupported"));
  });

  it("S2-02: reports exceptions whose last day is over, and closes them where the tenant says so", () => {
    const on = (asOf: string, closeExpired: boolean): ClusterSecurityDeclaration => ({
      ...declaration,
      asOf,
      tenants: (declaration.tenants ?? []).map((tenant) => ({ ...tenant, closeExpired })),
    });
    const passes = (changed: ClusterSecurityDeclaration): string => {
      return open(worldOf(changed, { workloads }), pod("acme-web/web"), pod("globex-web/web"));
    };
    const states = (changed: ClusterSecurityDeclaration): string[] =>
      exceptionRegister(changed).map(({ state }) => state);
    const codes = (changed: ClusterSecurityDeclaration): string[] => plan(changed).warnings.map(({ code }) => code);
    for (const closing of [true, false]) {
      // its last day is still a day of it
      const last = on("2027-06-30", closing);
      assert.deepEqual([passes(last), states(last), codes(last)], ["TCP 8080", ["open"], []]);
    }
    const overdue = on("2027-07-01", false);
    assert.deepEqual(
      [passes(overdue), states(overdue), codes(overdue)],
      ["TCP 8080", ["overdue"], ["exception-ended"]],
    );
    const closed = on("2027-07-01", true);
    assert.deepEqual([passes(closed), states(closed), codes(closed)], [nothing, ["closed"], ["exception-ended"]]);
    assert.equal(problemsOf({ ...declaration, asOf: "tomorrow" })[0]?.path, "asOf");
  });

  it("S2-02, S2-07: refuses an exception without an end, and one that the other side grants to itself", () => {
    const taken = flow("acme-web/web").to("initech-web/web").on(tcp(8080)).because("x").ownedBy("acme");
    const tenants = (expires: string | undefined): TenantDeclaration[] => [
      {
        name: "acme",
        namespaces: ["acme-web", "acme-data"],
        exceptions: [{ flow: taken, expires } as TenantException],
      },
      { name: "initech", namespaces: ["initech-web", "initech-data"] },
    ];
    const [own, ...rest] = problemsOf({ ...declaration, flows: [], tenants: tenants("2027-01-01") });
    assert.deepEqual([own?.path, rest], ["tenants[0].exceptions[0].flow", []]);
    assert.match(own?.message ?? "", /leads into tenant initech, which did not grant it/);
    const paths = problemsOf({ ...declaration, flows: [], tenants: tenants(undefined) }).map(({ path }) => path);
    assert.ok(paths.includes("tenants[0].exceptions[0].expires"));
  });

  it("S2-09: opens single ports of single protocols between a tenant's own pods, no ICMP and no SCTP", () => {
    const { reachability } = worldOf(declaration, { workloads });
    let pairs = 0;
    for (const { sourceId, destinationId, possible } of reachability.matrix({ external: false })) {
      if (sourceId.startsWith("kube-system/") || destinationId.startsWith("kube-system/")) continue;
      pairs += 1;
      assert.match(possible.toString(), /^TCP \d+$/, `${sourceId} → ${destinationId}`);
    }
    assert.equal(pairs, 4);
  });

  it("S2-19: refuses a dialect that would cut a critical path, and keeps such paths open under every other", () => {
    const critical = { ...flow("acme-web/web").to(fqdn("pay.example.com")).on(tcp(443)).because("x").ownedBy("acme") };
    const changed = { ...declaration, flows: [{ ...critical, critical: true }] };
    const [problem] = problemsOf({ ...changed, dialect: Dialect.Kubernetes });
    assert.equal(problem?.path, "flows[0]");
    assert.deepEqual(problemsOf(changed), []);
    const inside = flow("acme-web/web").to("acme-data/store").on(tcp(5432)).because("x").ownedBy("acme");
    for (const dialect of Object.values(Dialect)) {
      const world = worldOf({ ...declaration, dialect, flows: [{ ...inside, critical: true }] }, { workloads });
      assert.equal(open(world, pod("acme-web/web"), pod("acme-data/store")), "TCP 5432", dialect);
    }
  });
});
