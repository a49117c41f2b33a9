/** Random ClusterNetworkPolicies (v1alpha2), AdminNetworkPolicies and BaselineAdminNetworkPolicies (v1alpha1). */
import fc from "fast-check";
import type { PolicyObject } from "../oracle/cluster";
import { namespaceSelector, plain, podSelector, portNames } from "./arbitraries";

const namespacedPod = fc.record({ namespaceSelector, podSelector });

export const clusterSubject = fc.oneof(
  namespaceSelector.map((namespaces) => ({ namespaces })),
  namespacedPod.map((pods) => ({ pods })),
);

// the API server refuses a network that stands twice
const networks = fc.uniqueArray(
  fc.constantFrom("0.0.0.0/0", "::/0", "10.1.0.0/16", "169.254.169.254/32", "198.51.100.128/25", "fd00:ec2::254/128"),
  { minLength: 1, maxLength: 2 },
);

const ingressPeer = clusterSubject;
const egressPeer = fc.oneof(
  { weight: 3, arbitrary: clusterSubject },
  { weight: 1, arbitrary: networks.map((list) => ({ networks: list })) },
);

const destinationPort = fc.constantFrom(
  { number: 80 },
  { number: 8080 },
  { range: { start: 80, end: 8080 } },
  { range: { start: 1, end: 65535 } },
);
const numberedProtocol = fc.oneof(
  destinationPort.map((port) => ({ tcp: { destinationPort: port } })),
  fc.constantFrom(
    { udp: { destinationPort: { number: 53 } } },
    { sctp: { destinationPort: { range: { start: 79, end: 81 } } } },
  ),
  destinationPort.map((port) => ({ udp: { destinationPort: port } })),
);
const namedProtocol = fc.constantFrom(...portNames).map((destinationNamedPort) => ({ destinationNamedPort }));

type Peers = readonly Record<string, unknown>[];
type Actions = readonly string[];

/** Named ports may not stand beside networks. */
function protocolsFor(peers: Peers): fc.Arbitrary<readonly unknown[] | undefined> {
  const protocol = peers.some((peer) => "networks" in peer)
    ? numberedProtocol
    : fc.oneof({ weight: 4, arbitrary: numberedProtocol }, { weight: 1, arbitrary: namedProtocol });
  return fc.option(fc.array(protocol, { minLength: 1, maxLength: 2 }), { nil: undefined });
}

function rules(
  direction: "from" | "to",
  actions: Actions,
  peer: fc.Arbitrary<Record<string, unknown>>,
): fc.Arbitrary<unknown[] | undefined> {
  const rule = fc
    .tuple(fc.constantFrom(...actions), fc.array(peer, { minLength: 1, maxLength: 2 }))
    .chain(([action, peers]) => protocolsFor(peers).map((protocols) => ({ action, [direction]: peers, protocols })));
  return fc.option(fc.array(rule, { minLength: 0, maxLength: 3 }), { nil: undefined, freq: 4 });
}

export interface ClusterPolicyOptions {
  /** A Baseline Pass with ports makes the measured agent drop what an earlier tier allows; left out for Cilium. */
  readonly baselinePassWithPorts: boolean;
  /** Priorities may be equal, which leaves the outcome open. Default: they are unique. */
  readonly equalPriorities?: boolean;
}

