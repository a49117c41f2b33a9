/** What Calico's own Felix was measured to do with packets, judged without it. */
import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { load } from "js-yaml";
import {
  buildSnapshot,
  compile,
  profileFor,
  type FlowProtocol,
  type KubeObject,
  type Peer,
  type Reachability,
  type Snapshot,
} from "../../sdk/reachability";
import { TrafficSet } from "../../sdk/reachability/model/sets/ports";

interface Measured {
  readonly world: {
    readonly namespaces: Readonly<Record<string, Record<string, string>>>;
    readonly serviceAccounts: Readonly<Record<string, Record<string, string>>>;
    readonly node: {
      readonly name: string;
      readonly addresses: readonly string[];
      readonly podCidrs: readonly string[];
    };
    readonly pods: Readonly<
      Record<
        string,
        {
          readonly labels: Record<string, string>;
          readonly serviceAccount: string;
          readonly ports: readonly unknown[];
          readonly addresses: readonly string[];
        }
      >
    >;
  };
  readonly cases: readonly {
    readonly title: string;
    readonly policies?: readonly KubeObject[];
    readonly probes?: readonly string[];
    readonly refused?: boolean;
  }[];
}

const { world, cases } = load(fs.readFileSync(path.join(__dirname, "felix", "measured.yaml"), "utf8")) as Measured;

/** A random set: its verdicts in the order of `flowsOfSet`, "a" for allowed and "d" for denied, and probes of IPv6. */
interface RandomSet {
  readonly policies: readonly KubeObject[];
  readonly verdicts?: string;
  readonly ipv6?: readonly string[];
  readonly refused?: boolean;
}

const podNames = Object.keys(world.pods);
const triedPorts = ["80 tcp", "8080 tcp", "53 udp", "8.0 icmp"];
const flowsOfSet = [
  ...podNames.flatMap((from) =>
    podNames.filter((to) => to !== from).flatMap((to) => triedPorts.map((port) => `${from} ${to} ${port}`)),
  ),
  ...podNames.flatMap((pod) =>
    ["203.0.113.10", "203.0.113.66", "198.51.100.10"].flatMap((address) =>
      triedPorts.slice(0, 3).flatMap((port) => [`${pod} ${address} ${port}`, `${address} ${pod} ${port}`]),
    ),
  ),
];

type Families = "IPv4" | "IPv6" | "both";

/** The objects as a cluster with one family of addresses has them, or with both. */
function objectsOf(families: Families): KubeObject[] {
  const of = (addresses: readonly string[]): string[] =>
    addresses.filter((each) => families === "both" || each.includes(":") === (families === "IPv6"));
  const { node } = world;
  return [
    ...Object.entries(world.namespaces).map(([name, labels]) => ({
      apiVersion: "v1",
      kind: "Namespace",
      metadata: { name, labels },
    })),
    ...Object.entries(world.serviceAccounts).map(([id, labels]) => {
      const [namespace = "", name = ""] = id.split("/");
      return { apiVersion: "v1", kind: "ServiceAccount", metadata: { name, namespace, labels } };
    }),
    {
      apiVersion: "v1",
      kind: "Node",
      metadata: { name: node.name },
      spec: { podCIDRs: of(node.podCidrs) },
      status: { addresses: of(node.addresses).map((address) => ({ type: "InternalIP", address })) },
    },
    ...Object.entries(world.pods).map(([id, pod]) => {
      const [namespace = "", name = ""] = id.split("/");
      const addresses = of(pod.addresses);
      return {
        apiVersion: "v1",
        kind: "Pod",
        metadata: { name, namespace, labels: pod.labels },
        spec: {
          nodeName: node.name,
          serviceAccountName: pod.serviceAccount,
          containers: [{ name: "main", image: "none", ports: pod.ports }],
        },
        status: { phase: "Running", podIP: addresses[0], podIPs: addresses.map((ip) => ({ ip })) },
      };
    }),
  ];
}

function snapshotOf(families: Families, policies: readonly KubeObject[]): Snapshot {
  const profile = profileFor("calico@3.31");
  return buildSnapshot(
    [...objectsOf(families), ...policies].map((object) => ({ object })),
    { profile },
  );
}

interface Probe {
  readonly text: string;
  readonly source: string;
  readonly destination: string;
  readonly port: string;
  readonly protocol: string;
  readonly measured: "allowed" | "denied";
}

function probeOf(text: string): Probe {
  const [source, destination, port, protocol, measured] = text.split(" ") as [
    string,
    string,
    string,
    string,
    "allowed",
  ];
  return { text, source, destination, port, protocol, measured };
}

function isIpv6({ source, destination }: Probe): boolean {
  return [source, destination].some((end) => end.endsWith("@6") || (end.includes(":") && !end.includes("/")));
}

/** An address is the pod that has it: packets of pods on other nodes were sent from outside. */
function peerOf(end: string, ipv6: boolean, { workloads }: Snapshot): Peer {
  const owner = workloads.find(({ addresses, hostNetwork }) => !hostNetwork && addresses.includes(end));
  if (owner !== undefined) return { kind: "workload", id: owner.id };
  const place = end.replace(/@6$/, "");
  if (place === "node") return { kind: "node", where: "local", address: world.node.addresses[ipv6 ? 1 : 0] as string };
  return place.includes("/") ? { kind: "workload", id: `${place}[Pod]` } : { kind: "address", address: place };
}

