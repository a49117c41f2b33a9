/** Which probes are derived, and what their outcomes mean. The cluster is an executor that answers as it is told. */
import assert from "node:assert/strict";
import fc from "fast-check";
import type {
  CanaryResult,
  Probe,
  ProbeExecutor,
  ProbeOutcome,
  ScenarioFlow,
  Verification,
} from "../../sdk/cluster/index";
import { describeProbe, formatVerification, summary, verify } from "../../sdk/cluster/index";
import type { Plan } from "../../sdk/index";
import { cidr, Dialect, DnsProvider, flow, namespace, plan, sctp, tcp, udp, workload } from "../../sdk/index";
import type { Flow, KubeObject, Reachability } from "../../sdk/reachability/index";
import { buildSnapshot, compile, profileFor } from "../../sdk/reachability/index";
import { literal } from "../plan/literal";

const applications = [
  workload("a/web", { labels: { app: "web" }, ports: [tcp(80)] }),
  workload("a/db", { labels: { app: "db" }, ports: [tcp(5432), sctp(7)] }),
];

const planned = plan({
  dialect: Dialect.Cilium,
  namespaces: [namespace("a")],
  workloads: applications,
  flows: [
    flow("web").to("db").on(tcp(5432)).because("orders").ownedBy("shop"),
    flow("web").to("db").on(sctp(7)).because("signals").ownedBy("shop"),
  ],
});

function reachabilityOf(policies: readonly KubeObject[], more: readonly KubeObject[] = []): Reachability {
  const pods = literal(applications).map(({ name, namespace: home, labels, ports }): KubeObject => ({
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name, namespace: home, labels: { ...labels } },
    spec: {
      containers: [
        {
          name: "main",
          image: "main",
          ports: (ports ?? []).map(({ port, protocol }) => ({ containerPort: port, protocol })),
        },
      ],
    },
  }));
  const objects = [{ apiVersion: "v1", kind: "Namespace", metadata: { name: "a" } }, ...pods, ...more, ...policies];
  return compile(
    buildSnapshot(
      objects.map((object) => ({ object })),
      { profile: profileFor("cilium@1.20") },
    ),
  );
}

const policies = planned.documents.map(({ object }) => object as unknown as KubeObject);
const blocked: CanaryResult = { connectsBefore: true, blockedAfter: true };

/** An executor whose cluster does what `answer` says. */
function executor(
  answer: (probe: Probe) => ProbeOutcome["outcome"],
  canary: CanaryResult = blocked,
): ProbeExecutor & { readonly tried: Probe[] } {
  const tried: Probe[] = [];
  return {
    name: "test",
    outside: ["169.254.169.254", "93.184.215.14"],
    tried,
    present: () => Promise.resolve(new Set(["a/web[Pod]", "a/db[Pod]"])),
    canary: () => Promise.resolve(canary),
    run: (probes) => {
      tried.push(...probes);
      return Promise.resolve(probes.map((probe) => ({ outcome: answer(probe) })));
    },
  };
}

const asExpected = (probe: Probe): ProbeOutcome["outcome"] => (probe.expected === "allowed" ? "connected" : "blocked");

describe("verify: a canary before everything", () => {
  for (const canary of [
    { connectsBefore: true, blockedAfter: false },
    { connectsBefore: false, blockedAfter: true },
  ]) {
    it(`S4-20: ${JSON.stringify(canary)} is no evidence, and nothing else is tried`, async () => {
      const cluster = executor(asExpected, canary);
      const result = await verify(reachabilityOf(policies), cluster, { plan: planned });
      assert.equal(result.verdict, "no-evidence");
      assert.deepEqual(cluster.tried, []);
      assert.match(summary(result), /^no evidence: /);
      assert.match(formatVerification(result, "tap"), /^not ok 1 - canary: [^]*Bail out!/m);
      assert.match(formatVerification(result, "junit"), /<error message=/);
    });
  }
});

