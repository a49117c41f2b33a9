/**
 * ClusterNetworkPolicy (`policy.networking.k8s.io/v1alpha2`), the cluster administrator's own API: tiers Admin and
 * Baseline around NetworkPolicy.
 *
 * Declared flows are Accept rules of the Admin tier: final, and isolating nothing, so that no order can cut a flow. The
 * deny of metadata endpoints stands before them. What the API cannot say is left to NetworkPolicy: ranges with
 * exceptions, whatever comes from outside the cluster, and the default deny of the declared namespaces (an `ingress`
 * peer names namespaces and pods only). The Baseline tier holds what no NetworkPolicy selects: namespaces that this
 * declaration does not know.
 *
 * Limits: 25 rules for each direction, 25 peers and 25 protocols for each rule, 25 networks for each peer; longer lists
 * are split.
 */
import { metadataCidrs } from "../addresses";
import { flowAnnotations, metadataAnnotations } from "../annotations";
import { DenyScope, PolicyMode } from "../declaration";
import type { DraftDocument, Stage } from "../documents";
import { logicalNameOf, managedByLabel } from "../documents";
import { namespacesWithoutDns } from "../dns-limits";
import type { Coverage, Half, PolicyGroup, Subject } from "../halves";
import {
  byNamespace,
  bySubject,
  coverage,
  externallyDenied,
  groupHalves,
  halvesOf,
  heldNamespaces,
  modeOf,
  namespaceOf,
  rulesOf,
} from "../halves";
import { metadataServices } from "../metadata-services";
import type { Model, ModelPeer, ModelTenant, PortRange } from "../model";
import { boundaryName, closedNeighbours } from "../tenants";
import type { Shortfalls } from "../unsupported";
import { addressPeer, isSayable, nodeDnsCidrs, noteNodeAddresses } from "./address-peers";
import { noteServiceAccounts } from "./kubernetes";
import { namespaceDeny, namespaceNameLabel, notePodRanges, perWorkloadDocuments } from "./network-policy";

type Plain = Readonly<Record<string, unknown>>;

/**
 * Lower numbers come first; 0 to 99 stay free for policies that are to come before all of ours. Policies of one
 * priority never disagree: between them they only accept, or only deny.
 */
const priorities = { metadataExceptions: 100, metadataDeny: 110, tenantBoundary: 120, accept: 500 } as const;
/** The API's limit for rules of a direction, peers and protocols of a rule, and networks of a peer. */
const most = 25;

/** Writes the policies of a declaration as ClusterNetworkPolicies, with NetworkPolicies beside them. */
export function clusterNetworkPolicyDocuments(model: Model, shortfalls: Shortfalls): readonly DraftDocument[] {
  noteLimits(model, shortfalls);
  const halves = halvesOf(model.flows).filter((half) => isNameable(model, half, shortfalls));
  const named = halves.filter((half) => isNamed(model, half));
  const byAddress = halves.filter((half) => half.peer.kind !== "metadata" && !isNamed(model, half));
  const held = coverage(model, PolicyMode.Enforce);
  const exceptions = metadataExceptions(halves);
  const accepts = groupHalves(named).flatMap(acceptGroup);
  const homes = byNamespace(byAddress);
  const accepted = new Map<string, string[]>();
  for (const draft of accepts) {
    const home = draft.home ?? "";
    accepted.set(home, [...(accepted.get(home) ?? []), logicalNameOf(draft)]);
  }
  return [
    ...exceptions,
    ...(held === undefined ? [] : metadataDeny(held, exceptions)),
    ...dnsAccepts(model),
    ...accepts,
    ...model.tenants.flatMap((tenant) => tenantBoundaries(model, tenant)),
    ...heldNamespaces(model, PolicyMode.Enforce).flatMap((namespace) => [
      // the first NetworkPolicy that selects a pod isolates it: by then everything else that is declared for it is accepted
      ...perWorkloadDocuments(model, namespace, homes.get(namespace.name) ?? [], { egress: [] }).map(
        ({ object, after }): DraftDocument => ({
          stage: "flows",
          object,
          after: [...(accepted.get(namespace.name) ?? []), ...(after ?? [])],
        }),
      ),
      namespaceDeny(namespace.name),
    ]),
    ...(held === undefined || model.denyScope !== DenyScope.Cluster ? [] : [baselineDeny(held)]),
  ];
}

/** Whether a peer has a name in this API: pods and namespaces, and DNS names where the experimental channel is read. */
function isNamed(model: Model, { peer, direction }: Half): boolean {
  return peer.kind === "fqdn" || addressPeer(model, peer, direction) === undefined;
}

