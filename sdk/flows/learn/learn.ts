/** From recorded flows to what a declaration would have to say: who talked to whom, and what is better not declared. */
import type { PeerDeclaration, PlannedFlow, PortDeclaration } from "../../plan";
import { defaultExemptNamespaces, Entity } from "../../plan";
import { nameProblem } from "../../plan/fqdn";
import { plannedFlows } from "../../plan/plan";
import { holdsAddress } from "../../plan/planned-peers";
import type { Reachability } from "../../reachability";
import type { FlowClass } from "../classes";
import { attemptsOf } from "../classes";
import { isDeclaredBy, type FlowEnd } from "../declared";
import type { RecordedEnd } from "../record";
import { grouped } from "./grouped";
import { isEphemeral, scansIn, whyNoPeer } from "./unproposed";
import type { Known, LearnedWorkload } from "./workloads";
import { Workloads } from "./workloads";

/** What a proposal rests on. */
export interface Evidence {
  /** Attempts that got through. */
  readonly attempts: number;
  /** Milliseconds since 1970. */
  readonly first: number;
  readonly last: number;
  /** On how many days (UTC). */
  readonly days: number;
}

/** A port of a flow to declare, and how much speaks for it. */
export interface LearnedPort extends Evidence {
  readonly port: PortDeclaration;
}

/** A flow to declare. */
export interface LearnedFlow {
  readonly from: PeerDeclaration;
  readonly to: PeerDeclaration;
  readonly ports: readonly LearnedPort[];
  /** What a person should look at before declaring it. */
  readonly remarks: readonly string[];
}

/** A kind of flow that was recorded and is not proposed. */
export interface LeftOut extends Evidence {
  readonly reason: string;
  readonly class: FlowClass;
}

/** What was learnt of a recording. */
export interface Learned {
  /** Namespaces to declare: all of them exist. */
  readonly namespaces: readonly { readonly name: string; readonly isPlatform: boolean }[];
  /** Workloads to declare, each with the ports on which it was reached. */
  readonly workloads: readonly LearnedWorkload[];
  readonly flows: readonly LearnedFlow[];
  readonly leftOut: readonly LeftOut[];
  /** Kinds of flows that the declaration has already. */
  readonly declared: number;
}

/** What is known beside the records, and how much evidence a proposal needs. */
export interface LearnOptions extends Omit<Known, "snapshot"> {
  /** The workloads of the cluster, its nodes and Services. */
  readonly reachability?: Reachability;
  /** Names that DNS gave for addresses. Default: none but those in the records. */
  readonly names?: ReadonlyMap<string, readonly string[]>;
  /** Attempts that a flow needs. Default 1. */
  readonly minCount?: number;
  /** Days on which it was seen. Default 1. */
  readonly minDays?: number;
}

/** So many addresses without names of one workload, on one port, are written one by one. */
const mostAddresses = 20;
/** So many public clients are the internet. */
const fewClients = 5;

/** Proposes what the recorded flows that got through would need, beside what is declared. */
export function learn(classes: readonly FlowClass[], options: LearnOptions = {}): Learned {
  return new Learning(classes, options).run();
}

interface End {
  readonly peer: PeerDeclaration;
  /** For what the declaration has already. */
  readonly facts: FlowEnd;
  readonly workload?: LearnedWorkload;
  readonly remarks: readonly string[];
}

interface Candidate {
  readonly class: FlowClass;
  readonly from: End;
  /** Several where an address had several names. */
  readonly to: readonly End[];
}

/** A kind of flow of which source and destination are decided. */
interface Pair {
  readonly class: FlowClass;
  readonly from: End;
  readonly to: End;
}

class Learning {
  private readonly workloads: Workloads;
  private readonly exempt: ReadonlySet<string>;
  private readonly declaredFlows: readonly PlannedFlow[];
  private readonly leftOut: LeftOut[] = [];

