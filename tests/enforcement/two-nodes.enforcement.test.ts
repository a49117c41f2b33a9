/** Two nodes with an agent each: placement, verdicts between nodes, and what can be read on the wire between them. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import fc from "fast-check";
import { AgentApi } from "../../lab/datapath/cilium";
import type { LabNode, LabObject, LabProbe } from "../../lab/datapath/index";
import { onTheWire, wireguardPort } from "../../lab/datapath/index";
import { clusters } from "../properties/arbitraries";
import { cidrGroup, ciliumPolicies } from "../properties/cilium-policies";
import { clusterNetworkPolicies } from "../properties/cluster-network-policies";
import { networkPolicies } from "../properties/network-policies";
import { compareOnDatapath, describeDisagreements } from "./agreement";
import { saveCase } from "./cases";
import { machineState } from "./machine";
import type { SharedDatapath } from "./shared-datapath";
import { closeSharedDatapath, sharedDatapath } from "./shared-datapath";
import type { LabWorld } from "./world";
import { allProbes, needsEnvoy, putUp } from "./world";

const [here, there] = ["lab-node-1", "lab-node-2"] as const;
const vxlan = "udp/8472";

const world: LabWorld = {
  namespaces: [{ name: "shop" }, { name: "bank" }],
  pods: [
    { namespace: "shop", name: "web", labels: { app: "web" }, node: here },
    { namespace: "shop", name: "db", labels: { app: "db" }, node: here },
    { namespace: "shop", name: "far-web", labels: { app: "web" }, node: there },
    { namespace: "shop", name: "far-db", labels: { app: "db" }, node: there },
    { namespace: "bank", name: "far-web", labels: { app: "web" }, node: there },
  ],
};

const tcp = (from: string, to: string, port = 80): LabProbe => ({ from, to, port, protocol: "tcp" });

/** All that one node's world has, and the second node with every pod, both ways. */
function probesOnBothNodes(on: LabWorld): LabProbe[] {
  const second = on.pods.flatMap(({ namespace, name }) => [
    tcp(`node:${there}`, `${namespace}/${name}`),
    tcp(`${namespace}/${name}`, `node:${there}`),
  ]);
  return [...allProbes(on), ...second];
}

function cilium(name: string, spec: object): LabObject {
  return {
    apiVersion: "cilium.io/v2",
    kind: "CiliumNetworkPolicy",
    metadata: { name, namespace: "shop" },
    spec: { endpointSelector: { matchLabels: { app: "db" } }, ...spec },
  };
}

const denyAll: LabObject = {
  apiVersion: "networking.k8s.io/v1",
  kind: "NetworkPolicy",
  metadata: { name: "default-deny-all", namespace: "shop" },
  spec: { podSelector: {}, policyTypes: ["Ingress", "Egress"] },
};

const webToDb: readonly LabObject[] = [
  {
    apiVersion: "networking.k8s.io/v1",
    kind: "NetworkPolicy",
    metadata: { name: "allow-web-to-db", namespace: "shop" },
    spec: {
      podSelector: { matchLabels: { app: "db" } },
      ingress: [{ from: [{ podSelector: { matchLabels: { app: "web" } } }], ports: [{ port: 80 }] }],
    },
  },
  {
    apiVersion: "networking.k8s.io/v1",
    kind: "NetworkPolicy",
    metadata: { name: "allow-web-egress-db", namespace: "shop" },
    spec: {
      podSelector: { matchLabels: { app: "web" } },
      policyTypes: ["Egress"],
      egress: [{ to: [{ podSelector: { matchLabels: { app: "db" } } }], ports: [{ port: 80 }] }],
    },
  },
];

/** Policies, and probes of which a person knows the answer; the engine is asked about all others too. */
interface Question {
  readonly title: string;
  readonly policies: readonly LabObject[];
  readonly allowed: readonly LabProbe[];
  readonly denied: readonly LabProbe[];
}

