/**
 * ClusterNetworkPolicy (`policy.networking.k8s.io/v1alpha2`), the cluster administrator's own API: tiers Admin and
 * Baseline around NetworkPolicy.
 *
 * Declared flows are Accept rules of the Admin tier: final, and isolating nothing, so that no order can cut a flow. The
 * deny of metadata endpoints comes before them. What the API cannot say is left to NetworkPolicy: ranges with
 * exceptions, whatever comes from outside the cluster, and the default deny of the declared namespaces (an `ingress`
 * peer names namespaces and pods only). The Baseline tier holds what no NetworkPolicy selects: namespaces that this
 * declaration does not know.
 *
 * Limits: 25 rules for each direction, 25 peers and 25 protocols for each rule, 25 networks for each peer; longer lists
 * are split.
 */
import { metadataCidrs } from "../../addresses";
import { flowAnnotations, metadataAnnotations } from "../../annotations";
import { DenyScope, PolicyMode } from "../../declaration";
import { namespacesWithoutDns } from "../../dns-limits";
import type { DraftDocument, Stage } from "../../documents";
import { logicalNameOf, managedByLabel } from "../../documents";
import type { Coverage, Half, PolicyGroup } from "../../halves";
import {
  byNamespace,
  bySubject,
  coverage,
  groupHalves,
  halvesOf,
  heldNamespaces,
  modeOf,
  namespaceOf,
  rulesOf,
} from "../../halves";
import type { Model, ModelTenant } from "../../model";
import { closedNeighbours } from "../../tenants/neighbours";
import type { Shortfalls } from "../../unsupported";
import { addressPeer, isSayable, nodeDnsCidrs } from "../address-peers";
import { namespaceDeny, notePodRanges, perWorkloadDocuments } from "../kubernetes/network-policy";
import type { Plain } from "../writer";
import { noteLimits } from "./notes";
import {
  admin,
  boundaryName,
  chunks,
  covered,
  domainName,
  nameOf,
  peerOf,
  podsOf,
  priorities,
  protocolItem,
  rule,
  subjectOf,
} from "./parts";

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
          ...(after === undefined ? {} : { step: 2 }),
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

/** Accepted before the deny: the credential services that single workloads may reach. */
function metadataExceptions(halves: readonly Half[]): readonly DraftDocument[] {
  return bySubject(halves.filter((half) => half.peer.kind === "metadata")).flatMap(({ subject, halves: own }) => {
    const name = { home: namespaceOf(subject), own: `allow-${nameOf(subject)}-metadata` };
    const to = own.flatMap((half) => rule("Accept", [peerOf(half.peer)], half.ports, "to"));
    return admin(
      "metadata-deny",
      name,
      priorities.metadataExceptions,
      { ...flowAnnotations(own), ...metadataAnnotations(own) },
      subjectOf(subject),
      { egress: to },
    );
  });
}

/** Final, and nothing that isolates: no Accept and no NetworkPolicy opens a metadata endpoint again. */
function metadataDeny(held: Coverage, exceptions: readonly DraftDocument[]): readonly DraftDocument[] {
  const peers = chunks(metadataCidrs).map((networks) => ({ networks }));
  return admin(
    "metadata-deny",
    { own: "deny-cloud-metadata" },
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
    ...admin("dns", { own: "allow-dns-ingress" }, priorities.accept, {}, servers, { ingress }),
    ...(every === undefined
      ? []
      : admin("dns", { own: "allow-dns-egress" }, priorities.accept, {}, { namespaces: covered(every) }, { egress })),
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
      { home: namespaceOf(subject), own: name },
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
      const name = { home: namespace, own: boundaryName };
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