/** What the engine says of exactly the packet that was sent. */
function verdictOf(reachability: Reachability, probe: Probe): string {
  const ipv6 = isIpv6(probe);
  const [source, destination] = [probe.source, probe.destination].map((end) =>
    peerOf(end, ipv6, reachability.snapshot),
  );
  const traffic = reachability.traffic(source as Peer, destination as Peer);
  const asked = askedBy(probe, ipv6);
  if (!traffic.allowed.intersect(asked).isEmpty()) return "allowed";
  return traffic.possible.intersect(asked).isEmpty() ? "denied" : "unknown";
}

function askedBy({ port, protocol }: Probe, ipv6: boolean): TrafficSet {
  if (protocol === "icmp") {
    const [type, code] = port.split(".").map(Number);
    return TrafficSet.icmp(ipv6 ? 6 : 4, type, code);
  }
  if (/^\d+$/.test(protocol)) return TrafficSet.ipProtocol(Number(protocol));
  return TrafficSet.ports(protocol.toUpperCase() as "TCP", Number(port));
}

/** What host endpoints let in and out of nodes is not modelled, and what they drop on the way to pods is only possible. */
function mayBeUnknown(policies: readonly KubeObject[], { source, destination, measured }: Probe): boolean {
  if (!policies.some(({ kind }) => kind === "HostEndpoint")) return false;
  return source === "node" || destination === "node" || measured === "denied";
}

describe("conformance: what Felix 3.31 did with packets", () => {
  it("has the cases of the truth table", () => assert.ok(cases.length >= 99));

  for (const { title, policies = [], probes = [], refused = false } of cases) {
    if (refused) {
      it(`${title}: refused, and said so`, () => {
        const { problems } = snapshotOf("both", policies);
        assert.ok(problems.some(({ code, message }) => code === "invalid-value" && /Calico refuses/.test(message)));
      });
      continue;
    }
    it(title, () => {
      const read = probes.map(probeOf);
      const alone = { IPv4: compile(snapshotOf("IPv4", policies)), IPv6: compile(snapshotOf("IPv6", policies)) };
      const both = compile(snapshotOf("both", policies));
      const wrong = read.flatMap((probe) => {
        const exact = verdictOf(isIpv6(probe) ? alone.IPv6 : alone.IPv4, probe);
        const vague = verdictOf(both, probe);
        const fits = exact === probe.measured || (exact === "unknown" && mayBeUnknown(policies, probe));
        return [
          ...(fits ? [] : [`${probe.text}: ${exact}`]),
          // of a pair with two families of addresses nobody knows which one is used
          ...(vague === probe.measured || vague === "unknown" ? [] : [`${probe.text}, with both families: ${vague}`]),
        ];
      });
      assert.deepEqual(wrong, []);
    });
  }

  it("random sets of policies, each probe of every pair", () => {
    const lines = fs
      .readFileSync(path.join(__dirname, "felix", "random.jsonl"), "utf8")
      .trim()
      .split("\n");
    let compared = 0;
    const wrong = lines.flatMap((line, place) => {
      const { policies, verdicts = "", ipv6 = [], refused = false } = JSON.parse(line) as RandomSet;
      if (refused) {
        const said = snapshotOf("IPv4", policies).problems.some(({ code }) => code === "invalid-value");
        return said ? [] : [`set ${place}: the API server refuses it`];
      }
      const alone = { IPv4: compile(snapshotOf("IPv4", policies)), IPv6: compile(snapshotOf("IPv6", policies)) };
      const probes = [
        ...flowsOfSet.map((flow, index) => `${flow} ${verdicts[index] === "a" ? "allowed" : "denied"}`),
        ...ipv6,
      ].map(probeOf);
      compared += probes.length;
      return probes.flatMap((probe) => {
        const verdict = verdictOf(isIpv6(probe) ? alone.IPv6 : alone.IPv4, probe);
        return verdict === probe.measured ? [] : [`set ${place}, ${probe.text}: ${verdict}`];
      });
    });
    console.log(`      compared ${compared} verdicts`);
    assert.deepEqual(wrong, []);
  }).timeout(60_000);

  it("an ICMP query is about ICMPv6 where an end has IPv6 only, and each goes by its name", () => {
    const policy = {
      apiVersion: "projectcalico.org/v3",
      kind: "GlobalNetworkPolicy",
      metadata: { name: "p" },
      spec: { selector: "app == 'db'", types: ["Ingress"], ingress: [{ action: "Allow", protocol: "ICMP" }] },
    };
    const reachability = compile(snapshotOf("both", [policy]));
    const destination: Peer = { kind: "workload", id: "shop/db[Pod]" };
    const ask = (source: Peer, protocol: FlowProtocol) => reachability.verdict({ source, destination, protocol });
    assert.equal(ask({ kind: "address", address: "203.0.113.10" }, "ICMP"), "allowed");
    assert.equal(ask({ kind: "address", address: "2001:db8:1::10" }, "ICMP"), "denied");
    assert.equal(ask({ kind: "workload", id: "shop/web[Pod]" }, "ICMP"), "allowed");
    assert.equal(ask({ kind: "workload", id: "shop/web[Pod]" }, "ICMPv6"), "denied");
  });
});
