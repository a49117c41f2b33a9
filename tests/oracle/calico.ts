/**
 * Oracle for Calico v3: tiers, order, Pass, staged policies, profiles, network sets; Kubernetes NetworkPolicy in the default
 * tier and ClusterNetworkPolicy in kube-admin and kube-baseline. Read off api/v3 (networkpolicy.go, policy_common.go,
 * tier.go) and the converters that name the defaults (updateprocessors/rules.go).
 */
import { cidrContains } from "./addresses";
import { calicoSelectorMatches, type SelectorSubject } from "./calico-selector";
import {
  addressesOf,
  icmpFamilyOf,
  isSamePod,
  namespaceLabels,
  type Direction,
  type OracleCluster,
  type OracleFlow,
  type OraclePod,
  type Party,
  type PolicyObject,
} from "./cluster";
import { adminPeerMatches, adminPortsMatch, type AdminRule } from "./admin-network-policy";
import {
  clusterPeerMatches,
  isClusterNetworkPolicy,
  protocolsMatch,
  subjectSelects,
  type ClusterNetworkPolicySpec,
  type Subject,
} from "./cluster-network-policy";
import { isNetworkPolicy, namedPortOf, networkPolicyAnswer, policyNamespace, selects } from "./kubernetes";
import { selectorMatches, type LabelSelector } from "./labels";

interface CalicoSpec {
  readonly tier?: string;
  readonly order?: number | null;
  readonly selector?: string;
  readonly namespaceSelector?: string;
  readonly serviceAccountSelector?: string;
  readonly types?: readonly string[] | null;
  readonly ingress?: readonly CalicoRule[] | null;
  readonly egress?: readonly CalicoRule[] | null;
}

interface CalicoRule {
  readonly action: "Allow" | "Deny" | "Pass" | "Log";
  readonly ipVersion?: 4 | 6;
  readonly protocol?: string | number;
  readonly notProtocol?: string | number;
  readonly source?: EntityRule | null;
  readonly destination?: EntityRule | null;
}

interface EntityRule {
  readonly nets?: readonly string[] | null;
  readonly notNets?: readonly string[] | null;
  readonly selector?: string;
  readonly notSelector?: string;
  readonly namespaceSelector?: string;
  readonly ports?: readonly (number | string)[] | null;
  readonly notPorts?: readonly (number | string)[] | null;
  readonly serviceAccounts?: { readonly names?: readonly string[] | null; readonly selector?: string } | null;
}

type Outcome = "allow" | "deny" | "pass" | "no match";

/** A policy of any kind in its place: which tier, in what order, and what its rules say. */
interface Placed {
  readonly tier: string;
  readonly order: number;
  /** What policies of one tier and order are sorted by. */
  readonly name: string;
  readonly evaluate: () => Outcome;
}

/** Tiers that exist without being written. */
const builtIn: readonly { readonly name: string; readonly order: number; readonly defaultAction: string }[] = [
  { name: "kube-admin", order: 1_000, defaultAction: "Pass" },
  { name: "default", order: 1_000_000, defaultAction: "Deny" },
  { name: "kube-baseline", order: 10_000_000, defaultAction: "Pass" },
];

export type CalicoVersion = "3.31" | "3.32";

export function calicoAllows(
  cluster: OracleCluster,
  objects: readonly PolicyObject[],
  flow: OracleFlow,
  version: CalicoVersion = "3.32",
): boolean {
  if (isSamePod(flow)) return true;
  return (["egress", "ingress"] as const).every((direction) =>
    directionAllows(cluster, objects, flow, direction, version),
  );
}