  constructor(
    private readonly classes: readonly FlowClass[],
    private readonly options: LearnOptions,
  ) {
    const { model, reachability } = options;
    this.workloads = new Workloads(classes, {
      ...(model === undefined ? {} : { model }),
      ...(reachability === undefined ? {} : { snapshot: reachability.snapshot }),
    });
    this.exempt = new Set(model?.exempt ?? defaultExemptNamespaces);
    this.declaredFlows = model === undefined ? [] : plannedFlows(model);
  }

  run(): Learned {
    const scans = scansIn(this.classes);
    const candidates: Candidate[] = [];
    let declared = 0;
    for (const each of this.classes) {
      const found = scans.has(each) ? "scans: one source tried many ports or peers" : this.candidateOf(each);
      if (typeof found === "string") this.leaveOut(each, found);
      else if (this.isDeclared(found)) declared += 1;
      else candidates.push(found);
    }
    const { minCount = 1, minDays = 1 } = this.options;
    const ends: Pair[] = [];
    for (const pairs of byFlowAndPort(this.withoutCrowds(candidates))) {
      const { attempts, days } = evidenceOf(pairs);
      if (attempts >= minCount && days >= minDays) ends.push(...pairs);
      else for (const { class: each } of pairs) this.leaveOut(each, "seen too rarely for --min-count or --min-days");
    }
    const { namespaces, workloads } = this.membersOf(ends);
    return { namespaces, workloads, flows: flowsOf(ends), leftOut: this.leftOut, declared };
  }

  private leaveOut(each: FlowClass, reason: string): void {
    const { passed, denied } = attemptsOf(each);
    const { first, last, days } = each;
    this.leftOut.push({ reason, class: each, attempts: passed + denied, first, last, days: days.size });
  }

  private candidateOf(each: FlowClass): Candidate | string {
    if (attemptsOf(each).passed === 0) return "denied then: declare those that are needed";
    if (each.protocol === "ICMP" || each.protocol === "ICMPv6") return "ICMP, for which a declaration has no word";
    const { model } = this.options;
    const { source, destination } = each;
    const noPeer =
      whyNoPeer(destination, each, model === undefined ? undefined : [model.dns], model?.dns.nodeLocalCache) ??
      this.knownAddress(destination);
    if (noPeer !== undefined) return noPeer;
    const from = this.sourceOf(source);
    if (typeof from === "string") return from;
    const to = this.destinationsOf(destination);
    if (typeof to === "string") return to;
    const held = [from, ...to].some(({ workload }) => workload !== undefined && !this.exempt.has(workload.namespace));
    if (!held) return "neither end is a workload that a default deny holds";
    if (
      isEphemeral(
        each,
        to.flatMap(({ workload }) => workload?.ports ?? []),
      )
    ) {
      return "ephemeral ports that no workload is known to serve";
    }
    return { class: each, from, to };
  }

  /** An address that the cluster's objects explain: policies see what is behind it. */
  private knownAddress(end: RecordedEnd): string | undefined {
    if (end.kind !== "address") return undefined;
    const known = this.options.reachability?.knownAs({ kind: "address", address: end.address });
    return known?.startsWith("Service ") === true
      ? "addresses of Services: policies see the pods behind them"
      : undefined;
  }

  private sourceOf(end: RecordedEnd): End | string {
    switch (end.kind) {
      case "pod":
        return this.podOf(end);
      case "address": {
        if (isInternet(end.address)) return { ...addressOf(end.address, []), remarks: [] };
        return addressOf(end.address, ["a private address: is it really outside the cluster?"]);
      }
      case "node":
        return end.where === "local"
          ? "from the pod's own node, which every enforcer lets in"
          : entityOf(Entity.Nodes, ["a node: a NodePort, the kubelet, or a pod behind masquerading"]);
      case "kubeApiserver":
        return entityOf(Entity.KubeApiserver, []);
      case "ingressProxy":
        return entityOf(Entity.Ingress, []);
      case "unresolvable":
        return /^a public network/.test(end.name)
          ? entityOf(Entity.Internet, ["the address is not recorded: narrow it"])
          : end.name;
    }
  }