const questions: readonly Question[] = [
  {
    title: "S0-10, S0-11: a declared flow passes from node to node, and nothing else does",
    policies: [denyAll, ...webToDb],
    allowed: [tcp("shop/web", "shop/far-db"), tcp("shop/far-web", "shop/db"), tcp("shop/far-web", "shop/far-db")],
    denied: [tcp("shop/db", "shop/far-web"), tcp("bank/far-web", "shop/db"), tcp("shop/web", "shop/far-db", 443)],
  },
  {
    title: "a default deny lets a node reach its own pods, and not those of another node",
    policies: [denyAll],
    allowed: [tcp("node", "shop/db"), tcp(`node:${there}`, "shop/far-db")],
    denied: [tcp("node", "shop/far-db"), tcp(`node:${there}`, "shop/db")],
  },
  {
    title: "the entity remote-node is the other nodes, on both sides",
    policies: [
      cilium("remote-nodes", {
        ingress: [{ fromEntities: ["remote-node"] }],
        egress: [{ toEntities: ["remote-node"] }],
      }),
    ],
    allowed: [tcp(`node:${there}`, "shop/db"), tcp("node", "shop/far-db"), tcp("shop/db", `node:${there}`)],
    denied: [tcp("shop/db", "node"), tcp("shop/web", "shop/db"), tcp("shop/far-web", "shop/db")],
  },
  {
    title: "the entity host is the node that a pod runs on, and no other",
    policies: [cilium("host", { ingress: [{ fromEntities: ["host"] }], egress: [{ toEntities: ["host"] }] })],
    allowed: [tcp("shop/db", "node"), tcp("shop/far-db", `node:${there}`), tcp(`node:${there}`, "shop/far-db")],
    denied: [tcp("shop/db", `node:${there}`), tcp(`node:${there}`, "shop/db")],
  },
  {
    title: "the entity cluster is pods and nodes everywhere, and not the world",
    policies: [cilium("cluster", { ingress: [{ fromEntities: ["cluster"] }], egress: [{ toEntities: ["cluster"] }] })],
    allowed: [tcp("bank/far-web", "shop/db"), tcp(`node:${there}`, "shop/db"), tcp("shop/db", `node:${there}`)],
    denied: [tcp("world:198.51.100.10", "shop/far-db"), tcp("shop/far-db", "198.51.100.10")],
  },
  {
    title: "the entity kube-apiserver is the node where the API server is, seen from both",
    policies: [cilium("api", { egress: [{ toEntities: ["kube-apiserver"] }] })],
    allowed: [tcp("shop/db", "node"), tcp("shop/far-db", "node")],
    denied: [tcp("shop/db", `node:${there}`), tcp("shop/far-db", `node:${there}`)],
  },
  {
    title: "a CIDR rule reaches neither pods nor nodes of another node",
    policies: [
      cilium("cidr", {
        ingress: [{ fromCIDR: ["10.244.0.0/16", "172.30.0.0/24"] }],
        egress: [{ toCIDR: ["10.244.0.0/16", "172.30.0.0/24"] }],
      }),
    ],
    allowed: [],
    denied: [tcp("shop/far-web", "shop/db"), tcp("shop/db", "shop/far-web"), tcp("shop/db", `node:${there}`)],
  },
];

const seed = Number(process.env["ENFORCEMENT_SEED"] ?? Date.now() % 2_147_483_647);
const sets = Number(process.env["ENFORCEMENT_SETS_TWO_NODES"] ?? 20);

const anyPolicies = fc.oneof(
  ciliumPolicies(),
  networkPolicies(),
  fc
    .tuple(ciliumPolicies(2), networkPolicies(2), clusterNetworkPolicies({ baselinePassWithPorts: false }, 1))
    .map((groups) => groups.flat()),
);

