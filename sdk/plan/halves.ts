/** Splits flows into what each end must allow, and sorts that into policies. */
import type { PolicyMode } from "./declaration";
import { DenyScope, Tier } from "./declaration";
import type { PlannedPeer } from "./documents";
import { describePlannedPeer } from "./documents";
import type { Model, ModelFlow, ModelNamespace, ModelPeer, ModelWorkload, PortRange } from "./model";
import { slug } from "./names";
import { peerIdentity, peerKey } from "./resolve/flows";
import { describePort, mergePorts, portKey } from "./resolve/ports";

/** The pods that a policy selects: those of a workload, or all of a namespace. */
export type Subject =
  | { readonly kind: "workload"; readonly workload: ModelWorkload }
  | { readonly kind: "namespace"; readonly namespace: ModelNamespace };

export type Direction = "ingress" | "egress";

/** One side of a flow (egress or ingress): what its source or its destination must allow. */
export interface Half {
  readonly direction: Direction;
  readonly subject: Subject;
  readonly peer: ModelPeer;
  readonly ports: readonly PortRange[];
  readonly flow: ModelFlow;
}

/** Sides of flows that go into one policy. */
export interface PolicyGroup {
  readonly name: string;
  /** The kind of flows it holds. */
  readonly group: ModelFlow["group"];
  readonly halves: readonly Half[];
}

/** The namespace whose pods a subject selects. */
export function namespaceOf(subject: Subject): string {
  return subject.kind === "workload" ? subject.workload.namespace : subject.namespace.name;
}

function subjectKey(subject: Subject): string {
  return peerKey(subject);
}

/**
 * Whether policies hold this end: it is a pod of tier 1 or 2 that is not on the host network. An allow policy for a pod
 * of tier 0 would isolate it wherever the dialect cannot say otherwise.
 */
function isHeld(peer: ModelPeer): peer is Subject {
  if (peer.kind === "workload") return peer.workload.tier !== Tier.Platform && !peer.workload.hostNetwork;
  return peer.kind === "namespace" && peer.namespace.tier !== Tier.Platform;
}

/** Both sides of every flow, as far as policies isolate its source and destination. */
export function halvesOf(flows: readonly ModelFlow[]): readonly Half[] {
  return flows.flatMap((flow): Half[] => {
    const halves: Half[] = [];
    if (isHeld(flow.from)) {
      halves.push({ direction: "egress", subject: flow.from, peer: flow.to, ports: flow.ports, flow });
    }
    if (isHeld(flow.to)) {
      halves.push({ direction: "ingress", subject: flow.to, peer: flow.from, ports: flow.ports, flow });
    }
    return halves;
  });
}

/** Sorts the sides of flows into policies, by name. */
export function groupHalves(halves: readonly Half[]): readonly PolicyGroup[] {
  const groups = new Map<string, { name: string; group: ModelFlow["group"]; halves: Half[] }>();
  for (const half of halves) {
    const { key, name } = placeOf(half);
    const found = groups.get(key);
    if (found === undefined) groups.set(key, { name, group: groupOf(half), halves: [half] });
    else found.halves.push(half);
  }
  return [...groups.values()];
}

/** The scraper's own side of scraping belongs to its service. */
function groupOf(half: Half): ModelFlow["group"] {
  const { group } = half.flow;
  return group.kind === "metrics" && half.direction === "egress" ? { kind: "service", service: group.service } : group;
}

function placeOf(half: Half): { key: string; name: string } {
  const group = groupOf(half);
  switch (group.kind) {
    case "service":
      return { key: `service ${group.service}`, name: `tier1-${group.service}` };
    case "metrics":
      return { key: "metrics", name: "allow-metrics-scraping" };
    case "application": {
      const home = namespaceOf(half.subject);
      const own = peerName(half.subject, home);
      const name = half.direction === "egress" ? `allow-${own}-egress` : `allow-${peerName(half.peer, home)}-to-${own}`;
      // one subject's halves share a policy where its name is the same (a range with two sets of exceptions)
      return { key: `${home} ${half.direction} ${subjectKey(half.subject)} ${name}`, name };
    }
  }
}

/** How a peer is called in a policy's name, seen from a namespace. */
function peerName(peer: ModelPeer, home: string): string {
  switch (peer.kind) {
    case "workload":
      return peer.workload.namespace === home ? peer.workload.name : `${peer.workload.name}.${peer.workload.namespace}`;
    case "namespace":
      return peer.namespace.name === home ? "namespace" : `namespace.${peer.namespace.name}`;
    case "cidr":
      // a name is known in preview, so a range that is an output has no part in it
      return peer.range.origin === undefined ? `cidr-${slug(peer.range.cidr)}` : "cidr";
    case "fqdn":
      return peer.origin === undefined ? `fqdn-${slug(peer.name)}` : "fqdn";
    case "entity":
      return peer.entity;
    case "metadata":
      return peer.service;
  }
}

/** A peer as a plan holds it. */
export function plannedPeer(peer: ModelPeer): PlannedPeer {
  switch (peer.kind) {
    case "workload":
      return { kind: "workload", namespace: peer.workload.namespace, name: peer.workload.name };
    case "namespace":
      return { kind: "namespace", namespace: peer.namespace.name };
    case "cidr":
      return { kind: "cidr", cidr: peer.range.cidr, except: peer.range.except };
    case "fqdn":
      return { kind: "fqdn", name: peer.name };
    case "entity":
      return { kind: "entity", entity: peer.entity };
    case "metadata":
      return { kind: "metadata", service: peer.service };
  }
}

/** How a peer is called in words. */
export function describePeer(peer: ModelPeer): string {
  return describePlannedPeer(plannedPeer(peer));
}

