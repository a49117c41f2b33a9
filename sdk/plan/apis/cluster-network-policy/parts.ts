/** Subjects, peers, rules and objects of ClusterNetworkPolicies, within the limits of the API. */
import { namespaceNameLabel } from "../../../reachability/model/namespace-labels";
import type { DraftDocument, Stage } from "../../documents";
import type { Coverage, Subject } from "../../halves";
import { metadataServices } from "../../metadata-services";
import type { ModelPeer, PortRange } from "../../model";
import { managedMetadata } from "../metadata";
import type { Plain } from "../writer";

/**
 * Lower numbers come first; 0 to 99 stay free for policies that are to come before all of ours. Policies of one
 * priority never disagree: between them they only accept, or only deny.
 */
export const priorities = { metadataExceptions: 100, metadataDeny: 110, tenantBoundary: 120, accept: 500 } as const;

/** Derived name of the policy that closes a namespace to other tenants. */
export const boundaryName = "deny-other-tenants";

/** The API's limit for rules of a direction, peers and protocols of a rule, and networks of a peer. */
const most = 25;

/** `*.` stands for one or more labels here, which is `**.` in a declaration; no other pattern can be said. */
export function domainName(name: string): string | undefined {
  if (!name.includes("*")) return name;
  return name.startsWith("**.") && !name.slice(3).includes("*") ? name.slice(1) : undefined;
}

export function covered({ kind, names }: Coverage): Plain {
  return {
    matchExpressions: [{ key: namespaceNameLabel, operator: kind === "only" ? "In" : "NotIn", values: names }],
  };
}

export function nameOf(subject: Subject): string {
  return subject.kind === "workload" ? subject.workload.name : "namespace";
}

export function subjectOf(subject: Subject): Plain {
  if (subject.kind === "namespace") return { namespaces: nameIs(subject.namespace.name) };
  return { pods: podsOf(subject.workload.namespace, subject.workload.labels) };
}

export function nameIs(namespace: string): Plain {
  return { matchLabels: { [namespaceNameLabel]: namespace } };
}

export function podsOf(namespace: string, labels: Readonly<Record<string, string>>): Plain {
  return { namespaceSelector: nameIs(namespace), podSelector: { matchLabels: labels } };
}

export function peerOf(peer: ModelPeer): Plain {
  switch (peer.kind) {
    case "workload":
      return { pods: podsOf(peer.workload.namespace, peer.workload.labels) };
    case "namespace":
      return { namespaces: nameIs(peer.namespace.name) };
    case "fqdn":
      return { domainNames: [domainName(peer.name)] };
    case "metadata":
      return { networks: networksOf(peer) };
    default:
      throw new RangeError(`no ClusterNetworkPolicy peer for ${peer.kind}`);
  }
}

function networksOf(peer: ModelPeer & { kind: "metadata" }): readonly string[] {
  return metadataServices[peer.service].ranges.map(({ cidr }) => cidr);
}

/** A rule, or several where a list is longer than the API takes. */
export function rule(
  action: string,
  peers: readonly Plain[],
  ports: readonly PortRange[],
  side: "from" | "to",
): Plain[] {
  const protocols = ports.map((port) => protocolItem(port.protocol.toLowerCase(), port.from, port.to));
  return chunks(peers).flatMap((some) => chunks(protocols).map((own) => ({ action, [side]: some, protocols: own })));
}

export function protocolItem(protocol: string, from: number, to: number): Plain {
  return { [protocol]: { destinationPort: from === to ? { number: from } : { range: { start: from, end: to } } } };
}

export function chunks<T>(items: readonly T[]): readonly (readonly T[])[] {
  return Array.from({ length: Math.ceil(items.length / most) }, (_, index) =>
    items.slice(index * most, (index + 1) * most),
  );
}

/** The name of a clusterwide policy; one for the pods of a single namespace has that namespace before it. */
interface PolicyName {
  readonly own: string;
  readonly home?: string;
}

/** A policy of the Admin tier; several, numbered from 2 on, where it has more rules than the API takes. */
export function admin(
  stage: Stage,
  { own: derived, home }: PolicyName,
  priority: number,
  annotations: Readonly<Record<string, string>>,
  subject: Plain,
  rules: { readonly ingress?: readonly Plain[]; readonly egress?: readonly Plain[] },
): readonly DraftDocument[] {
  const [ingress, egress] = [chunks(rules.ingress ?? []), chunks(rules.egress ?? [])];
  const prefix = home === undefined ? "" : `${home}.`;
  return Array.from({ length: Math.max(ingress.length, egress.length) }, (_, index): DraftDocument => {
    const own = { ingress: ingress[index] ?? [], egress: egress[index] ?? [] };
    const derivedName = index === 0 ? derived : `${derived}-${index + 1}`;
    return {
      stage,
      derivedName,
      object: {
        apiVersion: "policy.networking.k8s.io/v1alpha2",
        kind: "ClusterNetworkPolicy",
        metadata: managedMetadata({ name: `${prefix}${derivedName}` }, annotations),
        spec: {
          tier: "Admin",
          priority,
          subject,
          ...(own.ingress.length > 0 ? { ingress: own.ingress } : {}),
          ...(own.egress.length > 0 ? { egress: own.egress } : {}),
        },
      },
    };
  });
}
