/** Single questions put to the real datapath, and the engine's answer beside each. */
import assert from "node:assert/strict";
import type { LabObject, LabProbe, PodWish } from "../../lab/datapath/index";
import { attemptsOf, RecordingReader } from "../../sdk/flows/index";
import { compareOnDatapath, computeAnew, describeDisagreements } from "./agreement";
import { readCases } from "./cases";
import type { SharedDatapath } from "./shared-datapath";
import { sharedDatapath } from "./shared-datapath";
import { describeProbe, putUp, takeDown } from "./world";

const dnsAddress = "10.96.0.10";

const pods: readonly PodWish[] = [
  { namespace: "shop", name: "web", labels: { app: "web" }, serviceAccount: "web" },
  { namespace: "shop", name: "twin", labels: { app: "web" }, serviceAccount: "other" },
  { namespace: "shop", name: "db", labels: { app: "db" }, ports: [{ port: 5432 }] },
  { namespace: "bank", name: "web", labels: { app: "web" }, serviceAccount: "web" },
];

function policy(kind: string, name: string, namespace: string | undefined, spec: unknown): LabObject {
  const apiVersion = kind === "NetworkPolicy" ? "networking.k8s.io/v1" : "cilium.io/v2";
  return { apiVersion, kind, metadata: { name, ...(namespace === undefined ? {} : { namespace }) }, spec };
}

const denyAll = (namespace: string): LabObject =>
  policy("NetworkPolicy", "default-deny-all", namespace, { podSelector: {}, policyTypes: ["Ingress", "Egress"] });

const tcp = (from: string, to: string, port: number): LabProbe => ({ from, to, port, protocol: "tcp" });

const ask = (from: string, name: string): LabProbe => ({
  from,
  to: `service:${dnsAddress}`,
  port: 53,
  protocol: "dns",
  name,
});