function directionAllows(
  cluster: OracleCluster,
  objects: readonly PolicyObject[],
  flow: OracleFlow,
  direction: Direction,
  version: CalicoVersion,
): boolean {
  const subject = direction === "ingress" ? flow.destination : flow.source;
  const peer = direction === "ingress" ? flow.source : flow.destination;
  if (subject.kind !== "pod" || subject.pod.hostNetwork) return true;
  // Felix never filters what a host sends to its own workloads.
  if (direction === "ingress" && peer.kind === "node" && peer.where === "local") return true;
  const placed = [
    ...calicoPolicies(cluster, objects, subject.pod, flow, direction, version),
    ...kubernetesPolicies(cluster, objects, subject.pod, flow, direction, version),
    ...(version === "3.31" ? adminPolicies : clusterPolicies)(cluster, objects, subject.pod, flow, direction),
  ];
  const declared = objects
    .filter((object) => object.kind === "Tier")
    .map((object) => {
      const spec = (object.spec ?? {}) as { order?: number | null; defaultAction?: string };
      return { name: object.metadata.name, order: spec.order ?? Infinity, defaultAction: spec.defaultAction ?? "Deny" };
    });
  const tiers = [...declared, ...builtIn.filter((tier) => !declared.some((other) => other.name === tier.name))].sort(
    (a, b) => compare(a.order, b.order) || compare(a.name, b.name),
  );
  tiers: for (const tier of tiers) {
    const inTier = placed
      .filter((policy) => policy.tier === tier.name)
      .sort((a, b) => compare(a.order, b.order) || compare(a.name, b.name));
    if (inTier.length === 0) continue;
    for (const policy of inTier) {
      const outcome = policy.evaluate();
      if (outcome === "allow") return true;
      if (outcome === "deny") return false;
      if (outcome === "pass") continue tiers;
    }
    if (tier.defaultAction !== "Pass") return false;
  }
  // The profile of the namespace (kns.<name>) allows both directions.
  return true;
}

function compare<T>(a: T, b: T): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

// --- the three kinds of policies ------------------------------------------------------------------------------------

/** Staged policies are no policies: they select nothing and end no tier. */
function calicoPolicies(
  cluster: OracleCluster,
  objects: readonly PolicyObject[],
  pod: OraclePod,
  flow: OracleFlow,
  direction: Direction,
  version: CalicoVersion,
): Placed[] {
  return objects
    .filter(
      (object) =>
        object.apiVersion === "projectcalico.org/v3" && ["NetworkPolicy", "GlobalNetworkPolicy"].includes(object.kind),
    )
    .filter((object) => {
      const spec = (object.spec ?? {}) as CalicoSpec;
      if (!typesOf(spec).includes(direction === "ingress" ? "Ingress" : "Egress")) return false;
      return selectsPod(cluster, objects, object, spec, pod);
    })
    .map((object) => {
      const spec = (object.spec ?? {}) as CalicoSpec;
      const namespace = object.kind === "NetworkPolicy" ? (object.metadata.namespace ?? "default") : "";
      const rules = (direction === "ingress" ? spec.ingress : spec.egress) ?? [];
      return {
        tier: spec.tier ?? "default",
        order: spec.order ?? Infinity,
        name:
          version === "3.31"
            ? `${namespace === "" ? "" : `${namespace}/`}${oldName(object.metadata.name, spec.tier ?? "default")}`
            : [object.metadata.name, namespace, object.kind].join("/"),
        evaluate: () => {
          for (const rule of rules) {
            if (!calicoRuleMatches(cluster, objects, namespace, rule, flow, direction)) continue;
            if (rule.action === "Allow") return "allow";
            if (rule.action === "Deny") return "deny";
            if (rule.action === "Pass") return "pass";
          }
          return "no match";
        },
      };
    });
}

/** 3.31 puts the tier before names that have no dot. */
function oldName(name: string, tier: string): string {
  return name.includes(".") ? name : `${tier}.${name}`;
}

/** "Ingress if there are no egress rules; Egress if there are only egress rules; both if there are both." */
function typesOf(spec: CalicoSpec): readonly string[] {
  if (spec.types && spec.types.length > 0) return spec.types;
  const ingress = (spec.ingress ?? []).length > 0;
  const egress = (spec.egress ?? []).length > 0;
  if (!egress) return ["Ingress"];
  return ingress ? ["Ingress", "Egress"] : ["Egress"];
}

function selectsPod(
  cluster: OracleCluster,
  objects: readonly PolicyObject[],
  policy: PolicyObject,
  spec: CalicoSpec,
  pod: OraclePod,
): boolean {
  const endpoint = podEndpoint(cluster, objects, pod);
  if (policy.kind === "NetworkPolicy" && (policy.metadata.namespace ?? "default") !== pod.namespace) return false;
  return (
    calicoSelectorMatches(spec.selector ?? "", { labels: endpoint.labels, all: true, global: false }) &&
    (!spec.namespaceSelector || calicoSelectorMatches(spec.namespaceSelector, namespaceSubject(endpoint))) &&
    (!spec.serviceAccountSelector ||
      calicoSelectorMatches(spec.serviceAccountSelector, {
        labels: endpoint.serviceAccountLabels,
        all: true,
        global: false,
      }))
  );
}

