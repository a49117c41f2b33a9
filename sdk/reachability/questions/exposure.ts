/** Who from outside reaches a workload, and what could reach it or be reached by it if it were started. */
import type { Engine } from "../engine/engine";
import type { Endpoint } from "../engine/endpoints";
import { eitherOf, type TrafficRange } from "../engine/traffic-range";
import type { ObjectRef } from "../model/objects";
import { describeRef } from "../model/objects";
import { AddressSet, describeRange } from "../model/sets/addresses";
import { TrafficSet, type PortProtocol } from "../model/sets/ports";
import type { Workload } from "../model/snapshot";
import { isUnknown, MAYBE, NO, triAnd } from "../model/unknown";
import type { Peer, Traffic } from "../model/verdicts";
import { gatewayWays } from "./entrances/gateways";
import { hostPortWays } from "./entrances/host-ports";
import { ingressWays } from "./entrances/ingresses";
import { Services } from "./entrances/services";
import type { Carrier, Target, Way } from "./entrances/ways";
import { tablesOf, type End, type Matrix } from "./matrix";

/** A way in from outside the cluster that an object opens. */
export interface Entrance extends Traffic {
  /** Service (LoadBalancer, NodePort, external IPs), Ingress, a route of a Gateway, or a workload with host ports. */
  readonly via: ObjectRef;
  /** The Service behind an Ingress or a route. */
  readonly service?: ObjectRef;
  /** How traffic arrives at the pod: with the client's address, or with that of a node or proxy. */
  readonly arrivesFrom: "world" | "node" | "proxy";
  /** The way step by step: listeners, who carries it, whose address the pod sees; and what of it is not known. */
  readonly because: readonly string[];
}

/** A range of addresses with what passes. */
export interface WorldAccess extends Traffic {
  /** `a.b.c.d-e.f.g.h[External]`. */
  readonly rangeId: string;
}

/** A pod without labels that may be started in a namespace, with what passes. */
export interface FreshAccess extends Traffic {
  readonly namespace: string;
}

/** What surrounds one workload. */
export interface Exposure {
  readonly workloadId: string;
  readonly fromWorld: readonly WorldAccess[];
  readonly toWorld: readonly WorldAccess[];
  readonly entrances: readonly Entrance[];
  readonly fromFreshPods: readonly FreshAccess[];
  readonly toFreshPods: readonly FreshAccess[];
}

/** What `exposure` is asked about. Default: every workload. */
export interface ExposureOptions {
  /** Only these workloads. */
  readonly workloads?: readonly string[];
}

export function* exposureOf(engine: Engine, options: ExposureOptions = {}): Iterable<Exposure> {
  const matrix = tablesOf(engine);
  const wanted = options.workloads === undefined ? undefined : new Set(options.workloads);
  const ways = waysByNamespace(engine);
  for (const end of matrix.ends) {
    if (wanted !== undefined && !wanted.has(end.workload.id)) continue;
    const world = (direction: "ingress" | "egress"): WorldAccess[] =>
      matrix.world(direction, end).map(({ range, traffic }) => ({
        rangeId: `${describeRange(range)}[External]`,
        ...matrix.trafficOf(traffic),
      }));
    const fresh = (direction: "from" | "to"): FreshAccess[] =>
      [...engine.snapshot.namespaces.keys()].sort().flatMap((namespace) => {
        const pod: Peer = { kind: "freshPod", namespace };
        const range = direction === "from" ? engine.traffic(pod, end.peer) : engine.traffic(end.peer, pod);
        return range.may.isEmpty() ? [] : [{ namespace, ...asTraffic(range) }];
      });
    yield {
      workloadId: end.workload.id,
      fromWorld: world("ingress"),
      toWorld: world("egress"),
      entrances: united(
        (ways.get(end.workload.namespace) ?? []).flatMap((way) => entranceTo(engine, matrix, way, end)),
      ),
      fromFreshPods: fresh("from"),
      toFreshPods: fresh("to"),
    };
  }
}

/** One way in is one entrance, however many of its paths lead there. */
function united(entrances: readonly Entrance[]): Entrance[] {
  const byWay = new Map<string, Entrance>();
  for (const each of entrances) {
    const key = `${describeRef(each.via)}|${each.arrivesFrom}`;
    const known = byWay.get(key);
    const { allowed, possible } = each;
    byWay.set(
      key,
      known === undefined
        ? each
        : { ...known, allowed: known.allowed.union(allowed), possible: known.possible.union(possible) },
    );
  }
  return [...byWay.values()];
}

function asTraffic(range: TrafficRange): Traffic {
  return { allowed: range.must, possible: range.may };
}

/** The ways in from outside that the objects of a snapshot open. */
export function waysFromOutside(engine: Engine): readonly Way[] {
  const services = new Services(engine);
  return [
    ...services.ways(),
    ...ingressWays(engine, services),
    ...gatewayWays(engine, services),
    ...hostPortWays(engine),
  ];
}

