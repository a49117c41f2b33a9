/**
 * Oracle for Kubernetes NetworkPolicy (networking.k8s.io/v1), read off the comments of k8s.io/api networking/v1 types.go.
 */
import { blockContains } from "./addresses";
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
import { selectorMatches, type LabelSelector } from "./labels";

export interface NetworkPolicySpec {
  readonly podSelector?: LabelSelector | null;
  readonly policyTypes?: readonly string[] | null;
  readonly ingress?: readonly NetworkPolicyRule[] | null;
  readonly egress?: readonly NetworkPolicyRule[] | null;
}

export interface NetworkPolicyRule {
  readonly from?: readonly NetworkPolicyPeer[] | null;
  readonly to?: readonly NetworkPolicyPeer[] | null;
  readonly ports?: readonly NetworkPolicyPort[] | null;
}

export interface NetworkPolicyPeer {
  readonly podSelector?: LabelSelector | null;
  readonly namespaceSelector?: LabelSelector | null;
  readonly ipBlock?: { readonly cidr: string; readonly except?: readonly string[] | null } | null;
}

export interface NetworkPolicyPort {
  readonly protocol?: string | null;
  readonly port?: number | string | null;
  readonly endPort?: number | null;
}

export interface KubernetesOptions {
  /** Whether ipBlock is compared with the addresses of pods too (left to the plugin by the API). */
  readonly cidrMatchesPods: boolean;
  /** "OR if the traffic source is the pod's local node." Default true, as the API says. */
  readonly localNodeAlwaysAllowed?: boolean;
}

/** What the policies of one direction say about one pod and one flow. */
export type NetworkPolicyAnswer = "not isolated" | "allowed" | "denied";

/** Both ends must agree; a pod always reaches itself. */
export function kubernetesAllows(
  cluster: OracleCluster,
  policies: readonly PolicyObject[],
  flow: OracleFlow,
  options: KubernetesOptions,
): boolean {
  if (isSamePod(flow)) return true;
  return (["egress", "ingress"] as const).every(
    (direction) => networkPolicyAnswer(cluster, policies, flow, direction, options) !== "denied",
  );
}

export function networkPolicyAnswer(
  cluster: OracleCluster,
  policies: readonly PolicyObject[],
  flow: OracleFlow,
  direction: Direction,
  options: KubernetesOptions,
): NetworkPolicyAnswer {
  const subject = direction === "ingress" ? flow.destination : flow.source;
  const peer = direction === "ingress" ? flow.source : flow.destination;
  // NetworkPolicy selects pods; "hostNetwork" pods are outside of it in practice (the API leaves them undefined).
  if (subject.kind !== "pod" || subject.pod.hostNetwork) return "not isolated";
  const selecting = policies.filter((policy) => selects(policy, subject.pod, direction));
  if (selecting.length === 0) return "not isolated";
  // "OR if the traffic source is the pod's local node"
  if (
    direction === "ingress" &&
    peer.kind === "node" &&
    peer.where === "local" &&
    options.localNodeAlwaysAllowed !== false
  ) {
    return "allowed";
  }
  for (const policy of selecting) {
    const spec = (policy.spec ?? {}) as NetworkPolicySpec;
    const rules = (direction === "ingress" ? spec.ingress : spec.egress) ?? [];
    for (const rule of rules) {
      const peers = direction === "ingress" ? rule.from : rule.to;
      if (!peersMatch(cluster, policyNamespace(policy), peers, peer, options)) continue;
      if (portsMatch(rule.ports, flow)) return "allowed";
    }
  }
  return "denied";
}

export function isNetworkPolicy(policy: PolicyObject): boolean {
  return policy.kind === "NetworkPolicy" && policy.apiVersion === "networking.k8s.io/v1";
}

export function policyNamespace(policy: PolicyObject): string {
  return policy.metadata.namespace ?? "default";
}

export function selects(policy: PolicyObject, pod: OraclePod, direction: Direction): boolean {
  if (!isNetworkPolicy(policy) || policyNamespace(policy) !== pod.namespace) return false;
  const spec = (policy.spec ?? {}) as NetworkPolicySpec;
  return hasType(spec, direction) && selectorMatches(spec.podSelector ?? {}, pod.labels);
}

/**
 * "If this field is not specified, it will default based on the existence of ingress or egress rules; policies that
 * contain an egress section are assumed to affect egress, and all policies (whether or not they contain an ingress
 * section) are assumed to affect ingress." The API server counts an empty `egress: []` as no section.
 */
function hasType(spec: NetworkPolicySpec, direction: Direction): boolean {
  const types = spec.policyTypes ?? [];
  if (types.length > 0) return types.includes(direction === "ingress" ? "Ingress" : "Egress");
  return direction === "ingress" || (spec.egress ?? []).length > 0;
}

/** "If this field is empty or missing, this rule matches all sources." */
function peersMatch(
  cluster: OracleCluster,
  namespace: string,
  peers: readonly NetworkPolicyPeer[] | null | undefined,
  party: Party,
  options: KubernetesOptions,
): boolean {
  if (!peers || peers.length === 0) return true;
  return peers.some((peer) => peerMatches(cluster, namespace, peer, party, options));
}

function peerMatches(
  cluster: OracleCluster,
  namespace: string,
  peer: NetworkPolicyPeer,
  party: Party,
  options: KubernetesOptions,
): boolean {
  if (peer.ipBlock) {
    const { cidr, except } = peer.ipBlock;
    return addressesSeen(party, options).some((address) => blockContains(cidr, except ?? [], address));
  }
  if (party.kind !== "pod" || party.pod.hostNetwork) return false;
  const { podSelector, namespaceSelector } = peer;
  // A peer with no field set selects nothing: the API server refuses it, and no plugin reads it as "everyone".
  if (!podSelector && !namespaceSelector) return false;
  if (namespaceSelector) {
    if (!selectorMatches(namespaceSelector, namespaceLabels(cluster, party.pod.namespace))) return false;
  } else if (party.pod.namespace !== namespace) return false;
  return !podSelector || selectorMatches(podSelector, party.pod.labels);
}

function addressesSeen(party: Party, options: KubernetesOptions): readonly string[] {
  if (party.kind === "address") return [party.address];
  if (party.kind === "node") return party.address === undefined ? [] : [party.address];
  return options.cidrMatchesPods ? party.pod.addresses : [];
}

/** "If this field is empty or missing, this rule matches all ports (traffic not restricted by port)." */
function portsMatch(ports: readonly NetworkPolicyPort[] | null | undefined, flow: OracleFlow): boolean {
  if (!ports || ports.length === 0) return true;
  return ports.some((port) => portMatches(port, flow));
}

function portMatches(port: NetworkPolicyPort, flow: OracleFlow): boolean {
  if ((port.protocol ?? "TCP") !== flow.protocol || flow.port === undefined) return false;
  if (port.port === undefined || port.port === null) return true;
  if (typeof port.port === "string") return namedPortOf(flow, port.port);
  return flow.port >= port.port && flow.port <= (port.endPort ?? port.port);
}

/** A named port is the number that the destination pod declares under that name for that protocol. */
export function namedPortOf(flow: OracleFlow, name: string): boolean {
  if (flow.destination.kind !== "pod") return false;
  return flow.destination.pod.ports.some(
    (port) => port.name === name && port.protocol === flow.protocol && port.port === flow.port,
  );
}
