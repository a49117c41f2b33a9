/** Selectors, peers and ports of Cilium's rules. */
import { ciliumNamespaceLabel } from "../../../reachability/model/namespace-labels";
import { internetRanges } from "../../addresses";
import { Entity } from "../../declaration";
import { isPattern } from "../../fqdn";
import type { Coverage, Half, Subject } from "../../halves";
import { namespaceOf, rulesOf } from "../../halves";
import type { ModelPeer, ModelWorkload, PortRange } from "../../model";
import type { Plain } from "../writer";

const serviceAccountKey = "k8s:io.cilium.k8s.policy.serviceaccount";

/** CRD limit: ports in one element of `toPorts`. */
const mostPorts = 40;

/** Allow rules never isolate by themselves. */
export const allows = { ingress: false, egress: false };

/**
 * The pods that are isolated: those of namespaces outside tier 0. `Exists` keeps out endpoints that have no namespace,
 * Cilium's health and ingress endpoints, which `NotIn` alone would select.
 */
export function covered({ kind, names }: Coverage): Plain {
  if (kind === "only") return { matchExpressions: [{ key: ciliumNamespaceLabel, operator: "In", values: names }] };
  return {
    matchExpressions: [
      { key: ciliumNamespaceLabel, operator: "Exists" },
      { key: ciliumNamespaceLabel, operator: "NotIn", values: names },
    ],
  };
}

export function allowSpec(
  description: string,
  endpointSelector: Plain,
  halves: readonly Half[],
  mark: Plain = {},
): Plain {
  const ingress = rulesOf(
    halves.filter((half) => half.direction === "ingress"),
    ruleKind,
  ).flatMap((rule) => ingressRules(rule.peers).map((peers) => ({ ...peers, toPorts: toPorts(rule.ports) })));
  const egress = rulesOf(
    halves.filter((half) => half.direction === "egress"),
    ruleKind,
  ).flatMap((rule) => egressRules(rule.peers).map((peers) => ({ ...peers, toPorts: toPorts(rule.ports) })));
  return {
    description,
    endpointSelector,
    enableDefaultDeny: allows,
    ...mark,
    ...(ingress.length > 0 ? { ingress } : {}),
    ...(egress.length > 0 ? { egress } : {}),
  };
}

/** A rule names peers of one kind only (Cilium refuses mixtures). */
function ruleKind(peer: ModelPeer): string {
  // the agents of credential services run on the host network: to Cilium they are the node, which no CIDR rule matches
  if (peer.kind === "metadata") return "entity";
  if (peer.kind === "entity") return peer.entity === Entity.Internet ? "cidr" : "entity";
  if (peer.kind === "workload") return peer.workload.hostNetwork ? "entity" : "endpoint";
  return peer.kind === "namespace" ? "endpoint" : peer.kind;
}

function egressRules(peers: readonly ModelPeer[]): readonly Plain[] {
  return peersByKind(peers, "egress").map(([kind, items]) => ({ [`to${kind}`]: items }));
}

function ingressRules(peers: readonly ModelPeer[]): readonly Plain[] {
  return peersByKind(peers, "ingress").map(([kind, items]) => ({ [`from${kind}`]: items }));
}

function peersByKind(peers: readonly ModelPeer[], direction: "ingress" | "egress"): readonly [string, unknown[]][] {
  const kinds = new Map<string, unknown[]>();
  for (const peer of peers) {
    const [kind, items] = peerItems(peer, direction);
    kinds.set(kind, [...(kinds.get(kind) ?? []), ...items]);
  }
  return [...kinds].map(([kind, items]) => [kind, kind === "Entities" ? [...new Set(items)] : items]);
}

function peerItems(peer: ModelPeer, direction: "ingress" | "egress"): [string, unknown[]] {
  switch (peer.kind) {
    case "workload":
      if (peer.workload.hostNetwork) return ["Entities", ["host", "remote-node"]];
      return ["Endpoints", [{ matchLabels: workloadLabels(peer.workload) }]];
    case "namespace":
      return ["Endpoints", [{ matchLabels: { [ciliumNamespaceLabel]: peer.namespace.name } }]];
    case "cidr":
      return ["CIDRSet", [cidrItem(peer.range)]];
    case "fqdn":
      return ["FQDNs", [isPattern(peer.name) ? { matchPattern: peer.name } : { matchName: peer.name }]];
    case "entity":
      return entityItems(peer.entity, direction);
    case "metadata":
      return ["Entities", ["host"]];
  }
}

function entityItems(entity: Entity, direction: "ingress" | "egress"): [string, unknown[]] {
  switch (entity) {
    case Entity.Internet:
      return ["CIDRSet", internetRanges.map(cidrItem)];
    case Entity.KubeApiserver:
      // webhook calls come from the node the API server runs on, under whichever of these identities Cilium knows it
      return ["Entities", direction === "egress" ? ["kube-apiserver"] : ["kube-apiserver", "host", "remote-node"]];
    case Entity.Nodes:
      return ["Entities", ["host", "remote-node"]];
    case Entity.Ingress:
      return ["Entities", ["ingress"]];
  }
}

function cidrItem(range: { cidr: string; except: readonly string[] }): Plain {
  return range.except.length === 0 ? { cidr: range.cidr } : { cidr: range.cidr, except: [...range.except] };
}

function toPorts(ports: readonly PortRange[]): readonly Plain[] {
  const entries = ports.map((port) => ({
    port: String(port.from),
    ...(port.to === port.from ? {} : { endPort: port.to }),
    protocol: port.protocol as string,
  }));
  const chunks: Plain[] = [];
  for (let start = 0; start < entries.length; start += mostPorts) {
    chunks.push({ ports: entries.slice(start, start + mostPorts) });
  }
  return chunks;
}

export function bothProtocols(port: number): readonly Plain[] {
  return ["UDP", "TCP"].map((protocol) => ({ port: String(port), protocol }));
}

export function prefixed(labels: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(labels).map(([key, value]) => [`k8s:${key}`, value]));
}

/** A workload's identity: its namespace, its labels and, where it is declared, its service account. */
function workloadLabels(workload: ModelWorkload): Readonly<Record<string, string>> {
  return { [ciliumNamespaceLabel]: workload.namespace, ...ownLabels(workload) };
}

export function ownLabels(workload: ModelWorkload): Readonly<Record<string, string>> {
  const labels = prefixed(workload.labels);
  if (workload.serviceAccount === undefined) return labels;
  return { ...labels, [serviceAccountKey]: workload.serviceAccount };
}

/** Selects the pods of a subject. */
export function subjectSelector(subject: Subject, isClusterwide: boolean): Plain {
  const own = subject.kind === "workload" ? ownLabels(subject.workload) : {};
  const labels = isClusterwide ? { [ciliumNamespaceLabel]: namespaceOf(subject), ...own } : own;
  return Object.keys(labels).length === 0 ? {} : { matchLabels: labels };
}