function waysByNamespace(engine: Engine): ReadonlyMap<string, Way[]> {
  const ways = new Map<string, Way[]>();
  for (const way of waysFromOutside(engine)) {
    const list = ways.get(way.target.namespace);
    if (list === undefined) ways.set(way.target.namespace, [way]);
    else list.push(way);
  }
  return ways;
}

const arrivals = {
  client: "world",
  node: "node",
  proxies: "proxy",
  somebody: "proxy",
  outside: "world",
} as const satisfies Record<Carrier["kind"], Entrance["arrivesFrom"]>;

/** What of an entrance's ports gets to a workload. */
function entranceTo(engine: Engine, matrix: Matrix, way: Way, end: End): Entrance[] {
  const { via, carrier, target, because } = way;
  const selected = target.selects(end.workload);
  if (selected === NO) return [];
  const ports = targetPorts(target, end.workload);
  if (ports.may.isEmpty()) return [];
  const range = carriedTo(engine, matrix, carrier, end);
  const certain = triAnd(selected, way.open) !== MAYBE;
  const allowed = certain ? range.must.intersect(ports.must) : TrafficSet.none();
  const possible = range.may.intersect(ports.may);
  if (possible.isEmpty()) return [];
  const service = target.service === undefined || target.service.name === via.name ? {} : { service: target.service };
  return [{ via, ...service, arrivesFrom: arrivals[carrier.kind], because, allowed, possible }];
}

/** What passes from whoever sends the last packet. Allowed is what some client, or some of the proxies, certainly gets through. */
function carriedTo(engine: Engine, matrix: Matrix, carrier: Carrier, end: End): TrafficRange {
  switch (carrier.kind) {
    case "client":
      return fromClients(matrix, end, carrier.from);
    case "node": {
      const nodes = (["local", "remote"] as const).map((where) => engine.traffic({ kind: "node", where }, end.peer));
      return [...nodes, ...(carrier.perhapsClient ? [fromClients(matrix, end)] : [])].reduce(eitherOf);
    }
    case "proxies":
      return carrier.proxies.map((proxy) => fromOneOf(engine, proxy, end)).reduce(uniteRanges);
    case "somebody":
      // nothing is known of it but that it is in the cluster: what the workload lets in from anybody counts
      return matrix
        .lettingIn(end)
        .map(({ allowed, possible }): TrafficRange => ({ must: allowed, may: possible }))
        .reduce(eitherOf);
    case "outside": {
      const entries = matrix.world("ingress", end);
      const covered = AddressSet.of(...entries.map(({ range }) => range));
      const ranges = entries.map(({ traffic }) => matrix.registry.get(traffic));
      // its address may also be one from which nothing passes
      if (!AddressSet.all.isSubsetOf(covered)) ranges.push({ must: TrafficSet.none(), may: TrafficSet.none() });
      return ranges.reduce(eitherOf);
    }
  }
}

/** What passes from some address outside, of those in a set if one is given. */
function fromClients(matrix: Matrix, end: End, clients?: AddressSet): TrafficRange {
  return matrix
    .world("ingress", end)
    .filter(({ range }) => clients === undefined || !clients.intersect(AddressSet.of(range)).isEmpty())
    .map(({ traffic }) => matrix.registry.get(traffic))
    .reduce(uniteRanges, { must: TrafficSet.none(), may: TrafficSet.none() });
}

/** What passes from a proxy that is one of several possibilities. */
function fromOneOf(engine: Engine, proxy: readonly Endpoint[], end: End): TrafficRange {
  return proxy
    .flatMap((from) => engine.endpoints.ofWorkload(end.workload).map((to) => engine.between(from, to)))
    .reduce(eitherOf);
}

function uniteRanges(a: TrafficRange, b: TrafficRange): TrafficRange {
  return { must: a.must.union(b.must), may: a.may.union(b.may) };
}

/** The pods' ports that the entrance leads to. */
export function targetPorts(target: Target, workload: Workload): TrafficRange {
  let must = TrafficSet.none();
  let may = TrafficSet.none();
  for (const port of target.ports) {
    if (target.port !== undefined && target.port !== port["port"] && target.port !== port["name"]) {
      // a port that is not known yet may be the one
      if (!isUnknown(port["port"])) continue;
    }
    const protocol = (port["protocol"] ?? "TCP") as PortProtocol;
    if (!["TCP", "UDP", "SCTP"].includes(protocol)) continue;
    const given = port["targetPort"] ?? port["port"];
    // `targetPort: 0` and "" mean the Service's own port, as if nothing stood there
    const wanted = given === 0 || given === "" ? port["port"] : given;
    if (typeof wanted === "number" && Number.isInteger(wanted) && wanted >= 1 && wanted <= 65535) {
      const set = TrafficSet.ports(protocol, wanted);
      must = must.union(set);
      may = may.union(set);
      continue;
    }
    for (const own of workload.ports) {
      if (own.name !== wanted || own.protocol !== protocol) continue;
      must = must.union(TrafficSet.ports(protocol, own.port));
      may = may.union(TrafficSet.ports(protocol, own.port));
    }
    if (workload.portsUnknown || typeof wanted !== "string") may = may.union(TrafficSet.protocol(protocol));
  }
  return { must, may };
}
