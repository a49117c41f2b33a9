/**
 * Oracle for policy.networking.k8s.io/v1alpha2 ClusterNetworkPolicy, read off the comments of network-policy-api
 * apis/v1alpha2/clusternetworkpolicy_types.go: Admin tier, then NetworkPolicy, then Baseline tier, then allow.
 */
import { cidrContains } from "./addresses";
import {
  isSamePod,
  namespaceLabels,
  type Direction,
  type OracleCluster,
  type OracleFlow,
  type OraclePod,
  type Party,
  type PolicyObject,
} from "./cluster";
import { networkPolicyAnswer } from "./kubernetes";
import { selectorMatches, type LabelSelector } from "./labels";

export interface ClusterNetworkPolicySpec {
  readonly tier: "Admin" | "Baseline";
  readonly priority: number;
  readonly subject: Subject;
  readonly ingress?: readonly ClusterRule[] | null;
  readonly egress?: readonly ClusterRule[] | null;
}

export interface Subject {
  readonly namespaces?: LabelSelector | null;
  readonly pods?: NamespacedPod | null;
}

export interface NamespacedPod {
  readonly namespaceSelector?: LabelSelector | null;
  readonly podSelector?: LabelSelector | null;
}

export interface ClusterRule {
  readonly name?: string;
  readonly action: "Accept" | "Deny" | "Pass";
  readonly from?: readonly ClusterPeer[];
  readonly to?: readonly ClusterPeer[];
  readonly protocols?: readonly ClusterProtocol[] | null;
}

export interface ClusterPeer {
  readonly namespaces?: LabelSelector | null;
  readonly pods?: NamespacedPod | null;
  readonly networks?: readonly string[] | null;
}

interface PortMatch {
  readonly destinationPort?: {
    readonly number?: number;
    readonly range?: { readonly start: number; readonly end: number };
  };
}

export interface ClusterProtocol {
  readonly tcp?: PortMatch;
  readonly udp?: PortMatch;
  readonly sctp?: PortMatch;
  readonly destinationNamedPort?: string;
}

export interface ClusterPolicyOptions {
  /** Networks match "cluster-internal traffic as well" by the API; some plugins compare only addresses outside the cluster. */
  readonly cidrMatchesPods: boolean;
}

export type TierAnswer = "accept" | "deny" | "pass" | "no match";

export function isClusterNetworkPolicy(policy: PolicyObject): boolean {
  return policy.kind === "ClusterNetworkPolicy" && policy.apiVersion === "policy.networking.k8s.io/v1alpha2";
}

export function clusterNetworkPolicyAllows(
  cluster: OracleCluster,
  policies: readonly PolicyObject[],
  flow: OracleFlow,
  options: ClusterPolicyOptions,
): boolean {
  if (isSamePod(flow)) return true;
  return (["egress", "ingress"] as const).every((direction) =>
    directionAllows(cluster, policies, flow, direction, options),
  );
}

/**
 * The same where priorities may be equal: "the behavior is undefined", so any order of the equal ones may be the case, in
 * each direction by itself. Whether some order allows the flow, or all do.
 */
export function clusterNetworkPolicyAllowsInOrders(
  cluster: OracleCluster,
  policies: readonly PolicyObject[],
  flow: OracleFlow,
  options: ClusterPolicyOptions,
  orders: "some" | "all",
): boolean {
  if (isSamePod(flow)) return true;
  const clusterPolicies = policies.filter(isClusterNetworkPolicy);
  const others = policies.filter((policy) => !isClusterNetworkPolicy(policy));
  return (["egress", "ingress"] as const).every((direction) => {
    const answers = permutations(clusterPolicies).map((order) =>
      directionAllows(cluster, [...order, ...others], flow, direction, options),
    );
    return orders === "some" ? answers.includes(true) : !answers.includes(false);
  });
}

function permutations<T>(items: readonly T[]): T[][] {
  if (items.length === 0) return [[]];
  return items.flatMap((item, index) =>
    permutations(items.filter((_other, place) => place !== index)).map((rest) => [item, ...rest]),
  );
}

/** Among equal priorities the one that comes first in the list. */
function directionAllows(
  cluster: OracleCluster,
  policies: readonly PolicyObject[],
  flow: OracleFlow,
  direction: Direction,
  options: ClusterPolicyOptions,
): boolean {
  const admin = clusterTierAnswer(cluster, policies, "Admin", flow, direction, options);
  if (admin === "accept") return true;
  if (admin === "deny") return false;
  const normal = networkPolicyAnswer(cluster, policies, flow, direction, options);
  if (normal !== "not isolated") return normal === "allowed";
  return clusterTierAnswer(cluster, policies, "Baseline", flow, direction, options) !== "deny";
}