describe("enforcement: what a real Cilium drops", () => {
  let on: SharedDatapath;

  before(async function () {
    this.timeout(300_000);
    on = await sharedDatapath();
    await putUp(on.cluster, { namespaces: [], pods });
    await on.cluster.untilReadyIn("kube-system");
  });

  after(async () => {
    await on.cluster.removePods(pods);
  });

  /** Applies policies, runs the work, and removes them whatever happens. */
  async function under(policies: readonly LabObject[], work: () => Promise<void>): Promise<void> {
    try {
      const states = await on.cluster.apply(policies);
      assert.deepEqual(
        states.map(({ state }) => state),
        policies.map(() => "enforced"),
      );
      await work();
    } finally {
      await on.cluster.remove(policies);
    }
  }

  async function verdicts(...probes: LabProbe[]): Promise<string[]> {
    return (await on.cluster.probe(probes, { timeout: 1500 })).map(({ verdict }) => verdict);
  }

  it("S4-20: a deny-all blocks what passed before, and its removal lets it pass again", async () => {
    const flow = tcp("shop/web", "shop/db", 5432);
    assert.deepEqual(await verdicts(flow), ["allowed"]);
    await under([denyAll("shop")], async () => assert.deepEqual(await verdicts(flow), ["denied"]));
    assert.deepEqual(await verdicts(flow), ["allowed"]);
  });

  it("S0-10, S0-11, S3-25: only the declared flow passes, nothing crosses namespaces", async () => {
    const allow = [
      policy("NetworkPolicy", "allow-web-to-db", "shop", {
        podSelector: { matchLabels: { app: "db" } },
        ingress: [{ from: [{ podSelector: { matchLabels: { app: "web" } } }], ports: [{ port: 5432 }] }],
      }),
      policy("NetworkPolicy", "allow-web-egress-db", "shop", {
        podSelector: { matchLabels: { app: "web" } },
        policyTypes: ["Egress"],
        egress: [{ to: [{ podSelector: { matchLabels: { app: "db" } } }], ports: [{ port: 5432 }] }],
      }),
    ];
    const probes = [
      tcp("shop/web", "shop/db", 5432),
      tcp("shop/web", "shop/db", 80),
      tcp("shop/db", "shop/web", 80),
      tcp("bank/web", "shop/db", 5432),
      tcp("shop/web", "bank/web", 80),
      tcp("world:198.51.100.10", "shop/db", 5432),
    ];
    const { disagreements, measured } = await compareOnDatapath(on, [denyAll("shop"), ...allow], probes);
    assert.deepEqual(describeDisagreements(disagreements), []);
    assert.deepEqual(measured, ["allowed", "denied", "denied", "denied", "denied", "denied"]);
  });

  it("S0-12: of two pods with the same labels only the one with the right service account passes", async () => {
    const byAccount = policy("CiliumNetworkPolicy", "allow-account", "shop", {
      endpointSelector: { matchLabels: { app: "db" } },
      ingress: [{ fromEndpoints: [{ matchLabels: { "io.cilium.k8s.policy.serviceaccount": "web" } }] }],
    });
    const probes = [tcp("shop/web", "shop/db", 5432), tcp("shop/twin", "shop/db", 5432)];
    const { disagreements, measured } = await compareOnDatapath(on, [byAccount], probes);
    assert.deepEqual(describeDisagreements(disagreements), []);
    assert.deepEqual(measured, ["allowed", "denied"]);
  });

  it("S0-13: Hubble tells each drop, and names the policy that denies explicitly", async () => {
    const deny = policy("CiliumClusterwideNetworkPolicy", "deny-metadata", undefined, {
      endpointSelector: { matchLabels: { app: "web" } },
      enableDefaultDeny: { egress: false, ingress: false },
      egressDeny: [{ toCIDR: ["169.254.169.254/32"] }],
    });
    await under([deny, denyAll("bank")], async () => {
      const probes = [tcp("shop/web", "169.254.169.254", 80), tcp("shop/web", "bank/web", 8085)];
      assert.deepEqual(await verdicts(...probes), ["denied", "denied"]);
      assert.ok(on.programs.enforcer === "cilium");
      const drops = await on.cluster.drops(on.programs.hubble.path);
      const metadata = drops.find((drop) => drop.source === "shop/web" && drop.destination === "169.254.169.254");
      assert.deepEqual(metadata?.deniedBy, ["deny-metadata"]);
      const bank = drops.find((drop) => drop.destination === "bank/web" && drop.port === 8085);
      assert.equal(bank?.reason, "POLICY_DENIED", "no rule allows it");
    });
  });

  it("S0-09, S0-13: every probe is read from Hubble's flows as what it was, however often it was recorded", async () => {
    const shop = policy("CiliumNetworkPolicy", "some-of-shop", "shop", {
      endpointSelector: {},
      ingress: [{ fromEndpoints: [{ matchLabels: { app: "web", "k8s:io.kubernetes.pod.namespace": "shop" } }] }],
      ingressDeny: [{ fromEndpoints: [{ matchLabels: { "k8s:io.kubernetes.pod.namespace": "bank" } }] }],
      egress: [{ toEndpoints: [{ matchLabels: { app: "db" } }] }, { toCIDR: ["203.0.113.10/32"] }],
      egressDeny: [{ toCIDR: ["198.51.100.10/32"] }],
    });
    const from = ["shop/web", "shop/twin", "shop/db", "bank/web"];
    const to = ["shop/db", "shop/web", "bank/web", "203.0.113.10", "198.51.100.10"];
    const pairs = [
      ...from.flatMap((source) => to.map((target) => [source, target] as const)),
      ["node", "shop/db"] as const,
    ];
    const ofOthers = pairs.filter(([source, target]) => source !== target);
    // each has a port of its own, by which it is found again
    const probes = ofOthers.flatMap(([source, target], index): LabProbe[] =>
      (["tcp", "udp"] as const).map((protocol) => ({ from: source, to: target, port: 6100 + index, protocol })),
    );
    await under([shop], async () => {
      const measured = await verdicts(...probes);
      assert.ok(new Set(measured).size > 1, "some pass and some do not");
      assert.ok(on.programs.enforcer === "cilium");
      const reader = new RecordingReader();
      const lines = await on.cluster.flows(on.programs.hubble.path, 4000);
      lines.forEach((line, index) => reader.line(line, "hubble", index + 1));
      const { classes, notUnderstood } = reader.result();
      const unread = [...notUnderstood.values()].flatMap(({ places }) => places.map(({ line }) => lines[line - 1]));
      assert.deepEqual(unread, []);
      const wrong = probes.flatMap((probe, index) => {
        const found = classes.filter(
          ({ protocol, port }) => port === probe.port && protocol === probe.protocol.toUpperCase(),
        );
        const attempts = found.map(attemptsOf);
        const passed = attempts.reduce((sum, each) => sum + each.passed, 0);
        const denied = attempts.reduce((sum, each) => sum + each.denied, 0);
        const isRight = measured[index] === "denied" ? passed === 0 && denied > 0 : passed > 0 && denied === 0;
        return isRight
          ? []
          : [`${describeProbe(probe)}: ${measured[index]}, read as ${passed} passed, ${denied} denied`];
      });
      assert.deepEqual(wrong, []);
    });
  });

  it("S0-15: a policy that is changed in place takes effect on the next connection", async () => {
    const admit = (app: string): LabObject =>
      policy("NetworkPolicy", "admit", "shop", {
        podSelector: { matchLabels: { app: "db" } },
        ingress: [{ from: [{ podSelector: { matchLabels: { app } } }] }],
      });
    const flow = tcp("shop/web", "shop/db", 5432);
    await under([admit("web")], async () => {
      assert.deepEqual(await verdicts(flow), ["allowed"]);
      await on.cluster.apply([admit("nobody")]);
      assert.deepEqual(await verdicts(flow), ["denied"]);
    });
  });

  it("S3-24, S3-27: names resolve through the agent's proxy, and only a name that was asked for opens its address", async () => {
    const kubeDns = {
      toEndpoints: [{ matchLabels: { "k8s:io.kubernetes.pod.namespace": "kube-system", "k8s-app": "kube-dns" } }],
      toPorts: [
        {
          ports: [{ port: "53", protocol: "ANY" }],
          rules: { dns: [{ matchPattern: "*.example.com" }, { matchPattern: "*.*.svc.cluster.local" }] },
        },
      ],
    };
    const egress = policy("CiliumNetworkPolicy", "allow-api", "shop", {
      endpointSelector: { matchLabels: { app: "web" } },
      egress: [
        kubeDns,
        { toFQDNs: [{ matchName: "api.example.com" }], toPorts: [{ ports: [{ port: "443", protocol: "TCP" }] }] },
      ],
    });
    await under([egress], async () => {
      const api = tcp("shop/web", "198.51.100.10", 443);
      assert.deepEqual(await verdicts(api), ["denied"], "before the name is asked for");
      assert.deepEqual(await verdicts(ask("shop/web", "kube-dns.kube-system.svc.cluster.local")), ["allowed"]);
      assert.deepEqual(await verdicts(ask("shop/web", "evil.example.net")), ["refused"], "outside of the pattern");
      const [answer] = await on.cluster.probe([ask("shop/web", "api.example.com")]);
      assert.deepEqual(answer?.answers, ["198.51.100.10"]);
      const after = await verdicts(api, tcp("shop/web", "198.51.100.10", 80), tcp("shop/web", "203.0.113.10", 443));
      assert.deepEqual(after, ["allowed", "denied", "denied"]);
    });
  });

  it("S3-26: the node reaches its own pods under a default deny; an explicit deny of everybody stops it", async () => {
    const fromNode = tcp("node", "shop/db", 5432);
    const everybody = policy("CiliumNetworkPolicy", "deny-everybody", "shop", {
      endpointSelector: {},
      ingressDeny: [{ fromEntities: ["all"] }],
    });
    const plain = await compareOnDatapath(on, [denyAll("shop")], [fromNode]);
    assert.deepEqual(plain.measured, ["allowed"]);
    const strict = await compareOnDatapath(on, [denyAll("shop"), everybody], [fromNode]);
    assert.deepEqual(strict.measured, ["denied"]);
    assert.deepEqual(describeDisagreements([...plain.disagreements, ...strict.disagreements]), []);
  });

  it("a metadata address on the node is the host: no CIDR rule reaches it, outside one does", async () => {
    const deny = policy("CiliumNetworkPolicy", "deny-metadata", "shop", {
      endpointSelector: {},
      egress: [{ toEntities: ["all"] }],
      egressDeny: [{ toCIDR: ["169.254.169.254/32"] }],
    });
    const probe = tcp("shop/web", "169.254.169.254", 80);
    await under([deny], async () => assert.deepEqual(await verdicts(probe), ["denied"]));
    await on.cluster.placeMetadata(on.programs.ip, "node");
    try {
      await under([deny], async () => assert.deepEqual(await verdicts(probe), ["allowed"]));
    } finally {
      await on.cluster.placeMetadata(on.programs.ip, "world");
    }
  });

  it("what a Pass rule does to who comes later: dropped, until the agent computes its policies anew", async () => {
    const pass: LabObject = {
      apiVersion: "policy.networking.k8s.io/v1alpha2",
      kind: "ClusterNetworkPolicy",
      metadata: { name: "pass" },
      spec: {
        tier: "Admin",
        priority: 10,
        subject: { namespaces: { matchLabels: { "kubernetes.io/metadata.name": "shop" } } },
        ingress: [{ action: "Pass", from: [{ namespaces: {} }] }],
        egress: [{ action: "Pass", to: [{ networks: ["0.0.0.0/0"] }] }],
      },
    };
    const group: LabObject = {
      apiVersion: "cilium.io/v2",
      kind: "CiliumCIDRGroup",
      metadata: { name: "partner" },
      spec: { externalCIDRs: ["203.0.113.10/32"] },
    };
    const known = [tcp("bank/web", "shop/db", 5432), tcp("shop/web", "198.51.100.10", 80)];
    const learned = [tcp("bank/late", "shop/db", 5432), tcp("shop/web", "203.0.113.10", 80)];
    const stale = async (): Promise<boolean> => {
      // with an identity that no agent can know from before
      const late: PodWish = { namespace: "bank", name: "late", labels: { since: String(Date.now()) } };
      try {
        let before: string[] = [];
        await under([pass], async () => {
          await on.cluster.addPods([late]);
          await on.cluster.apply([group]);
          assert.deepEqual(await verdicts(...known), ["allowed", "allowed"], "who was there before");
          before = await verdicts(...learned);
          await computeAnew(on.cluster);
          assert.deepEqual(await verdicts(...known, ...learned), ["allowed", "allowed", "allowed", "allowed"]);
        });
        return before.every((verdict) => verdict === "denied");
      } finally {
        await on.cluster.remove([group]);
        await on.cluster.removePods([late]);
      }
    };
    // an agent that has something else to do meanwhile may have computed anew by itself
    assert.ok((await stale()) || (await stale()) || (await stale()), "no rule denies them, and they are dropped");
  });

  it("a policy that the API server stores and the agent refuses is told apart from one that is enforced", async () => {
    const states = await on.cluster.apply([
      policy("CiliumNetworkPolicy", "empty", "shop", { endpointSelector: {}, ingress: [] }),
      policy("CiliumNetworkPolicy", "subjectless", "shop", { ingress: [{}] }),
      denyAll("shop"),
    ]);
    await on.cluster.remove([
      policy("CiliumNetworkPolicy", "empty", "shop", {}),
      policy("CiliumNetworkPolicy", "subjectless", "shop", {}),
      denyAll("shop"),
    ]);
    assert.deepEqual(
      states.map(({ state }) => state),
      ["stored", "refused", "enforced"],
    );
  });

  it("a probe to an address that is none of the lab's is refused, not sent", async () => {
    await assert.rejects(on.cluster.probe([tcp("shop/web", "192.0.2.1", 80)]), /no pod, node or address of the lab/);
    await assert.rejects(on.cluster.probe([tcp("shop/nobody", "shop/db", 80)]), /no pod, node or address of the lab/);
  });
});

describe("enforcement: cases that once disagreed", () => {
  for (const each of readCases()) {
    it(each.title, async function () {
      this.timeout(300_000);
      const on = await sharedDatapath(each.nodes === undefined ? {} : { nodes: each.nodes });
      await putUp(on.cluster, each.world);
      try {
        const asking = each.asked === undefined ? {} : { ask: { server: dnsAddress, names: each.asked } };
        const { disagreements, measured } = await compareOnDatapath(on, each.policies, each.probes, asking);
        assert.deepEqual(describeDisagreements(disagreements), []);
        const changed = each.probes.filter((probe, index) => probe.measured !== measured[index]);
        assert.deepEqual(changed, [], "what is measured now is what was measured then");
      } finally {
        await takeDown(on.cluster, each.world);
      }
    });
  }
});