/** A Kubernetes NetworkPolicy is a policy of the default tier with order 1000 whose rules only allow. */
function kubernetesPolicies(
  cluster: OracleCluster,
  objects: readonly PolicyObject[],
  pod: OraclePod,
  flow: OracleFlow,
  direction: Direction,
  version: CalicoVersion,
): Placed[] {
  return objects
    .filter(
      (object) =>
        isNetworkPolicy(object) && policyNamespace(object) === pod.namespace && selects(object, pod, direction),
    )
    .map((object) => ({
      tier: "default",
      order: 1000,
      name:
        version === "3.31"
          ? `${policyNamespace(object)}/knp.default.${object.metadata.name}`
          : [object.metadata.name, policyNamespace(object), "KubernetesNetworkPolicy"].join("/"),
      evaluate: () =>
        networkPolicyAnswer(cluster, [object], flow, direction, { cidrMatchesPods: true }) === "allowed"
          ? "allow"
          : "no match",
    }));
}

function clusterPolicies(
  cluster: OracleCluster,
  objects: readonly PolicyObject[],
  pod: OraclePod,
  flow: OracleFlow,
  direction: Direction,
): Placed[] {
  const peer = direction === "ingress" ? flow.source : flow.destination;
  return objects
    .filter(isClusterNetworkPolicy)
    .filter((object) => {
      const spec = object.spec as ClusterNetworkPolicySpec;
      const rules = (direction === "ingress" ? spec.ingress : spec.egress) ?? [];
      return rules.length > 0 && subjectSelects(cluster, spec.subject, pod);
    })
    .map((object) => {
      const spec = object.spec as ClusterNetworkPolicySpec;
      return {
        tier: spec.tier === "Admin" ? "kube-admin" : "kube-baseline",
        order: spec.priority,
        name: object.metadata.name,
        evaluate: () => {
          for (const rule of (direction === "ingress" ? spec.ingress : spec.egress) ?? []) {
            const peers = (direction === "ingress" ? rule.from : rule.to) ?? [];
            if (!protocolsMatch(rule.protocols, flow)) continue;
            const fits = peers.some((one) =>
              one.namespaces
                ? inNamespaces(cluster, objects, one.namespaces, peer)
                : clusterPeerMatches(cluster, one, peer, { cidrMatchesPods: true }),
            );
            if (!fits) continue;
            return rule.action === "Accept" ? "allow" : rule.action === "Deny" ? "deny" : "pass";
          }
          return "no match";
        },
      };
    });
}

/**
 * Calico has namespaces without pods as a selector of namespaces alone, which chooses whatever has labels: the addresses of
 * NetworkSets there too, and where the selector is true of no namespace at all, those of GlobalNetworkSets. One without
 * terms is "all namespaces".
 */
function inNamespaces(
  cluster: OracleCluster,
  objects: readonly PolicyObject[],
  selector: LabelSelector,
  party: Party,
): boolean {
  const hasTerms = Object.keys(selector.matchLabels ?? {}).length > 0 || (selector.matchExpressions ?? []).length > 0;
  return endpointsOf(cluster, objects, party).some((endpoint) =>
    hasTerms ? selectorMatches(selector, endpoint.namespaceLabels) : endpoint.namespace !== undefined,
  );
}

interface AdminSpec {
  readonly priority?: number;
  readonly subject: Subject;
  readonly ingress?: readonly AdminRule[] | null;
  readonly egress?: readonly AdminRule[] | null;
}

/** AdminNetworkPolicy and the baseline one, which 3.31 reads: ports by name fall out of a rule, which then has none. */
function adminPolicies(
  cluster: OracleCluster,
  objects: readonly PolicyObject[],
  pod: OraclePod,
  flow: OracleFlow,
  direction: Direction,
): Placed[] {
  const peer = direction === "ingress" ? flow.source : flow.destination;
  return objects
    .filter((object) => object.apiVersion === "policy.networking.k8s.io/v1alpha1")
    .flatMap((object): Placed[] => {
      const spec = object.spec as AdminSpec;
      const rules = (direction === "ingress" ? spec.ingress : spec.egress) ?? [];
      if (rules.length === 0 || !subjectSelects(cluster, spec.subject, pod)) return [];
      const evaluate = (): Outcome => {
        for (const rule of rules) {
          const anyPort = (rule.ports ?? []).some((port) => port.namedPort !== undefined);
          if (!anyPort && !adminPortsMatch(rule.ports, flow)) continue;
          const fits = ((direction === "ingress" ? rule.from : rule.to) ?? []).some((one) =>
            one.namespaces
              ? inNamespaces(cluster, objects, one.namespaces, peer)
              : adminPeerMatches(cluster, one, peer, { cidrMatchesPods: true }),
          );
          if (fits) return rule.action === "Allow" ? "allow" : rule.action === "Deny" ? "deny" : "pass";
        }
        return "no match";
      };
      const admin = object.kind === "AdminNetworkPolicy";
      return [
        {
          tier: admin ? "kube-admin" : "kube-baseline",
          order: spec.priority ?? 0,
          name: object.metadata.name,
          evaluate,
        },
      ];
    });
}

