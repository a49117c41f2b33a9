/**
 * Oracle for policy.networking.k8s.io/v1alpha1: AdminNetworkPolicy, then NetworkPolicy, then the one
 * BaselineAdminNetworkPolicy `default`, then allow. Read off the comments of network-policy-api apis/v1alpha1.
 */
import { cidrContains } from "./addresses";
import {
  isSamePod,
  namespaceLabels,
  type Direction,
  type OracleCluster,
  type OracleFlow,
  type Party,
  type PolicyObject,
} from "./cluster";
import { namespacedPodMatches, subjectSelects, type NamespacedPod, type Subject } from "./cluster-network-policy";
import { namedPortOf, networkPolicyAnswer } from "./kubernetes";
import { selectorMatches, type LabelSelector } from "./labels";

interface AdminSpec {
  readonly priority?: number;
  readonly subject: Subject;
  readonly ingress?: readonly AdminRule[] | null;
  readonly egress?: readonly AdminRule[] | null;
}

export interface AdminRule {
  readonly action: "Allow" | "Deny" | "Pass";
  readonly from?: readonly AdminPeer[];
  readonly to?: readonly AdminPeer[];
  readonly ports?: readonly AdminPort[] | null;
}

interface AdminPeer {
  readonly namespaces?: LabelSelector | null;
  readonly pods?: NamespacedPod | null;
  readonly networks?: readonly string[] | null;
}

interface AdminPort {
  readonly portNumber?: { readonly protocol?: string; readonly port: number };
  readonly portRange?: { readonly protocol?: string; readonly start: number; readonly end: number };
  readonly namedPort?: string;
}

export interface AdminPolicyOptions {
  readonly cidrMatchesPods: boolean;
}

export function adminNetworkPolicyAllows(
  cluster: OracleCluster,
  policies: readonly PolicyObject[],
  flow: OracleFlow,
  options: AdminPolicyOptions,
): boolean {
  if (isSamePod(flow)) return true;
  return (["egress", "ingress"] as const).every((direction) => {
    const admin = tierAnswer(cluster, ofKind(policies, "AdminNetworkPolicy"), flow, direction, options);
    if (admin === "Allow") return true;
    if (admin === "Deny") return false;
    const normal = networkPolicyAnswer(cluster, policies, flow, direction, options);
    if (normal !== "not isolated") return normal === "allowed";
    const baseline = ofKind(policies, "BaselineAdminNetworkPolicy");
    return tierAnswer(cluster, baseline, flow, direction, options) !== "Deny";
  });
}

function ofKind(policies: readonly PolicyObject[], kind: string): readonly AdminSpec[] {
  return policies
    .filter((policy) => policy.kind === kind && policy.apiVersion === "policy.networking.k8s.io/v1alpha1")
    .map((policy) => policy.spec as AdminSpec);
}

function tierAnswer(
  cluster: OracleCluster,
  specs: readonly AdminSpec[],
  flow: OracleFlow,
  direction: Direction,
  options: AdminPolicyOptions,
): AdminRule["action"] | undefined {
  const subject = direction === "ingress" ? flow.destination : flow.source;
  const peer = direction === "ingress" ? flow.source : flow.destination;
  if (subject.kind !== "pod") return undefined;
  const inOrder = specs
    .filter((spec) => subjectSelects(cluster, spec.subject, subject.pod))
    .sort((a, b) => (a.priority ?? 0) - (b.priority ?? 0));
  for (const spec of inOrder) {
    for (const rule of (direction === "ingress" ? spec.ingress : spec.egress) ?? []) {
      const peers = (direction === "ingress" ? rule.from : rule.to) ?? [];
      if (adminPortsMatch(rule.ports, flow) && peers.some((one) => adminPeerMatches(cluster, one, peer, options)))
        return rule.action;
    }
  }
  return undefined;
}

export function adminPeerMatches(
  cluster: OracleCluster,
  peer: AdminPeer,
  party: Party,
  options: AdminPolicyOptions,
): boolean {
  if (peer.networks) {
    const addresses =
      party.kind === "pod"
        ? options.cidrMatchesPods
          ? party.pod.addresses
          : []
        : party.address === undefined
          ? []
          : [party.address];
    return peer.networks.some((cidr) => addresses.some((address) => cidrContains(cidr, address)));
  }
  if (party.kind !== "pod" || party.pod.hostNetwork) return false;
  if (peer.namespaces) return selectorMatches(peer.namespaces, namespaceLabels(cluster, party.pod.namespace));
  return !!peer.pods && namespacedPodMatches(cluster, peer.pods, party.pod);
}

/** "If this field is not set then the rule does not filter traffic via port." */
export function adminPortsMatch(ports: readonly AdminPort[] | null | undefined, flow: OracleFlow): boolean {
  if (!ports || ports.length === 0) return true;
  return ports.some((port) => {
    if (port.namedPort !== undefined) return namedPortOf(flow, port.namedPort);
    const range = port.portRange ?? {
      protocol: port.portNumber?.protocol,
      start: port.portNumber?.port ?? 0,
      end: port.portNumber?.port ?? 0,
    };
    if ((range.protocol ?? "TCP") !== flow.protocol || flow.port === undefined) return false;
    return flow.port >= range.start && flow.port <= range.end;
  });
}
