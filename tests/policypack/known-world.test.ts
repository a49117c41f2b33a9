import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import type { ClusterSecurityGuardArgs } from "../../policypack/guard";
import { clusterSecurityPolicies } from "../../policypack/guard";
import type { TestResource, TestRun } from "../../policypack/testing";
import { runPolicies, urnOf } from "../../policypack/testing";
import { secret } from "./support/pack-process";

type Fields = Record<string, unknown>;

const object = (apiVersion: string, kind: string, name: string, home: string | undefined, spec?: Fields): Fields => ({
  apiVersion,
  kind,
  metadata: { name, ...(home === undefined ? {} : { namespace: home }) },
  ...(spec === undefined ? {} : { spec }),
});
const namespace = (name: string): Fields => object("v1", "Namespace", name, undefined);
const policy = (name: string, spec: Fields, home = "shop"): Fields =>
  object("networking.k8s.io/v1", "NetworkPolicy", name, home, spec);
const deny = (home = "shop"): Fields =>
  policy("default-deny-all", { podSelector: {}, policyTypes: ["Ingress", "Egress"] }, home);
const deployment = (name: string, home = "shop"): Fields =>
  object("apps/v1", "Deployment", name, home, {
    selector: { matchLabels: { app: name } },
    template: { metadata: { labels: { app: name } }, spec: { containers: [{ name, image: "x" }] } },
  });
const resource = (props: Fields): TestResource => {
  const { apiVersion, kind, metadata } = props as { apiVersion: string; kind: string; metadata: { name: string } };
  const version = apiVersion.includes("/") ? apiVersion : `core/${apiVersion}`;
  return { type: `kubernetes:${version}:${kind}`, name: metadata.name, props };
};
const allow = (from: string, to: string): Fields =>
  policy(`allow-${from}-to-${to}`, {
    podSelector: { matchLabels: { app: to } },
    policyTypes: ["Ingress"],
    ingress: [{ from: [{ podSelector: { matchLabels: { app: from } } }], ports: [{ port: 80 }] }],
  });
const inside = policy("allow-inside", {
  podSelector: {},
  policyTypes: ["Egress"],
  egress: [{ to: [{ podSelector: {} }] }],
});