// --- rules ----------------------------------------------------------------------------------------------------------

/** "All the match criteria within a rule must be satisfied for a packet to match." */
function calicoRuleMatches(
  cluster: OracleCluster,
  objects: readonly PolicyObject[],
  namespace: string,
  rule: CalicoRule,
  flow: OracleFlow,
  direction: Direction,
): boolean {
  if (!familiesFit(rule, flow, direction)) return false;
  if (rule.protocol !== undefined && !protocolIs(rule.protocol, flow)) return false;
  if (rule.notProtocol !== undefined && protocolIs(rule.notProtocol, flow)) return false;
  return (
    entityMatches(cluster, objects, namespace, rule.source ?? {}, flow.source) &&
    entityMatches(cluster, objects, namespace, rule.destination ?? {}, flow.destination) &&
    portsAgree(rule.destination ?? {}, flow)
  );
}

/**
 * Felix writes a rule for each IP version by itself, and for none that one of its lists of addresses, left out or not,
 * has no entry of. A packet has the family of the other end; an end that has addresses has one here.
 */
function familiesFit(rule: CalicoRule, flow: OracleFlow, direction: Direction): boolean {
  const own = (direction === "ingress" ? rule.destination : rule.source) ?? {};
  const other = (direction === "ingress" ? rule.source : rule.destination) ?? {};
  const lists = [own.nets, own.notNets, other.nets, other.notNets].map((list) => list ?? []).filter((list) => list[0]);
  const wanted = [...lists.map((list) => list.map(familyOf)), ...(rule.ipVersion ? [[rule.ipVersion]] : [])];
  const peer = direction === "ingress" ? flow.source : flow.destination;
  const subject = direction === "ingress" ? flow.destination : flow.source;
  if (!wanted.every((families) => addressesOf(peer).some((address) => families.includes(familyOf(address)))))
    return false;
  const ownLists = [own.nets, own.notNets].map((list) => list ?? []).filter((list) => list[0]);
  return ownLists.every((list) =>
    addressesOf(subject).some((address) => list.map(familyOf).includes(familyOf(address))),
  );
}

function familyOf(address: string): 4 | 6 {
  return address.includes(":") ? 6 : 4;
}

function protocolIs(protocol: string | number, flow: OracleFlow): boolean {
  const numbers: Readonly<Record<string, number>> = { ICMP: 1, TCP: 6, UDP: 17, ICMPV6: 58, SCTP: 132, UDPLITE: 136 };
  const number = typeof protocol === "number" ? protocol : numbers[protocol.toUpperCase()];
  return number === numbers[flow.protocol === "ICMP" && icmpFamilyOf(flow) === 6 ? "ICMPV6" : flow.protocol];
}

function portsAgree(entity: EntityRule, flow: OracleFlow): boolean {
  const { ports, notPorts } = entity;
  if (ports && ports.length > 0 && !ports.some((port) => portIs(port, flow))) return false;
  return !notPorts || !notPorts.some((port) => portIs(port, flow));
}

function portIs(port: number | string, flow: OracleFlow): boolean {
  if (flow.port === undefined) return false;
  if (typeof port === "number") return flow.port === port;
  const range = /^(\d+):(\d+)$/.exec(port);
  if (range) return flow.port >= Number(range[1]) && flow.port <= Number(range[2]);
  return namedPortOf(flow, port);
}

function entityMatches(
  cluster: OracleCluster,
  objects: readonly PolicyObject[],
  namespace: string,
  entity: EntityRule,
  party: Party,
): boolean {
  const addresses = addressesOf(party);
  const within = (nets: readonly string[]): boolean =>
    nets.some((net) => addresses.some((address) => cidrContains(net, address)));
  if (entity.nets && entity.nets.length > 0 && !within(entity.nets)) return false;
  if (entity.notNets && entity.notNets.length > 0 && within(entity.notNets)) return false;
  const endpoints = endpointsOf(cluster, objects, party);
  const { notSelector } = entity;
  // beside a selector notSelector is a part of it, weighed for each endpoint by itself
  if (hasSelector(entity, namespace)) {
    return endpoints.some(
      (endpoint) =>
        endpointMatches(endpoint, entity, namespace) &&
        !(notSelector && calicoSelectorMatches(notSelector, { labels: endpoint.labels, all: true, global: false })),
    );
  }
  if (!notSelector) return true;
  return !endpoints.some((endpoint) =>
    calicoSelectorMatches(notSelector, { labels: endpoint.labels, all: true, global: false }),
  );
}

