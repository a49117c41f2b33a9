/** Random CiliumNetworkPolicies, CiliumClusterwideNetworkPolicies and CiliumCIDRGroups. */
import fc from "fast-check";
import type { PolicyObject } from "../oracle/cluster";
import {
  ipBlock,
  list,
  namespaceNames,
  namespaceLabelPair,
  plain,
  podLabelPair,
  portNames,
  selectorFrom,
  serviceAccounts,
} from "./arbitraries";

const prefixed = fc
  .tuple(podLabelPair, fc.constantFrom("", "", "k8s:", "any:"))
  .map(([[key, value], source]) => [`${source}${key}`, value] as const);
const namespacePair = fc
  .tuple(fc.constantFrom(...namespaceNames), fc.constantFrom("k8s:", "", "any:"))
  .map(([name, source]) => [`${source}io.kubernetes.pod.namespace`, name] as const);
const namespaceLabel = namespaceLabelPair.map(
  ([key, value]) => [`k8s:io.cilium.k8s.namespace.labels.${key}`, value] as const,
);
const account = fc
  .constantFrom(...serviceAccounts)
  .map((name) => ["io.cilium.k8s.policy.serviceaccount", name] as const);

/** Subjects name their namespace only in clusterwide policies: a namespaced one may not name another. */
const namespacedSubject = selectorFrom(fc.oneof({ weight: 4, arbitrary: prefixed }, { weight: 1, arbitrary: account }));
const clusterwideSubject = selectorFrom(
  fc.oneof({ weight: 4, arbitrary: prefixed }, account, namespacePair, namespaceLabel),
);
const endpoint = fc.oneof(
  {
    weight: 9,
    arbitrary: selectorFrom(fc.oneof({ weight: 4, arbitrary: prefixed }, account, namespacePair, namespaceLabel)),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      { matchLabels: { "reserved:host": "" } },
      { matchLabels: { "reserved:world": "" } },
      { matchLabels: { "reserved:remote-node": "" } },
    ),
  },
);

const entity = fc.constantFrom(
  "all",
  "world",
  "world-ipv4",
  "world-ipv6",
  "cluster",
  "host",
  "remote-node",
  "init",
  "health",
  "ingress",
  "unmanaged",
  "none",
);

const cidr = fc.constantFrom(
  "0.0.0.0/0",
  "::/0",
  "10.0.0.0/8",
  "169.254.0.0/16",
  "169.254.169.254/32",
  "fd00:ec2::254/128",
  "128.0.0.0/1",
);
const group = fc.constantFrom(
  { cidrGroupRef: "metadata" },
  { cidrGroupSelector: { matchLabels: { set: "metadata" } } },
  { cidrGroupSelector: { matchLabels: { set: "none" } } },
  { cidrGroupRef: "metadata", except: ["10.1.0.0/16"] },
);

const service = fc.constantFrom(
  { k8sService: { serviceName: "web", namespace: "a" } },
  { k8sService: { serviceName: "outside", namespace: "b" } },
  { k8sServiceSelector: { selector: { matchLabels: { part: "shop" } }, namespace: "a" } },
  { k8sServiceSelector: { selector: { matchLabels: { part: "shop" } } } },
  { k8sServiceSelector: { selector: { matchLabels: { part: "none" } } } },
);

const icmps = fc
  .array(
    fc.constantFrom<unknown>(
      { type: 8 },
      { family: "IPv4", type: "EchoReply" },
      { family: "IPv6", type: "EchoRequest" },
      { family: "IPv6", type: 8 },
    ),
    { minLength: 1, maxLength: 2 },
  )
  .map((fields) => [{ fields }]);

const port = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      port: fc.constantFrom("80", "443", "8080", "53"),
      protocol: fc.constantFrom("TCP", "UDP", "SCTP", "ANY", undefined),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ port: fc.constantFrom(...portNames), protocol: fc.constantFrom("TCP", "UDP", "ANY") }),
  },
  {
    weight: 2,
    arbitrary: fc.constantFrom(
      { port: "80", endPort: 8080, protocol: "TCP" },
      { port: "1", endPort: 65535, protocol: "ANY" },
      { port: "8081", endPort: 0, protocol: "TCP" },
    ),
  },
);

