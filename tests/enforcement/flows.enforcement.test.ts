/** Recorded flows against the truth: what Hubble exports on a real Cilium, read, replayed, learnt from and audited. */
import assert from "node:assert/strict";
import { rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import fc from "fast-check";
import type { LabObject, LabProbe, PodWish } from "../../lab/datapath/index";
import { computedReachability } from "../../lab/datapath/index";
import { dnsServiceAddress } from "../../lab/datapath/layout";
import { run } from "../../lab/toolchain/run";
import { attemptsOf, judgeOf, learn, readLine, replay, withLearned } from "../../sdk/flows/index";
import {
  cidr,
  Dialect,
  flow,
  fqdn,
  namespace,
  plan,
  PolicyMode,
  tcp as tcpPort,
  udp as udpPort,
  workload,
} from "../../sdk/plan/index";
import type { ClusterSecurityDeclaration } from "../../sdk/plan/index";
import { exportOnDemand, measureExport } from "../bench/hubble-export";
import { clusters } from "../properties/arbitraries";
import { cidrGroup, ciliumPolicies } from "../properties/cilium-policies";
import { networkPolicies } from "../properties/network-policies";
import { hasPlace, worldOf } from "./random-sets";
import { asLabObjects, exporting, idsOf, isOf, judgementOf, linesOf, recordingOf } from "./recorded";
import type { SharedDatapath } from "./shared-datapath";
import { closeSharedDatapath, sharedDatapath } from "./shared-datapath";
import type { LabWorld } from "./world";
import { allProbes, describeProbe, needsEnvoy, putUp, takeDown } from "./world";

const [here, there] = ["lab-node-1", "lab-node-2"] as const;
const seed = Number(process.env["ENFORCEMENT_SEED"] ?? Date.now() % 2_147_483_647);
const sets = Number(process.env["ENFORCEMENT_SETS_REPLAY"] ?? 20);

const tcp = (from: string, to: string, port: number): LabProbe => ({ from, to, port, protocol: "tcp" });
const udp = (from: string, to: string, port: number): LabProbe => ({ from, to, port, protocol: "udp" });
const ask = (from: string, name: string): LabProbe => ({
  from,
  to: `service:${dnsServiceAddress}`,
  port: 53,
  protocol: "dns",
  name,
});

function policy(name: string, home: string | undefined, spec: unknown): LabObject {
  const kind = home === undefined ? "CiliumClusterwideNetworkPolicy" : "CiliumNetworkPolicy";
  return {
    apiVersion: "cilium.io/v2",
    kind,
    metadata: { name, ...(home === undefined ? {} : { namespace: home }) },
    spec,
  };
}

const dnsServers = { matchLabels: { "k8s:io.kubernetes.pod.namespace": "kube-system", "k8s:k8s-app": "kube-dns" } };

describe("enforcement: recorded flows on a real Cilium", () => {
  let on: SharedDatapath;

  before(async function () {
    this.timeout(300_000);
    on = await sharedDatapath({ nodes: 2, agentArgs: [...exporting, ...exportOnDemand] });
    await on.cluster.untilReadyIn("kube-system");
  });

  after(async function () {
    this.timeout(120_000);
    await closeSharedDatapath();
  });

  const hubble = (): string => (on.programs.enforcer === "cilium" ? on.programs.hubble.path : assert.fail("Cilium"));

  async function enforced(policies: readonly LabObject[]): Promise<void> {
    const states = await on.cluster.apply(policies);
    assert.deepEqual(
      states.filter(({ state }) => state !== "enforced"),
      [],
    );
  }

  /** Outcomes; silence where an answer is expected gets more time. */
  async function send(probes: readonly LabProbe[], timeout = 800): Promise<string[]> {
    return (await on.cluster.probe(probes, { timeout, parallel: 64 })).map(({ verdict }) => verdict);
  }

  describe("reading: ten kinds of probes", () => {
    const pods: readonly PodWish[] = [
      { namespace: "read", name: "client", labels: { app: "client" }, node: here },
      { namespace: "read", name: "named", labels: { app: "named" }, node: here },
      { namespace: "read", name: "db", labels: { app: "db" }, node: here },
      { namespace: "read", name: "far", labels: { app: "db" }, node: there },
    ];
    const range = (first: number, count: number): number[] =>
      Array.from({ length: count }, (_, index) => first + index);
    const ports = (from: number, to: number): object[] => [
      { ports: ["TCP", "UDP"].map((protocol) => ({ port: String(from), endPort: to, protocol })) },
    ];
    const client = { fromEndpoints: [{ matchLabels: { app: "client" } }] };
    const policies = [
      policy("by-port", "read", {
        endpointSelector: { matchLabels: { app: "db" } },
        ingress: [{ ...client, toPorts: ports(20_000, 20_999) }],
        ingressDeny: [{ ...client, toPorts: ports(21_000, 21_999) }],
      }),
      policy("by-name", "read", {
        endpointSelector: { matchLabels: { app: "named" } },
        egress: [
          {
            toEndpoints: [dnsServers],
            toPorts: [{ ports: [{ port: "53", protocol: "ANY" }], rules: { dns: [{ matchPattern: "*" }] } }],
          },
          { toFQDNs: [{ matchName: "api.example.com" }], toPorts: ports(20_000, 20_999) },
        ],
      }),
    ];
    const service: LabObject = {
      apiVersion: "v1",
      kind: "Service",
      metadata: { name: "db", namespace: "read" },
      spec: {
        clusterIP: "10.96.0.77",
        selector: { app: "db" },
        ports: range(20_800, 30).map((port) => ({ name: `p${port}`, port, targetPort: port, protocol: "TCP" })),
      },
    } as unknown as LabObject;

    interface Kind {
      readonly title: string;
      readonly probes: readonly LabProbe[];
      readonly expected: "allowed" | "denied";
      readonly explicit?: true;
    }
    const kinds: readonly Kind[] = [
      {
        title: "allowed",
        probes: range(20_000, 40).map((port) => tcp("read/client", "read/db", port)),
        expected: "allowed",
      },
      {
        title: "denied by default",
        probes: range(22_000, 40).map((port) => tcp("read/client", "read/db", port)),
        expected: "denied",
      },
      {
        title: "denied explicitly",
        probes: range(21_000, 40).map((port) => tcp("read/client", "read/db", port)),
        expected: "denied",
        explicit: true,
      },
      {
        title: "UDP allowed",
        probes: range(20_100, 40).map((port) => udp("read/client", "read/db", port)),
        expected: "allowed",
      },
      {
        title: "UDP denied",
        probes: range(22_100, 30).map((port) => udp("read/client", "read/db", port)),
        expected: "denied",
      },
      {
        title: "to another node, allowed",
        probes: range(20_200, 30).map((port) => tcp("read/client", "read/far", port)),
        expected: "allowed",
      },
      {
        title: "to another node, denied",
        probes: range(22_200, 30).map((port) => tcp("read/client", "read/far", port)),
        expected: "denied",
      },
      {
        title: "outside by name, allowed",
        probes: range(20_300, 20).map((port) => tcp("read/named", "198.51.100.10", port)),
        expected: "allowed",
      },
      {
        title: "outside by name, denied",
        probes: range(22_300, 20).map((port) => tcp("read/named", "198.51.100.10", port)),
        expected: "denied",
      },
    ];

    it("S0-09, S0-13: each of more than 300 probes is read as what it was, replies and repetitions as none, and Hubble's client counts the same", async function () {
      this.timeout(240_000);
      await putUp(on.cluster, { namespaces: [], pods, objects: [service] });
      await enforced(policies);
      const retransmitted = range(22_400, 12).map((port) => tcp("read/client", "read/db", port));
      const named = range(0, 20).map((index) =>
        ask("read/named", index % 2 === 0 ? "api.example.com" : "www.example.com"),
      );
      const throughService = range(20_800, 30).map((port) => tcp("read/client", `service:10.96.0.77`, port));
      const listening = range(20_800, 30).flatMap((port) => [
        tcp("read/named", "read/db", port),
        tcp("read/named", "read/far", port),
      ]);
      await untilPassing(listening.slice(0, 2), throughService.slice(0, 1));
      const outcomes = new Map<string, string[]>();
      const lines = await linesOf(async () => {
        await send(named);
        for (const { title, probes } of kinds) outcomes.set(title, await send(probes));
        outcomes.set("retransmitted", await send(retransmitted, 4500));
        // whoever asks a pod itself holds its port open meanwhile
        outcomes.set("service", (await send([...listening, ...throughService], 1500)).slice(listening.length));
      });
      const { classes, notUnderstood } = recordingOf(lines);
      const unread = [...notUnderstood.values()].flatMap(({ places }) => places.map(({ line }) => lines[line - 1]));
      assert.deepEqual(unread, []);
      const wrong: string[] = [];
      let count = named.length + throughService.length + retransmitted.length;
      const sumOf = (probe: LabProbe): { passed: number; denied: number } =>
        classes
          .filter((each) => isOf(each, probe))
          .map(attemptsOf)
          .reduce((a, b) => ({ passed: a.passed + b.passed, denied: a.denied + b.denied }), { passed: 0, denied: 0 });
      for (const { title, probes, expected } of kinds) {
        count += probes.length;
        probes.forEach((probe, index) => {
          const measured = outcomes.get(title)?.[index];
          const { passed, denied } = sumOf(probe);
          const once = probe.protocol === "tcp" ? 1 : Math.max(1, passed + denied);
          const isRight = expected === "allowed" ? passed === once && denied === 0 : denied === once && passed === 0;
          if (measured !== expected || !isRight)
            wrong.push(`${title}: ${describeProbe(probe)}: ${measured}, read as ${passed}/${denied}`);
        });
      }
      retransmitted.forEach((probe) => {
        const { passed, denied } = sumOf(probe);
        if (passed !== 0 || denied !== 1) wrong.push(`sent again: ${describeProbe(probe)}: ${passed}/${denied}`);
      });
      throughService.forEach((probe, index) => {
        const both = ["read/db", "read/far"].map((to) => sumOf({ ...probe, to }));
        const passed = both.reduce((sum, each) => sum + each.passed, 0);
        const measured = outcomes.get("service")?.[index];
        // a listener that is gone by then answers with a reset: the connection passed all the same
        if (measured === "denied" ? passed > 0 : passed !== 1)
          wrong.push(`by Service: ${describeProbe(probe)}: ${measured}, read as ${passed}`);
      });
      assert.ok((outcomes.get("service") ?? []).includes("allowed"), "a Service leads to its pods");
      // a reply would be a flow to the port that the source was given
      const backwards = classes.filter(
        ({ source, port }) => source.kind === "pod" && source.pod === "db" && port > 32_768,
      );
      wrong.push(...backwards.map(({ port }) => `a reply is read as a flow to ${port}`));
      const dns = classes.filter(({ source, port }) => source.kind === "pod" && source.pod === "named" && port === 53);
      assert.equal(
        dns.reduce((sum, each) => sum + attemptsOf(each).passed, 0),
        named.length,
        "each question once",
      );
      const names = new Set(
        classes.flatMap(({ destination }) => (destination.kind === "address" ? destination.names : [])),
      );
      assert.ok(names.has("api.example.com"), "the name that was asked for");
      assert.deepEqual(wrong, []);
      assert.ok(count >= 300, `${count} probes`);
      await sameCounts(lines);
      console.log(`      ${count} probes of 10 kinds, ${lines.length} lines, all read as what they were`);
      await on.cluster.remove(policies);
      await takeDown(on.cluster, { namespaces: [], pods, objects: [service] });
    });

    /** An agent knows a Service some time after its pods. @param opening Probes that open the ports of its pods. */
    async function untilPassing(opening: readonly LabProbe[], through: readonly LabProbe[]): Promise<void> {
      await send(opening, 300);
      for (const end = Date.now() + 60_000; (await send(through)).includes("denied");) {
        assert.ok(Date.now() < end, "the Service leads to no pod");
      }
    }

    /** Verdict events by verdict, reason, port and label, as we read them and as Hubble's own client filters them. */
    async function sameCounts(lines: readonly string[]): Promise<void> {
      const events = lines.flatMap((line) => {
        const { flow: raw } = JSON.parse(line) as {
          flow?: { event_type?: { type?: number }; source?: { labels?: string[] } };
        };
        if (raw?.event_type?.type !== 5) return [];
        return readLine(line).map((content) => ({ content, labels: raw.source?.labels ?? [] }));
      });
      const ours = (
        is: (record: { outcome: string; explicit?: boolean; port: number; labels: readonly string[] }) => boolean,
      ): number =>
        events.filter(({ content, labels }) => content.kind === "flow" && is({ ...content.record, labels })).length;
      const theirs = async (...filter: readonly string[]): Promise<number> => {
        const args = ["observe", "--input-file", exportedPart, "--type", "policy-verdict", "-o", "jsonpb", ...filter];
        const { code, stdout, stderr } = await run(hubble(), args, { timeout: 30_000, outputLimit: 100_000_000 });
        assert.equal(code, 0, stderr);
        return stdout.split("\n").filter((line) => line.includes('"flow"')).length;
      };
      const exportedPart = path.join(tmpdir(), `cluster-security-flows-${process.pid}.log`);
      writeFileSync(exportedPart, `${lines.join("\n")}\n`);
      const pairs: readonly [string, number, number][] = [
        ["dropped", ours(({ outcome }) => outcome === "denied"), await theirs("--verdict", "DROPPED")],
        [
          "denied by default",
          ours(({ outcome, explicit }) => outcome === "denied" && explicit !== true),
          await theirs("--drop-reason-desc", "POLICY_DENIED"),
        ],
        [
          "denied explicitly",
          ours(({ explicit }) => explicit === true),
          await theirs("--drop-reason-desc", "POLICY_DENY"),
        ],
        [
          "allowed",
          ours(({ outcome }) => outcome === "allowed"),
          (await theirs("--verdict", "FORWARDED")) + (await theirs("--verdict", "REDIRECTED")),
        ],
        ...(await Promise.all(
          [20_000, 20_101, 21_005, 22_201, 22_400, 53].map(async (port): Promise<[string, number, number]> => [
            `port ${port}`,
            ours((each) => each.port === port),
            await theirs("--to-port", String(port)),
          ]),
        )),
        ...(await Promise.all(
          ["client", "named"].map(async (app): Promise<[string, number, number]> => [
            `label ${app}`,
            ours(({ labels }) => labels.includes(`k8s:app=${app}`)),
            await theirs("--from-label", `k8s:app=${app}`),
          ]),
        )),
      ];
      rmSync(exportedPart, { force: true });
      assert.deepEqual(
        pairs.filter(([, a, b]) => a !== b),
        [],
      );
      assert.ok(
        pairs.every(([, count]) => count > 0),
        JSON.stringify(pairs),
      );
    }
  });

  describe("an example: learnt, audited, enforced", () => {
    const workloads = [
      workload("stage/web", { ports: [tcpPort(8080)] }),
      workload("stage/api", { ports: [tcpPort(9000), udpPort(9001)] }),
      workload("stage/db", { ports: [tcpPort(5432)], denyExternal: true }),
      workload("held/api", { ports: [tcpPort(9000)] }),
      workload("held/db", { ports: [tcpPort(5432)] }),
    ];
    const say = { because: "it is needed", owner: "team" };
    const flows = [
      flow("web").to("stage/api").on(tcpPort(9000), udpPort(9001)).because(say.because).ownedBy(say.owner),
      flow("stage/api").to("stage/db").on(tcpPort(5432)).because(say.because).ownedBy(say.owner),
      flow("stage/api").to(fqdn("api.example.com")).on(tcpPort(443)).because(say.because).ownedBy(say.owner),
      flow("web").to(cidr("203.0.113.10/32")).on(tcpPort(80)).because(say.because).ownedBy(say.owner),
      flow("held/api").to("held/db").on(tcpPort(5432)).because(say.because).ownedBy(say.owner),
      flow("web").to("held/api").on(tcpPort(9000)).because(say.because).ownedBy(say.owner),
    ];
    const at = (stage: PolicyMode, held: PolicyMode): ClusterSecurityDeclaration => ({
      dialect: Dialect.Cilium,
      namespaces: [
        namespace("stage", { existing: true, mode: stage }),
        namespace("held", { existing: true, mode: held }),
      ],
      workloads,
      flows,
    });
    const declared: readonly LabProbe[] = [
      tcp("stage/web", "stage/api", 9000),
      udp("stage/web", "stage/api", 9001),
      tcp("stage/api", "stage/db", 5432),
      tcp("stage/web", "203.0.113.10", 80),
      tcp("held/api", "held/db", 5432),
      tcp("stage/web", "held/api", 9000),
      tcp("stage/api", "198.51.100.10", 443),
    ];
    const pods: readonly PodWish[] = workloads.map(({ namespace: home, name }, index) => ({
      namespace: home,
      name,
      labels: { app: name },
      node: index % 2 === 0 ? here : there,
    }));
    /** What nobody declared, beside what somebody did: in the audited namespace, in the other, and out of both. */
    const undeclared: readonly LabProbe[] = [
      tcp("stage/web", "stage/db", 5432),
      tcp("stage/db", "stage/web", 8080),
      udp("stage/api", "stage/web", 8081),
      tcp("stage/web", "203.0.113.66", 443),
      tcp("stage/api", "198.51.100.10", 444),
      tcp("held/db", "stage/web", 8080),
      tcp("world:203.0.113.10", "stage/web", 8080),
    ];
    const undeclaredHeld: readonly LabProbe[] = [
      tcp("held/db", "held/api", 9000),
      tcp("stage/db", "held/api", 9000),
      tcp("held/api", "203.0.113.10", 80),
    ];
    const metadata: readonly LabProbe[] = [
      tcp("stage/web", "169.254.169.254", 80),
      tcp("held/api", "169.254.169.254", 80),
    ];
    const questions: readonly LabProbe[] = [
      ask("stage/api", "api.example.com"),
      ask("stage/api", "evil.example.net"),
      ask("stage/web", "www.example.com"),
    ];

    before(async function () {
      this.timeout(120_000);
      await putUp(on.cluster, { namespaces: [], pods });
    });

    after(async function () {
      this.timeout(120_000);
      await on.cluster.remove(asLabObjects(plan(at(PolicyMode.Audit, PolicyMode.Enforce)).documents));
      await on.cluster.remove(asLabObjects(plan(at(PolicyMode.Enforce, PolicyMode.Enforce)).documents));
      await on.cluster.removePods(pods);
    });

    it("S3-13: learning from its traffic gives back its declaration, and denies nothing of what was held out", async function () {
      this.timeout(120_000);
      // names are known where DNS goes through the agent's proxy
      const proxied = policy("proxied", "stage", {
        endpointSelector: { matchLabels: { app: "api" } },
        enableDefaultDeny: { ingress: false, egress: false },
        egress: [
          {
            toEndpoints: [dnsServers],
            toPorts: [{ ports: [{ port: "53", protocol: "ANY" }], rules: { dns: [{ matchPattern: "*" }] } }],
          },
          { toEntities: ["all"] },
        ],
      });
      await enforced([proxied]);
      const lines = await linesOf(async () => {
        for (let round = 0; round < 6; round += 1) {
          await send(questions.slice(0, 1));
          assert.deepEqual(
            await send(declared),
            declared.map(() => "allowed"),
          );
          await send(metadata);
          await new Promise((resolve) => setTimeout(resolve, 1100));
        }
      });
      await on.cluster.remove([proxied]);
      const { parts, names } = recordingOf(lines, 0.2);
      assert.ok(parts !== undefined && parts.later.length > 0);
      const learned = learn(parts.earlier, { names });
      const words = learned.flows.flatMap(({ from, to, ports }) =>
        ports.map(
          ({ port }) =>
            `${from.workload ?? "?"} > ${String(to.workload ?? to.fqdn ?? to.cidr)} ${port.protocol ?? "TCP"} ${String(port.port)}`,
        ),
      );
      assert.deepEqual(words.sort(), [
        "held/api > held/db TCP 5432",
        "stage/api > api.example.com TCP 443",
        "stage/api > stage/db TCP 5432",
        "stage/web > 203.0.113.10/32 TCP 80",
        "stage/web > held/api TCP 9000",
        "stage/web > stage/api TCP 9000",
        "stage/web > stage/api UDP 9001",
      ]);
      const reasons = new Set(learned.leftOut.map(({ reason }) => reason));
      assert.ok(reasons.has("metadata addresses, which stay closed"), [...reasons].join());
      const meant = new Set(learn(parts.later, { names }).leftOut.map(({ class: each }) => each));
      const denied = judgeOf(withLearned(undefined, learned))(parts.later.filter((each) => !meant.has(each))).filter(
        ({ effect }) => effect !== "still-allowed",
      );
      assert.deepEqual(denied, []);
    });

    it("S0-13: with marked rules each allowed flow names the flow that declares it, and no other", async function () {
      this.timeout(120_000);
      const cluster = { enforcerVersion: "1.20.2" };
      const marked = plan({ ...at(PolicyMode.Enforce, PolicyMode.Enforce), cluster });
      await enforced(asLabObjects(marked.documents));
      let outcomes: string[] = [];
      const lines = await linesOf(async () => {
        await send(questions.slice(0, 1));
        outcomes = await send(declared, 1500);
        await send(undeclared);
      });
      assert.deepEqual(
        outcomes,
        declared.map(() => "allowed"),
      );
      const { classes } = recordingOf(lines);
      const idOf = ({ from, to, port, protocol }: LabProbe): string | undefined =>
        marked.flows.find((each) => {
          const onPort = each.ports.some((range) => range.from === port && range.protocol.toLowerCase() === protocol);
          const source = each.from.kind === "workload" && `${each.from.namespace}/${each.from.name}` === from;
          const target =
            each.to.kind === "workload"
              ? `${each.to.namespace}/${each.to.name}` === to
              : (each.to.kind === "fqdn") === to.startsWith("198.51.100.") && !to.includes("/");
          return onPort && source && target;
        })?.id;
      const told = declared.map((probe) => {
        const ids = classes.filter((each) => isOf(each, probe)).flatMap((each) => [...each.declared]);
        return `${describeProbe(probe)}: ${[...new Set(ids)].join(", ")}`;
      });
      assert.deepEqual(
        told,
        declared.map((probe) => `${describeProbe(probe)}: ${idOf(probe) ?? "?"}`),
      );
      const others = undeclared.flatMap((probe) =>
        classes.filter((each) => isOf(each, probe)).flatMap((each) => [...each.declared]),
      );
      assert.deepEqual(others, []);
      console.log(`      ${told.length} of ${declared.length} declared probes name their flow`);
      await on.cluster.remove(asLabObjects(marked.documents));
    });

    it("S3-28: audited beside enforced: nothing newly denied, metadata closed, and the list is that of the replay", async function () {
      this.timeout(180_000);
      const all = [...declared, ...undeclared];
      let open: string[] = [];
      const recorded = await linesOf(async () => {
        await send(questions);
        open = await send(all);
      });
      assert.deepEqual(
        open,
        all.map(() => "allowed"),
      );
      const full = asLabObjects(plan(at(PolicyMode.Enforce, PolicyMode.Enforce)).documents);
      const judged = replay(recordingOf(recorded).classes, await computedReachability(on.controlPlane, full));
      const audited = plan(at(PolicyMode.Audit, PolicyMode.Enforce));
      await enforced(asLabObjects(audited.documents));
      let during: string[] = [];
      const marked = await linesOf(async () => {
        // names that no rule knows resolve too
        assert.deepEqual(
          await send(questions),
          questions.map(() => "allowed"),
        );
        during = await send(all, 1500);
        assert.deepEqual(
          await send(metadata),
          metadata.map(() => "denied"),
        );
        assert.deepEqual(
          await send(undeclaredHeld),
          undeclaredHeld.map(() => "denied"),
        );
      });
      const newly = all.filter((probe, index) => during[index] !== "allowed" && probe.from.startsWith("stage/"));
      assert.deepEqual(newly.map(describeProbe), []);
      const ids = idsOf(await on.cluster.pods());
      const would = recordingOf(marked.filter(isMarked)).classes;
      const listed = all.filter((probe) => would.some((each) => isOf(each, probe))).map(describeProbe);
      const replayed = all
        .filter((probe) => ["would-be-denied"].includes(judgementOf(judged, ids, probe)?.effect ?? ""))
        // what the enforced namespace sends is denied there
        .filter(({ from }) => !from.startsWith("held/"));
      assert.deepEqual(listed.sort(), replayed.map(describeProbe).sort());
      assert.ok(listed.length >= 5, listed.join());
      for (const line of marked.filter(isMarked)) assert.match(line, /"name":"audit-allow-all"/);
      console.log(`      audited: ${listed.length} of ${all.length} probes are marked would-deny, as the replay says`);
      // and then enforced
      const before = audited.documents.filter(({ logicalName }) => logicalName === "stage/audit-allow-all");
      await enforced(full);
      await on.cluster.remove(asLabObjects(before));
      await send(questions);
      assert.deepEqual(
        await send(declared, 1500),
        declared.map(() => "allowed"),
        "no declared flow is cut",
      );
      assert.deepEqual(
        await send(undeclared),
        undeclared.map(() => "denied"),
      );
    });
  });

  it("S2-12: what the export costs the agent is measured, with and without it in one run", async function () {
    this.timeout(180_000);
    const pods: readonly PodWish[] = ["from", "to"].map((name) => ({ namespace: "cost", name, node: here }));
    await putUp(on.cluster, { namespaces: [], pods });
    const flowOfCost = tcp("cost/from", "cost/to", 7000);
    const { off, on: exportedNow } = await measureExport(on.cluster, flowOfCost, { rounds: 2, connections: 500 });
    await on.cluster.removePods(pods);
    assert.equal(off.bytes, 0, "nothing is written while it is off");
    assert.ok(exportedNow.bytes > 100, `${exportedNow.bytes} bytes for each connection`);
    assert.ok(off.cpu > 0 && exportedNow.cpu > 0 && off.p50 > 0);
    console.log(
      `      1,000 connections: ${off.cpu.toFixed(2)} s of the agent, ${exportedNow.cpu.toFixed(2)} s with it`,
    );
  });

  describe("replay against truth", () => {
    it(`S3-13, S3-28: what ${sets} random sets would deny of open traffic is what they deny`, async function () {
      this.timeout(120_000 + sets * 20_000);
      console.log(`      ENFORCEMENT_SEED=${seed} ENFORCEMENT_SETS_REPLAY=${sets}`);
      const [drawn] = fc.sample(
        clusters({ podAddresses: false, hostNetwork: false }).filter(({ pods }) => pods.length === 5),
        { seed, numRuns: 1 },
      );
      assert.ok(drawn);
      const world: LabWorld = { ...worldOf(drawn), objects: [cidrGroup as LabObject] };
      await putUp(on.cluster, world);
      const probes = allProbes(world).filter(({ from, to }) => from !== "node" && to !== "node");
      let open: string[] = [];
      const lines = await linesOf(async () => {
        open = await send(probes);
      });
      const { classes } = recordingOf(lines);
      const passing = probes.filter((_, index) => open[index] === "allowed");
      assert.ok(passing.length > probes.length * 0.9, `${passing.length} of ${probes.length} pass in the open`);
      const ids = idsOf(await on.cluster.pods());
      const wrong: string[] = [];
      const total = { denied: 0, allowed: 0, unknown: 0 };
      const anyPolicies = fc.oneof(
        ciliumPolicies(),
        networkPolicies(),
        fc.tuple(ciliumPolicies(2), networkPolicies(2)).map((groups) => groups.flat()),
      );
      for (const [index, drawnPolicies] of fc.sample(anyPolicies, { seed, numRuns: sets }).entries()) {
        const policies = (drawnPolicies as unknown as LabObject[]).filter(
          (each) => !needsEnvoy(each) && hasPlace(each, world.namespaces),
        );
        const judged = replay(classes, await computedReachability(on.controlPlane, policies));
        await on.cluster.apply(policies);
        const measured = await send(passing, 600);
        const doubted = passing.flatMap((probe, position) => {
          const effect = judgementOf(judged, ids, probe)?.effect;
          return measured[position] === "denied" && effect === "still-allowed" ? [{ probe, position }] : [];
        });
        const again = await send(
          doubted.map(({ probe }) => probe),
          4000,
        );
        doubted.forEach(({ position }, place) => (measured[position] = again[place] ?? "not tried"));
        await on.cluster.remove(policies);
        passing.forEach((probe, position) => {
          const found = judgementOf(judged, ids, probe);
          const was = measured[position] ?? "not tried";
          if (found === undefined) wrong.push(`set ${index}: ${describeProbe(probe)} is not in the replay`);
          else if (found.effect === "unknown") total.unknown += 1;
          else if ((found.effect === "would-be-denied") !== (was === "denied")) {
            wrong.push(`set ${index}: ${describeProbe(probe)}: ${found.effect}, measured ${was}: ${found.reason}`);
          } else total[was === "denied" ? "denied" : "allowed"] += 1;
        });
      }
      await takeDown(on.cluster, world);
      console.log(`      ${JSON.stringify(total)} over ${sets} sets`);
      assert.deepEqual(wrong.slice(0, 20), []);
      assert.ok(total.denied > 50 && total.allowed > 50, JSON.stringify(total));
      assert.ok(total.unknown < (total.denied + total.allowed) / 2, JSON.stringify(total));
    });
  });
});

/** Whether a flow passed by the policy of mode audit alone. */
function isMarked(line: string): boolean {
  const [content] = readLine(line);
  return content?.kind === "flow" && content.record.outcome === "would-be-denied";
}
