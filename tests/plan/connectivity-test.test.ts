/** The namespaces of `cilium connectivity test`: open for a time, and nothing else with them. */
import assert from "node:assert/strict";
import { audit } from "../../sdk/audit/index";
import { applyAnnotations, evaluate, isViolation } from "../../sdk/findings/index";
import { planMonitoring } from "../../sdk/monitoring/index";
import type { ClusterSecurityDeclaration, Plan } from "../../sdk/plan/index";
import { DeclarationError, Dialect, flow, namespace, plan, tcp, workload } from "../../sdk/plan/index";
import { namespaceObject } from "../../sdk/plan/namespace-objects";
import type { KubeObject, Peer, Reachability, Verdict } from "../../sdk/reachability/index";
import { buildSnapshot, compile, metadataEndpoints, profileFor } from "../../sdk/reachability/index";
import { formatPath } from "../../sdk/property-path";

const test = { reason: "Cilium is upgraded", owner: "platform", expires: "2027-03-31" };
const names = ["cilium-test-1", "cilium-test-ccnp1", "cilium-test-ccnp2"];

const declaration = (options: object = {}, more: object = {}): ClusterSecurityDeclaration => ({
  namespaces: [namespace("shop"), namespace("bank")],
  tenants: [
    { name: "shop", namespaces: ["shop"] },
    { name: "bank", namespaces: ["bank"] },
  ],
  workloads: [workload("shop/web", { ports: [tcp(8080)] }), workload("bank/ledger", { ports: [tcp(7000)] })],
  platform: { connectivityTest: { ...test, ...options } },
  ...more,
});

/** What cilium-cli starts, by name and label. */
function pod(home: string, name: string, kind: string, port: number): KubeObject {
  const container = { name: "main", image: "main", ports: [{ containerPort: port }] };
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name, namespace: home, labels: { name, kind } },
    spec: { containers: [container] },
  };
}

function worldOf(planned: Plan): { readonly objects: readonly KubeObject[]; readonly reachability: Reachability } {
  const held = new Map(planned.namespaces.map((one) => [one.name, namespaceObject(one) as KubeObject | undefined]));
  const spaces = [...names, "shop", "bank", "kube-system"].map(
    (name): KubeObject => held.get(name) ?? { apiVersion: "v1", kind: "Namespace", metadata: { name } },
  );
  const objects: readonly KubeObject[] = [
    ...spaces,
    pod("cilium-test-1", "client", "client", 8080),
    pod("cilium-test-1", "echo-same-node", "echo", 8080),
    pod("cilium-test-ccnp1", "client-ccnp", "client", 8080),
    { ...pod("shop", "web", "app", 8080), metadata: { name: "web", namespace: "shop", labels: { app: "web" } } },
    {
      ...pod("bank", "ledger", "app", 7000),
      metadata: { name: "ledger", namespace: "bank", labels: { app: "ledger" } },
    },
    ...planned.documents.map(({ object }) => object as unknown as KubeObject),
  ];
  const snapshot = buildSnapshot(
    objects.map((object) => ({ object })),
    { profile: profileFor("cilium@1.20") },
  );
  return { objects, reachability: compile(snapshot) };
}

const at = (id: string): Peer => ({ kind: "workload", id: `${id}[Pod]` });
const address = (text: string): Peer => ({ kind: "address", address: text });
const client = at("cilium-test-1/client");

