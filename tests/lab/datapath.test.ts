/** The parts of the datapath that need no root: placement, names, status, settings. The rest is tests/enforcement. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import fc from "fast-check";
import { calicoLink, freeAddress } from "../../lab/datapath/calico-wiring";
import { publishedSettings } from "../../lab/datapath/cilium";
import { lastWords, readCounters } from "../../lab/datapath/felix";
import { isDone, kubeProxyCommand } from "../../lab/datapath/kube-proxy";
import type { LabNode } from "../../lab/datapath/layout";
import { firstNode } from "../../lab/datapath/layout";
import { judgeSentinels, sentinelAddress } from "../../lab/datapath/sentinel";
import { dnsRecords } from "../../lab/datapath/node-agent/names";
import type { Pod, Requirement, Service } from "../../lab/nodes/objects";
import { chooseNode } from "../../lab/nodes/scheduler";
import { endedStatus, runningStatus } from "../../lab/nodes/status";
import { collectionPath } from "../../lab/datapath/objects";
import { pinnedVersion } from "../../lab/crds/index";
import { toolSpec } from "../../lab/toolchain/catalog";
import path from "node:path";

const nodes: readonly LabNode[] = [
  firstNode,
  { name: "lab-node-2", namespace: "cslab-node-2", address: "172.30.0.3", podCidr: "10.244.1.0/24" },
];

function pod(spec: Partial<Pod["spec"]>, metadata: Partial<Pod["metadata"]> = {}, status?: Pod["status"]): Pod {
  return {
    metadata: { name: "p", namespace: "n", uid: "u", resourceVersion: "1", ...metadata },
    spec: { containers: [{ name: "main", image: "main" }], ...spec },
    ...(status ? { status } : {}),
  };
}

function onField(...values: string[]): Partial<Pod["spec"]> {
  const matchFields: Requirement[] = [{ key: "metadata.name", operator: "In", values }];
  const terms = { nodeSelectorTerms: [{ matchFields }] };
  return { affinity: { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: terms } } };
}

describe("datapath: where a pod goes", () => {
  const none = (): number => 0;

  it("to the node with the fewest pods", () => {
    fc.assert(
      fc.property(fc.nat({ max: 9 }), fc.nat({ max: 9 }), (one, two) => {
        const load = (node: LabNode): number => (node === nodes[0] ? one : two);
        const chosen = chooseNode(pod({}), nodes, load);
        assert.ok(chosen);
        assert.equal(load(chosen), Math.min(one, two));
      }),
    );
  });

  it("where its selector or the DaemonSet that made it says, and nowhere else", () => {
    assert.equal(chooseNode(pod({ nodeSelector: { "kubernetes.io/hostname": "lab-node-2" } }), nodes, none), nodes[1]);
    assert.equal(chooseNode(pod(onField("lab-node-2")), nodes, none), nodes[1]);
    assert.equal(chooseNode(pod(onField("gone")), nodes, none), undefined);
    assert.equal(chooseNode(pod({ nodeSelector: { disk: "fast" } }), nodes, none), undefined);
  });

  it("an empty term of the affinity matches no node, an unknown operator neither", () => {
    const terms = (...nodeSelectorTerms: { matchExpressions?: Requirement[] }[]): Partial<Pod["spec"]> => ({
      affinity: { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms } } },
    });
    assert.equal(chooseNode(pod(terms({})), nodes, none), undefined);
    const near: Requirement = { key: "kubernetes.io/os", operator: "Near", values: ["linux"] };
    assert.equal(chooseNode(pod(terms({ matchExpressions: [near] })), nodes, none), undefined);
    const isLinux: Requirement = { key: "kubernetes.io/os", operator: "In", values: ["linux"] };
    assert.equal(chooseNode(pod(terms({}, { matchExpressions: [isLinux] })), nodes, none), nodes[0]);
  });
});

describe("datapath: what its DNS answers", () => {
  const service = (name: string, clusterIP: string, selector?: Record<string, string>): Service => ({
    metadata: { name, namespace: "shop", uid: name, resourceVersion: "1" },
    spec: { clusterIP, ...(selector ? { selector } : {}) },
  });
  const web = pod({}, { namespace: "shop", labels: { app: "web" } }, { phase: "Running", podIP: "10.244.0.7" });

  it("a Service by its address, a headless one by its pods that run", () => {
    const ended = pod({}, { namespace: "shop", labels: { app: "web" } }, { phase: "Succeeded", podIP: "10.244.0.8" });
    const elsewhere = pod({}, { namespace: "bank", labels: { app: "web" } }, { phase: "Running", podIP: "10.244.0.9" });
    const records = dnsRecords(
      [service("web", "10.96.1.1", { app: "web" }), service("pods", "None", { app: "web" }), service("bare", "None")],
      [web, ended, elsewhere],
    );
    assert.deepEqual(records["web.shop.svc.cluster.local"], ["10.96.1.1"]);
    assert.deepEqual(records["pods.shop.svc.cluster.local"], ["10.244.0.7"]);
    assert.deepEqual(records["bare.shop.svc.cluster.local"], []);
  });

  it("the names of the world, whatever the cluster has", () => {
    assert.deepEqual(dnsRecords([], [])["api.example.com"], ["198.51.100.10"]);
  });
});

describe("datapath: what it says of a pod", () => {
  const at = "2026-01-01T00:00:00Z";
  const conditionsOf = (status: Record<string, unknown>): Record<string, string> =>
    Object.fromEntries(
      (status["conditions"] as { type: string; status: string }[]).map((each) => [each.type, each.status]),
    );

  it("a pod that answers is ready, with its address and its node's", () => {
    const status = runningStatus(pod({}), firstNode, "10.244.0.7", at);
    assert.equal(status["phase"], "Running");
    assert.equal(status["podIP"], "10.244.0.7");
    assert.equal(status["hostIP"], firstNode.address);
    assert.equal(conditionsOf(status)["Ready"], "True");
  });

  it("a pod that has ended is not ready, and failed unless its exit code is 0", () => {
    for (const [exitCode, phase] of [
      [0, "Succeeded"],
      [1, "Failed"],
    ] as const) {
      const status = endedStatus(pod({}), firstNode, "10.244.0.7", { exitCode }, at);
      assert.equal(status["phase"], phase);
      assert.equal(conditionsOf(status)["Ready"], "False");
    }
  });
});

describe("datapath: settings and objects", () => {
  it("what is published is what the agent was told, the last word winning", () => {
    const settings = publishedSettings(["--policy-cidr-match-mode=pods,nodes", "--enable-policy=always", "--debug"]);
    assert.equal(settings["policy-cidr-match-mode"], "pods,nodes");
    assert.equal(settings["enable-policy"], "always");
    assert.equal(settings["enable-k8s-cluster-network-policy"], "true");
    assert.equal(settings["debug"], undefined);
  });

  it("a cluster says whether packets are tunnelled and encrypted, and nothing of encryption where there is none", () => {
    assert.equal(publishedSettings([])["routing-mode"], "native");
    assert.equal("enable-wireguard" in publishedSettings([]), false);
    const settings = publishedSettings([], { tunnel: true, encrypt: true });
    assert.deepEqual(
      [settings["routing-mode"], settings["tunnel-protocol"], settings["enable-wireguard"]],
      ["tunnel", "vxlan", "true"],
    );
  });

  it("the agent, its programs and its definitions are of one version", () => {
    const lab = path.resolve(__dirname, "..", "..", "lab");
    const versions = (["cilium-agent", "cilium-cni", "hubble"] as const).map((name) => toolSpec(name).version(lab));
    assert.deepEqual(new Set([...versions, pinnedVersion("github.com/cilium/cilium")]).size, 1);
  });

  it("an object of a kind that it does not know is refused", () => {
    const secret = { apiVersion: "v1", kind: "Secret", metadata: { name: "s", namespace: "n" } };
    assert.throws(() => collectionPath(secret), /Secret is no kind that the lab applies/);
  });
});

describe("datapath: what Felix says", () => {
  const metrics = [
    "# HELP felix_calc_graph_updates_processed Number of datastore updates processed by the calculation graph.",
    'felix_calc_graph_updates_processed{type="PolicyKey"} 7',
    'felix_calc_graph_updates_processed{type="ResourceKey"} 12',
    'felix_int_dataplane_messages{type="ActivePolicyUpdate"} 3',
    "felix_int_dataplane_apply_time_seconds_sum 0.25",
    "felix_int_dataplane_apply_time_seconds_count 9",
    "felix_int_dataplane_failures 0",
    "process_cpu_seconds_total 12.5",
  ];

  it("changes noted and times programmed are its counters, whatever their labels", () => {
    const { noted, messages, applied, failures } = readCounters(metrics.join("\n"));
    assert.deepEqual({ noted, messages, applied, failures }, { noted: 19, messages: 3, applied: 9, failures: 0 });
  });

  it("what moves by itself is no sign of work", () => {
    const later = metrics.map((line) => line.replace(/(seconds_sum|seconds_total) .*/, "$1 99")).toReversed();
    assert.equal(readCounters(later.join("\n")).text, readCounters(metrics.join("\n")).text);
  });

  it("its last words are its own sentence, else the panic of the language", () => {
    const folder = mkdtempSync(path.join(tmpdir(), "cluster-security-felix-"));
    try {
      const log = path.join(folder, "felix.log");
      writeFileSync(
        log,
        "2026 [INFO] fine\n2026-01-01 [PANIC][12] felix/rules.go 5: no table\npanic: (*logrus.Entry)\n\ngoroutine 1\n",
      );
      assert.equal(lastWords(log), "2026-01-01 [PANIC][12] felix/rules.go 5: no table");
      writeFileSync(log, "panic: runtime error: invalid memory address\n\ngoroutine 1\n");
      assert.equal(lastWords(log), "panic: runtime error: invalid memory address");
      assert.equal(lastWords(path.join(folder, "none")), undefined);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });

  it("a pod's link has the name that Felix computes", () => {
    // sha1("shop.web") begins with it
    assert.equal(calicoLink("shop", "web"), `cali${createHash("sha1").update("shop.web").digest("hex").slice(0, 11)}`);
    assert.equal(calicoLink("shop", "web").length, 15, "the kernel takes no longer name");
  });

  it("an address is given once, and the sentinel's to nobody", () => {
    const taken: string[] = [];
    for (let count = 0; count < 244; count += 1) taken.push(freeAddress(firstNode, taken));
    assert.equal(new Set(taken).size, 244);
    assert.ok(!taken.includes(sentinelAddress(firstNode)));
    assert.throws(() => freeAddress(firstNode, taken), /no address left/);
  });

  it("a packet that arrives from the sentinel, or one that was not sent, ends every measurement", () => {
    const nodes: readonly LabNode[] = [{ ...firstNode, enforcer: "calico" }];
    const dropped = { verdict: "denied", delivered: false, micros: 1 } as const;
    judgeSentinels(nodes, [dropped]);
    assert.throws(() => judgeSentinels(nodes, [{ ...dropped, delivered: true }]), /rules are gone from lab-node-1/);
    assert.throws(() => judgeSentinels(nodes, [{ ...dropped, verdict: "error" }]), /cannot be told/);
    assert.throws(() => judgeSentinels(nodes, []), /cannot be told/);
    judgeSentinels([firstNode], []);
  });

  it("kube-proxy is done once nothing waits and it has programmed after it was last asked to, for the lab's family", () => {
    const metrics = (pending: number, queued: number, done: number): string =>
      [
        `kubeproxy_sync_proxy_rules_endpoint_changes_pending ${pending}`,
        "kubeproxy_sync_proxy_rules_service_changes_pending 0",
        `kubeproxy_sync_proxy_rules_last_queued_timestamp_seconds{ip_family="IPv4"} ${queued}e+09`,
        'kubeproxy_sync_proxy_rules_last_queued_timestamp_seconds{ip_family="IPv6"} 9.9e+09',
        `kubeproxy_sync_proxy_rules_last_timestamp_seconds{ip_family="IPv4"} ${done}e+09`,
        'kubeproxy_sync_proxy_rules_last_timestamp_seconds{ip_family="IPv6"} 1e+09',
      ].join("\n");
    assert.equal(isDone(metrics(0, 1.7, 1.8)), true);
    assert.equal(isDone(metrics(0, 1.8, 1.7)), false);
    assert.equal(isDone(metrics(1, 1.7, 1.8)), false);
  });

  it("kube-proxy uses what Felix uses, and leaves the machine's connection tracking as it is", () => {
    const folder = mkdtempSync(path.join(tmpdir(), "cluster-security-kube-proxy-"));
    try {
      const tool = (name: string): string => `/programs/${name}`;
      const programs = { helper: { path: tool("helper") }, proxy: { path: tool("kube-proxy") }, agentEnv: {} };
      const options = { kubeconfig: "/kubeconfig", logs: "/logs", folder, mode: "iptables" as const };
      const { args } = kubeProxyCommand(firstNode, { ...options, programs });
      const config = /^--config=(.+)$/.exec(args.at(-1) ?? "")?.[1] ?? assert.fail(args.join(" "));
      const { mode, conntrack, hostnameOverride } = JSON.parse(readFileSync(config, "utf8")) as Record<string, unknown>;
      assert.deepEqual([mode, hostnameOverride], ["iptables", firstNode.name]);
      assert.deepEqual(conntrack, { maxPerCore: 0, min: 0, tcpEstablishedTimeout: "0s", tcpCloseWaitTimeout: "0s" });
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});
