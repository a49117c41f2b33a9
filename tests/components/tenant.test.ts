import assert from "node:assert/strict";
import * as k8s from "@pulumi/kubernetes";
import { declaredBy } from "../../lab/examples/index";
import type { TenantDeclaration } from "../../sdk/index";
import { ClusterSecurity, DeclarationError, Dialect, Tenant, flow, namespace, tcp, workload } from "../../sdk/index";
import type { Registration } from "./monitor";
import { register, standsBefore } from "./monitor";

const [{ declaration }] = declaredBy("tenants");
const { tenants = [], ...rest } = declaration;
const [acme, globex, initech] = tenants as [TenantDeclaration, TenantDeclaration, TenantDeclaration];
const token = "pulumi-cluster-security:index:Tenant";

function find(all: readonly Registration[], name: string): Registration {
  const found = all.filter((one) => one.name === name);
  assert.equal(found.length, 1, `${found.length} resources are called ${name}`);
  return found[0] as Registration;
}

const names = (all: readonly Registration[]): string[] => all.map(({ name }) => name).sort();
const isPolicy = ({ type }: Registration): boolean => /Policy$/.test(type) && !type.includes("pulumi-cluster-security");

describe("Tenant", () => {
  const program = (opts?: { provider?: k8s.Provider }): Tenant =>
    new Tenant("globex", { ...rest, tenant: globex, neighbours: [acme, initech], asOf: "2026-11-21" }, opts);

  it("S2-01, S2-22: registers what lies in the tenant's namespaces, its baseline last, and nothing clusterwide", async () => {
    const all = await register(() => program());
    assert.deepEqual(
      all.filter(isPolicy).filter(({ type }) => /Clusterwide|Global/.test(type)),
      [],
    );
    for (const { inputs, type } of all.filter(({ type: one }) => one.startsWith("kubernetes:"))) {
      const { namespace, name } = inputs["metadata"] as { namespace?: string; name: string };
      // what guards the policies against the tenant's editors is clusterwide by its nature, and named after the tenant
      const isGuard = type.includes("ValidatingAdmissionPolicy");
      assert.match(
        namespace ?? name,
        isGuard ? /^protect-policies-of-globex(-binding)?$/ : /^globex-(web|data)$/,
        type,
      );
    }
    for (const home of ["globex-web", "globex-data"]) {
      const baseline = find(all, `globex-${home}/tenant-baseline`);
      const before = standsBefore(all, baseline.urn);
      const others = all.filter((one) => isPolicy(one) && one.name.startsWith(`globex-${home}/`) && one !== baseline);
      assert.ok(others.length >= 2);
      for (const other of others) assert.ok(before.has(other.urn), other.name);
      const spec = baseline.inputs["spec"] as Record<string, unknown>;
      assert.deepEqual(spec["enableDefaultDeny"], { ingress: true, egress: true });
      find(all, `globex-${home}/network-policy-editors`);
      find(all, `globex-${home}/network-policy-editors-binding`);
    }
  });

  it("S2-02: puts the register of exceptions among its outputs", async () => {
    const all = await register(() => program());
    assert.deepEqual(find(all, "globex").outputs["exceptions"], [
      {
        tenant: "globex",
        grantedTo: "acme",
        from: "acme-web/web",
        to: "globex-web/web",
        ports: ["TCP 8080"],
        reason: "acme shows globex's catalogue, contract 2026-114",
        owner: "partnerships",
        expires: "2027-06-30",
        state: "open",
      },
    ]);
  });

  it("gives every child its parent and the provider, and has stable URNs", async () => {
    const all = await register(() => program({ provider: new k8s.Provider("other", { kubeconfig: "{}" }) }));
    const component = find(all, "globex");
    const provider = find(all, "other");
    assert.equal(component.type, token);
    const children = all.filter(({ name }) => name.startsWith("globex-"));
    for (const child of children) {
      assert.equal(child.parent, component.urn, child.name);
      assert.equal(child.provider, `${provider.urn}::${provider.name}-id`, child.name);
    }
    assert.deepEqual(names(children), [
      "globex-globex-data",
      "globex-globex-data/allow-web.globex-web-to-store",
      "globex-globex-data/deny-other-tenants",
      "globex-globex-data/network-policy-editors",
      "globex-globex-data/network-policy-editors-binding",
      "globex-globex-data/tenant-baseline",
      "globex-globex-web",
      "globex-globex-web/allow-web-egress",
      "globex-globex-web/allow-web.acme-web-to-web",
      "globex-globex-web/deny-other-tenants",
      "globex-globex-web/network-policy-editors",
      "globex-globex-web/network-policy-editors-binding",
      "globex-globex-web/tenant-baseline",
      "globex-protect-policies-of-globex",
      "globex-protect-policies-of-globex-binding",
    ]);
  });

  for (const dialect of [Dialect.ClusterNetworkPolicy, Dialect.Calico, Dialect.Cilium]) {
    it(`lists the policies of its own namespaces and of no other whose name ends alike (${dialect})`, async () => {
      const names = ["shop", "eshop"];
      const all = await register(
        () =>
          new ClusterSecurity("s", {
            dialect,
            namespaces: names.map((name) => namespace(name)),
            tenants: names.map((name) => ({ name: `of-${name}`, namespaces: [name] })),
            workloads: names.flatMap((name) => [
              workload(`${name}/web`),
              workload(`${name}/api`, { ports: [tcp(80)] }),
            ]),
            flows: names.map((name) =>
              flow(`${name}/web`).to(`${name}/api`).on(tcp(80)).because("pages").ownedBy("web"),
            ),
          }),
      );
      const seen = new Set<string>();
      for (const name of names) {
        const { policies } = find(all, `s-of-${name}`).outputs as { policies: string[] };
        assert.ok(policies.length >= 2, `${name}: ${policies.join(", ")}`);
        for (const policy of policies) {
          assert.match(policy, new RegExp(`(^|\\.)${name}(--|[./])`), policy);
          assert.ok(!seen.has(policy), `${policy} is listed twice`);
          seen.add(policy);
        }
      }
    });
  }

  it("S2-05, S2-07: refuses a policy that would weaken the boundary before anything is registered", async () => {
    const open = {
      apiVersion: "networking.k8s.io/v1",
      kind: "NetworkPolicy",
      metadata: { name: "open", namespace: "globex-web" },
      spec: { podSelector: {}, ingress: [{}] },
    };
    const all = await register(() => {
      const tenant = { ...globex, policies: [JSON.stringify(open)] };
      assert.throws(() => new Tenant("globex", { ...rest, tenant, neighbours: [acme, initech] }), DeclarationError);
    });
    assert.deepEqual(all, []);
  });
});

