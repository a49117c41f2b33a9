import assert from "node:assert/strict";
import { clusterSecurityPolicies, findingIds, policyNames } from "../../policypack/guard";
import type { TestResource, TestRun } from "../../policypack/testing";
import { runPolicies, unknown, urnOf } from "../../policypack/testing";

type Props = Record<string, unknown>;

const resource = (type: string, name: string, props: Props, rest: Partial<TestResource> = {}): TestResource => ({
  type: `kubernetes:${type}`,
  name,
  props,
  ...rest,
});

const namespace = (name: string): TestResource =>
  resource("core/v1:Namespace", name, { apiVersion: "v1", kind: "Namespace", metadata: { name } });

const deployment = (name: string, home = "shop", podSpec: Props = {}): TestResource =>
  resource("apps/v1:Deployment", name, {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name, namespace: home },
    spec: {
      selector: { matchLabels: { app: name } },
      template: { metadata: { labels: { app: name } }, spec: { containers: [{ name, image: "x" }], ...podSpec } },
    },
  });

const netpol = (name: string, spec: Props, home: unknown = "shop"): TestResource =>
  resource("networking.k8s.io/v1:NetworkPolicy", name, {
    apiVersion: "networking.k8s.io/v1",
    kind: "NetworkPolicy",
    metadata: { name, namespace: home },
    spec,
  });

const ccnp = (name: string, spec: Props): TestResource =>
  resource("cilium.io/v2:CiliumClusterwideNetworkPolicy", name, {
    apiVersion: "cilium.io/v2",
    kind: "CiliumClusterwideNetworkPolicy",
    metadata: { name },
    spec,
  });

const cnp = (name: string, spec: Props): TestResource =>
  resource("cilium.io/v2:CiliumNetworkPolicy", name, {
    apiVersion: "cilium.io/v2",
    kind: "CiliumNetworkPolicy",
    metadata: { name, namespace: "shop" },
    spec,
  });

const defaultDeny = netpol("default-deny-all", { podSelector: {}, policyTypes: ["Ingress", "Egress"] });
const worldOpen = (name: string, selector: Props = { matchLabels: { app: "api" } }): TestResource =>
  netpol(name, {
    podSelector: selector,
    policyTypes: ["Egress"],
    egress: [{ to: [{ ipBlock: { cidr: "0.0.0.0/0" } }] }],
  });
const withoutDefaultDeny = { ingress: false, egress: false };
const denyMetadata = ccnp("deny-metadata", {
  endpointSelector: {},
  enableDefaultDeny: withoutDefaultDeny,
  egressDeny: [{ toEntities: ["world"] }],
});
const ciliumWorld = cnp("allow-world", {
  endpointSelector: { matchLabels: { app: "api" } },
  enableDefaultDeny: withoutDefaultDeny,
  egress: [{ toEntities: ["world"] }],
});

const secure: TestResource[] = [namespace("shop"), defaultDeny, deployment("api")];

const run = (
  resources: readonly TestResource[],
  operation: "preview" | "update" = "preview",
  args: Parameters<typeof clusterSecurityPolicies>[0] = {},
): Promise<TestRun> => runPolicies(clusterSecurityPolicies(args), resources, { operation });

const mandatory = (result: TestRun) => result.violations.filter((violation) => violation.level === "mandatory");