/** The first rule that matches, in the order of priority and then of writing, decides the tier. */
export function clusterTierAnswer(
  cluster: OracleCluster,
  policies: readonly PolicyObject[],
  tier: "Admin" | "Baseline",
  flow: OracleFlow,
  direction: Direction,
  options: ClusterPolicyOptions,
): TierAnswer {
  const subject = direction === "ingress" ? flow.destination : flow.source;
  const peer = direction === "ingress" ? flow.source : flow.destination;
  if (subject.kind !== "pod" || subject.pod.hostNetwork) return "no match";
  const inOrder = policies
    .filter(isClusterNetworkPolicy)
    .map((policy) => policy.spec as ClusterNetworkPolicySpec)
    .filter((spec) => spec.tier === tier && subjectSelects(cluster, spec.subject, subject.pod))
    .sort((a, b) => a.priority - b.priority);
  for (const spec of inOrder) {
    for (const rule of (direction === "ingress" ? spec.ingress : spec.egress) ?? []) {
      if (!protocolsMatch(rule.protocols, flow)) continue;
      const peers = (direction === "ingress" ? rule.from : rule.to) ?? [];
      // "For Accept rules, fail closed means: treat the rule as matching no traffic. For Deny and Pass rules: treat the
      // rule as a 'Deny all' rule."
      if (peers.some(hasNoKnownField) && rule.action !== "Accept") return "deny";
      if (!peers.some((one) => clusterPeerMatches(cluster, one, peer, options))) continue;
      return rule.action === "Accept" ? "accept" : rule.action === "Deny" ? "deny" : "pass";
    }
  }
  return "no match";
}

export function subjectSelects(cluster: OracleCluster, subject: Subject, pod: OraclePod): boolean {
  if (pod.hostNetwork) return false;
  if (subject.namespaces) return selectorMatches(subject.namespaces, namespaceLabels(cluster, pod.namespace));
  if (subject.pods) return namespacedPodMatches(cluster, subject.pods, pod);
  return false;
}

export function namespacedPodMatches(cluster: OracleCluster, selector: NamespacedPod, pod: OraclePod): boolean {
  return (
    selectorMatches(selector.namespaceSelector ?? {}, namespaceLabels(cluster, pod.namespace)) &&
    selectorMatches(selector.podSelector ?? {}, pod.labels)
  );
}

function hasNoKnownField(peer: ClusterPeer): boolean {
  return !peer.namespaces && !peer.pods && !peer.networks;
}

export function clusterPeerMatches(
  cluster: OracleCluster,
  peer: ClusterPeer,
  party: Party,
  options: ClusterPolicyOptions,
): boolean {
  if (peer.networks)
    return peer.networks.some((cidr) => addressesOf(party, options).some((ip) => cidrContains(cidr, ip)));
  if (party.kind !== "pod" || party.pod.hostNetwork) return false;
  if (peer.namespaces) return selectorMatches(peer.namespaces, namespaceLabels(cluster, party.pod.namespace));
  return !!peer.pods && namespacedPodMatches(cluster, peer.pods, party.pod);
}

function addressesOf(party: Party, options: ClusterPolicyOptions): readonly string[] {
  if (party.kind === "address") return [party.address];
  if (party.kind === "node") return party.address === undefined ? [] : [party.address];
  return options.cidrMatchesPods ? party.pod.addresses : [];
}

/** "If unspecified, protocol-specific attributes will not be used to match traffic." */
export function protocolsMatch(protocols: readonly ClusterProtocol[] | null | undefined, flow: OracleFlow): boolean {
  if (!protocols || protocols.length === 0) return true;
  return protocols.some((protocol) => {
    if (protocol.destinationNamedPort !== undefined) {
      return (
        flow.destination.kind === "pod" &&
        flow.destination.pod.ports.some(
          (port) =>
            port.name === protocol.destinationNamedPort && port.protocol === flow.protocol && port.port === flow.port,
        )
      );
    }
    const match =
      flow.protocol === "TCP"
        ? protocol.tcp
        : flow.protocol === "UDP"
          ? protocol.udp
          : flow.protocol === "SCTP"
            ? protocol.sctp
            : undefined;
    if (!match) return false;
    const port = match.destinationPort;
    if (!port) return true;
    if (flow.port === undefined) return false;
    if (port.range) return flow.port >= port.range.start && flow.port <= port.range.end;
    return flow.port === port.number;
  });
}