/**
 * As soon as a selector field is used, the rule is about known endpoints, and in a namespaced policy about its own
 * namespace's. There notSelector counts as such a field too; in a global policy alone it also matches the world.
 */
function hasSelector(entity: EntityRule, namespace: string): boolean {
  const accounts = entity.serviceAccounts;
  const names = (accounts?.names ?? []).length > 0 || !!accounts?.selector;
  return !!entity.selector || !!entity.namespaceSelector || names || (!!entity.notSelector && namespace !== "");
}

function endpointMatches(endpoint: Endpoint, entity: EntityRule, namespace: string): boolean {
  if (entity.namespaceSelector) {
    if (!calicoSelectorMatches(entity.namespaceSelector, namespaceSubject(endpoint))) return false;
  } else if (namespace !== "" && endpoint.namespace !== namespace) return false;
  const { names, selector } = entity.serviceAccounts ?? {};
  if (names && names.length > 0 && !names.includes(endpoint.serviceAccount ?? "\0")) return false;
  if (selector && !calicoSelectorMatches(selector, { labels: endpoint.serviceAccountLabels, all: true, global: false }))
    return false;
  return calicoSelectorMatches(entity.selector ?? "", { labels: endpoint.labels, all: true, global: false });
}

// --- what Calico knows by labels ------------------------------------------------------------------------------------

/** A workload endpoint, or a network set that holds the party's address. */
interface Endpoint {
  readonly labels: Readonly<Record<string, string>>;
  readonly namespace?: string;
  readonly namespaceLabels: Readonly<Record<string, string>>;
  readonly serviceAccount?: string;
  readonly serviceAccountLabels: Readonly<Record<string, string>>;
}

function endpointsOf(cluster: OracleCluster, objects: readonly PolicyObject[], party: Party): Endpoint[] {
  const own = party.kind === "pod" && !party.pod.hostNetwork ? [podEndpoint(cluster, objects, party.pod)] : [];
  const addresses = addressesOf(party);
  const sets = objects
    .filter((object) => object.apiVersion === "projectcalico.org/v3" && /^(Global)?NetworkSet$/.test(object.kind))
    .filter((object) => {
      const nets = (object.spec as { nets?: readonly string[] } | undefined)?.nets ?? [];
      return nets.some((net) => addresses.some((address) => cidrContains(net, address)));
    })
    .map((object): Endpoint => {
      const namespace = object.kind === "NetworkSet" ? (object.metadata.namespace ?? "default") : undefined;
      const labels = { ...(object.metadata.labels ?? {}) };
      return {
        labels: namespace === undefined ? labels : { ...labels, "projectcalico.org/namespace": namespace },
        ...(namespace === undefined ? {} : { namespace }),
        namespaceLabels: namespace === undefined ? {} : calicoNamespaceLabels(cluster, namespace),
        serviceAccountLabels: {},
      };
    });
  return [...own, ...sets];
}

function podEndpoint(cluster: OracleCluster, objects: readonly PolicyObject[], pod: OraclePod): Endpoint {
  const account = objects.find(
    (object) =>
      object.kind === "ServiceAccount" &&
      object.metadata.namespace === pod.namespace &&
      object.metadata.name === pod.serviceAccount,
  );
  return {
    labels: {
      ...pod.labels,
      "projectcalico.org/namespace": pod.namespace,
      "projectcalico.org/orchestrator": "k8s",
      "projectcalico.org/serviceaccount": pod.serviceAccount,
    },
    namespace: pod.namespace,
    namespaceLabels: calicoNamespaceLabels(cluster, pod.namespace),
    serviceAccount: pod.serviceAccount,
    serviceAccountLabels: { ...(account?.metadata.labels ?? {}), "projectcalico.org/name": pod.serviceAccount },
  };
}

function calicoNamespaceLabels(cluster: OracleCluster, namespace: string): Record<string, string> {
  return { ...namespaceLabels(cluster, namespace), "projectcalico.org/name": namespace };
}

/** "all() selects any workload that is in a namespace"; "global() selects only GlobalNetworkSets or HostEndpoints". */
function namespaceSubject(endpoint: Endpoint): SelectorSubject {
  const namespaced = endpoint.namespace !== undefined;
  return { labels: endpoint.namespaceLabels, all: namespaced, global: !namespaced };
}
