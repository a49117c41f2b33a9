import assert from "node:assert/strict";
import { declaredBy } from "../../lab/examples/index";
import type { Plan, TenantDeclaration } from "../../sdk/plan/index";
import { Dialect, plan, planTenant } from "../../sdk/plan/index";
import type { KubeObject, Peer, Reachability } from "../../sdk/reachability/index";
import { buildSnapshot, compile, metadataEndpoints, profileFor } from "../../sdk/reachability/index";
import { deploymentOf, pod } from "./world";

const [{ declaration, applications, platform }] = declaredBy("tenants");
const nothing = "No Connections";
const { tenants = [], ...rest } = declaration;
const cluster = { apiServer: { cidrs: ["10.0.0.1/32"] }, nodeCidrs: ["192.168.0.0/16"], podCidrs: ["10.244.0.0/16"] };
const tenantOf = (namespace: string): string => namespace.slice(0, namespace.indexOf("-"));

/** Each tenant as a program of its own would plan it: knowing who the others are, and what they granted to it. */
function apart(dialect: Dialect): readonly Plan[] {
  return tenants.map((tenant) => {
    const isOwn = (id: string | undefined): boolean => tenantOf(id ?? "") === tenant.name;
    const neighbours = tenants
      .filter((other) => other !== tenant)
      .map(({ name, namespaces, exceptions = [] }): TenantDeclaration => {
        return { name, namespaces, exceptions: exceptions.filter(({ flow }) => isOwn(flow.from.workload)) };
      });
    const exceptions = [tenant, ...neighbours].flatMap((one) => one.exceptions ?? []);
    const ends = exceptions.flatMap(({ flow }) => [flow.from.workload, flow.to.workload]);
    return planTenant({
      dialect,
      cluster,
      tenant,
      neighbours,
      namespaces: (rest.namespaces ?? []).filter(({ name }) => isOwn(name)),
      workloads: applications.filter((one) => isOwn(one.namespace) || ends.includes(`${one.namespace}/${one.name}`)),
      flows: (rest.flows ?? []).filter(({ from }) => isOwn(from.workload)),
    });
  });
}

function reachabilityOf(plans: readonly Plan[], dialect: Dialect, extra: readonly KubeObject[] = []): Reachability {
  const cilium = dialect === Dialect.Cilium;
  const profile = profileFor(cilium ? "cilium@1.20" : dialect === Dialect.Calico ? "calico@3.32" : "kubernetes");
  const names = ["kube-system", "elsewhere", ...(rest.namespaces ?? []).map(({ name }) => name)];
  const objects: KubeObject[] = [
    ...names.map((name) => ({ apiVersion: "v1", kind: "Namespace", metadata: { name } })),
    ...[...applications, ...platform].map(deploymentOf),
    ...plans.flatMap(({ documents }) => documents.map(({ object }) => object as unknown as KubeObject)),
    ...extra,
  ];
  const snapshot = buildSnapshot(
    objects.map((object) => ({ object })),
    { profile: { ...profile, unknownPodAddresses: "outside-cidrs" } },
  );
  assert.deepEqual(snapshot.problems, []);
  return compile(snapshot);
}

const possible = (reachability: Reachability, source: Peer, destination: Peer): string =>
  reachability.traffic(source, destination).possible.toString();

describe("tenants, each planned by itself", () => {
  for (const dialect of Object.values(Dialect)) {
    it(`S2-01, S2-03: hold their boundaries, DNS and metadata as if they were planned together (${dialect})`, () => {
      const reachability = reachabilityOf(apart(dialect), dialect);
      for (const source of applications) {
        const from = `${source.namespace}/${source.name}`;
        for (const target of applications) {
          const to = `${target.namespace}/${target.name}`;
          if (from === to) continue;
          const isStored = tenantOf(source.namespace) === tenantOf(target.namespace) && target.name === "store";
          const isExcepted = from === "acme-web/web" && to === "globex-web/web";
          const wanted = isStored ? "TCP 5432" : isExcepted ? "TCP 8080" : nothing;
          assert.equal(possible(reachability, pod(from), pod(to)), wanted, `${from} → ${to}`);
        }
        assert.equal(possible(reachability, pod(from), pod("kube-system/kube-dns")), "TCP 53; UDP 53", from);
        for (const { address } of metadataEndpoints) {
          assert.equal(possible(reachability, pod(from), { kind: "address", address }), nothing, `${from} ${address}`);
        }
        const fresh: Peer = { kind: "freshPod", namespace: source.namespace };
        const stranger: Peer = { kind: "freshPod", namespace: "elsewhere" };
        for (const other of [stranger, { kind: "address", address: "8.8.8.8" } as const]) {
          assert.equal(possible(reachability, other, pod(from)), nothing, from);
          assert.equal(possible(reachability, fresh, other), nothing, from);
        }
      }
    });

    it(`S2-01: share no object, whatever the number of programs (${dialect})`, () => {
      const names = apart(dialect).flatMap(({ documents }) =>
        documents.map(({ object }) => `${object.kind} ${object.metadata.namespace ?? ""}/${object.metadata.name}`),
      );
      assert.equal(new Set(names).size, names.length);
      assert.ok(names.length > 12);
    });
  }

  it("S2-05: close metadata endpoints for good, and the boundary to what others write, where the dialect has a deny", () => {
    const openAll = (namespace: string): KubeObject => ({
      apiVersion: "networking.k8s.io/v1",
      kind: "NetworkPolicy",
      metadata: { name: "open", namespace },
      spec: { podSelector: {}, policyTypes: ["Ingress", "Egress"], ingress: [{}], egress: [{}] },
    });
    const everywhere = (rest.namespaces ?? []).map(({ name }) => openAll(name));
    for (const dialect of [Dialect.Cilium, Dialect.Calico, Dialect.ClusterNetworkPolicy]) {
      const reachability = reachabilityOf(apart(dialect), dialect, everywhere);
      for (const { address } of metadataEndpoints) {
        const end: Peer = { kind: "address", address };
        assert.equal(possible(reachability, pod("acme-web/web"), end), nothing, `${dialect} ${address}`);
      }
      assert.equal(possible(reachability, pod("acme-web/web"), pod("initech-data/store")), nothing, dialect);
      // the policies did open something: the test would notice
      assert.equal(possible(reachability, pod("acme-data/store"), pod("acme-web/web")), "All Connections", dialect);
    }
  });

  it("S2-22: makes the roles of this tenant only, and plans nothing for its neighbours", () => {
    const [acme] = apart(Dialect.Cilium);
    const bindings = (acme?.documents ?? []).filter(({ object }) => object.kind === "RoleBinding");
    assert.deepEqual(
      bindings.map(({ object }) => object.metadata.namespace),
      ["acme-data", "acme-web"],
    );
    assert.deepEqual(
      acme?.namespaces.map(({ name }) => name),
      ["acme-web", "acme-data"],
    );
    assert.ok(plan(declaration).documents.length > (acme?.documents.length ?? 0));
  });
});