describe("the policy pack, run as the engine runs it", () => {
  for (const operation of ["preview", "update"] as const) {
    it(`passes a closed stack in ${operation}`, async () => {
      const result = await run(secure, operation);
      assert.deepEqual(mandatory(result), []);
      assert.equal(result.failed, false);
    });

    it(`blocks a namespace without a default deny in ${operation}, with a URN and a fix`, async () => {
      const result = await run([namespace("shop"), deployment("api")], operation);
      assert.ok(result.failed);
      const found = mandatory(result).find(({ message }) => message.startsWith("namespace-default-deny"));
      assert.ok(found !== undefined);
      assert.equal(found.urn, urnOf(namespace("shop")));
      assert.equal(found.severity, "critical");
      assert.match(found.message, /because: .*\n {2}fix: .*\n {2}controls: .*SC-7\(5\)/s);
      // an update that fails after creation says what stands now and how to go back
      const all = mandatory(result).map(({ message }) => message);
      const told = all.filter((message) => /so they stand.*pulumi destroy/s.test(message));
      assert.equal(told.length, operation === "update" ? 1 : 0);
    });
  }

  it("an update that skips the preview is stopped at the object that opens a hole, before its workloads", async () => {
    const result = await run([namespace("shop"), worldOpen("allow-world"), defaultDeny, deployment("api")], "update");
    assert.equal(result.stoppedAt, urnOf(worldOpen("allow-world")));
    assert.match(
      mandatory(result)[0]?.message ?? "",
      /NetworkPolicy shop\/allow-world opens a hole.*169\.254\.169\.254/s,
    );
  });

  it("a policy for pods that do not exist yet is judged by pods that it would select", async () => {
    for (const selector of [
      { matchLabels: { app: "later" } },
      { matchExpressions: [{ key: "app", operator: "In", values: ["later"] }] },
      {
        matchExpressions: [
          { key: "app", operator: "Exists" },
          { key: "env", operator: "NotIn", values: ["dev"] },
        ],
      },
    ]) {
      const result = await run([namespace("shop"), worldOpen("w", selector), defaultDeny], "update");
      assert.equal(result.stoppedAt, urnOf(worldOpen("w")), JSON.stringify(selector));
    }
  });

  it("an explicit deny before the allow keeps the allow from being a hole; after it, it comes too late", async () => {
    const deny = ccnp("default-deny-all", {
      endpointSelector: {
        matchExpressions: [{ key: "k8s:io.kubernetes.pod.namespace", operator: "NotIn", values: ["kube-system"] }],
      },
      ingress: [{}],
      egress: [{}],
    });
    const good = [denyMetadata, namespace("shop"), ciliumWorld, deny, deployment("api")];
    assert.deepEqual(mandatory(await run(good, "update")), []);
    const late = [namespace("shop"), ciliumWorld, denyMetadata, deny, deployment("api")];
    assert.equal((await run(late, "update")).stoppedAt, urnOf(ciliumWorld));
    assert.ok((await run(late, "preview")).failed, "a preview says so too");
  });

  it("a deny of Cilium counts for a NetworkPolicy that comes after it", async () => {
    const mixed = [denyMetadata, namespace("shop"), worldOpen("allow-world"), defaultDeny, deployment("api")];
    assert.deepEqual(mandatory(await run(mixed, "update")), []);
  });

  it("a deny of some addresses leaves the others open, and the message names only those", async () => {
    const partial = ccnp("deny-aws", {
      endpointSelector: {},
      enableDefaultDeny: withoutDefaultDeny,
      egressDeny: [{ toCIDR: ["169.254.169.254/32"] }],
    });
    const result = await run([partial, namespace("shop"), ciliumWorld], "update");
    assert.equal(result.stoppedAt, urnOf(ciliumWorld));
    const message = mandatory(result)
      .map((violation) => violation.message)
      .join();
    assert.ok(
      /100\.100\.100\.200|168\.63\.129\.16|169\.254\.170\.2/.test(message) && !message.includes("169.254.169.254 ("),
      message,
    );
  });

  it("each of two policies that open the same address is named at its own registration in a preview", async () => {
    const result = await run([namespace("shop"), worldOpen("first"), worldOpen("second"), defaultDeny]);
    for (const name of ["first", "second"]) {
      assert.ok(
        mandatory(result).some(({ urn, phase }) => phase === "resource" && urn === urnOf(worldOpen(name))),
        name,
      );
    }
  });

  it("a workload registered before the default deny of its namespace is no false alarm", async () => {
    const result = await run([namespace("shop"), deployment("api"), defaultDeny], "update");
    assert.deepEqual(mandatory(result), []);
  });

  it("a policy that allows everything under the name of a default deny is stopped at its registration", async () => {
    const fake = netpol("default-deny-all", {
      podSelector: {},
      policyTypes: ["Ingress", "Egress"],
      ingress: [{}],
      egress: [{}],
    });
    assert.equal((await run([namespace("shop"), fake], "update")).stoppedAt, urnOf(fake));
  });

  it("a policy that the agent refuses is stopped at its registration", async () => {
    const refused = cnp("default-deny-all", { endpointSelector: {}, ingress: [], egress: [] });
    const result = await run([namespace("shop"), refused], "update");
    assert.equal(result.stoppedAt, urnOf(refused));
    assert.match(mandatory(result)[0]?.message ?? "", /not-understood/);
  });

  it("objects that are wrong by themselves are stopped at their registration", async () => {
    const wrong: TestResource[] = [
      resource("helm.sh/v3:Release", "cilium", { chart: "cilium", values: { policyEnforcementMode: "never" } }),
      resource("rbac.authorization.k8s.io/v1:ClusterRoleBinding", "admin", {
        apiVersion: "rbac.authorization.k8s.io/v1",
        kind: "ClusterRoleBinding",
        metadata: { name: "admin" },
        roleRef: { kind: "ClusterRole", name: "cluster-admin" },
        subjects: [{ kind: "ServiceAccount", name: "api", namespace: "shop" }],
      }),
      ccnp("locks-tier-0", { endpointSelector: {}, ingress: [{}], egress: [{}] }),
      cnp("any-name", { endpointSelector: {}, egress: [{ toFQDNs: [{ matchPattern: "*" }] }] }),
    ];
    for (const item of wrong) {
      assert.equal((await run([namespace("shop"), item], "update")).stoppedAt, urnOf(item), item.name);
    }
  });

  it("in a preview with an unconfigured provider, empty outputs are judged by the recorded inputs", async () => {
    const blind = secure.map((item) => ({ ...item, outputs: {} }));
    assert.deepEqual(mandatory(await run(blind)), []);
    const open = [namespace("shop"), deployment("api")].map((item) => ({ ...item, outputs: {} }));
    assert.ok((await run(open)).failed);
  });

  it("empty outputs without recorded inputs are not taken for safe", async () => {
    const [, ...stackOnly] = clusterSecurityPolicies();
    const blind = secure.map((item) => ({ ...item, outputs: {} }));
    const preview = await runPolicies(stackOnly, blind, { operation: "preview" });
    assert.ok(preview.violations.some(({ message }) => /not decidable yet/.test(message)));
    const update = await runPolicies(stackOnly, blind, { operation: "update" });
    assert.ok(update.failed);
  });

  it("what is not known yet is shown in a preview and stops an update", async () => {
    const unclear = [
      namespace("shop"),
      netpol("deny", {
        podSelector: {},
        policyTypes: ["Ingress", "Egress"],
        egress: [{ to: [{ ipBlock: { cidr: unknown.string } }] }],
      }),
      deployment("api"),
    ];
    const preview = await run(unclear, "preview");
    assert.equal(preview.failed, false);
    assert.ok(
      preview.violations.some(({ message, level }) => level === "advisory" && /not decidable yet/.test(message)),
    );
    assert.ok((await run(unclear, "update")).failed);
    assert.ok((await run(unclear, "preview", { undecidable: { preview: "mandatory" } })).failed);
  });

  it("an unknown namespace is not taken for the one that has the default deny", async () => {
    const astray = {
      ...deployment("api"),
      props: { ...deployment("api").props, metadata: { name: "api", namespace: unknown.string } },
    };
    const result = await run([namespace("shop"), defaultDeny, astray], "preview");
    assert.ok(
      result.violations.some(({ message }) => /not decidable yet/.test(message)),
      JSON.stringify(result.violations),
    );
  });

  it("reports what is exempt without stopping anything", async () => {
    const result = await run([
      ...secure,
      deployment("agent", "kube-system"),
      deployment("node-agent", "shop", { hostNetwork: true }),
    ]);
    assert.equal(result.failed, false);
    const messages = result.violations.map(({ message }) => message).join("\n");
    assert.match(messages, /kube-system is tier 0/);
    assert.match(messages, /Deployment shop\/node-agent is on the host network/);
  });

  it("says that the contents of a Helm release were not judged", async () => {
    const release = resource("helm.sh/v3:Release", "redis", {
      chart: "redis",
      values: { auth: { password: "t0psecret" } },
    });
    const result = await run([...secure, release]);
    assert.equal(result.failed, false);
    const found = result.violations.find(({ message }) => message.startsWith("contents-not-visible"));
    assert.equal(found?.urn, urnOf(release));
    assert.ok(!JSON.stringify(result.violations).includes("t0psecret"));
  });

  it("S3-21 a release of Cilium that never enforces, or only audits, makes every namespace open", async () => {
    for (const values of [{ policyEnforcementMode: "never" }, { policyAuditMode: true }]) {
      const release = resource("helm.sh/v3:Release", "cilium", { chart: "cilium", version: "1.18.5", values });
      const result = await run([release, ...secure], "preview");
      assert.ok(
        mandatory(result).some(({ message }) => message.startsWith("namespace-default-deny")),
        JSON.stringify(values),
      );
    }
    const unclear = resource("helm.sh/v3:Release", "cilium", {
      chart: "cilium",
      values: { policyEnforcementMode: unknown.string },
    });
    const result = await run([unclear, ...secure], "preview");
    assert.ok(result.violations.some(({ message }) => /policyEnforcementMode is not known yet/.test(message)));
  });

  it("policies of one cluster are not credited to the pods of another", async () => {
    const one = { name: "one", props: { kubeconfig: "A" } };
    const two = { name: "two", props: { kubeconfig: "B" } };
    const together = secure.map((item) => ({ ...item, provider: one }));
    assert.deepEqual(mandatory(await run(together)), []);
    const apart = secure.map((item, index) => ({ ...item, provider: index === 1 ? two : one }));
    const result = await run(apart);
    assert.ok(mandatory(result).some(({ message }) => /\[one\] Namespace shop has no default deny/.test(message)));
  });

  it("evaluates once for both levels and reports in the same order whatever the engine's order", async () => {
    const open = [namespace("b"), namespace("a"), deployment("x", "a"), deployment("y", "b")];
    const orders = await Promise.all(
      [(items: readonly unknown[]) => [...items], (items: readonly unknown[]) => [...items].reverse()].map(
        async (shuffle) => {
          const policies = clusterSecurityPolicies();
          const result = await runPolicies(policies, open, { shuffle: shuffle as <T>(items: readonly T[]) => T[] });
          return result.violations.map(({ message, urn }) => [message, urn]);
        },
      ),
    );
    assert.deepEqual(orders[0], orders[1]);
    assert.ok((orders[0]?.length ?? 0) >= 4);
  });

  it("an exemption is shown with owner, date and reason, and one that has ended is a violation", async () => {
    const open = [namespace("shop"), deployment("api")];
    const exemption = (finding: string, expires: string) => ({
      finding,
      namespace: "shop",
      owner: "platform",
      reason: "is being moved",
      expires,
    });
    const ids = ["namespace-default-deny", "metadata-endpoints-closed"];
    const exempted = await run(open, "update", { exemptions: ids.map((id) => exemption(id, "2999-12-31")) });
    assert.deepEqual(mandatory(exempted), []);
    const shown = exempted.violations.map(({ message }) => message).join("\n");
    for (const id of ids) assert.match(shown, new RegExp(`exempt from ${id}: .*accepted by platform until 2999-12-31`));
    const ended = await run(open, "update", { exemptions: ids.map((id) => exemption(id, "2020-01-01")) });
    const texts = mandatory(ended).map(({ message }) => message.split(":")[0]);
    for (const id of [...ids, "exemption-overdue"]) assert.ok(texts.includes(id), id);
  });

  it("an exemption holds at the registration of the object that it names", async () => {
    const exemptions = [
      {
        finding: "metadata-endpoints-closed",
        name: "allow-world",
        namespace: "shop",
        owner: "web",
        reason: "is being moved",
        expires: "2999-12-31",
      },
    ];
    const resources = [namespace("shop"), worldOpen("allow-world"), defaultDeny];
    assert.equal((await run(resources, "update")).stoppedAt, urnOf(worldOpen("allow-world")));
    assert.equal((await run(resources, "update", { exemptions })).stoppedAt, undefined);
  });

  it("a fault of its own is a finding and not an exception, and says nothing of the value", async () => {
    const faulty = { ...namespace("shop"), props: { apiVersion: "v1", kind: "Namespace", metadata: { name: "shop" } } };
    // the engine checks configuration against the schema; here something gets past it
    const config = Object.fromEntries(Object.values(policyNames).map((name) => [name, { enforcer: "t0psecret" }]));
    const policies = clusterSecurityPolicies();
    for (const operation of ["preview", "update"] as const) {
      const result = await runPolicies(policies, [faulty, defaultDeny], { operation, config });
      assert.ok(
        result.violations.some(({ message }) => /The check failed by a fault of its own \(RangeError\)/.test(message)),
      );
      assert.equal(result.failed, operation === "update");
      assert.ok(!JSON.stringify(result.violations).includes("t0psecret"));
    }
  });

  it("takes its configuration from the resource policy for the stack's policies too", async () => {
    const config = { [policyNames.objects]: { exemptNamespaces: ["shop"] } };
    const open = [namespace("shop"), deployment("api")];
    const result = await runPolicies(clusterSecurityPolicies(), open, { config });
    assert.deepEqual(mandatory(result), []);
  });

  it("each violation says its severity, controls, fix and why it matters, without a link to a file, and the policies list every finding with its fix", async () => {
    const stack = [namespace("shop"), worldOpen("allow-world"), deployment("api"), defaultDeny];
    const { violations } = await runPolicies(clusterSecurityPolicies(), stack, { operation: "preview" });
    const own = violations.filter(({ message }) => !message.startsWith("What is shown"));
    assert.ok(own.length > 3);
    for (const { message, severity } of own) {
      assert.match(message, /\n {2}fix: .*\n {2}severity: (critical|high|medium|low)\n {2}controls: /s);
      assert.match(message, /\n {2}why: .*\.$/s);
      assert.doesNotMatch(message, /docs\/|\.md/);
      assert.ok(message.includes(`severity: ${severity}`), message);
    }
    for (const policy of clusterSecurityPolicies()) {
      for (const id of findingIds) assert.ok(policy.remediationSteps?.includes(`\`${id}\``), id);
      assert.ok(policy.tags?.includes("nist-sp-800-53-r5"));
    }
  });

  it("what was shown at the object that causes it is not shown again; what follows from it is, in one text", async () => {
    const stack = [namespace("shop"), worldOpen("allow-world"), deployment("api"), defaultDeny];
    const { violations } = await runPolicies(clusterSecurityPolicies(), stack, { operation: "preview" });
    const stopping = violations
      .filter(({ level }) => level === "mandatory")
      .map(({ phase, message }) => [phase, message]);
    assert.equal(stopping.length, 2);
    assert.match(
      String(stopping[0]),
      /^resource,metadata-endpoints-closed: NetworkPolicy shop\/allow-world opens a hole/,
    );
    assert.match(
      String(stopping[1]),
      /^stack,What is shown .*\n {2}metadata-endpoints-closed: Deployment shop\/api can reach/s,
    );
    const closing = ccnp("default-deny", { endpointSelector: {}, ingress: [{}], egress: [{}] });
    const both = await runPolicies(clusterSecurityPolicies(), [closing], { operation: "preview" });
    assert.deepEqual(
      both.violations
        .filter(({ message }) => message.includes("tier0-restricted"))
        .map(({ phase, message }) => [phase, /for (ingress|egress)\./.exec(message)?.[1]]),
      [
        ["resource", "egress"],
        ["resource", "ingress"],
      ],
    );
  });

  it("many findings that ask for the same are one text with their number", async () => {
    const stack = [
      namespace("shop"),
      defaultDeny,
      ...["a", "b", "c", "d", "e"].map((name) => netpol(name, { podSelector: {} })),
    ];
    const { violations } = await runPolicies(clusterSecurityPolicies(), stack, { operation: "preview" });
    const named = violations.filter(({ message }) => message.startsWith("naming-convention"));
    assert.equal(named.length, 1);
    assert.match(
      named[0]?.message ?? "",
      /^naming-convention: 5 findings\.\n {2}NetworkPolicy shop\/a does not follow/,
    );
  });

  it("S0-05: an old enforcer is stopped as a release, as a chart and as the agent's image; one out of support is shown", async () => {
    const chart = (type: string, version: string): TestResource => ({
      type: `kubernetes:${type}`,
      name: "cilium",
      props: { chart: "cilium", version, namespace: "kube-system", values: {} },
    });
    const agent = resource("apps/v1:DaemonSet", "cilium", {
      apiVersion: "apps/v1",
      kind: "DaemonSet",
      metadata: { name: "cilium", namespace: "kube-system" },
      spec: {
        template: {
          metadata: { labels: { "k8s-app": "cilium" } },
          spec: { hostNetwork: true, containers: [{ name: "cilium-agent", image: "quay.io/cilium/cilium:v1.12.3" }] },
        },
      },
    });
    for (const old of [chart("helm.sh/v3:Release", "1.12.3"), chart("helm.sh/v4:Chart", "1.12.3"), agent]) {
      const { stoppedAt } = await runPolicies(clusterSecurityPolicies(), [old], { operation: "update" });
      assert.equal(stoppedAt, urnOf(old));
    }
    const shown = await runPolicies(clusterSecurityPolicies(), [chart("helm.sh/v3:Release", "1.17.1")], {
      operation: "update",
    });
    const found = shown.violations.filter(({ message }) => message.startsWith("enforcer-version"));
    assert.deepEqual(
      found.map(({ level, severity }) => [level, severity]),
      [["advisory", "low"]],
    );
  });

  it("an address group that was registered before the policy that names it is known", async () => {
    const group = resource("cilium.io/v2:CiliumCIDRGroup", "partners", {
      apiVersion: "cilium.io/v2",
      kind: "CiliumCIDRGroup",
      metadata: { name: "partners" },
      spec: { externalCIDRs: ["192.0.2.0/24"] },
    });
    const naming = (policy: string): TestResource =>
      cnp(policy, {
        endpointSelector: { matchLabels: { app: "api" } },
        egress: [{ toCIDRSet: [{ cidrGroupRef: "partners" }], toPorts: [{ ports: [{ port: "443" }] }] }],
      });
    const update = { operation: "update" } as const;
    const after = await runPolicies(clusterSecurityPolicies(), [group, naming("allow-partners"), defaultDeny], update);
    assert.equal(after.stoppedAt, undefined, JSON.stringify(after.violations));
    const before = await runPolicies(clusterSecurityPolicies(), [naming("allow-partners"), group, defaultDeny], update);
    assert.notEqual(before.stoppedAt, undefined);
  });
});