describe("a stack judged with what its cluster holds already", () => {
  let folder = "";
  let count = 0;
  before(() => (folder = mkdtempSync(path.join(tmpdir(), "known-world-"))));
  after(() => rmSync(folder, { recursive: true, force: true }));

  const file = (content: unknown): string => {
    const name = path.join(folder, `${count++}.json`);
    writeFileSync(name, typeof content === "string" ? content : JSON.stringify(content));
    return name;
  };
  const snapshot = (...items: Fields[]): string => file({ apiVersion: "v1", kind: "List", items });
  const state = (...objects: Fields[]): string =>
    file({
      version: 3,
      deployment: {
        manifest: {},
        resources: objects.map((props) => {
          const each = resource(props);
          return { urn: urnOf(each), type: each.type, custom: true, inputs: props, outputs: props };
        }),
      },
    });
  const run = (
    resources: readonly Fields[],
    args: ClusterSecurityGuardArgs,
    operation: "preview" | "update" = "preview",
  ): Promise<TestRun> => runPolicies(clusterSecurityPolicies(args), resources.map(resource), { operation });
  const mandatory = (result: TestRun): string[] =>
    result.violations.filter(({ level }) => level === "mandatory").map(({ message }) => message);
  const shown = (result: TestRun): string => result.violations.map(({ message }) => message).join("\n");

  it("one workload passes where the cluster closes its namespace, and is stopped where it does not", async () => {
    for (const operation of ["preview", "update"] as const) {
      const closed = snapshot(namespace("shop"), deny(), deployment("db"));
      assert.deepEqual(mandatory(await run([deployment("api")], { clusterSnapshot: closed }, operation)), []);
      const open = snapshot(namespace("shop"), deployment("db"));
      const result = await run([deployment("api")], { clusterSnapshot: open }, operation);
      assert.ok(mandatory(result).some((message) => message.startsWith("namespace-default-deny")));
      assert.ok(result.violations.every(({ urn }) => urn !== ""));
      assert.ok(result.failed);
    }
  });

  it("what was wrong before and has nothing to do with the stack is not said", async () => {
    const elsewhere = snapshot(namespace("shop"), deny(), namespace("other"), deployment("legacy", "other"));
    const result = await run([deployment("api")], { clusterSnapshot: elsewhere });
    assert.doesNotMatch(shown(result), /other|legacy/);
    // and it is said where the stack is what makes it so: it replaces the deny by a policy that closes nothing
    const undone = policy("default-deny-all", { podSelector: {}, policyTypes: ["Ingress"], ingress: [{}] });
    const closed = snapshot(namespace("shop"), deny(), deployment("db"));
    assert.match(shown(await run([undone], { clusterSnapshot: closed })), /namespace-default-deny: /);
  });

  it("a workload is stopped at its registration by a hole that the cluster's policies open for it", async () => {
    const world = policy("allow-world", {
      podSelector: {},
      policyTypes: ["Egress"],
      egress: [{ to: [{ ipBlock: { cidr: "0.0.0.0/0" } }] }],
    });
    const open = snapshot(namespace("shop"), deny(), world);
    const result = await run([deployment("api")], { clusterSnapshot: open }, "update");
    assert.equal(result.stoppedAt, urnOf(resource(deployment("api"))));
  });

  it("an explicit deny in the cluster keeps the stack's allow from being a hole; the stack's own version of it counts instead", async () => {
    const clusterwide = (spec: Fields): Fields =>
      object("cilium.io/v2", "CiliumClusterwideNetworkPolicy", "deny-metadata", undefined, {
        endpointSelector: {},
        enableDefaultDeny: { ingress: false, egress: false },
        ...spec,
      });
    const closing = clusterwide({ egressDeny: [{ toEntities: ["world"] }] });
    const opening = object("cilium.io/v2", "CiliumNetworkPolicy", "allow-world", "shop", {
      endpointSelector: { matchLabels: { app: "api" } },
      enableDefaultDeny: { ingress: false, egress: false },
      egress: [{ toEntities: ["world"] }],
    });
    const clusterSnapshot = snapshot(namespace("shop"), deny(), closing);
    assert.deepEqual(mandatory(await run([opening, deployment("api")], { clusterSnapshot }, "update")), []);
    const weakened = clusterwide({ egressDeny: [{ toCIDR: ["192.0.2.0/24"] }] });
    const result = await run([weakened, opening, deployment("api")], { clusterSnapshot }, "update");
    assert.equal(result.stoppedAt, urnOf(resource(opening)));
  });

  it("a snapshot or state that cannot be read stops the operation and is never an empty cluster", async () => {
    const broken = [path.join(folder, "absent.json"), file("{ t0psecret: ["), file("[]"), file("")];
    for (const clusterSnapshot of broken) {
      for (const operation of ["preview", "update"] as const) {
        const result = await run([namespace("shop"), deny()], { clusterSnapshot }, operation);
        assert.ok(
          mandatory(result).some((message) => /cluster snapshot .* cannot be read/.test(message)),
          clusterSnapshot,
        );
        assert.ok(!shown(result).includes("t0psecret") && !shown(result).includes(folder));
      }
    }
    for (const previousState of [path.join(folder, "absent.json"), file("{ t0psecret: ["), file("[]")]) {
      const result = await run([namespace("shop"), deny()], { previousState });
      assert.ok(
        mandatory(result).some((message) => /previous state .* cannot be read/.test(message)),
        previousState,
      );
      assert.ok(!shown(result).includes("t0psecret"));
    }
  });

  it("with several clusters the pack does not guess which one the snapshot is of", async () => {
    const clusterSnapshot = snapshot(namespace("shop"), deny());
    const at = (name: string, props: Fields): TestResource => ({
      ...resource(props),
      name: `${name}-api`,
      provider: { name, props: { kubeconfig: name } },
    });
    const both = [at("one", deployment("api")), at("two", deployment("api"))];
    const guess = await runPolicies(clusterSecurityPolicies({ clusterSnapshot }), both);
    assert.match(shown(guess), /not-understood: Which of the stack's clusters/);
    const told = await runPolicies(clusterSecurityPolicies({ clusterSnapshot, clusterSnapshotProvider: "one" }), both);
    const open = mandatory(told).filter((message) => message.startsWith("namespace-default-deny"));
    assert.ok(open.length > 0 && open.every((message) => message.includes("[two]")), shown(told));
  });

  it("a preview says which paths open and close, each with its object, and an update does not", async () => {
    const standing = [namespace("shop"), deny(), inside, ...["web", "api", "db"].map((name) => deployment(name))];
    const before = [...standing, allow("api", "db")];
    const after = [...standing, allow("web", "api"), allow("web", "db")];
    for (const args of [{ previousState: state(...before) }, { clusterSnapshot: snapshot(...before) }]) {
      const result = await run(after, args);
      const changes = result.violations.filter(({ message }) => message.startsWith("reachability-change"));
      const text = changes.map(({ message }) => message).join("\n");
      // from a cluster alone nobody can tell that the stack does not hold a policy any more
      const closed = "previousState" in args ? 1 : 0;
      assert.match(text, new RegExp(`: 2 paths opened, ${closed} closed, 0 changed`));
      for (const to of ["api", "db"]) {
        const own = changes.find(({ urn }) => urn === urnOf(resource(allow("web", to))));
        assert.match(own?.message ?? "", new RegExp(`to-${to} \\(added\\) has a part in 1 path opened`));
      }
      assert.ok(changes.every(({ level, urn }) => level === "advisory" && urn !== ""));
      assert.doesNotMatch(shown(await run(after, args, "update")), /reachability-change/);
      assert.doesNotMatch(
        shown(await run(after, { ...args, "reachability-change": "disabled" })),
        /reachability-change/,
      );
      assert.doesNotMatch(shown(await run(before, args)), /reachability-change/);
    }
  });

  it("secrets in a previous state are neither read nor shown", async () => {
    const template = { containers: [{ name: "api", env: [{ name: "TOKEN", value: secret("t0psecret") }] }] };
    const api = object("v1", "Pod", "api", "shop", template);
    const result = await run([namespace("shop"), deny(), deployment("db")], {
      previousState: state(namespace("shop"), deny(), api),
    });
    assert.ok(!JSON.stringify(result.violations).includes("t0psecret"));
  });
});
