import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import {
  ChartValuesError,
  CiliumCni,
  ClusterSecurity,
  DeclarationError,
  Dialect,
  ServiceFlows,
  TieredPolicies,
  flow,
  fqdn,
  namespace,
  tcp,
  workload,
} from "../../sdk/index";
import { exampleProgram } from "../../lab/examples/index";
import type { ClusterSecurityArgs } from "../../sdk/index";
import type { Registration } from "./monitor";
import { register, standsBefore } from "./monitor";

const shop: ClusterSecurityArgs = {
  namespaces: [namespace("shop"), namespace("legacy", { existing: true, labels: { team: "old" } })],
  workloads: [workload("shop/frontend"), workload("shop/api", { serviceAccount: "api" }), workload("legacy/mainframe")],
  flows: [
    flow("frontend").to("api").on(tcp(3000)).because("pages").ownedBy("web"),
    flow("api").to("mainframe").on(tcp(1414)).because("orders").ownedBy("web"),
    flow("api").to(fqdn("api.example.com")).on(tcp(443)).because("payments").ownedBy("web"),
  ],
};

function find(registrations: readonly Registration[], name: string): Registration {
  const found = registrations.filter((registration) => registration.name === name);
  assert.equal(found.length, 1, `${found.length} resources are called ${name}`);
  return found[0] as Registration;
}

const isPolicy = ({ type }: Registration): boolean => /NetworkPolicy$/.test(type);
const zeroTrustTiers = exampleProgram("zero-trust-tiers");

