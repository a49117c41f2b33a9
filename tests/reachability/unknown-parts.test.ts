/** One part of a rule that is not known leaves the other parts known, and covers no more than what such a part can mean. */
import assert from "node:assert/strict";
import { buildSnapshot, compile, profileFor, readYaml, type Peer } from "../../sdk/reachability";

const pods = ["web", "api"]
  .map(
    (name) => `
apiVersion: v1
kind: Pod
metadata: { name: ${name}, namespace: shop, labels: { app: ${name} } }
spec: { containers: [{ name: main, image: main }] }
---
`,
  )
  .join("");

const heads = {
  cilium: "apiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata: { name: web, namespace: shop }\n",
  kubernetes: "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: { name: web, namespace: shop }\n",
  calico: "apiVersion: projectcalico.org/v3\nkind: NetworkPolicy\nmetadata: { name: web, namespace: shop }\n",
  cluster: "apiVersion: policy.networking.k8s.io/v1alpha2\nkind: ClusterNetworkPolicy\nmetadata: { name: web }\n",
  admin: "apiVersion: policy.networking.k8s.io/v1alpha1\nkind: AdminNetworkPolicy\nmetadata: { name: web }\n",
};
const enforcers = {
  cilium: "cilium@1.20",
  kubernetes: "kubernetes",
  calico: "calico@3.32",
  cluster: "kubernetes",
  admin: "kubernetes",
};

const ends = {
  pod: { kind: "workload", id: "shop/api[Pod]" },
  node: { kind: "node", where: "remote", address: "192.0.2.1" },
  world: { kind: "address", address: "198.51.100.7" },
  inside: { kind: "address", address: "203.0.113.7" },
  name: { kind: "fqdn", name: "example.com" },
  other: { kind: "fqdn", name: "example.org" },
} satisfies Record<string, Peer>;
type End = keyof typeof ends;
type Api = keyof typeof heads;

function verdictsOf(api: Api, spec: string) {
  const { objects } = readYaml(`${pods}${heads[api]}spec: ${spec}\n`, "all.yaml");
  const reachability = compile(buildSnapshot(objects, { profile: profileFor(enforcers[api]) }));
  const source: Peer = { kind: "workload", id: "shop/web[Pod]" };
  return (end: End, port: number, protocol: "TCP" | "UDP" = "TCP") =>
    reachability.verdict({ source, destination: ends[end], protocol, port });
}

type Row = readonly [end: End, port: number, verdict: string, protocol?: "UDP"];
const cilium = (egress: string): string => `{ endpointSelector: {}, egress: [${egress}] }`;
const learning = '{ toEndpoints: [{}], toPorts: [{ ports: [{ port: "53", protocol: UDP }], rules: { dns: [#] } }] }';

const inShop = "subject: { namespaces: { matchLabels: { kubernetes.io/metadata.name: shop } } }";