describe("enforcement: two nodes", () => {
  let on: SharedDatapath;

  before(async function () {
    this.timeout(300_000);
    on = await sharedDatapath({ nodes: 2 });
    await putUp(on.cluster, world);
  });

  after(async function () {
    this.timeout(120_000);
    await closeSharedDatapath();
  });

  it("pods run where their node selector says, others are spread, and the agents know each other", async () => {
    const wishes = [1, 2, 3, 4].map((number) => ({ namespace: "spread", name: `any-${number}` }));
    await on.cluster.addPods(wishes);
    const pods = await on.cluster.pods();
    for (const { namespace, name, node } of world.pods) {
      const pod = pods.find((each) => each.namespace === namespace && each.name === name);
      assert.equal(pod?.node, node);
      assert.ok(pod?.address.startsWith(node === here ? "10.244.0." : "10.244.1."), pod?.address);
    }
    const spread = new Set(pods.filter(({ namespace }) => namespace === "spread").map(({ node }) => node));
    assert.deepEqual([...spread].sort(), [here, there]);
    await on.cluster.removePods(wishes);
    for (const node of on.cluster.nodes) {
      assert.deepEqual([...(await new AgentApi(node).knownNodes())].sort(), [`lab/${here}`, `lab/${there}`]);
    }
  });

  it("between nodes packets go through the tunnel, on one node they never reach the wire", async () => {
    const marker = `marker-${randomBytes(8).toString("hex")}-`;
    const [first] = on.cluster.nodes;
    const seen = async (from: string, to: string): Promise<Awaited<ReturnType<typeof onTheWire>>> =>
      await onTheWire(on.cluster, first as LabNode, marker, async () => {
        const [outcome] = await on.cluster.probe([{ ...tcp(from, to), name: marker }], { timeout: 3000 });
        assert.equal(outcome?.verdict, "allowed", outcome?.reason);
      });
    const between = await seen("shop/web", "shop/far-db");
    assert.equal(between.lost, 0);
    assert.ok((between.kinds[vxlan] ?? 0) > 0, JSON.stringify(between.kinds));
    assert.ok(between.marked >= 2, "S0-06: without encryption what is sent can be read, there and back");
    const local = await seen("shop/web", "shop/db");
    assert.equal(local.marked + local.lost, 0);
  });

  for (const { title, policies, allowed, denied } of questions) {
    it(title, async () => {
      const known = [...allowed, ...denied];
      const probes = [...known, ...probesOnBothNodes(world)];
      const agreement = await compareOnDatapath(on, policies, probes);
      assert.deepEqual(
        agreement.states.map(({ state }) => state),
        policies.map(() => "enforced"),
      );
      assert.deepEqual(describeDisagreements(agreement.disagreements), []);
      assert.deepEqual(agreement.measured.slice(0, known.length), [
        ...allowed.map(() => "allowed"),
        ...denied.map(() => "denied"),
      ]);
      console.log(
        `      ${agreement.compared} probes compared, ${agreement.allowed} connected, ${agreement.open} open`,
      );
    });
  }

  it(`S0-11, S0-12: ${sets} random sets agree on every probe within and between nodes`, async function () {
    this.timeout(120_000 + sets * 20_000);
    console.log(`      ENFORCEMENT_SEED=${seed} ENFORCEMENT_SETS_TWO_NODES=${sets}`);
    const large = clusters({ podAddresses: false, hostNetwork: false }).filter(({ pods }) => pods.length === 5);
    const [drawn] = fc.sample(large, { seed, numRuns: 1 });
    assert.ok(drawn, "a cluster is drawn");
    const next: LabWorld = {
      namespaces: drawn.namespaces,
      pods: drawn.pods.map(({ namespace, name, labels, serviceAccount, ports }, index) => ({
        namespace,
        name,
        labels,
        serviceAccount,
        // the API server takes a name once in a container, whatever the protocol
        ports: ports.filter((port, at) => !port.name || ports.findIndex((each) => each.name === port.name) === at),
        node: index % 2 === 0 ? here : there,
      })),
    };
    await putUp(on.cluster, next, world);
    const probes = probesOnBothNodes(next);
    const spaces = new Set(next.namespaces.map(({ name }) => name));
    const total = { compared: 0, allowed: 0, open: 0 };
    const wrong: string[] = [];
    for (const [index, policies] of fc.sample(anyPolicies, { seed, numRuns: sets }).entries()) {
      const placed = [
        ...(policies as unknown as LabObject[]).filter((each) => !needsEnvoy(each)),
        cidrGroup as LabObject,
      ]
        // policies of namespaces that this cluster has not
        .filter(({ metadata }) => metadata.namespace === undefined || spaces.has(metadata.namespace));
      const agreement = await compareOnDatapath(on, placed, probes);
      for (const key of ["compared", "allowed", "open"] as const) total[key] += agreement[key];
      if (agreement.disagreements.length === 0) continue;
      const file = saveCase(`two-nodes-${seed}-${index}`, {
        title: `two nodes: random set ${index} of seed ${seed}`,
        nodes: 2,
        world: next,
        policies: placed,
        probes: probes.map((probe, position) => ({ ...probe, measured: agreement.measured[position] ?? "not tried" })),
      });
      wrong.push(`${file}: ${describeDisagreements(agreement.disagreements).slice(0, 4).join("; ")}`);
    }
    console.log(`      ${total.compared} probes compared (${total.allowed} connected), ${total.open} left open`);
    assert.deepEqual(wrong, []);
    assert.ok(total.allowed > 0 && total.allowed < total.compared, "some connect and some do not");
  });
});