describe("ClusterSecurity", () => {
  it("S3-16 S3-11 puts Hubble, metadata deny, DNS, tier 1, flows and default deny in this order, workloads last", async () => {
    const all = await register(exampleProgram("zero-trust-tiers", { cni: { version: "1.18.5" } }));
    const order = [
      "zero-trust-cni-release",
      "zero-trust-deny-cloud-metadata",
      "zero-trust-allow-dns-ingress",
      "zero-trust-tier1-cert-manager",
      "zero-trust-business/allow-n8n-to-odoo",
      "zero-trust-default-deny-all",
      "website-storefront",
    ];
    const deployed = all.filter(({ type }) => !type.endsWith("ServiceAccount"));
    const inOrder = order.map((name) => find(deployed, name));
    for (const [index, earlier] of inOrder.entries()) {
      for (const later of inOrder.slice(index + 1)) {
        assert.ok(standsBefore(all, later.urn).has(earlier.urn), `${later.name} does not wait for ${earlier.name}`);
      }
    }
    const release = find(all, "zero-trust-cni-release");
    const values = release.inputs["values"] as { hubble: { relay: unknown; ui: unknown } };
    assert.deepEqual([values.hubble.relay, values.hubble.ui], [{ enabled: true }, { enabled: true }]);
  });

  it("S3-16 makes every workload wait for every policy, so that destroying takes the workloads first", async () => {
    const all = await register(zeroTrustTiers);
    const policies = all.filter(isPolicy);
    const workloads = all.filter(({ type }) => type === "kubernetes:apps/v1:Deployment");
    assert.ok(policies.length > 15 && workloads.length > 10);
    for (const { urn, name } of workloads) {
      const before = standsBefore(all, urn);
      for (const policy of policies) assert.ok(before.has(policy.urn), `${name} does not wait for ${policy.name}`);
    }
  });

  it("registers the explicit metadata deny before every namespace and every other policy", async () => {
    const all = await register(() => new ClusterSecurity("s", shop));
    const deny = find(all, "s-deny-cloud-metadata");
    for (const other of all) {
      if (other === deny || other.type.endsWith("ClusterSecurity")) continue;
      assert.ok(standsBefore(all, other.urn).has(deny.urn), other.name);
    }
  });

  it("S3-18 S3-19 writes enableDefaultDeny on every Cilium policy and k8s: on every label key", async () => {
    const all = await register(zeroTrustTiers);
    const policies = all.filter(({ type }) => type.startsWith("kubernetes:cilium.io/v2:"));
    assert.ok(policies.length > 15);
    for (const { name, inputs } of policies) {
      const specs = (inputs["specs"] ?? [inputs["spec"]]) as Record<string, unknown>[];
      const isDeny = name === "zero-trust-default-deny-all";
      for (const spec of specs) {
        assert.deepEqual(spec["enableDefaultDeny"], { ingress: isDeny, egress: isDeny }, name);
        const keys = [...JSON.stringify(spec).matchAll(/"matchLabels":\{([^}]*)\}/g)].flatMap(([, labels = ""]) =>
          labels === "" ? [] : Object.keys(JSON.parse(`{${labels}}`) as object),
        );
        for (const key of keys) assert.match(key, /^(k8s|reserved):/, name);
        for (const [, key = ""] of JSON.stringify(spec).matchAll(/"key":"([^"]*)"/g)) assert.match(key, /^k8s:/, name);
      }
    }
  });

  it("S0-01 puts default-deny-all for both directions into every managed namespace (kubernetes dialect)", async () => {
    const all = await register(() => new ClusterSecurity("s", { ...shop, dialect: Dialect.Kubernetes }));
    for (const name of ["shop", "legacy"]) {
      const deny = find(all, `s-${name}/default-deny-all`);
      assert.deepEqual(deny.inputs["spec"], { podSelector: {}, policyTypes: ["Ingress", "Egress"] });
      const metadata = deny.inputs["metadata"] as { namespace: string };
      assert.equal(metadata.namespace, name);
      // last in its namespace
      const before = standsBefore(all, deny.urn);
      const others = all.filter((other) => isPolicy(other) && other.name.startsWith(`s-${name}/`) && other !== deny);
      assert.ok(others.length > 0);
      for (const other of others) assert.ok(before.has(other.urn), other.name);
    }
  });

  it("passes namespaces as literals and waits for the ones it creates", async () => {
    const all = await register(() => new ClusterSecurity("s", shop), { preview: true });
    const policy = find(all, "s-shop/allow-frontend-to-api");
    assert.equal((policy.inputs["metadata"] as { namespace: unknown }).namespace, "shop");
    assert.ok(policy.dependencies.includes(find(all, "s-shop").urn));
  });

  it("patches the labels of an existing namespace and never owns it", async () => {
    const all = await register(() => new ClusterSecurity("s", shop));
    const patch = find(all, "s-legacy");
    assert.equal(patch.type, "kubernetes:core/v1:NamespacePatch");
    assert.deepEqual(patch.inputs["metadata"], { name: "legacy", labels: { team: "old" } });
    assert.equal(find(all, "s-shop").type, "kubernetes:core/v1:Namespace");
  });

  it("refuses a bad declaration before anything is registered, the component included", async () => {
    const all = await register(() => {
      const flows = [flow("frontend").to("nobody").on(tcp(70000)).because("x").ownedBy("y")];
      assert.throws(() => new ClusterSecurity("s", { ...shop, flows }), DeclarationError);
    });
    assert.deepEqual(all, []);
  });

  it("gives every child its parent and the component's provider", async () => {
    const all = await register(() => {
      const provider = new k8s.Provider("other-cluster", { kubeconfig: "{}" });
      new ClusterSecurity("s", { ...shop, cni: { existing: true } }, { provider });
    });
    const component = find(all, "s");
    const provider = find(all, "other-cluster");
    const children = all.filter(({ name }) => name.startsWith("s-"));
    assert.ok(children.length > 10);
    for (const child of children) {
      assert.equal(child.parent, component.urn, child.name);
      if (child.type.startsWith("kubernetes:")) {
        assert.equal(child.provider, `${provider.urn}::${provider.name}-id`, child.name);
      }
    }
  });

  it("keeps the user's aliases (the engine lets the children follow)", async () => {
    const all = await register(() => new ClusterSecurity("s", shop, { aliases: [{ name: "before" }] }));
    assert.match(JSON.stringify(find(all, "s").aliases), /"before"/);
  });

  it("has its arguments as inputs and its results as named outputs", async () => {
    const all = await register(() => new ClusterSecurity("s", shop));
    const { inputs, outputs } = find(all, "s");
    assert.deepEqual(inputs, JSON.parse(JSON.stringify(shop)));
    assert.deepEqual(outputs["namespaces"], ["shop", "legacy"]);
    assert.deepEqual(outputs["exemptNamespaces"], ["cilium", "cilium-secrets", "flux-system", "kube-system"]);
    assert.ok((outputs["policies"] as string[]).includes("shop/allow-frontend-to-api"));
    assert.deepEqual([outputs["exceptions"], outputs["warnings"]], [[], []]);
    assert.deepEqual((outputs["posture"] as { policies: unknown }).policies, outputs["policies"]);
  });

  it("keeps a secret chart value a secret in the state of the component", async () => {
    const all = await register(() => {
      const values = { hubble: { tls: { ca: { key: pulumi.secret("PRIVATE") } } } };
      new ClusterSecurity("s", { ...shop, cni: { values } });
    });
    const { cni } = find(all, "s").inputs as { cni: { values: { hubble: { tls: { ca: { key: object } } } } } };
    assert.ok(Object.values(cni.values.hubble.tls.ca.key).includes("1b47061264138c4ac30d75fd1eb44270"));
  });

  it("has stable URNs (write them anew with UPDATE_SNAPSHOTS=1 only together with aliases)", async () => {
    const urns: string[] = [];
    for (const example of [exampleProgram("zero-trust-tiers", { cni: {} }), exampleProgram("insecure")]) {
      const all = await register(example);
      urns.push(...all.map(({ urn }) => urn).sort());
    }
    const file = path.join(__dirname, "urns.snapshot.json");
    if (process.env["UPDATE_SNAPSHOTS"] === "1") writeFileSync(file, `${JSON.stringify(urns, null, 2)}\n`);
    assert.deepEqual(urns, JSON.parse(readFileSync(file, "utf8")));
    assert.equal(new Set(urns).size, urns.length);
  });
});