describe("plan: the namespaces of cilium connectivity test", () => {
  const verdicts = (planned: Plan): ((source: Peer, destination: Peer, port: number) => Verdict) => {
    const { reachability } = worldOf(planned);
    return (source, destination, port) => reachability.verdict({ source, destination, protocol: "TCP", port });
  };

  it("S3-09: until its last day the test's pods talk as the test needs it", () => {
    const verdict = verdicts(plan(declaration({}, { asOf: "2027-03-31" })));
    assert.equal(verdict(client, at("cilium-test-1/echo-same-node"), 8080), "allowed");
    assert.equal(verdict(at("cilium-test-ccnp1/client-ccnp"), client, 8080), "allowed");
    assert.equal(verdict(client, address("1.1.1.1"), 443), "allowed");
    assert.equal(verdict(client, { kind: "node", where: "remote" }, 40000), "allowed");
    // unknown: nobody said that it has none of the denied addresses
    assert.notEqual(verdict(client, { kind: "kubeApiserver" }, 443), "denied");
    assert.equal(verdict({ kind: "node", where: "remote" }, at("cilium-test-1/echo-same-node"), 8080), "allowed");
  });

  it("S3-09: no policy selects them for allows: the denials that the test counts are its own", () => {
    const { reachability } = worldOf(plan(declaration()));
    const explained = reachability.explain({
      source: client,
      destination: at("cilium-test-1/echo-same-node"),
      protocol: "TCP",
      port: 8080,
    });
    assert.deepEqual(
      [explained.egress.chain, explained.ingress.chain].flat().filter(({ outcome }) => outcome !== "not-matched"),
      [],
    );
  });

  it("S3-09: metadata endpoints stay closed in them, and nobody else's pods are open to them or from them", () => {
    const verdict = verdicts(plan(declaration()));
    for (const { address: endpoint, ports, formOf } of metadataEndpoints) {
      if (formOf !== undefined) continue;
      for (const port of ports) assert.equal(verdict(client, address(endpoint), port), "denied", endpoint);
    }
    for (const [pod, port] of [
      [at("shop/web"), 8080],
      [at("bank/ledger"), 7000],
    ] as const) {
      assert.equal(verdict(client, pod, port), "denied");
      assert.equal(verdict(pod, client, 8080), "denied");
      assert.equal(verdict(pod, address("1.1.1.1"), 443), "denied");
    }
  });

  it("S3-09: after its last day the default deny holds them, and the plan says so", () => {
    const ended = plan(declaration({}, { asOf: "2027-04-01" }));
    const verdict = verdicts(ended);
    assert.equal(verdict(client, at("cilium-test-1/echo-same-node"), 8080), "denied");
    assert.equal(verdict(client, address("1.1.1.1"), 443), "denied");
    assert.equal(verdict(client, address("169.254.169.254"), 80), "denied");
    assert.deepEqual(
      ended.undenied.map(({ state }) => state),
      ["closed"],
    );
    assert.ok(ended.warnings.some(({ code }) => code === "namespaces-closed"));
    assert.ok(plan(declaration({}, { asOf: "2027-03-31" })).warnings.some(({ code }) => code === "namespaces-open"));
  });

  it("S3-09: only in declared namespaces, too: the metadata deny covers them and the default deny does not", () => {
    const verdict = verdicts(plan(declaration({}, { denyScope: "declared-namespaces" })));
    assert.equal(verdict(client, address("169.254.169.254"), 80), "denied");
    assert.equal(verdict(client, address("1.1.1.1"), 443), "allowed");
    assert.equal(verdict(at("shop/web"), address("1.1.1.1"), 443), "denied");
  });

  it("S3-09: findings accept them until that day, by whom and why; the day after they do not", () => {
    const judged = (
      today: string,
    ): { readonly accepted: string[]; readonly overdue: string[]; readonly open: string[] } => {
      const { reachability } = worldOf(plan(declaration()));
      const { findings, overdue } = applyAnnotations(evaluate(reachability), reachability.snapshot, { today });
      const own = findings.filter(({ id, subject }) => id === "namespace-default-deny" && names.includes(subject.name));
      return {
        accepted: own.filter(({ exempt }) => exempt === true).map(({ subject }) => subject.name),
        open: own.filter(isViolation).map(({ subject }) => subject.name),
        overdue: overdue.map(({ because }) => because.join()),
      };
    };
    const before = judged("2027-03-31");
    assert.deepEqual([...new Set(before.accepted)].sort(), names);
    assert.deepEqual([before.open, before.overdue], [[], []]);
    const after = judged("2027-04-01");
    assert.deepEqual([...new Set(after.open)].sort(), names);
    assert.deepEqual([...new Set(after.overdue)], ["it ended on 2027-03-31"]);
  });

  it("S3-09: audit calls them overdue the day after, and is silent before", () => {
    const { objects } = worldOf(plan(declaration()));
    const sourced = objects.map((object) => ({ object }));
    const overdue = (today: string): string[] =>
      audit({ baseline: sourced, live: sourced, today })
        .drifts.filter(({ kind }) => kind === "overdue")
        .map(({ message }) => message);
    assert.deepEqual(overdue("2027-03-31"), []);
    const found = overdue("2027-04-01");
    assert.equal(found.length, names.length);
    for (const message of found) assert.match(message, /cilium-test-.+ it ended on 2027-03-31/);
  });

  it("S3-09: it stands in the alerts as an exception with its day, while it is declared and open", () => {
    const rules = JSON.stringify(planMonitoring(plan(declaration())));
    assert.match(rules, /ExceptionOverdue/);
    assert.match(rules, /no default deny in cilium-test-1, cilium-test-ccnp1, cilium-test-ccnp2/);
  });

  for (const [what, options, more, path] of [
    ["without an end", { expires: undefined }, {}, "platform.connectivityTest.expires"],
    ["with a day that there is not", { expires: "2027-02-30" }, {}, "platform.connectivityTest.expires"],
    ["without an owner", { owner: " " }, {}, "platform.connectivityTest.owner"],
    ["without a reason", { reason: undefined }, {}, "platform.connectivityTest.reason"],
    ["in another dialect", {}, { dialect: Dialect.Kubernetes }, "platform.connectivityTest"],
    ["for a tenant's namespace", { namespaces: ["shop"] }, {}, "platform.connectivityTest.namespaces[0]"],
    ["for no namespace", { namespaces: [] }, {}, "platform.connectivityTest.namespaces"],
    ["for a name that is none", { namespaces: ["cilium_test"] }, {}, "platform.connectivityTest.namespaces[0]"],
    [
      "for a declared namespace",
      { namespaces: ["tests"] },
      { namespaces: [namespace("shop"), namespace("bank"), namespace("tests")] },
      "platform.connectivityTest.namespaces[0]",
    ],
  ] as const) {
    it(`S3-09: refused ${what}`, () => {
      assert.throws(
        () => plan(declaration(options, more)),
        (error) => error instanceof DeclarationError && error.problems.some((one) => formatPath(one.path) === path),
      );
    });
  }

  it("S3-09: nothing else changes: the policies of a declaration without it are the same but for whom they cover", () => {
    const { platform: _platform, ...rest } = declaration(
      {},
      { flows: [flow("web").to("web").on(tcp(8080)).because("x").ownedBy("y")].slice(1) },
    );
    const without = plan(rest).documents.map(({ logicalName }) => logicalName);
    assert.deepEqual(
      plan({ ...rest, platform: { connectivityTest: test } }).documents.map(({ logicalName }) => logicalName),
      without,
    );
  });
});
