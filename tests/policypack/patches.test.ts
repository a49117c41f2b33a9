import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { clusterSecurityPolicies } from "../../policypack/guard";
import type { TestResource, TestRunOptions } from "../../policypack/testing";
import { runPolicies, unknown } from "../../policypack/testing";

type Props = Record<string, unknown>;

const namespace = (name: string, labels?: Props): TestResource => ({
  type: "kubernetes:core/v1:Namespace",
  name,
  props: { apiVersion: "v1", kind: "Namespace", metadata: { name, ...(labels ? { labels } : {}) } },
});

const policy = (kind: string, name: string, spec: Props, metadata: Props = {}): TestResource => {
  const apiVersion = kind.startsWith("Cilium") ? "cilium.io/v2" : "networking.k8s.io/v1";
  return {
    type: `kubernetes:${apiVersion}:${kind}`,
    name,
    props: {
      apiVersion,
      kind: kind.replace(/Patch$/, ""),
      metadata: { name: "default-deny-all", namespace: "shop", ...metadata },
      spec,
    },
  };
};

const deny = policy("NetworkPolicy", "deny", { podSelector: {}, policyTypes: ["Ingress", "Egress"] });
const ciliumDeny = policy("CiliumNetworkPolicy", "deny", { endpointSelector: {}, ingress: [{}], egress: [{}] });
const web: TestResource = {
  type: "kubernetes:core/v1:Pod",
  name: "web",
  props: {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: "web", namespace: "shop", labels: { app: "web" } },
    spec: { containers: [{ name: "web", image: "x" }] },
  },
};
const opener = policy("NetworkPolicyPatch", "opener", { egress: [{}] });

const nameOf = (urn: string): string => urn.split("::").at(-1) ?? "";

async function judged(resources: readonly TestResource[], options: TestRunOptions = {}, args: object = {}) {
  const run = await runPolicies(clusterSecurityPolicies(args), resources, options);
  const at = (level: string): string[] =>
    [
      // what follows for the whole stack is shown at the stack
      ...new Set(run.violations.filter((each) => each.level === level).map(({ urn }) => nameOf(urn))),
    ].filter((name) => name !== "project-test");
  return { ...run, mandatory: at("mandatory"), advisory: at("advisory") };
}

