import assert from "node:assert/strict";
import {
  CniKind,
  DeclarationError,
  Dialect,
  MeshIdentity,
  PolicyLayout,
  PolicyMode,
  ServiceFlows,
  TieredPolicies,
  bypass,
  flow,
  namespace,
  tcp,
  workload,
} from "../../sdk/index";
import { planFlows, reviewAnnotation } from "../../sdk/plan/index";
import type { ServiceFlowsArgs } from "../../sdk/index";
import { enforcementOf } from "../../sdk/components/enforcement";
import { buildSnapshot, compile, profileFor } from "../../sdk/reachability/index";
import type { KubeObject } from "../../sdk/reachability/index";
import { deploymentOf } from "../plan/world";
import type { Registration } from "./monitor";
import { register } from "./monitor";
import { literal } from "../plan/literal";

const shop: ServiceFlowsArgs = {
  namespaces: [namespace("shop", { existing: true })],
  workloads: ["web", "api", "db", "idle"].map((name) => workload(`shop/${name}`, { serviceAccount: name })),
  flows: [
    flow("web").to("api").on(tcp(3000)).because("pages").ownedBy("web"),
    flow("api").to("db").on(tcp(5432)).because("products").ownedBy("shop"),
    flow("web").to("db").on(tcp(5432)).because("sessions").ownedBy("web"),
  ],
};

const lastPart = (type: string): string => type.slice(type.lastIndexOf(":") + 1);
const kindsOf = (all: readonly Registration[]): readonly string[] =>
  [...new Set(all.filter(({ type }) => type.startsWith("kubernetes:")).map(({ type }) => lastPart(type)))].sort();
const namesOf = (all: readonly Registration[]): readonly string[] =>
  all.flatMap(({ inputs }) => (inputs["metadata"] as { name?: string } | undefined)?.name ?? []).sort();
const postureOf = ([component]: readonly Registration[]): { mode: string; bypasses: string[] } =>
  component?.outputs["posture"] as { mode: string; bypasses: string[] };

