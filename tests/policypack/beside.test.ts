import assert from "node:assert/strict";
import { clusterSecurityPolicies } from "../../policypack/guard";
import type { TestResource, TestRunOptions } from "../../policypack/testing";
import { runPolicies, urnOf } from "../../policypack/testing";

type Props = Record<string, unknown>;

const object = (kind: string, apiVersion: string, name: string, metadata: Props, rest: Props = {}): TestResource => ({
  type: `kubernetes:${apiVersion === "v1" ? "core/v1" : apiVersion}:${kind}`,
  name,
  props: { apiVersion, kind, metadata, ...rest },
});
const namespace = object("Namespace", "v1", "shop", { name: "shop" });
const netpol = (name: string, spec: Props, rest: Partial<TestResource> = {}): TestResource => ({
  ...object("NetworkPolicy", "networking.k8s.io/v1", name, { name, namespace: "shop" }, { spec }),
  ...rest,
});
const closed = { podSelector: {}, policyTypes: ["Ingress", "Egress"] };
const deny = netpol("default-deny-all", closed);
const web = object(
  "Pod",
  "v1",
  "web",
  { name: "web", namespace: "shop", labels: { app: "web" } },
  {
    spec: { containers: [{ name: "web", image: "x" }] },
  },
);
const config = object("ConfigMap", "v1", "config", { name: "config", namespace: "shop" });

async function said(resources: readonly TestResource[], options: TestRunOptions = {}) {
  const { violations, failed } = await runPolicies(clusterSecurityPolicies(), resources, options);
  const about = (id: string) => violations.filter(({ message }) => message.startsWith(id));
  return { violations, failed, about, text: violations.map(({ message }) => message).join("\n\n") };
}

describe("what --target and --exclude leave out", () => {
  // the engine shows no properties of what is left out and not there yet
  const leftOut = (resource: TestResource): TestResource => ({ ...resource, isLeftOut: true });

  it("is named once, as what it is, and stays closed", async () => {
    for (const operation of ["preview", "update"] as const) {
      const { about, failed, text } = await said([leftOut(namespace), leftOut(deny), web], { operation });
      assert.equal(about("not-in-operation").length, 1, text);
      assert.match(
        about("not-in-operation")[0]?.message ?? "",
        /2 resources are not part of this operation \(--target, --exclude\).*\n.*Namespace "shop", NetworkPolicy "default-deny-all"|NetworkPolicy "default-deny-all", Namespace "shop"/,
      );
      assert.ok(failed, text);
      assert.doesNotMatch(text, /\(unknown\)|not-declared-yet|opens a hole/);
      assert.match(
        about("namespace-default-deny")[0]?.message ?? "",
        /fix: Include what is not part of this operation/,
      );
    }
  });

  it("is nothing in an operation on the whole stack", async () => {
    const { about } = await said([namespace, deny, web]);
    assert.deepEqual(about("not-in-operation"), []);
  });
});

describe("values that a preview leaves out", () => {
  const takes = (spec: Props): TestResource =>
    netpol("allow-some", spec, { propertyDependencies: { spec: [urnOf(config)] } });

  for (const [what, spec] of [
    ["of a subject", { podSelector: { matchLabels: {} }, policyTypes: ["Ingress"] }],
    ["of a peer", { podSelector: {}, ingress: [{ from: [{ podSelector: { matchLabels: {} } }] }] }],
    // the provider drops what is empty
    ["of a subject, all of it", { podSelector: {}, policyTypes: ["Ingress"] }],
    [
      "of a peer, all of it",
      { podSelector: { matchLabels: { app: "web" } }, ingress: [{ from: [{ podSelector: {} }] }] },
    ],
    ["of a port", { podSelector: {}, egress: [{ to: [{ podSelector: {} }], ports: [{}] }] }],
    ["in a text", { podSelector: { matchLabels: { app: "web-undefined" } }, policyTypes: ["Ingress"] }],
  ] as [string, Props][]) {
    it(`${what}: refused in a preview`, async () => {
      const { about, text } = await said([namespace, config, takes(spec), deny, web]);
      const refused = about("not-understood").filter(({ level }) => level === "mandatory");
      assert.equal(refused.length, 1, text);
      assert.match(refused[0]?.message ?? "", /takes a value that a preview leaves out[\s\S]*ConfigMap "config"/);
    });
  }

  it("what a program writes itself is taken at its word, and so is what an update shows", async () => {
    const spec = { podSelector: { matchLabels: {} }, policyTypes: ["Ingress", "Egress"] };
    const written = await said([namespace, config, netpol("allow-some", spec), deny, web]);
    assert.deepEqual(written.about("not-understood"), []);
    const known = { podSelector: { matchLabels: { app: "config" } }, policyTypes: ["Ingress"] };
    assert.deepEqual((await said([namespace, config, takes(known), deny, web])).about("not-understood"), []);
    // an empty selector beside a value that is there, as it is or as a part
    for (const app of ["config", "web-config", "conf"]) {
      const peer = { podSelector: {}, ingress: [{ from: [{ podSelector: { matchLabels: { app } } }] }] };
      assert.deepEqual((await said([namespace, config, takes(peer), deny, web])).about("not-understood"), []);
    }
    const update = await said([namespace, config, takes(spec), deny, web], { operation: "update" });
    assert.deepEqual(update.about("not-understood"), []);
  });
});