/** Layer 7 rules narrow what is said, not who connects; they stand on TCP only. */
const portRule = (layer7: boolean) =>
  fc.oneof(
    { weight: 6, arbitrary: fc.record({ ports: fc.array(port, { minLength: 1, maxLength: 2 }) }) },
    ...(layer7
      ? [
          {
            weight: 1,
            arbitrary: fc.constantFrom("80", "8080").map((number) => ({
              ports: [{ port: number, protocol: "TCP" }],
              rules: { http: [{ method: "GET", path: "/health" }] },
            })),
          },
        ]
      : []),
  );

function rule(direction: "from" | "to", layer7: boolean): fc.Arbitrary<Record<string, unknown>> {
  return fc.oneof(
    { weight: 30, arbitrary: acceptedRule(direction, layer7) },
    { weight: 1, arbitrary: refusedRule(direction, layer7) },
  );
}

function acceptedRule(direction: "from" | "to", layer7: boolean): fc.Arbitrary<Record<string, unknown>> {
  const member = fc.oneof(
    { weight: 4, arbitrary: list(endpoint).map((value) => ({ [`${direction}Endpoints`]: value })) },
    { weight: 3, arbitrary: list(entity).map((value) => ({ [`${direction}Entities`]: value })) },
    { weight: 2, arbitrary: list(cidr).map((value) => ({ [`${direction}CIDR`]: value })) },
    {
      weight: 3,
      arbitrary: list(fc.oneof({ weight: 4, arbitrary: ipBlock }, group)).map((value) => ({
        [`${direction}CIDRSet`]: value,
      })),
    },
    { weight: 2, arbitrary: fc.constant({}) },
    ...(direction === "to"
      ? [
          {
            weight: 2,
            arbitrary: list(service).map((value) => ({ toServices: value })) as fc.Arbitrary<Record<string, unknown>>,
          },
        ]
      : []),
    // Two kinds at once: the agent refuses the whole policy, unless one of them is empty.
    {
      weight: 1,
      arbitrary: fc
        .tuple(list(endpoint, 1), list(entity, 1))
        .map(([endpoints, entities]) => ({ [`${direction}Endpoints`]: endpoints, [`${direction}Entities`]: entities })),
    },
  );
  const ports = fc.oneof(
    { weight: 3, arbitrary: fc.constant(undefined) },
    { weight: 4, arbitrary: fc.array(portRule(layer7), { minLength: 1, maxLength: 2 }) },
    { weight: 1, arbitrary: fc.constantFrom(null, []) },
  );
  return fc.oneof(
    { weight: 8, arbitrary: fc.tuple(member, ports).map(([peers, toPorts]) => ({ ...peers, toPorts })) },
    { weight: 1, arbitrary: fc.tuple(member, icmps).map(([peers, messages]) => ({ ...peers, icmps: messages })) },
  );
}

/** One rule of this kind and the agent takes nothing of the whole policy. */
const refusedRule = (direction: "from" | "to", layer7: boolean): fc.Arbitrary<Record<string, unknown>> =>
  fc.constantFrom<Record<string, unknown>>(
    { [`${direction}Entities`]: ["everyone"] },
    { [`${direction}CIDR`]: ["10.0.0.0/33"] },
    { [`${direction}CIDR`]: ["not-an-address"] },
    { [`${direction}CIDRSet`]: [{ cidr: "10.0.0.0/8", except: ["11.0.0.0/16"] }] },
    { [`${direction}CIDRSet`]: [{ cidr: "10.0.0.1" }] },
    { [`${direction}Endpoints`]: [{}], [`${direction}CIDR`]: ["10.0.0.0/8"] },
    { [`${direction}Nodes`]: [{}] },
    { icmps: [{ fields: [{ type: 8 }] }], toPorts: [{ ports: [{ port: "80", protocol: "TCP" }] }] },
    { toPorts: [{ ports: [{ port: "", protocol: "TCP" }] }] },
    // Deny rules have no layer 7: the API server drops the field there.
    ...(layer7
      ? [{ toPorts: [{ ports: [{ port: "80", protocol: "UDP" }], rules: { http: [{ method: "GET" }] } }] }]
      : []),
    ...(layer7 && direction === "from"
      ? [{ toPorts: [{ ports: [{ port: "53", protocol: "UDP" }], rules: { dns: [{ matchPattern: "*" }] } }] }]
      : []),
    { toPorts: [{ ports: Array.from({ length: 41 }, (_, index) => ({ port: String(index + 1), protocol: "TCP" })) }] },
  );