describe("patches, judged as what they make of the object", () => {
  it("a patch that opens the stack's own default deny blocks a preview, at the patch", async () => {
    const { mandatory, violations } = await judged([namespace("shop"), deny, opener, web]);
    assert.deepEqual(mandatory, ["opener"]);
    assert.ok(!violations.some(({ message }) => message.includes("outside the stack")));
    const [first] = violations.filter(({ level }) => level === "mandatory");
    assert.match(first?.message ?? "", /because: NetworkPolicyPatch "opener" changes it/);
  });

  it("an update is stopped at the patch, before the workload", async () => {
    const { stoppedAt } = await judged([namespace("shop"), deny, opener, web], { operation: "update" });
    assert.equal(nameOf(stoppedAt ?? ""), "opener");
  });

  it("a patch that is registered before its object is judged with it", async () => {
    const { mandatory, stoppedAt } = await judged([namespace("shop"), opener, deny, web], { operation: "update" });
    assert.equal(nameOf(stoppedAt ?? ""), "deny");
    assert.deepEqual(mandatory, ["deny"]);
  });

  it("so is a patch of a custom resource", async () => {
    const patch = policy("CiliumNetworkPolicyPatch", "opener", { egress: [{ toEntities: ["all"] }] });
    const clean = await judged([namespace("shop"), ciliumDeny, web]);
    assert.deepEqual(clean.mandatory, []);
    assert.deepEqual((await judged([namespace("shop"), ciliumDeny, patch, web])).mandatory, ["opener"]);
  });

  it("a patch that opens nothing is no finding", async () => {
    const patch = policy("NetworkPolicyPatch", "labels", {}, { labels: { team: "web" } });
    const { violations } = await judged([namespace("shop"), deny, patch, web]);
    assert.deepEqual(
      violations.filter(({ message }) => message.includes("not-understood")),
      [],
    );
    assert.equal(violations.filter(({ level }) => level === "mandatory").length, 0);
  });

  it("a patch that closes what the object opens repairs it once the whole is judged", async () => {
    const open = policy("NetworkPolicy", "open", { podSelector: {}, policyTypes: ["Ingress", "Egress"] });
    const closing = policy("NetworkPolicyPatch", "closing", { policyTypes: ["Ingress", "Egress"] });
    const half = policy("NetworkPolicy", "open", { podSelector: {}, policyTypes: ["Ingress"] });
    assert.deepEqual((await judged([namespace("shop"), open, closing, web])).mandatory, []);
    assert.notDeepEqual((await judged([namespace("shop"), half, web])).mandatory, []);
    assert.deepEqual((await judged([namespace("shop"), half, closing, web])).mandatory, []);
  });

  it("a patch of an object outside the stack is said to be that, and stops an update that shows no more", async () => {
    const preview = await judged([namespace("shop"), opener]);
    assert.ok(preview.advisory.includes("opener"));
    const said = preview.violations.filter(({ message }) => message.includes("outside the stack"));
    assert.equal(said.length, 1);
    assert.match(said[0]?.message ?? "", /NetworkPolicyPatch "opener" changes NetworkPolicy shop\/default-deny-all/);
    const update = await judged([deny, namespace("shop"), policy("NetworkPolicyPatch", "o", {}, { name: "other" })], {
      operation: "update",
    });
    assert.ok(update.mandatory.includes("o"));
  });

  it("what the provider returned for such a patch is the whole object, and is judged", async () => {
    const live = (spec: Props): TestResource => ({
      ...opener,
      outputs: {
        ...opener.props,
        metadata: { name: "default-deny-all", namespace: "shop", uid: "5e0c" },
        spec: { podSelector: {}, policyTypes: ["Ingress", "Egress"], ...spec },
      },
    });
    const labels = { ...live({}), props: { ...opener.props, spec: {} } };
    const closed = await judged([namespace("shop"), labels, web], { operation: "update" });
    assert.deepEqual(closed.mandatory, []);
    const open = await judged([namespace("shop"), live({ egress: [{}] }), web], { operation: "update" });
    assert.deepEqual(open.mandatory, ["opener"]);
    // an older answer of the API server, and what the program says now
    const changed = await judged([namespace("shop"), live({}), web]);
    assert.deepEqual(changed.mandatory, ["opener"]);
  });

  it("a patch whose object is not known yet says so", async () => {
    const patch = policy("NetworkPolicyPatch", "opener", { egress: [{}] }, { name: unknown.string });
    const { violations, mandatory } = await judged([namespace("shop"), deny, patch, web]);
    assert.deepEqual(mandatory, []);
    assert.ok(violations.some(({ message }) => /which object it changes is not known yet/.test(message)));
  });

  it("a patch of an object in the cluster's snapshot is judged with it", async () => {
    const folder = mkdtempSync(path.join(tmpdir(), "patches-"));
    try {
      const file = path.join(folder, "cluster.json");
      const items = [namespace("shop"), deny].map(({ props }) => props);
      writeFileSync(file, JSON.stringify({ apiVersion: "v1", kind: "List", items }));
      const { mandatory, violations } = await judged([opener, web], {}, { clusterSnapshot: file });
      assert.deepEqual(mandatory, ["opener"]);
      assert.ok(!violations.some(({ message }) => message.includes("outside the stack")));
      const labels = policy("NetworkPolicyPatch", "labels", {}, { labels: { a: "b" } });
      assert.deepEqual((await judged([labels, web], {}, { clusterSnapshot: file })).mandatory, []);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });

  it("a DeploymentPatch onto the host's network is judged as the workload", async () => {
    const deployment = (spec: Props): Props => ({
      apiVersion: "apps/v1",
      kind: "Deployment",
      metadata: { name: "api", namespace: "shop" },
      spec: { template: { spec } },
    });
    const whole: TestResource = {
      type: "kubernetes:apps/v1:Deployment",
      name: "api",
      props: {
        ...deployment({}),
        spec: {
          selector: { matchLabels: { app: "api" } },
          template: { metadata: { labels: { app: "api" } }, spec: { containers: [{ name: "api", image: "x" }] } },
        },
      },
    };
    const patch: TestResource = {
      type: "kubernetes:apps/v1:DeploymentPatch",
      name: "host",
      props: deployment({ hostNetwork: true }),
    };
    const { violations } = await judged([namespace("shop"), deny, whole, patch], {}, { "host-access": "mandatory" });
    assert.ok(
      violations.some(({ message, urn }) => message.startsWith("host-access") && nameOf(urn) === "host"),
      violations.map(({ message }) => message).join("\n"),
    );
  });

  it("labels that a NamespacePatch adds count for the namespace of the stack", async () => {
    const patch: TestResource = {
      type: "kubernetes:core/v1:NamespacePatch",
      name: "labels",
      props: { apiVersion: "v1", kind: "Namespace", metadata: { name: "shop", labels: { team: "b" } } },
    };
    const toTeam = policy(
      "NetworkPolicy",
      "team",
      {
        podSelector: { matchLabels: { app: "web" } },
        ingress: [{ from: [{ namespaceSelector: { matchLabels: { team: "b" } } }] }],
      },
      { name: "allow-team" },
    );
    const { violations } = await judged([namespace("shop", { team: "a" }), patch, deny, toTeam, web]);
    assert.ok(!violations.some(({ level }) => level === "mandatory"), violations.map(({ message }) => message).join());
  });

  it("a kind whose name ends so is no patch", async () => {
    const resource: TestResource = {
      type: "kubernetes:example.com/v1:NetworkPatch",
      name: "patch",
      props: {
        apiVersion: "example.com/v1",
        kind: "NetworkPatch",
        metadata: { name: "a", namespace: "shop" },
        spec: {},
      },
    };
    const { violations } = await judged([namespace("shop"), deny, resource]);
    assert.ok(!violations.some(({ message }) => message.includes("changes")));
  });
});