function isNameable(model: Model, half: Half, shortfalls: Shortfalls): boolean {
  if (half.peer.kind === "fqdn" && model.experimentalPeers) {
    if (domainName(half.peer.name) !== undefined) return true;
    shortfalls.lostFlow(
      "fqdn-unsupported",
      half.flow,
      "ClusterNetworkPolicy knows names, and patterns of any depth below a name: the flow stays closed.",
      "Name the host, or every name below a domain (**.example.com).",
    );
    return false;
  }
  if (!isSayable(model, half, shortfalls, "ClusterNetworkPolicy of the standard channel")) return false;
  notePodRanges(model, half, shortfalls);
  return true;
}

/** `*.` stands for one or more labels here, which is `**.` in a declaration; no other pattern can be said. */
function domainName(name: string): string | undefined {
  if (!name.includes("*")) return name;
  return name.startsWith("**.") && !name.slice(3).includes("*") ? name.slice(1) : undefined;
}

/** Accepted before the deny: the credential services that single workloads may reach. */
function metadataExceptions(halves: readonly Half[]): readonly DraftDocument[] {
  return bySubject(halves.filter((half) => half.peer.kind === "metadata")).flatMap(({ subject, halves: own }) => {
    const name = `${namespaceOf(subject)}.allow-${nameOf(subject)}-metadata`;
    const to = own.flatMap((half) => rule("Accept", [peerOf(half.peer)], half.ports, "to"));
    return admin(
      "metadata-deny",
      name,
      priorities.metadataExceptions,
      { ...flowAnnotations(own), ...metadataAnnotations(own) },
      subjectOf(subject),
      {
        egress: to,
      },
    );
  });
}

/** Final, and nothing that isolates: no Accept and no NetworkPolicy opens a metadata endpoint again. */
function metadataDeny(held: Coverage, exceptions: readonly DraftDocument[]): readonly DraftDocument[] {
  const peers = chunks(metadataCidrs).map((networks) => ({ networks }));
  return admin(
    "metadata-deny",
    "deny-cloud-metadata",
    priorities.metadataDeny,
    {},
    { namespaces: covered(held) },
    { egress: [{ action: "Deny", to: peers }] },
  ).map((draft) => ({ ...draft, after: exceptions.map(({ object }) => object.metadata.name) }));
}

function dnsAccepts(model: Model): readonly DraftDocument[] {
  const { dns } = model;
  const servers = { pods: podsOf(dns.namespace, dns.labels) };
  const ports = (port: number): Plain[] => ["udp", "tcp"].map((key) => protocolItem(key, port, port));
  const cache = nodeDnsCidrs(model);
  const every = coverage(model, undefined, namespacesWithoutDns(model));
  const ingress = [{ action: "Accept", from: [{ namespaces: {} }], protocols: ports(dns.port) }];
  const egress = [
    { action: "Accept", to: [servers], protocols: ports(dns.port) },
    ...(cache.length === 0 ? [] : [{ action: "Accept", to: [{ networks: cache }], protocols: ports(53) }]),
  ];
  return [
    ...admin("dns", "allow-dns-ingress", priorities.accept, {}, servers, { ingress }),
    ...(every === undefined
      ? []
      : admin("dns", "allow-dns-egress", priorities.accept, {}, { namespaces: covered(every) }, { egress })),
  ];
}

function acceptGroup(group: PolicyGroup): readonly DraftDocument[] {
  return bySubject(group.halves).flatMap(({ subject, halves }) => {
    const isApplication = group.group.kind === "application";
    const name = isApplication ? group.name : `${group.name}-${nameOf(subject)}`;
    const rules = (direction: Half["direction"]): readonly Plain[] =>
      rulesOf(
        halves.filter((half) => half.direction === direction),
        () => "any",
      ).flatMap(({ peers, ports }) =>
        rule("Accept", peers.map(peerOf), ports, direction === "ingress" ? "from" : "to"),
      );
    const stage: Stage = isApplication ? "flows" : "platform";
    const drafts = admin(
      stage,
      `${namespaceOf(subject)}.${name}`,
      priorities.accept,
      flowAnnotations(halves),
      subjectOf(subject),
      { ingress: rules("ingress"), egress: rules("egress") },
    );
    const { group: kind } = group;
    const service = kind.kind === "service" ? { service: kind.service } : {};
    const home = namespaceOf(subject);
    return drafts.map((draft) => ({ ...draft, home, ...service }));
  });
}

/** Final: nothing comes in from the namespaces of other tenants, but for declared exceptions. */
function tenantBoundaries(model: Model, tenant: ModelTenant): readonly DraftDocument[] {
  return tenant.namespaces
    .filter((namespace) => modeOf(model, namespace) === PolicyMode.Enforce)
    .flatMap((namespace) => {
      const closed = closedNeighbours(model, namespace);
      if (closed.length === 0) return [];
      const from = [{ namespaces: covered({ kind: "only", names: closed }) }];
      const subject = { namespaces: covered({ kind: "only", names: [namespace] }) };
      const name = boundaryName(namespace);
      const ingress = [{ action: "Deny", from }];
      return admin("flows", name, priorities.tenantBoundary, {}, subject, { ingress }).map((draft) => ({
        ...draft,
        home: namespace,
      }));
    });
}