const flag = fc.constantFrom(undefined, undefined, true, false, null);

const sections = fc.record({
  enableDefaultDeny: fc.oneof(
    { weight: 2, arbitrary: fc.constant(undefined) },
    { weight: 1, arbitrary: fc.record({ ingress: flag, egress: flag }) },
  ),
  ingress: list(rule("from", true)),
  egress: list(rule("to", true)),
  ingressDeny: fc.oneof(
    { weight: 2, arbitrary: fc.constant(undefined) },
    { weight: 1, arbitrary: list(rule("from", false)) },
  ),
  egressDeny: fc.oneof(
    { weight: 2, arbitrary: fc.constant(undefined) },
    { weight: 1, arbitrary: list(rule("to", false)) },
  ),
});

const namespaced = fc
  .tuple(fc.constantFrom(...namespaceNames), namespacedSubject, sections)
  .map(([namespace, endpointSelector, rest]) => ({
    kind: "CiliumNetworkPolicy",
    namespace,
    spec: { endpointSelector, ...rest },
  }));
const clusterwide = fc.tuple(clusterwideSubject, sections).map(([endpointSelector, rest]) => ({
  kind: "CiliumClusterwideNetworkPolicy",
  namespace: undefined,
  spec: { endpointSelector, ...rest },
}));

/** The group that `cidrGroupRef: metadata` names. */
export const cidrGroup: PolicyObject = {
  apiVersion: "cilium.io/v2",
  kind: "CiliumCIDRGroup",
  metadata: { name: "metadata", labels: { set: "metadata" } },
  spec: { externalCIDRs: ["169.254.169.254/32", "fd00:ec2::254/128", "10.1.0.0/16"] },
};

/** The Services that `toServices` names: pods of `a`, and addresses outside the cluster. */
export const services: readonly PolicyObject[] = [
  {
    apiVersion: "v1",
    kind: "Service",
    metadata: { name: "web", namespace: "a", labels: { part: "shop" } },
    spec: { selector: { app: "web" }, ports: [{ port: 80 }] },
  },
  {
    apiVersion: "v1",
    kind: "Service",
    metadata: { name: "outside", namespace: "b", labels: { part: "shop" } },
    spec: { ports: [{ port: 80 }] },
  },
  {
    apiVersion: "discovery.k8s.io/v1",
    kind: "EndpointSlice",
    metadata: { name: "outside-1", namespace: "b", labels: { "kubernetes.io/service-name": "outside" } },
    addressType: "IPv4",
    endpoints: [{ addresses: ["169.254.169.254"] }, { addresses: ["198.51.100.128"] }],
  } as unknown as PolicyObject,
];

export function ciliumPolicies(maxLength = 3): fc.Arbitrary<PolicyObject[]> {
  return fc.array(fc.oneof(namespaced, clusterwide), { minLength: 1, maxLength }).map((drafts) =>
    drafts.map(({ kind, namespace, spec }, index) =>
      plain({
        apiVersion: "cilium.io/v2",
        kind,
        metadata: { name: `c-${index}`, ...(namespace ? { namespace } : {}) },
        spec,
      } as PolicyObject),
    ),
  );
}