const rows: readonly (readonly [api: Api, spec: string, rows: readonly Row[]])[] = [
  [
    "cilium",
    cilium('{ toCIDR: ["${HOME}", 203.0.113.0/24] }'),
    [
      ["world", 443, "unknown"],
      ["inside", 443, "allowed"],
      ["pod", 443, "denied"],
      ["node", 443, "denied"],
    ],
  ],
  [
    "cilium",
    cilium('{ toCIDRSet: [{ cidr: "${HOME}" }, { cidr: 203.0.113.0/24 }] }'),
    [
      ["world", 443, "unknown"],
      ["inside", 443, "allowed"],
      ["pod", 443, "denied"],
    ],
  ],
  [
    "cilium",
    cilium('{ toCIDRSet: [{ cidr: 203.0.113.0/24, except: ["${HOME}"] }] }'),
    [
      ["inside", 443, "unknown"],
      ["world", 443, "denied"],
      ["pod", 443, "denied"],
    ],
  ],
  [
    "cilium",
    cilium('{ toCIDRSet: "${RANGES}" }'),
    [
      ["world", 443, "unknown"],
      ["pod", 443, "denied"],
    ],
  ],
  [
    "cilium",
    cilium(
      `{ toFQDNs: [{ matchPattern: "*.\${ZONE}" }, { matchName: example.com }] }, ${learning.replace("#", '{ matchPattern: "*" }')}`,
    ),
    [
      ["name", 443, "allowed"],
      ["other", 443, "unknown"],
      ["world", 443, "unknown"],
      ["pod", 443, "denied"],
      ["node", 443, "denied"],
    ],
  ],
  [
    "cilium",
    cilium(
      `{ toFQDNs: [{ matchName: example.com }, { matchName: example.org }] }, ${learning.replace("#", '{ matchName: example.com }, { matchName: "${NAME}" }')}`,
    ),
    [
      ["name", 443, "allowed"],
      ["other", 443, "unknown"],
      ["pod", 443, "denied"],
      // the rule for DNS itself is known
      ["pod", 53, "allowed", "UDP"],
    ],
  ],
  [
    "cilium",
    cilium(
      '{ toEndpoints: [{}], toPorts: [{ ports: [{ port: "443", protocol: TCP }, { port: "${PORT}", protocol: TCP }] }] }',
    ),
    [
      ["pod", 443, "allowed"],
      ["pod", 80, "unknown"],
      ["pod", 80, "denied", "UDP"],
      ["world", 443, "denied"],
    ],
  ],
  [
    "kubernetes",
    '{ podSelector: {}, policyTypes: [Egress], egress: [{ to: [{ podSelector: {} }], ports: [{ port: 443 }, { port: "${PORT}" }] }] }',
    [
      ["pod", 443, "allowed"],
      ["pod", 80, "unknown"],
      ["pod", 80, "denied", "UDP"],
      ["world", 443, "denied"],
    ],
  ],
  [
    "kubernetes",
    '{ podSelector: {}, policyTypes: [Egress], egress: [{ to: [{ ipBlock: { cidr: 203.0.113.0/24, except: ["${HOME}"] } }] }] }',
    [
      ["inside", 443, "unknown"],
      ["world", 443, "denied"],
    ],
  ],
  [
    "kubernetes",
    '{ podSelector: {}, policyTypes: [Egress], egress: [{ to: [{ ipBlock: { cidr: "${HOME}" } }, { ipBlock: { cidr: 203.0.113.0/24 } }] }] }',
    [
      ["inside", 443, "allowed"],
      ["world", 443, "unknown"],
    ],
  ],
  [
    "calico",
    '{ selector: all(), types: [Egress], egress: [{ action: Allow, protocol: TCP, destination: { nets: ["${HOME}", 203.0.113.0/24], ports: [443, "${PORT}"] } }] }',
    [
      ["inside", 443, "allowed"],
      ["inside", 80, "unknown"],
      ["inside", 80, "denied", "UDP"],
      ["world", 443, "unknown"],
    ],
  ],
  [
    "calico",
    '{ selector: all(), types: [Egress], egress: [{ action: Deny, protocol: TCP, destination: { notNets: ["${HOME}", 203.0.113.0/24], notPorts: [443, "${PORT}"] } }, { action: Allow }] }',
    [
      ["inside", 80, "allowed"],
      ["world", 443, "allowed"],
      ["world", 80, "unknown"],
      ["world", 80, "allowed", "UDP"],
    ],
  ],
  [
    "cluster",
    `{ tier: Admin, priority: 1, ${inShop}, egress: [{ action: Deny, to: [{ networks: ["\${HOME}", 203.0.113.0/24] }], protocols: [{ tcp: { destinationPort: { number: 443 } } }, { tcp: { destinationPort: { number: "\${PORT}" } } }] }] }`,
    [
      ["inside", 443, "denied"],
      ["inside", 80, "unknown"],
      ["inside", 80, "allowed", "UDP"],
      ["world", 443, "unknown"],
    ],
  ],
  [
    "cluster",
    `{ tier: Admin, priority: 1, ${inShop}, egress: [{ action: Accept, to: [{ domainNames: ["\${NAME}", example.com] }] }, { action: Deny, to: [{ networks: [0.0.0.0/0, "::/0"] }] }] }`,
    [
      ["world", 443, "unknown"],
      ["pod", 443, "denied"],
    ],
  ],
  [
    "admin",
    `{ priority: 1, ${inShop}, egress: [{ action: Deny, to: [{ networks: ["\${HOME}", 203.0.113.0/24] }], ports: [{ portNumber: { protocol: TCP, port: 443 } }, { portNumber: { protocol: TCP, port: "\${PORT}" } }] }] }`,
    [
      ["inside", 443, "denied"],
      ["inside", 80, "unknown"],
      ["inside", 80, "allowed", "UDP"],
      ["world", 443, "unknown"],
    ],
  ],
];

describe("a part of a rule that is not known", () => {
  for (const [api, spec, expected] of rows) {
    it(`${api}: ${spec}`, () => {
      const verdict = verdictsOf(api, spec);
      const found = expected.map(([end, port, , protocol]) => [end, port, verdict(end, port, protocol)].join(" "));
      assert.deepEqual(
        found,
        expected.map(([end, port, wanted]) => [end, port, wanted].join(" ")),
      );
    });
  }
});
