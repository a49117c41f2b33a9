/** Who from outside reaches a workload, and what could reach it or be reached by it if it were started. */
import type { Engine } from "../compile/engine";
import { eitherOf, type TrafficRange } from "../compile/traffic-range";
import type { ObjectRef, SourcedObject } from "../objects";
import { describeRange } from "../sets/addresses";
import { TrafficSet, type PortProtocol } from "../sets/ports";
import { labelOf } from "../selectors/labels";
import type { Workload } from "../snapshot/types";
import type { Peer, Traffic } from "../verdicts";
import { tablesOf } from "./matrix";

/** A way in from outside the cluster that an object opens. */
export interface Entrance extends Traffic {
  /** Service (LoadBalancer, NodePort, external IPs), Ingress, or a route of a Gateway. */
  readonly via: ObjectRef;
  /** How traffic arrives at the pod: with the client's address, or with that of a node or proxy. */
  readonly arrivesFrom: "world" | "node" | "proxy";
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

export interface ExposureOptions {
  /** Only these workloads. */
  readonly workloads?: readonly string[];
}

export function* exposureOf(engine: Engine, options: ExposureOptions = {}): Iterable<Exposure> {
  const matrix = tablesOf(engine);
  const wanted = options.workloads === undefined ? undefined : new Set(options.workloads);
  const ways = entrancesOf(engine);
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
      entrances: ways.flatMap((way) => entranceTo(engine, way, end.workload)),
      fromFreshPods: fresh("from"),
      toFreshPods: fresh("to"),
    };
  }
}

function asTraffic(range: TrafficRange): Traffic {
  return { allowed: range.must, possible: range.may };
}

/** A way into the cluster, up to the pods behind a Service. */
interface Way {
  readonly via: ObjectRef;
  readonly arrivesFrom: Entrance["arrivesFrom"];
  readonly namespace: string;
  readonly selector: Readonly<Record<string, unknown>>;
  readonly ports: readonly Fields[];
  /** Port of the Service that is used; all of them where nothing is said. */
  readonly port?: number | string;
}

type Fields = Readonly<Record<string, unknown>>;

function fieldsOf(value: unknown): Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Fields) : {};
}

function listOf(value: unknown): readonly Fields[] {
  return Array.isArray(value) ? (value as unknown[]).map(fieldsOf) : [];
}

function refOf({ object }: SourcedObject): ObjectRef & { readonly namespace: string } {
  const { namespace, name } = object.metadata ?? {};
  return {
    apiVersion: object.apiVersion,
    kind: object.kind,
    name: typeof name === "string" ? name : "(unknown)",
    namespace: typeof namespace === "string" && namespace !== "" ? namespace : "default",
  };
}

function entrancesOf(engine: Engine): Way[] {
  const services = new Map<string, { ref: ObjectRef; spec: Fields }>();
  const { others } = engine.snapshot;
  for (const each of others) {
    if (each.object.kind !== "Service" || each.object.apiVersion !== "v1") continue;
    const ref = refOf(each);
    services.set(`${ref.namespace}/${ref.name}`, { ref, spec: fieldsOf(each.object.spec) });
  }
  const behind = (via: ObjectRef, namespace: string, name: unknown, port: unknown): Way[] => {
    const service = services.get(`${namespace}/${String(name)}`);
    if (service === undefined) return [];
    const { spec } = service;
    const chosen = typeof port === "number" || typeof port === "string" ? { port } : {};
    return [
      {
        via,
        arrivesFrom: "proxy",
        namespace,
        selector: fieldsOf(spec["selector"]),
        ports: listOf(spec["ports"]),
        ...chosen,
      },
    ];
  };
  return others.flatMap((each): Way[] => {
    const ref = refOf(each);
    const spec = fieldsOf(each.object.spec);
    switch (each.object.kind) {
      case "Service": {
        const type = spec["type"];
        const external = Array.isArray(spec["externalIPs"]) && spec["externalIPs"].length > 0;
        if (type !== "LoadBalancer" && type !== "NodePort" && !external) return [];
        const arrivesFrom = spec["externalTrafficPolicy"] === "Local" ? "world" : "node";
        return [
          {
            via: ref,
            arrivesFrom,
            namespace: ref.namespace,
            selector: fieldsOf(spec["selector"]),
            ports: listOf(spec["ports"]),
          },
        ];
      }
      case "Ingress": {
        const backends = [
          fieldsOf(spec["defaultBackend"]),
          ...listOf(spec["rules"]).flatMap((rule) =>
            listOf(fieldsOf(rule["http"])["paths"]).map((path) => fieldsOf(path["backend"])),
          ),
        ];
        return backends.flatMap((backend) => {
          const service = fieldsOf(backend["service"]);
          const port = fieldsOf(service["port"]);
          return behind(ref, ref.namespace, service["name"], port["number"] ?? port["name"]);
        });
      }
      case "HTTPRoute":
      case "GRPCRoute":
      case "TLSRoute":
      case "TCPRoute":
      case "UDPRoute":
        return listOf(spec["rules"]).flatMap((rule) =>
          listOf(rule["backendRefs"]).flatMap((backend) => {
            const namespace = typeof backend["namespace"] === "string" ? backend["namespace"] : ref.namespace;
            return behind(ref, namespace, backend["name"], backend["port"]);
          }),
        );
      default:
        return [];
    }
  });
}