describe("enforcement: WireGuard between two nodes", () => {
  let on: SharedDatapath;
  let machine: Record<string, unknown>;

  before(async function () {
    this.timeout(300_000);
    await closeSharedDatapath();
    machine = machineState();
    on = await sharedDatapath({ nodes: 2, wireguard: true });
    await putUp(on.cluster, world);
  });

  after(async function () {
    this.timeout(120_000);
    await closeSharedDatapath();
  });

  it("leaves the machine's network, mounts and kernel settings as they are", () => {
    assert.deepEqual(machineState(), machine);
  });

  it("says which WireGuard it is, and where it is not the kernel's, what the kernel says", () => {
    const { wireguard } = on.datapath;
    assert.ok(wireguard, "it was asked for");
    if (wireguard.kind === "kernel") console.log("      the kernel's own WireGuard");
    else {
      assert.notEqual(wireguard.kernelSays, "");
      console.log(`      WireGuard in user space; the kernel says: ${wireguard.kernelSays}`);
    }
  });

  it("S0-06: pods of two nodes talk, and on the wire there is nothing but WireGuard, in which nothing can be read", async () => {
    const marker = `marker-${randomBytes(8).toString("hex")}-`;
    const talk = [
      tcp("shop/web", "shop/far-db"),
      tcp("shop/far-web", "shop/db"),
      { ...tcp("shop/web", "bank/far-web", 5353), protocol: "udp" as const },
    ].map((probe) => ({ ...probe, name: marker }));
    for (const node of on.cluster.nodes) {
      const seen = await onTheWire(on.cluster, node, marker, async () => {
        const outcomes = await on.cluster.probe(talk, { timeout: 3000 });
        assert.deepEqual(
          outcomes.map(({ verdict }) => verdict),
          talk.map(() => "allowed"),
        );
      });
      console.log(`      on the wire of ${node.name}: ${JSON.stringify(seen.kinds)}`);
      assert.equal(seen.lost, 0, "every frame was looked at");
      assert.equal(seen.marked, 0, "nothing can be read");
      assert.ok((seen.kinds[`udp/${wireguardPort}`] ?? 0) >= 2 * talk.length, "there and back");
      const others = Object.keys(seen.kinds).filter((kind) => kind !== `udp/${wireguardPort}` && kind !== "arp");
      assert.deepEqual(others, []);
    }
  });

  it("S0-06: the agents say so themselves", async () => {
    const keys = new Set<string>();
    for (const node of on.cluster.nodes) {
      const [device] = await new AgentApi(node).wireguard();
      assert.equal(device?.["listen-port"], wireguardPort);
      assert.equal(device?.["peer-count"], 1);
      keys.add(device?.["public-key"] ?? "");
    }
    assert.equal(keys.size, 2, "each node has a key of its own");
  });

  it("S0-10: encrypted or not, the policies hold between nodes", async () => {
    const probes = probesOnBothNodes(world);
    const agreement = await compareOnDatapath(on, [denyAll, ...webToDb], probes);
    assert.deepEqual(describeDisagreements(agreement.disagreements), []);
    assert.ok(agreement.allowed > 0 && agreement.allowed < agreement.compared, "some connect and some do not");
    console.log(`      ${agreement.compared} probes compared, ${agreement.allowed} connected`);
  });
});