describe("components that register nothing", () => {
  const component: TestResource = {
    type: "pulumi-cluster-security:index:ServiceFlows",
    name: "flows",
    props: {},
    dependencies: [urnOf(namespace)],
  };

  it("cut a chain of dependsOn, which is said", async () => {
    const { about, text } = await said([namespace, deny, component, web]);
    const [cut] = about("order-hazard");
    assert.match(cut?.message ?? text, /ServiceFlows "flows" registers nothing, so what depends on it does not wait/);
    assert.equal(cut?.level, "advisory");
  });

  it("one with a child, or without dependencies, does not", async () => {
    const child = { ...deny, parent: urnOf(component) };
    assert.deepEqual((await said([namespace, component, child, web])).about("order-hazard"), []);
    assert.deepEqual(
      (await said([namespace, deny, { ...component, dependencies: [] }, web])).about("order-hazard"),
      [],
    );
  });
});

describe("live state that differs from the inputs", () => {
  const live = (resource: TestResource, spec: Props): TestResource => ({
    ...resource,
    outputs: {
      ...resource.props,
      metadata: {
        ...(resource.props["metadata"] as Props),
        uid: "5e0c",
        managedFields: [{ manager: "kubectl-edit", operation: "Update", fieldsV1: { "f:spec": { "f:ingress": {} } } }],
      },
      spec: { ...(resource.props["spec"] as Props), ...spec },
    },
  });

  it("is said at the policy, with the command that mends it, and no finding proposes to change the program", async () => {
    const { about, violations, text } = await said([namespace, live(deny, { ingress: [{}] }), web]);
    const [drift, ...more] = about("live-drift");
    assert.deepEqual(more, []);
    assert.equal(drift?.level, "mandatory", text);
    assert.match(
      drift?.message ?? "",
      /NetworkPolicy shop\/default-deny-all is not what is declared: spec.ingress was added by kubectl-edit/,
    );
    assert.match(
      drift?.message ?? "",
      /kubectl delete networkpolicy.networking.k8s.io default-deny-all -n shop && pulumi up --refresh/,
    );
    for (const { level, message } of violations) {
      if (level === "mandatory" && message.includes("because"))
        assert.match(message, /kubectl delete networkpolicy|at the objects that cause it/);
    }
  });

  it("is shown where it only closes", async () => {
    const allow = netpol("allow-web", {
      podSelector: {},
      policyTypes: ["Ingress"],
      ingress: [{ from: [{ podSelector: {} }] }],
    });
    const { about } = await said([namespace, deny, live(allow, { ingress: [] }), web]);
    assert.deepEqual(
      about("live-drift").map(({ level }) => level),
      ["advisory"],
    );
  });

  it("is none where the server only fills in what it means, or a patch of the stack makes the difference", async () => {
    const filled = live(
      netpol("allow-web", {
        podSelector: {},
        policyTypes: ["Ingress"],
        ingress: [{ ports: [{ port: 1, protocol: "TCP" }] }],
      }),
      {},
    );
    assert.deepEqual((await said([namespace, deny, filled, web])).about("live-drift"), []);
    const patch = object(
      "NetworkPolicyPatch",
      "networking.k8s.io/v1",
      "patch",
      { name: "default-deny-all", namespace: "shop" },
      {
        kind: "NetworkPolicy",
        spec: { ingress: [{ from: [{ podSelector: {} }] }] },
      },
    );
    const patched = live(deny, { ingress: [{ from: [{ podSelector: {} }] }] });
    assert.deepEqual((await said([namespace, patched, patch, web])).about("live-drift"), []);
    assert.equal((await said([namespace, patched, web])).about("live-drift").length, 1);
    // not read back yet
    assert.deepEqual((await said([namespace, live(deny, {}), patch, web])).about("live-drift"), []);
  });

  it("a policy that is only read again is no second policy", async () => {
    const read = live({ ...deny, name: "z-live-default-deny-all", dependencies: [urnOf(deny)] }, {});
    const { about, failed, text } = await said([namespace, live(deny, {}), read, web], { operation: "update" });
    assert.ok(!failed, text);
    assert.deepEqual(about("not-understood"), []);
  });
});