export function clusterNetworkPolicies(options: ClusterPolicyOptions, maxLength = 3): fc.Arbitrary<PolicyObject[]> {
  const draft = fc.record({
    tier: fc.constantFrom("Admin", "Baseline"),
    subject: clusterSubject,
    ingress: rules("from", ["Accept", "Deny", "Pass"], ingressPeer),
    egress: rules("to", ["Accept", "Deny", "Pass"], egressPeer),
  });
  const priorities = options.equalPriorities
    ? fc.array(fc.constantFrom(5, 5, 7), { minLength: maxLength, maxLength })
    : fc.uniqueArray(fc.integer({ min: 0, max: 1000 }), { minLength: maxLength, maxLength });
  return fc.tuple(fc.array(draft, { minLength: 1, maxLength }), priorities).map(([drafts, order]) =>
    drafts.map((spec, index): PolicyObject => {
      const checked =
        options.baselinePassWithPorts || spec.tier === "Admin"
          ? spec
          : { ...spec, ingress: withoutPorts(spec.ingress), egress: withoutPorts(spec.egress) };
      return plain({
        apiVersion: "policy.networking.k8s.io/v1alpha2",
        kind: "ClusterNetworkPolicy",
        metadata: { name: `k-${index}` },
        spec: { priority: order[index] ?? index, ...checked },
      });
    }),
  );
}

function withoutPorts(list: unknown[] | undefined): unknown[] | undefined {
  return list?.map((rule) => {
    const { protocols, ...rest } = rule as { action: string; protocols?: unknown };
    return rest.action === "Pass" ? rest : { ...rest, protocols };
  });
}

// --- v1alpha1 -------------------------------------------------------------------------------------------------------

const adminPort = fc.oneof(
  fc.constantFrom(
    { portNumber: { protocol: "TCP", port: 80 } },
    { portNumber: { port: 8080 } },
    { portNumber: { protocol: "UDP", port: 53 } },
  ),
  fc.constantFrom(
    { portRange: { protocol: "TCP", start: 80, end: 8080 } },
    { portRange: { start: 1, end: 79 } },
    { portRange: { protocol: "SCTP", start: 79, end: 81 } },
  ),
);
const adminNamedPort = fc.constantFrom(...portNames).map((namedPort) => ({ namedPort }));

function adminRules(
  direction: "from" | "to",
  actions: Actions,
  peer: fc.Arbitrary<Record<string, unknown>>,
): fc.Arbitrary<unknown[] | undefined> {
  const rule = fc
    .tuple(fc.constantFrom(...actions), fc.array(peer, { minLength: 1, maxLength: 2 }))
    .chain(([action, peers]) => {
      const port = peers.some((one) => "networks" in one)
        ? adminPort
        : fc.oneof({ weight: 4, arbitrary: adminPort }, { weight: 1, arbitrary: adminNamedPort });
      return fc
        .option(fc.array(port, { minLength: 1, maxLength: 2 }), { nil: undefined })
        .map((ports) => ({ action, [direction]: peers, ports }));
    });
  return fc.option(fc.array(rule, { minLength: 0, maxLength: 3 }), { nil: undefined, freq: 4 });
}

export function adminNetworkPolicies(): fc.Arbitrary<PolicyObject[]> {
  const admin = fc.record({
    subject: clusterSubject,
    ingress: adminRules("from", ["Allow", "Deny", "Pass"], ingressPeer),
    egress: adminRules("to", ["Allow", "Deny", "Pass"], egressPeer),
  });
  const baseline = fc.record({
    subject: clusterSubject,
    ingress: adminRules("from", ["Allow", "Deny"], ingressPeer),
    egress: adminRules("to", ["Allow", "Deny"], egressPeer),
  });
  const priorities = fc.uniqueArray(fc.integer({ min: 0, max: 1000 }), { minLength: 3, maxLength: 3 });
  return fc
    .tuple(fc.array(admin, { maxLength: 3 }), fc.option(baseline, { nil: undefined }), priorities)
    .map(([admins, base, order]) => {
      const apiVersion = "policy.networking.k8s.io/v1alpha1";
      const policies = admins.map((spec, index) => ({
        apiVersion,
        kind: "AdminNetworkPolicy",
        metadata: { name: `anp-${index}` },
        spec: { priority: order[index] ?? index, ...spec },
      }));
      const bases = base
        ? [{ apiVersion, kind: "BaselineAdminNetworkPolicy", metadata: { name: "default" }, spec: base }]
        : [];
      return plain([...policies, ...bases]) as PolicyObject[];
    });
}