/** Of the namespaces that no NetworkPolicy isolates; ingress from outside the cluster has no name in this API. */
function baselineDeny(held: Coverage): DraftDocument {
  const everyPod = { namespaces: {} };
  const everywhere = [everyPod, { networks: ["0.0.0.0/0", "::/0"] }];
  return {
    stage: "default-deny",
    object: {
      apiVersion: "policy.networking.k8s.io/v1alpha2",
      kind: "ClusterNetworkPolicy",
      metadata: { name: "default-deny-all", labels: managedByLabel },
      spec: {
        tier: "Baseline",
        priority: priorities.accept,
        subject: { namespaces: covered(held) },
        ingress: [{ action: "Deny", from: [everyPod] }],
        egress: [{ action: "Deny", to: everywhere }],
      },
    },
  };
}

function covered({ kind, names }: Coverage): Plain {
  return {
    matchExpressions: [{ key: namespaceNameLabel, operator: kind === "only" ? "In" : "NotIn", values: names }],
  };
}

function nameOf(subject: Subject): string {
  return subject.kind === "workload" ? subject.workload.name : "namespace";
}

function subjectOf(subject: Subject): Plain {
  if (subject.kind === "namespace") return { namespaces: nameIs(subject.namespace.name) };
  return { pods: podsOf(subject.workload.namespace, subject.workload.labels) };
}

function nameIs(namespace: string): Plain {
  return { matchLabels: { [namespaceNameLabel]: namespace } };
}

function podsOf(namespace: string, labels: Readonly<Record<string, string>>): Plain {
  return { namespaceSelector: nameIs(namespace), podSelector: { matchLabels: labels } };
}

function peerOf(peer: ModelPeer): Plain {
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
function rule(action: string, peers: readonly Plain[], ports: readonly PortRange[], side: "from" | "to"): Plain[] {
  const protocols = ports.map((port) => protocolItem(port.protocol.toLowerCase(), port.from, port.to));
  return chunks(peers).flatMap((some) => chunks(protocols).map((own) => ({ action, [side]: some, protocols: own })));
}

function protocolItem(protocol: string, from: number, to: number): Plain {
  return { [protocol]: { destinationPort: from === to ? { number: from } : { range: { start: from, end: to } } } };
}

function chunks<T>(items: readonly T[]): readonly (readonly T[])[] {
  return Array.from({ length: Math.ceil(items.length / most) }, (_, index) =>
    items.slice(index * most, (index + 1) * most),
  );
}

/** A policy of the Admin tier; several, numbered from 2 on, where it has more rules than the API takes. */
function admin(
  stage: Stage,
  name: string,
  priority: number,
  annotations: Readonly<Record<string, string>>,
  subject: Plain,
  rules: { readonly ingress?: readonly Plain[]; readonly egress?: readonly Plain[] },
): readonly DraftDocument[] {
  const [ingress, egress] = [chunks(rules.ingress ?? []), chunks(rules.egress ?? [])];
  return Array.from({ length: Math.max(ingress.length, egress.length) }, (_, index): DraftDocument => {
    const own = { ingress: ingress[index] ?? [], egress: egress[index] ?? [] };
    return {
      stage,
      object: {
        apiVersion: "policy.networking.k8s.io/v1alpha2",
        kind: "ClusterNetworkPolicy",
        metadata: {
          name: index === 0 ? name : `${name}-${index + 1}`,
          labels: managedByLabel,
          ...(Object.keys(annotations).length > 0 ? { annotations } : {}),
        },
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

function noteLimits(model: Model, shortfalls: Shortfalls): void {
  noteServiceAccounts(model, shortfalls, "ClusterNetworkPolicy");
  if (model.denyScope === DenyScope.Cluster) {
    shortfalls.note(
      "undeclared-namespaces-uncovered",
      "denyScope",
      "ClusterNetworkPolicy has no name for what comes from outside the cluster: in namespaces that are not declared, only what comes from pods is denied.",
      "Declare every namespace, or use the cilium or calico dialect.",
    );
  }
  for (const workload of externallyDenied(model)) {
    shortfalls.note(
      "outside-not-nameable",
      `workloads ${workload.id}`,
      "ClusterNetworkPolicy has no name for what comes from outside the cluster: the default deny closes it, and a policy of the namespace can open it again.",
      "Keep the policy pack mandatory, or use the cilium or calico dialect.",
    );
  }
  noteNodeAddresses(model, shortfalls);
  for (const namespace of heldNamespaces(model, PolicyMode.Audit)) {
    shortfalls.lost(
      "audit-unsupported",
      `namespaces ${namespace.name}`,
      "ClusterNetworkPolicy has no staged form: in mode audit only what accepts without isolating is written; flows by address and every deny are left out.",
      "Compare snapshots with `cluster-security diff`, or use the calico dialect, which stages every policy.",
    );
  }
}