describe("the parts of ClusterSecurity on their own", () => {
  it("S3-28: ServiceFlows, TieredPolicies and MeshIdentity only prepare in mode audit", async () => {
    const mode = PolicyMode.Audit;
    const staged = await register(() => new ServiceFlows("f", { ...shop, dialect: Dialect.Calico, mode }));
    assert.deepEqual(kindsOf(staged), ["StagedNetworkPolicy"]);
    assert.equal(postureOf(staged).mode, "audit");
    const enforced = await register(() => new ServiceFlows("f", { ...shop, dialect: Dialect.Calico }));
    assert.deepEqual(kindsOf(enforced), ["NetworkPolicy"]);
    assert.equal(enforced.length, staged.length);
    const plain = await register(() => new ServiceFlows("f", { ...shop, dialect: Dialect.Kubernetes, mode }));
    assert.deepEqual(kindsOf(plain), []);

    const { flows: _, ...held } = shop;
    const tiers = await register(() => new TieredPolicies("t", { ...held, mode }));
    for (const name of ["allow-dns-egress", "default-deny-all", "audit-allow-all"]) {
      assert.ok(namesOf(tiers).includes(name), name);
    }
    const flowsAlone = await register(() => new ServiceFlows("f", { ...shop, mode }));
    assert.ok(!namesOf(flowsAlone).includes("audit-allow-all"), "it is for the namespace as a whole");
    assert.equal(postureOf(tiers).mode, "audit");

    const mesh = await register(() => new MeshIdentity("m", { ...shop, mesh: {}, mode }));
    for (const { type, inputs } of mesh.filter(({ type }) => /istio/.test(type))) {
      const { annotations } = inputs["metadata"] as { annotations?: Record<string, string> };
      if (type.endsWith("AuthorizationPolicy")) assert.equal(annotations?.["istio.io/dry-run"], "true");
      else assert.deepEqual(inputs["spec"], { mtls: { mode: "PERMISSIVE" } });
    }
    assert.equal(postureOf(mesh).mode, "audit");
  });

  it("cut NetworkPolicies as the layout says", async () => {
    const dialect = Dialect.Kubernetes;
    const perFlow = namesOf(await register(() => new ServiceFlows("f", { ...shop, dialect })));
    assert.deepEqual(perFlow, [
      "allow-api-egress",
      "allow-api-to-db",
      "allow-web-egress",
      "allow-web-to-api",
      "allow-web-to-db",
    ]);
    const layout = PolicyLayout.PerWorkload;
    // `idle` has no flow, so nothing of these isolates it: its default deny comes from elsewhere, and with it its DNS
    const perWorkload = namesOf(await register(() => new ServiceFlows("f", { ...shop, dialect, layout })));
    assert.deepEqual(perWorkload, ["allow-api", "allow-db", "allow-web"]);
    const { flows: _, ...held } = shop;
    const tiers = await register(() => new TieredPolicies("t", { ...held, dialect, layout: PolicyLayout.PerFlow }));
    assert.ok(namesOf(tiers).includes("allow-dns-egress"));
    const combined = await register(() => new TieredPolicies("t", { ...held, dialect, layout }));
    assert.ok(namesOf(combined).includes("allow-namespace") && !namesOf(combined).includes("allow-dns-egress"));
  });

  it("S3-16: with the layout per-workload, no moment of ServiceFlows cuts a flow of pods that run already", () => {
    const { documents } = planFlows({ ...shop, dialect: Dialect.Kubernetes, layout: PolicyLayout.PerWorkload });
    const objects = documents.map(({ object }) => object as unknown as KubeObject);
    const ends = (id: string) => ({ kind: "workload", id: `shop/${id}[Deployment]` }) as const;
    const verdictsAt = (standing: readonly KubeObject[]): readonly string[] => {
      const sourced = [...(shop.workloads ?? []).map(deploymentOf), ...standing].map((object) => ({ object }));
      const reachability = compile(buildSnapshot(sourced, { profile: profileFor("kubernetes") }));
      return literal(shop.flows ?? []).map(({ from, to, ports }) =>
        reachability.verdict({
          source: ends(from.workload ?? ""),
          destination: ends(to.workload ?? ""),
          protocol: "TCP",
          port: ports?.[0]?.port ?? 0,
        }),
      );
    };
    for (let count = 0; count <= objects.length; count += 1) {
      assert.deepEqual(verdictsAt(objects.slice(0, count)), ["allowed", "allowed", "allowed"], `up, ${count}`);
      assert.deepEqual(verdictsAt(objects.slice(count)), ["allowed", "allowed", "allowed"], `destroy, ${count}`);
    }
    // the other layout does cut some, which is why there are two
    const single = planFlows({ ...shop, dialect: Dialect.Kubernetes }).documents;
    const cut = single.some((_, count) => {
      const standing = single.slice(0, count).map(({ object }) => object as unknown as KubeObject);
      return verdictsAt(standing).includes("denied");
    });
    assert.ok(cut);
  });

  it("S1-23: give policies the names and the review day that they are given", async () => {
    const reviewBy = "2027-05-01";
    const flows = await register(
      () => new ServiceFlows("f", { ...shop, reviewBy, policyNames: { "allow-web-to-api": "allow-pages" } }),
    );
    assert.ok(namesOf(flows).includes("allow-pages") && !namesOf(flows).includes("allow-web-to-api"));
    const mesh = await register(
      () => new MeshIdentity("m", { ...shop, mesh: {}, reviewBy, policyNames: { "default-deny-mesh": "deny-mesh" } }),
    );
    assert.ok(namesOf(mesh).includes("deny-mesh") && !namesOf(mesh).includes("default-deny-mesh"));
    const { flows: _, ...held } = shop;
    const tiers = await register(() => new TieredPolicies("t", { ...held, reviewBy }));
    for (const all of [flows, mesh, tiers]) {
      const policies = all.filter(({ type }) => /cilium\.io|istio\.io/.test(type));
      assert.ok(policies.length > 0);
      for (const { inputs, name } of policies) {
        const { annotations } = inputs["metadata"] as { annotations?: Record<string, string> };
        assert.equal(annotations?.[reviewAnnotation], reviewBy, name);
      }
    }
  });

  it("S2-04: has Cilium let resolvers go on where names are limited, and says so where Cilium was there before", () => {
    const tenant = { name: "shop", namespaces: ["shop"] };
    const limited = { ...shop, tenants: [{ ...tenant, dns: {} }] };
    const sandbox = { namespace: "shop", reason: "runs what agents write", owner: "ml" };
    assert.equal(enforcementOf(limited, {}, undefined).cilium?.limitedDns, true);
    assert.equal(
      enforcementOf({ ...shop, applications: { agentSandboxes: [sandbox] } }, {}, undefined).cilium?.limitedDns,
      true,
    );
    assert.equal(enforcementOf(limited, { limitedDns: false }, undefined).cilium?.limitedDns, false);
    assert.equal(enforcementOf({ ...shop, tenants: [tenant] }, {}, undefined).cilium?.limitedDns, undefined);
    const adopted = enforcementOf(limited, { existing: true }, undefined);
    assert.equal(adopted.cilium?.limitedDns, undefined);
    assert.match(adopted.warnings.join(), /dnsRejectResponseCode: nameError/);
    assert.deepEqual(enforcementOf(limited, { kind: CniKind.Calico }, undefined).warnings, []);
    assert.throws(
      () => enforcementOf(limited, { kind: CniKind.Calico, limitedDns: true }, undefined),
      DeclarationError,
    );
  });

  it("S3-10: TieredPolicies lifts policies until the last day of a bypass, and takes the current day itself", async () => {
    const { flows: _, ...held } = shop;
    const until = (day: string) =>
      bypass("shop/api").because("incident 7").ownedBy("platform").until(day).grantedTo("sre");
    const open = await register(() => new TieredPolicies("t", { ...held, bypasses: [until("2999-01-01")] }));
    assert.ok(namesOf(open).includes("allow-bypass-of-api"));
    assert.match(postureOf(open).bypasses[0] ?? "", /^shop\/api: .*until=2999-01-01, open, incident 7 \(platform\)$/);
    const ended = await register(() => new TieredPolicies("t", { ...held, bypasses: [until("2020-01-01")] }));
    assert.ok(!namesOf(ended).some((name) => name.includes("bypass")));
    assert.match(postureOf(ended).bypasses[0] ?? "", /closed/);
    const then = await register(
      () => new TieredPolicies("t", { ...held, bypasses: [until("2020-01-01")], asOf: "2019-12-31" }),
    );
    assert.ok(namesOf(then).includes("allow-bypass-of-api"));
  });
});