describe("TieredPolicies and ServiceFlows", () => {
  it("together register what ClusterSecurity registers, with the default deny after the flows", async () => {
    const { namespaces, workloads, flows } = shop;
    const existing = (namespaces ?? []).map(({ name }) => ({ name, existing: true }));
    const apart = await register(() => {
      const service = new ServiceFlows("flows", { namespaces: existing, workloads, flows });
      new TieredPolicies("tiers", { namespaces, workloads }, { dependsOn: [service] });
    });
    const whole = await register(() => new ClusterSecurity("s", shop));
    const names = (all: readonly Registration[]): string[] =>
      all.filter(isPolicy).map(({ name }) => name.replace(/^(s|flows|tiers)-/, ""));
    assert.deepEqual(names(apart).sort(), names(whole).sort());
    const deny = find(apart, "tiers-default-deny-all");
    const before = standsBefore(apart, deny.urn);
    for (const policy of apart.filter(({ name }) => name.startsWith("flows-"))) assert.ok(before.has(policy.urn));
  });
});

describe("CiliumCni", () => {
  it("adopts what is there with existing: true and installs nothing", async () => {
    const all = await register(() => new CiliumCni("cni", { existing: true }));
    assert.deepEqual(
      all.map(({ type }) => type),
      ["pulumi-cluster-security:index:CiliumCni"],
    );
  });

  it("refuses options that existing: true would ignore", async () => {
    await register(() => {
      assert.throws(() => new CiliumCni("cni", { existing: true, auditMode: true }), ChartValuesError);
    });
  });

  it("S0-06 installs the chart with WireGuard and Hubble, user values merged last", async () => {
    const values = { operator: { replicas: 1 }, hubble: { ui: { enabled: false } } };
    const all = await register(() => new CiliumCni("cni", { version: "1.18.5", values }));
    const release = find(all, "cni-release");
    assert.equal(release.type, "kubernetes:helm.sh/v3:Release");
    assert.equal(release.inputs["version"], "1.18.5");
    const written = release.inputs["values"] as Record<string, Record<string, unknown>>;
    assert.deepEqual(written["encryption"], { enabled: true, type: "wireguard" });
    assert.deepEqual(written["operator"], { replicas: 1 });
    assert.deepEqual(written["hubble"]?.["ui"], { enabled: false });
    assert.deepEqual(written["hubble"]?.["relay"], { enabled: true });
  });

  it("takes charts from a local path and from OCI without a repository", async () => {
    for (const chart of ["./charts/cilium-1.18.5.tgz", "oci://mirror.example.com/charts/cilium"]) {
      const all = await register(() => new CiliumCni("cni", { chart }));
      const { inputs } = find(all, "cni-release");
      assert.equal(inputs["chart"], chart);
      assert.equal(inputs["repositoryOpts"], undefined);
    }
  });
});