describe("ClusterSecurity with tenants", () => {
  it("S2-01: groups what lies in a tenant's namespaces under that tenant, in the same order as ever", async () => {
    const all = await register(() => new ClusterSecurity("s", declaration));
    const scopes = all.filter(({ type }) => type === token);
    assert.deepEqual(names(scopes), ["s-acme", "s-globex", "s-initech"]);
    const homes: Readonly<Record<string, string>> = { acme: "s-acme", globex: "s-globex", initech: "s-initech" };
    const owned = all.filter(({ inputs, type }) => {
      return type.startsWith("kubernetes:") && (inputs["metadata"] as { namespace?: string }).namespace !== undefined;
    });
    assert.ok(owned.length > 10);
    for (const { name, inputs, parent } of owned) {
      const { namespace = "" } = inputs["metadata"] as { namespace?: string };
      assert.equal(parent, find(all, homes[namespace.split("-")[0] ?? ""] ?? "").urn, name);
    }
    const deny = find(all, "s-default-deny-all");
    const before = standsBefore(all, deny.urn);
    for (const policy of all.filter((one) => isPolicy(one) && one !== deny))
      assert.ok(before.has(policy.urn), policy.name);
    const exceptions = find(all, "s").outputs["exceptions"] as { owner: string }[];
    assert.deepEqual(
      exceptions.map(({ owner }) => owner),
      ["partnerships"],
    );
  });
});