/** `shop/frontend → shop/backend-api TCP 3000: reason (owner)`. */
export function describeFlow(flow: ModelFlow): string {
  const ports = flow.ports.map(describePort).join(", ");
  const end = flow.expires === undefined ? "" : `, until ${flow.expires}`;
  return `${describePeer(flow.from)} → ${describePeer(flow.to)} ${ports}: ${flow.reason} (${flow.owner}${end})`;
}

/** Peers that one rule can list together, with the ports open to all of them. */
export interface RuleDraft {
  readonly peers: readonly ModelPeer[];
  readonly ports: readonly PortRange[];
}

/**
 * The fewest rules for the sides of one subject in one direction: one peer once, with all its ports; peers with the
 * same ports together.
 *
 * @param kindOf Peers of different kinds are kept in different rules, where the dialect asks for it.
 */
export function rulesOf(halves: readonly Half[], kindOf: (peer: ModelPeer) => string): readonly RuleDraft[] {
  const byPeer = new Map<string, { peer: ModelPeer; ports: PortRange[] }>();
  for (const half of halves) {
    const key = peerIdentity(half.peer);
    const found = byPeer.get(key);
    if (found === undefined) byPeer.set(key, { peer: half.peer, ports: [...half.ports] });
    else found.ports.push(...half.ports);
  }
  const rules = new Map<string, { peers: ModelPeer[]; ports: readonly PortRange[] }>();
  for (const { peer, ports } of byPeer.values()) {
    const merged = mergePorts(ports);
    const key = `${kindOf(peer)} ${merged.map(portKey).join()}`;
    const found = rules.get(key);
    if (found === undefined) rules.set(key, { peers: [peer], ports: merged });
    else found.peers.push(peer);
  }
  return [...rules.values()];
}

/** Sides by subject, in the order in which the subjects were declared. */
export function bySubject(halves: readonly Half[]): readonly { subject: Subject; halves: readonly Half[] }[] {
  const subjects = new Map<string, { subject: Subject; halves: Half[] }>();
  for (const half of halves) {
    const key = subjectKey(half.subject);
    const found = subjects.get(key);
    if (found === undefined) subjects.set(key, { subject: half.subject, halves: [half] });
    else found.halves.push(half);
  }
  return [...subjects.values()];
}

/** Sides by the namespace of their subject. */
export function byNamespace(halves: readonly Half[]): ReadonlyMap<string, readonly Half[]> {
  const found = new Map<string, Half[]>();
  for (const half of halves) {
    const home = namespaceOf(half.subject);
    const own = found.get(home);
    if (own === undefined) found.set(home, [half]);
    else own.push(half);
  }
  return found;
}

/** Declared namespaces of tiers 1 and 2: those that get a default deny, at once or when their audit is over. */
export function heldNamespaces(model: Model, mode?: PolicyMode): readonly ModelNamespace[] {
  return [...model.namespaces.values()]
    .filter((namespace) => namespace.tier !== Tier.Platform && (mode === undefined || namespace.mode === mode))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** The mode of a namespace, declared or not. */
export function modeOf(model: Model, namespace: string): PolicyMode {
  return model.namespaces.get(namespace)?.mode ?? model.mode;
}

/** A declaration with other modes, its own and those of its namespaces. */
export function withModes(model: Model, change: (mode: PolicyMode) => PolicyMode): Model {
  const namespaces = new Map(
    [...model.namespaces].map(([name, namespace]) => [name, { ...namespace, mode: change(namespace.mode) }]),
  );
  return { ...model, mode: change(model.mode), namespaces };
}

/** Which namespaces a clusterwide policy covers: all but some, or some. */
export type Coverage =
  | { readonly kind: "all-but"; readonly names: readonly string[] }
  | { readonly kind: "only"; readonly names: readonly string[] };

/**
 * The namespaces outside tier 0 whose policies have a mode, as few names as say it. Namespaces that are not declared
 * have the declaration's mode, and are covered where the default deny is clusterwide.
 *
 * @param without Namespaces to leave out.
 * @returns Undefined where there is no such namespace.
 */
export function coverage(model: Model, mode?: PolicyMode, without: readonly string[] = []): Coverage | undefined {
  if (model.denyScope === DenyScope.Cluster && (mode === undefined || model.mode === mode)) {
    const others = heldNamespaces(model).filter((namespace) => mode !== undefined && namespace.mode !== mode);
    const names = new Set([...model.exempt, ...others.map(({ name }) => name), ...without]);
    return { kind: "all-but", names: [...names].sort() };
  }
  const names = heldNamespaces(model, mode).flatMap(({ name }) => (without.includes(name) ? [] : [name]));
  return names.length === 0 ? undefined : { kind: "only", names };
}

/** The same with the namespaces that have no default deny until a day: what an explicit deny covers. */
export function deniedCoverage(model: Model, held: Coverage | undefined): Coverage | undefined {
  const open = new Set(openNamespaces(model));
  if (open.size === 0) return held;
  if (held?.kind === "all-but") return { kind: "all-but", names: held.names.filter((name) => !open.has(name)) };
  return { kind: "only", names: [...new Set([...(held?.names ?? []), ...open])].sort() };
}

/** Namespaces without a default deny, whose last day is not over. */
export function openNamespaces({ undenied }: Pick<Model, "undenied">): readonly string[] {
  return undenied.flatMap(({ namespaces, isEnded }) => (isEnded ? [] : namespaces));
}

/** Workloads that nothing outside the cluster may reach, as far as policies hold them. */
export function externallyDenied(model: Model): readonly ModelWorkload[] {
  return [...model.workloads.values()].filter((workload) => workload.denyExternal && workload.tier !== Tier.Platform);
}