  private destinationsOf(end: RecordedEnd): readonly End[] | string {
    switch (end.kind) {
      case "pod": {
        const found = this.podOf(end);
        return typeof found === "string" ? found : [found];
      }
      case "address":
        return this.outside(end);
      case "node":
        return [entityOf(Entity.Nodes, [])];
      case "kubeApiserver":
        return [entityOf(Entity.KubeApiserver, [])];
      case "ingressProxy":
        return "to Cilium's ingress proxies, which only open connections";
      case "unresolvable":
        return /^a public network/.test(end.name)
          ? [entityOf(Entity.Internet, ["the address is not recorded: narrow it to names or ranges"])]
          : end.name;
    }
  }

  /** By the names that were looked up, else by the address. */
  private outside({ address, names }: Extract<RecordedEnd, { kind: "address" }>): readonly End[] | string {
    const all = names.length > 0 ? names : (this.options.names?.get(address) ?? []);
    const usable = [...new Set(all)].filter((name) => nameProblem(name) === undefined).sort();
    if (usable.length === 0) {
      if (all.some((name) => name.endsWith(".cluster.local"))) {
        return "addresses of Services: policies see the pods behind them";
      }
      const remark = isInternet(address)
        ? "no lookup of it was recorded: use its name if it has one"
        : "a private address: is it really outside the cluster?";
      return [addressOf(address, [remark])];
    }
    const remarks =
      usable.length === 1
        ? []
        : [`a guess: the address had ${usable.length} names (${usable.join(", ")}): keep the right one`];
    return usable.map((name) => ({ peer: { fqdn: name }, facts: { address, names: usable }, remarks }));
  }

  private podOf(end: Extract<RecordedEnd, { kind: "pod" }>): End | string {
    const workload = this.workloads.of(end);
    if (typeof workload === "string") return workload;
    const { namespace, name, remarks } = workload;
    const peer = { workload: `${namespace}/${name}` };
    return { peer, facts: { namespace, workload: name }, workload, remarks };
  }

  private isDeclared({ class: { protocol, port }, from, to }: Candidate): boolean {
    const [destination] = to;
    if (destination === undefined) return false;
    const flow = { source: from.facts, destination: destination.facts, protocol, port };
    return this.declaredFlows.some((each) => isDeclaredBy(each, flow));
  }

  /** Public clients become the internet where they are many; nobody wants a flow for each of many addresses. */
  private withoutCrowds(candidates: readonly Candidate[]): readonly Candidate[] {
    const clients = new Map<string, Set<string>>();
    const servers = new Map<string, Set<string>>();
    const count = (map: Map<string, Set<string>>, key: string, address: string): void => {
      map.set(key, (map.get(key) ?? new Set()).add(address));
    };
    const portKey = ({ protocol, port }: FlowClass): string => `${port}/${protocol}`;
    for (const { class: each, from, to } of candidates) {
      const [destination] = to;
      if (from.facts.address !== undefined && isInternet(from.facts.address)) {
        count(clients, JSON.stringify([destination?.peer, portKey(each)]), from.facts.address);
      }
      if (destination?.peer.cidr !== undefined) {
        count(servers, JSON.stringify([from.peer, portKey(each)]), destination.facts.address ?? "");
      }
    }
    return candidates.flatMap((candidate): Candidate[] => {
      const { class: each, from, to } = candidate;
      const [destination] = to;
      const crowd = clients.get(JSON.stringify([destination?.peer, portKey(each)]))?.size ?? 0;
      if (crowd >= fewClients && from.facts.address !== undefined && isInternet(from.facts.address)) {
        return [
          { ...candidate, from: entityOf(Entity.Internet, [`${crowd} public addresses came: is it open to all?`]) },
        ];
      }
      const many = servers.get(JSON.stringify([from.peer, portKey(each)]))?.size ?? 0;
      if (destination?.peer.cidr !== undefined && many > mostAddresses) {
        this.leaveOut(each, `more than ${mostAddresses} addresses without names on one port: declare names or a range`);
        return [];
      }
      return [candidate];
    });
  }

