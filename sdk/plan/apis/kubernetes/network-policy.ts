/** NetworkPolicy objects (`networking.k8s.io/v1`), and the two layouts in which allows are cut into them. */
import { namespaceNameLabel } from "../../../reachability/model/namespace-labels";
import { managedMetadata } from "../metadata";
import type { Plain } from "../writer";
import type { CidrRange } from "../../addresses";
import { rangeWithout } from "../../addresses";
import { flowAnnotations, metadataAnnotations } from "../../annotations";
import { PolicyLayout } from "../../declaration";
import type { DraftDocument, Stage } from "../../documents";
import { logicalNameOf } from "../../documents";
import type { Direction, Half, Subject } from "../../halves";
import { bySubject, groupHalves, namespaceOf, rulesOf } from "../../halves";
import type { Model, ModelNamespace, ModelPeer, PortRange } from "../../model";
import type { Shortfalls } from "../../unsupported";
import { addressPeer, nodeDnsCidrs } from "../address-peers";

const directions: readonly Direction[] = ["ingress", "egress"];

/**
 * Whether the allows of a namespace are cut by workload. The first policy that selects a pod isolates it; pods that run
 * already keep every declared flow only if that one policy holds all of them.
 */
export function isCutByWorkload(model: Model, namespace: ModelNamespace): boolean {
  return model.layout === PolicyLayout.PerWorkload || (model.layout === PolicyLayout.Auto && namespace.existing);
}

/** One policy for each flow's destination, and one for each subject's egress. */
export function perFlowDocuments(model: Model, halves: readonly Half[]): readonly DraftDocument[] {
  return groupHalves(halves).flatMap((group) =>
    bySubject(group.halves).map(({ subject, halves: own }): DraftDocument => {
      const { kind } = group.group;
      const spec = { podSelector: podSelectorOf(subject), ...allowSpec(model, subject, own) };
      const home = namespaceOf(subject);
      if (kind === "application")
        return networkPolicy("flows", home, group.name, { ...flowAnnotations(own), ...metadataAnnotations(own) }, spec);
      const name = subject.kind === "workload" ? subject.workload.name : "namespace";
      const draft = networkPolicy(
        "platform",
        home,
        `${group.name}-${name}`,
        { ...flowAnnotations(own), ...metadataAnnotations(own) },
        spec,
      );
      return group.group.kind === "service" ? { ...draft, service: group.group.service } : draft;
    }),
  );
}

/** What every pod of a namespace may do beside its own flows. */
export interface NamespaceWide {
  readonly egress: readonly Plain[];
}

/**
 * One policy for each workload of a namespace (`own`: its halves) with everything its pods may do in the directions that it has flows of its own in, and
 * one for all pods of the namespace, which comes after them. Until a policy selects a pod it is open; the first that
 * does allows all that is declared for it. So no prefix of the order, and none of its reverse, cuts a declared flow.
 */
export function perWorkloadDocuments(
  model: Model,
  namespace: ModelNamespace,
  own: readonly Half[],
  wide: NamespaceWide,
): readonly DraftDocument[] {
  const shared = own.filter((half) => half.subject.kind === "namespace");
  const workloads = bySubject(own.filter((half) => half.subject.kind === "workload")).map(
    ({ subject, halves: mine }): DraftDocument => {
      const used = directions.filter((direction) => mine.some((half) => half.direction === direction));
      const all = [...mine, ...shared].filter((half) => used.includes(half.direction));
      const spec = combinedSpec(model, subject, all, used, wide);
      const workload = subject.kind === "workload" ? subject.workload : undefined;
      const service = workload?.service;
      const stage: Stage = service === undefined ? "flows" : "platform";
      const name = `allow-${workload?.name ?? "namespace"}`;
      const draft = networkPolicy(
        stage,
        namespace.name,
        name,
        { ...flowAnnotations(mine), ...metadataAnnotations(mine) },
        spec,
      );
      return service === undefined ? draft : { ...draft, service };
    },
  );
  const used = directions.filter(
    (direction) =>
      (direction === "egress" && wide.egress.length > 0) || shared.some((half) => half.direction === direction),
  );
  if (used.length === 0) return workloads;
  const everyPod: Subject = { kind: "namespace", namespace };
  const spec = combinedSpec(model, everyPod, shared, used, wide);
  const annotations = shared.length === 0 ? {} : flowAnnotations(shared);
  const last = networkPolicy("flows", namespace.name, "allow-namespace", annotations, spec);
  return [...workloads, { ...last, servesFlows: shared.length > 0, after: workloads.map(logicalNameOf) }];
}

function combinedSpec(
  model: Model,
  subject: Subject,
  halves: readonly Half[],
  used: readonly Direction[],
  wide: NamespaceWide,
): Plain {
  const spec = allowSpec(model, subject, halves);
  const egress = [...(used.includes("egress") ? wide.egress : []), ...((spec["egress"] ?? []) as readonly Plain[])];
  return {
    podSelector: podSelectorOf(subject),
    ...spec,
    policyTypes: [...(used.includes("ingress") ? ["Ingress"] : []), ...(used.includes("egress") ? ["Egress"] : [])],
    ...(egress.length > 0 ? { egress } : {}),
  };
}