/** What of an entrance's ports gets to a workload. */
function entranceTo(engine: Engine, way: Way, workload: Workload): Entrance[] {
  if (workload.namespace !== way.namespace || Object.keys(way.selector).length === 0) return [];
  const selected = Object.entries(way.selector).every(([key, value]) => {
    const label = labelOf(workload.labelSet, key);
    return label !== undefined && (typeof label !== "string" || typeof value !== "string" || label === value);
  });
  if (!selected) return [];
  const ports = portsOf(way, workload);
  if (ports.may.isEmpty()) return [];
  const destination: Peer = { kind: "workload", id: workload.id };
  const sources: Peer[] =
    way.arrivesFrom === "world"
      ? [{ kind: "address", address: "192.0.2.1" }]
      : [
          { kind: "node", where: "local" },
          { kind: "node", where: "remote" },
        ];
  // a proxy in the cluster is a pod or a node of which nothing is known here: what the workload lets in from anybody counts
  const range =
    way.arrivesFrom === "proxy"
      ? anyonesTraffic(engine, destination)
      : sources.map((source) => engine.traffic(source, destination)).reduce(eitherOf);
  const allowed = range.must.intersect(ports.must);
  const possible = range.may.intersect(ports.may);
  return possible.isEmpty() ? [] : [{ via: way.via, arrivesFrom: way.arrivesFrom, allowed, possible }];
}

/** What passes from some pod or node of the cluster; certain only where it passes from all. */
function anyonesTraffic(engine: Engine, destination: Peer): TrafficRange {
  let must = TrafficSet.all();
  let may = TrafficSet.none();
  const sources: Peer[] = [
    ...engine.snapshot.workloads.map(({ id }): Peer => ({ kind: "workload", id })),
    ...[...engine.snapshot.namespaces.keys()].map((namespace): Peer => ({ kind: "freshPod", namespace })),
    { kind: "node", where: "remote" },
  ];
  for (const source of sources) {
    const range = engine.traffic(source, destination);
    must = must.intersect(range.must);
    may = may.union(range.may);
  }
  return { must, may };
}

/** The pods' ports that the entrance leads to. */
function portsOf(way: Way, workload: Workload): TrafficRange {
  let must = TrafficSet.none();
  let may = TrafficSet.none();
  for (const port of way.ports) {
    if (way.port !== undefined && way.port !== port["port"] && way.port !== port["name"]) continue;
    const protocol = (port["protocol"] ?? "TCP") as PortProtocol;
    if (!["TCP", "UDP", "SCTP"].includes(protocol)) continue;
    const target = port["targetPort"] ?? port["port"];
    if (typeof target === "number" && Number.isInteger(target) && target >= 1 && target <= 65535) {
      const set = TrafficSet.ports(protocol, target);
      must = must.union(set);
      may = may.union(set);
      continue;
    }
    for (const own of workload.ports) {
      if (own.name !== target || own.protocol !== protocol) continue;
      must = must.union(TrafficSet.ports(protocol, own.port));
      may = may.union(TrafficSet.ports(protocol, own.port));
    }
    if (workload.portsUnknown || typeof target !== "string") may = may.union(TrafficSet.protocol(protocol));
  }
  return { must, may };
}