  /** What has to be declared so that the flows can name it. */
  private membersOf(ends: readonly Pair[]): Pick<Learned, "namespaces" | "workloads"> {
    const workloads = new Map<string, LearnedWorkload>();
    const add = (workload: LearnedWorkload | undefined, reached?: FlowClass): void => {
      if (workload === undefined || workload.isDeclared) return;
      const id = `${workload.namespace}/${workload.name}`;
      const known = workloads.get(id) ?? { ...workload, ports: [] };
      const isNew =
        reached !== undefined &&
        !known.ports.some(({ port, protocol }) => port === reached.port && protocol === reached.protocol);
      workloads.set(id, isNew ? { ...known, ports: [...known.ports, servedPort(workload, reached)] } : known);
    };
    for (const { class: each, from, to } of ends) {
      add(from.workload);
      add(to.workload, each);
    }
    const all = [...workloads.values()].toSorted((a, b) =>
      compare(`${a.namespace}/${a.name}`, `${b.namespace}/${b.name}`),
    );
    const isKnown = (name: string): boolean => this.options.model?.namespaces.has(name) === true;
    const namespaces = [...new Set(all.map(({ namespace }) => namespace))].filter((name) => !isKnown(name));
    return {
      workloads: all.map((each) => ({ ...each, ports: each.ports.toSorted((a, b) => a.port - b.port) })),
      namespaces: namespaces.map((name) => ({ name, isPlatform: this.exempt.has(name) })),
    };
  }
}

function servedPort({ ports }: LearnedWorkload, { port, protocol }: FlowClass): LearnedWorkload["ports"][number] {
  return ports.find((each) => each.port === port && each.protocol === protocol) ?? { port, protocol };
}

function addressOf(address: string, remarks: readonly string[]): End {
  return { peer: { cidr: `${address}/${address.includes(":") ? 128 : 32}` }, facts: { address }, remarks };
}

function entityOf(entity: Entity, remarks: readonly string[]): End {
  return { peer: { entity }, facts: { entity }, remarks };
}

function isInternet(address: string): boolean {
  return holdsAddress({ kind: "entity", entity: Entity.Internet }, address);
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** Kinds of flows that one port of one declared flow would be. */
function byFlowAndPort(candidates: readonly Candidate[]): readonly (readonly Pair[])[] {
  const pairs = candidates.flatMap((each) => each.to.map((to): Pair => ({ ...each, to })));
  return grouped(pairs, ({ class: each, from, to }) => [from.peer, to.peer, each.port, each.protocol]);
}

/** Flows of the same source and destination are one, with all their ports. */
function flowsOf(pairs: readonly Pair[]): readonly LearnedFlow[] {
  const flows = grouped(pairs, ({ from, to }) => [from.peer, to.peer]).flatMap((group): LearnedFlow[] => {
    const [first] = group;
    if (first === undefined) return [];
    const ports = grouped(group, ({ class: { port, protocol } }) => [port, protocol])
      .toSorted((a, b) => (a[0]?.class.port ?? 0) - (b[0]?.class.port ?? 0))
      .flatMap((each) =>
        each[0] === undefined ? [] : [{ port: portOf(each[0].class, each[0].to.workload), ...evidenceOf(each) }],
      );
    const remarks = [...new Set(group.flatMap(({ from, to }) => [...from.remarks, ...to.remarks]))];
    return [{ from: first.from.peer, to: first.to.peer, ports, remarks }];
  });
  return flows.toSorted((a, b) => compare(JSON.stringify([a.from, a.to]), JSON.stringify([b.from, b.to])));
}

function evidenceOf(pairs: readonly Pair[]): Evidence {
  const classes = pairs.map(({ class: each }) => each);
  return {
    attempts: classes.reduce((sum, each) => sum + attemptsOf(each).passed, 0),
    first: Math.min(...classes.map(({ first }) => first)),
    last: Math.max(...classes.map(({ last }) => last)),
    days: new Set(classes.flatMap(({ days }) => [...days])).size,
  };
}

/** By name where the workload's port has one. */
function portOf({ port, protocol }: FlowClass, workload: LearnedWorkload | undefined): PortDeclaration {
  const name = workload?.ports.find((each) => each.port === port && each.protocol === protocol)?.name;
  if (name !== undefined) return { name };
  return { port, protocol: protocol as NonNullable<PortDeclaration["protocol"]> };
}