/** The world's addresses without metadata endpoints, and without `closed`. */
export function worldWithout(closed: readonly string[]): readonly Plain[] {
  return ["0.0.0.0/0", "::/0"].flatMap((cidr) => {
    const range = rangeWithout({ cidr, except: [] }, closed);
    return range === undefined ? [] : [{ ipBlock: range }];
  });
}

/** A rule for egress to everywhere but metadata endpoints. */
export const everywhereButMetadata: Plain = { to: [{ namespaceSelector: {} }, ...worldWithout([])] };

/** It contains nothing but the deny of both directions. */
export function namespaceDeny(namespace: string): DraftDocument {
  const spec = { podSelector: {}, policyTypes: ["Ingress", "Egress"] };
  return networkPolicy("default-deny", namespace, "default-deny-all", {}, spec);
}

/** Rules for the cluster's DNS, UDP and TCP: its pods, and the cache on the node. */
export function dnsRules(model: Model): readonly Plain[] {
  const { dns } = model;
  const ports = (port: number): readonly Plain[] => ["UDP", "TCP"].map((protocol) => ({ port, protocol }));
  const servers = {
    namespaceSelector: { matchLabels: { [namespaceNameLabel]: dns.namespace } },
    podSelector: { matchLabels: dns.labels },
  };
  const cache = nodeDnsCidrs(model).map((cidr) => ({ ipBlock: { cidr } }));
  return [{ to: [servers], ports: ports(dns.port) }, ...(cache.length === 0 ? [] : [{ to: cache, ports: ports(53) }])];
}

export function podSelectorOf(subject: Subject): Plain {
  return subject.kind === "workload" ? { matchLabels: subject.workload.labels } : {};
}

function allowSpec(model: Model, subject: Subject, halves: readonly Half[]): Plain {
  const home = namespaceOf(subject);
  const rules = (direction: Direction): readonly Plain[] => {
    const side = direction === "ingress" ? "from" : "to";
    const own = halves.filter((half) => half.direction === direction);
    return rulesOf(own, () => "any").map((rule) => ({
      [side]: rule.peers.flatMap((peer) => peerItems(model, peer, home, direction)),
      ports: rule.ports.map(portItem),
    }));
  };
  const ingress = rules("ingress");
  const egress = rules("egress");
  return {
    policyTypes: [...(ingress.length > 0 ? ["Ingress"] : []), ...(egress.length > 0 ? ["Egress"] : [])],
    ...(ingress.length > 0 ? { ingress } : {}),
    ...(egress.length > 0 ? { egress } : {}),
  };
}

/** Addresses that an ipBlock may hold for a peer: pods are left out, which some enforcers match by address too. */
function blocksOf(model: Model, peer: ModelPeer, direction: Direction): readonly CidrRange[] | undefined {
  const addresses = addressPeer(model, peer, direction);
  if (addresses === undefined || !addresses.isWorld) return addresses?.ranges;
  return addresses.ranges.map((range) => rangeWithout(range, model.podCidrs)).filter((range) => range !== undefined);
}

/** Says once that a range may match pods as well, where nobody said which addresses pods have. */
export function notePodRanges(model: Model, half: Half, shortfalls: Shortfalls): void {
  if (half.peer.kind !== "cidr" || model.podCidrs.length > 0) return;
  shortfalls.note(
    "pod-range-unknown",
    half.flow.path,
    "Some enforcers match pods by address too, so a range may open more than what lies outside the cluster.",
    "Give cluster.podCidrs; they are then left out of every range.",
  );
}

function peerItems(model: Model, peer: ModelPeer, home: string, direction: Direction): readonly Plain[] {
  const blocks = blocksOf(model, peer, direction);
  if (blocks !== undefined) {
    return blocks.map(({ cidr, except }) => ({ ipBlock: except.length === 0 ? { cidr } : { cidr, except } }));
  }
  if (peer.kind === "namespace") {
    return [{ namespaceSelector: { matchLabels: { [namespaceNameLabel]: peer.namespace.name } } }];
  }
  if (peer.kind !== "workload") throw new RangeError(`no NetworkPolicy peer for ${peer.kind}`);
  const podSelector = { matchLabels: peer.workload.labels };
  if (peer.workload.namespace === home) return [{ podSelector }];
  return [{ namespaceSelector: { matchLabels: { [namespaceNameLabel]: peer.workload.namespace } }, podSelector }];
}

function portItem(port: PortRange): Plain {
  return {
    port: port.from,
    ...(port.to === port.from ? {} : { endPort: port.to }),
    protocol: port.protocol as string,
  };
}

/** A NetworkPolicy before its place in the order is known. */
export function networkPolicy(
  stage: Stage,
  namespace: string,
  name: string,
  annotations: Readonly<Record<string, string>>,
  spec: Plain,
): DraftDocument {
  return {
    stage,
    object: {
      apiVersion: "networking.k8s.io/v1",
      kind: "NetworkPolicy",
      metadata: managedMetadata({ name, namespace }, annotations),
      spec,
    },
  };
}