describe("verify: probes and verdicts", () => {
  it("S4-14: metadata first, then each declared flow, then what nobody declared; what cannot be tried is named", async () => {
    const cluster = executor(asExpected);
    const result = await verify(reachabilityOf(policies), cluster, { plan: planned, sample: "all" });
    assert.equal(result.verdict, "holds");
    const order = ["metadata", "declared", "undeclared"];
    const groups = cluster.tried.map(({ group }) => order.indexOf(group));
    assert.deepEqual(groups, [...groups].sort());
    assert.deepEqual(cluster.tried.filter(({ group }) => group === "metadata").map(describeProbe), [
      "a/web[Pod] → 169.254.169.254 TCP 80",
      "a/db[Pod] → 169.254.169.254 TCP 80",
    ]);
    assert.deepEqual(cluster.tried.filter(({ group }) => group === "declared").map(describeProbe), [
      "a/web[Pod] → a/db[Pod] TCP 5432",
    ]);
    const undeclared = cluster.tried.filter(({ group }) => group === "undeclared").map(describeProbe);
    assert.ok(undeclared.includes("a/db[Pod] → a/web[Pod] TCP 80"));
    assert.ok(undeclared.includes("93.184.215.14 → a/db[Pod] TCP 5432"));
    assert.ok(!undeclared.includes("a/web[Pod] → a/db[Pod] TCP 5432"));
    assert.ok(result.unprobed.some(({ why }) => why === "SCTP is not probed"));
  });

  it("a sample takes no more than asked for from each workload, and no path twice", async () => {
    const cluster = executor(asExpected);
    await verify(reachabilityOf(policies), cluster, { plan: planned, sample: 1 });
    const undeclared = cluster.tried.filter(({ group }) => group === "undeclared");
    const sources = undeclared.map(({ source }) => JSON.stringify(source));
    assert.equal(new Set(sources).size, sources.length);
    assert.equal(new Set(cluster.tried.map(describeProbe)).size, cluster.tried.length);
  });

  it("one wrong outcome violates, one that proves nothing makes it incomplete, and neither is ever ok", async () => {
    const reachability = reachabilityOf(policies);
    const all = executor(asExpected);
    await verify(reachability, all, { plan: planned, sample: "all" });
    await fc.assert(
      fc.asyncProperty(
        fc.nat({ max: all.tried.length - 1 }),
        fc.constantFrom("wrong" as const, "failed" as const),
        async (index, kind) => {
          const chosen = all.tried[index];
          const outcome = (probe: Probe): ProbeOutcome["outcome"] => {
            if (chosen === undefined || describeProbe(probe) !== describeProbe(chosen)) return asExpected(probe);
            if (kind === "failed") return "failed";
            return asExpected(probe) === "connected" ? "blocked" : "connected";
          };
          const result = await verify(reachability, executor(outcome), { plan: planned, sample: "all" });
          assert.equal(result.verdict, kind === "failed" ? "incomplete" : "violated");
          const tap = formatVerification(result, "tap");
          assert.equal(tap.match(/^not ok /gm)?.length, 1);
          assert.equal(tap.match(/^(not )?ok /gm)?.length, all.tried.length + 2);
        },
      ),
    );
  });

  it("a packet that contradicts the computed matrix is a finding, whatever was declared", async () => {
    // nothing is enforced: the policies deny, the packets pass
    const open = await verify(
      reachabilityOf(policies),
      executor(() => "connected"),
      { plan: planned },
    );
    assert.ok(open.findings.length > 0);
    assert.ok(open.findings.every(({ severity }) => severity === "critical"));
    // the policies are missing: nothing is declared, the packets pass as computed
    const bare = await verify(
      reachabilityOf([]),
      executor(() => "connected"),
      { plan: planned },
    );
    assert.equal(bare.verdict, "violated");
    assert.deepEqual(new Set(bare.findings.map(({ id }) => id)), new Set(["policy-missing"]));
  });

  it("a metadata address stands for no declared range: it is only ever tried as what must be closed", async () => {
    const everybody = plan({
      dialect: Dialect.Cilium,
      namespaces: [namespace("a")],
      workloads: applications,
      flows: [flow(cidr("0.0.0.0/0")).to("web").on(tcp(80)).because("customers").ownedBy("shop")],
    });
    const objects = everybody.documents.map(({ object }) => object as unknown as KubeObject);
    const cluster = executor(asExpected);
    await verify(reachabilityOf(objects), cluster, { plan: everybody, sample: "all" });
    const declared = cluster.tried.filter(({ group }) => group === "declared").map(describeProbe);
    assert.deepEqual(declared, ["93.184.215.14 → a/web[Pod] TCP 80"]);
    const metadata = cluster.tried.filter((probe) => describeProbe(probe).includes("169.254.169.254"));
    assert.ok(metadata.length > 0 && metadata.every(({ expected }) => expected === "denied"));
  });

  it("an exception of a declared range stands for nobody: it is tried as what must be closed", async () => {
    const most = plan({
      dialect: Dialect.Cilium,
      namespaces: [namespace("a")],
      workloads: applications,
      flows: [
        flow("web")
          .to(cidr("93.0.0.0/8", ["93.184.0.0/16"]))
          .on(tcp(80))
          .because("partners")
          .ownedBy("shop"),
      ],
    });
    const objects = most.documents.map(({ object }) => object as unknown as KubeObject);
    const cluster = executor(asExpected);
    await verify(reachabilityOf(objects), cluster, { plan: most, sample: "all" });
    const outside = cluster.tried.filter((probe) => describeProbe(probe).endsWith("→ 93.184.215.14 TCP 80"));
    assert.ok(outside.length > 0 && outside.every(({ expected, computed }) => expected === computed));
  });

  it("without a declaration the policies say what is expected", async () => {
    const cluster = executor(asExpected);
    const result = await verify(reachabilityOf(policies), cluster, { sample: "all" });
    assert.equal(result.verdict, "holds");
    const declared = cluster.tried.filter(({ group }) => group === "declared").map(describeProbe);
    assert.deepEqual(declared, ["a/web[Pod] → a/db[Pod] TCP 5432"]);
  });

  it("nothing tried is nothing proved", async () => {
    const nobody = { ...executor(asExpected), present: () => Promise.resolve(new Set<string>()) };
    const result = await verify(reachabilityOf(policies), nobody, { plan: planned });
    assert.equal(result.verdict, "incomplete");
    assert.ok(result.unprobed.some(({ why }) => why === "none of its pods is ready"));
  });

  it("a refusal: where nothing may pass it has passed, where something must pass it proves nothing", async () => {
    const refusing = executor(() => "refused");
    const result = await verify(reachabilityOf(policies), refusing, { plan: planned, sample: "all" });
    assert.equal(result.verdict, "violated");
    for (const { probe, holds } of result.probes) {
      assert.equal(holds, probe.expected === "denied" ? false : undefined, describeProbe(probe));
    }
    const critical = result.probes.filter(({ probe }) => probe.computed === "denied").length;
    assert.equal(result.findings.length, critical);
    assert.ok(result.findings.every(({ severity }) => severity === "critical"));
  });

  it("S4-14: a declared policy that the cluster does not have is a violation, whatever the packets do", async () => {
    const without = policies.filter(({ metadata }) => metadata?.name !== "allow-web-to-db");
    const result = await verify(reachabilityOf(without), executor(asExpected), { plan: planned, sample: "all" });
    assert.deepEqual(result.policies.missing, ["CiliumNetworkPolicy a/allow-web-to-db"]);
    assert.equal(result.verdict, "violated");
    assert.match(
      formatVerification(result, "tap"),
      /^not ok 2 - policies: 1 of \d+ declared policies are missing: .+web-to-db$/m,
    );
    assert.match(formatVerification(result, "junit"), /allow-web-to-db"><failure/);
    const whole = await verify(reachabilityOf(policies), executor(asExpected), { plan: planned, sample: "all" });
    assert.match(formatVerification(whole, "tap"), /^ok 2 - policies: all \d+ declared policies exist$/m);
  });

  it("S2-22: an admission policy of the declaration is none of the network's, and is not missed there", async () => {
    const withEditors = plan({
      dialect: Dialect.Cilium,
      namespaces: [namespace("a")],
      tenants: [{ name: "acme", namespaces: ["a"], policyEditors: ["acme-network"] }],
      workloads: applications,
    });
    const objects = withEditors.documents.map(({ object }) => object as unknown as KubeObject);
    assert.ok(objects.some(({ kind }) => kind === "ValidatingAdmissionPolicy"));
    const network = objects.filter(({ apiVersion }) => !apiVersion.startsWith("admissionregistration.k8s.io/"));
    const result = await verify(reachabilityOf(network), executor(asExpected), { plan: withEditors, sample: "all" });
    assert.deepEqual(result.policies.missing, []);
    assert.equal(result.verdict, "holds");
  });

  it("an executor that can send from nowhere outside and not from everywhere: what is left out is named", async () => {
    const cluster: ReturnType<typeof executor> = {
      ...executor(asExpected),
      outsideOnlyAnswers: true,
      sources: () => Promise.resolve(new Set(["a/db[Pod]"])),
      whyAbsent: (id) => (id === "a/web[Pod]" ? "no pods are made for it" : undefined),
    };
    const result = await verify(reachabilityOf(policies), cluster, { plan: planned, sample: "all" });
    assert.ok(cluster.tried.length > 0);
    for (const { source } of cluster.tried) assert.deepEqual(source, { kind: "workload", id: "a/db[Pod]" });
    const said = result.unprobed.map(({ what, why }) => `${what}: ${why}`);
    assert.ok(said.includes("from a/web[Pod]: no pods are made for it"), said.join("; "));
    assert.ok(
      said.some((text) => text.includes("no probe can start at a/web[Pod]")),
      said.join("; "),
    );
  });

  it("S3-26: a pod that shares its node's network is the node: it is named as not probed, on either side", async () => {
    const agent: KubeObject = {
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name: "agent", namespace: "a", labels: { app: "agent" } },
      spec: { hostNetwork: true, containers: [{ name: "main", image: "main", ports: [{ containerPort: 9100 }] }] },
    };
    const cluster = executor(asExpected);
    const present = (): Promise<ReadonlySet<string>> =>
      Promise.resolve(new Set(["a/web[Pod]", "a/db[Pod]", "a/agent[Pod]"]));
    const options = { plan: planned, sample: "all" as const };
    const result = await verify(reachabilityOf(policies, [agent]), { ...cluster, present }, options);
    assert.ok(cluster.tried.every((probe) => !describeProbe(probe).includes("a/agent")));
    const [named] = result.unprobed.filter(({ what }) => what === "a/agent[Pod]");
    assert.match(named?.why ?? "", /shares its node's network/);
  });

  it("a declared name stands for each workload that has it, whatever its kind", async () => {
    const job: KubeObject = {
      apiVersion: "batch/v1",
      kind: "Job",
      metadata: { name: "web", namespace: "a" },
      spec: {
        template: {
          metadata: { labels: { app: "web" } },
          spec: { containers: [{ name: "main", image: "main" }] },
        },
      },
    };
    const cluster = executor(asExpected);
    const present = (): Promise<ReadonlySet<string>> =>
      Promise.resolve(new Set(["a/web[Pod]", "a/db[Pod]", "a/web[Job]"]));
    await verify(reachabilityOf(policies, [job]), { ...cluster, present }, { plan: planned, sample: "all" });
    const declared = cluster.tried.filter(({ group }) => group === "declared").map(describeProbe);
    assert.deepEqual(declared.sort(), ["a/web[Job] → a/db[Pod] TCP 5432", "a/web[Pod] → a/db[Pod] TCP 5432"]);
  });

  it("UDP to the outside, where only answers come from: named as not probed, not tried in vain", async () => {
    const withUdp = plan({
      dialect: Dialect.Cilium,
      namespaces: [namespace("a")],
      workloads: applications,
      flows: [flow("web").to(cidr("93.184.215.0/24")).on(udp(123), tcp(443)).because("the time").ownedBy("shop")],
    });
    const objects = withUdp.documents.map(({ object }) => object as unknown as KubeObject);
    const cluster = { ...executor(asExpected), outsideOnlyAnswers: true };
    const result = await verify(reachabilityOf(objects), cluster, { plan: withUdp, sample: "all" });
    assert.equal(result.verdict, "holds");
    const declared = cluster.tried.filter(({ group }) => group === "declared").map(describeProbe);
    assert.deepEqual(declared, ["a/web[Pod] → 93.184.215.14 TCP 443"]);
    assert.ok(result.unprobed.some(({ what, why }) => what.endsWith("UDP 123") && /over UDP/.test(why)));
  });

  it("only what is asked for is tried", async () => {
    const cluster = executor(asExpected);
    await verify(reachabilityOf(policies), cluster, {
      plan: planned,
      sample: "all",
      only: ({ destination }) => destination.kind === "workload" && destination.id === "a/web[Pod]",
    });
    assert.ok(cluster.tried.length > 0);
    assert.ok(cluster.tried.every((probe) => describeProbe(probe).includes("→ a/web[Pod] ")));
  });
});

describe("verify: the cluster's DNS is where the declaration says", () => {
  const servers = {
    [DnsProvider.KubeDns]: { home: "kube-system", labels: { "k8s-app": "kube-dns" }, port: 53 },
    [DnsProvider.OpenShift]: {
      home: "openshift-dns",
      labels: { "dns.operator.openshift.io/daemonset-dns": "default" },
      port: 5353,
    },
    own: { home: "names", labels: { app: "unbound" }, port: 5300 },
  };
  const declared = (provider: keyof typeof servers, more: object = {}): Plan => {
    const { home, labels, port } = servers[provider];
    const dns = provider === "own" ? { namespace: home, labels, port } : { provider };
    return plan({
      dialect: Dialect.Cilium,
      cluster: { dns },
      namespaces: [namespace("a")],
      workloads: applications,
      ...more,
    });
  };
  const probed = async (provider: keyof typeof servers, declaration: Plan): Promise<readonly Probe[]> => {
    const { home, labels, port } = servers[provider];
    const ports = ["UDP", "TCP"].map((protocol) => ({ containerPort: port, protocol }));
    const server: KubeObject[] = [
      { apiVersion: "v1", kind: "Namespace", metadata: { name: home } },
      {
        apiVersion: "v1",
        kind: "Pod",
        metadata: { name: "dns", namespace: home, labels },
        spec: { containers: [{ name: "main", image: "main", ports }] },
      },
    ];
    const documents = declaration.documents.map(({ object }) => object as unknown as KubeObject);
    const cluster = executor(asExpected);
    const present = (): Promise<Set<string>> => Promise.resolve(new Set(["a/web[Pod]", `${home}/dns[Pod]`]));
    await verify(reachabilityOf(documents, server), { ...cluster, present }, { plan: declaration, sample: "all" });
    return cluster.tried.filter(({ destination }) => destination.kind === "workload" && destination.id.includes("dns"));
  };

  for (const provider of Object.values(servers).map(
    (_, index) => Object.keys(servers)[index] as keyof typeof servers,
  )) {
    it(`F9: ${provider}: names must resolve, on the servers' own port, by a DNS question`, async () => {
      const probes = await probed(provider, declared(provider));
      assert.deepEqual(
        probes.map(({ group, protocol, port, expected, computed, isDns }) =>
          [group, protocol, port, expected, computed, isDns].join(" "),
        ),
        ["UDP", "TCP"].map((protocol) => `declared ${protocol} ${servers[provider].port} allowed allowed true`),
      );
    });
  }

  it("F9: a namespace that may not ask is expected to be refused", async () => {
    const closed = declared("own", {
      workloads: [],
      applications: { agentSandboxes: [{ namespace: "a", callers: [], reason: "batch", owner: "ml" }] },
    });
    const probes = await probed("own", closed);
    assert.ok(probes.length > 0 && probes.every(({ expected, computed }) => expected === computed));
    assert.ok(probes.every(({ expected }) => expected === "denied"));
  });
});

describe("verify: scenarios in place of what is derived", () => {
  const web = { kind: "workload", id: "a/web[Pod]" } as const;
  const db = { kind: "workload", id: "a/db[Pod]" } as const;
  const scenario = (flow: Partial<Flow>, expected: "allowed" | "denied" = "denied", packets = true): ScenarioFlow => ({
    flow: { source: web, destination: db, protocol: "TCP", port: 5432, ...flow },
    expected,
    reason: "because",
    text: `scenario ${JSON.stringify(flow)}`,
    packets,
  });
  const tried = async (...scenarios: ScenarioFlow[]): Promise<{ cluster: Probe[]; result: Verification }> => {
    const cluster = executor(asExpected);
    const result = await verify(reachabilityOf(policies), cluster, { plan: planned, scenarios });
    return { cluster: cluster.tried, result };
  };

  it("S1-19: exactly these connections are tried, and each format tells what was expected and what came of it", async () => {
    const { cluster, result } = await tried(
      scenario({}, "allowed"),
      scenario({ source: db, destination: web, port: 80 }),
      scenario({ destination: { kind: "address", address: "169.254.169.254" }, port: 80 }),
    );
    assert.deepEqual(cluster.map(describeProbe), [
      "a/web[Pod] → a/db[Pod] TCP 5432",
      "a/db[Pod] → a/web[Pod] TCP 80",
      "a/web[Pod] → 169.254.169.254 TCP 80",
    ]);
    assert.equal(result.verdict, "holds");
    assert.match(
      formatVerification(result, "tap"),
      /^ok 3 - scenario: a\/web\[Pod\] → a\/db\[Pod\] TCP 5432 is allowed$/m,
    );
  });

  it("S1-19: a wrong outcome fails, in every format", async () => {
    const result = await verify(
      reachabilityOf(policies),
      executor(() => "connected"),
      { scenarios: [scenario({ source: db, destination: web, port: 80 })] },
    );
    assert.equal(result.verdict, "violated");
    assert.match(formatVerification(result, "table"), /NOT OK │ scenario/);
    assert.match(
      formatVerification(result, "junit"),
      /classname="scenario".+<failure message="must be denied, is connected/,
    );
  });

  it("S1-19: without a port, each port of the destination is tried", async () => {
    const { port: _none, ...flow } = scenario({}).flow;
    const { cluster } = await tried({ ...scenario({}), flow });
    assert.deepEqual(cluster.map(describeProbe), ["a/web[Pod] → a/db[Pod] TCP 5432"]);
  });

  for (const [what, flow] of Object.entries<Partial<Flow>>({
    "a pod that nobody has started": { source: { kind: "freshPod", namespace: "a" } },
    "a workload without a ready pod": { destination: { kind: "workload", id: "a/gone[Pod]" } },
    "a name": { destination: { kind: "fqdn", name: "example.com" } },
    "an address that is not known to answer": { destination: { kind: "address", address: "198.51.100.1" } },
    "the API server": { destination: { kind: "kubeApiserver" } },
    "an address that nothing is sent from": { source: { kind: "address", address: "198.51.100.1" } },
    SCTP: { protocol: "SCTP", port: 7 },
  })) {
    it(`S1-19: ${what} cannot be tried: that is unknown, and never passes`, async () => {
      const { result } = await tried(scenario({}, "allowed"), scenario(flow));
      assert.equal(result.verdict, "incomplete");
      const tap = formatVerification(result, "tap");
      assert.equal(tap.match(/^not ok /gm)?.length, 1);
      assert.equal(tap.match(/^(not )?ok /gm)?.length, Number(/^1\.\.(\d+)$/m.exec(tap)?.[1]));
      assert.match(formatVerification(result, "junit"), /<error message="it could not be tried: /);
      assert.match(formatVerification(result, "table"), /^no proof: scenario/m);
      assert.match(summary(result), /1 could not be tried/);
    });
  }

  it("S1-19: a scenario that wants no packets is named, and takes nothing from the verdict", async () => {
    const { cluster, result } = await tried(scenario({}, "allowed"), scenario({ port: 1 }, "denied", false));
    assert.equal(cluster.length, 1);
    assert.equal(result.verdict, "holds");
    assert.match(formatVerification(result, "tap"), /^# not probed: scenario .+ \(packets: false\)$/m);
  });

  it("S1-19: nothing tried is nothing proved", async () => {
    assert.equal((await tried(scenario({}, "denied", false))).result.verdict, "incomplete");
  });
});
