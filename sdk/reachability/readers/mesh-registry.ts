/**
 * What Istio's registry knows: Services and ServiceEntries, for which namespaces, and on which ports they lead where.
 * Source: istio pilot/pkg/model/push_context.go (servicesExportedToNamespace), pkg/config/visibility.
 */
import type { SourcedObject } from "../model/objects";
import { listOf, mapOf, type Fields } from "../model/plain";
import type { Problem } from "../model/problems";
import type { L4Spec, PeerTerm } from "../model/rules";
import { all, always, inNamespace, test } from "../model/selectors/conditions";
import type { ServiceEntry as Service } from "../model/services";
import { AddressSet, parseCidr } from "../model/sets/addresses";
import { TrafficSet } from "../model/sets/ports";
import { isUnknown, MAYBE, NO, triOr, unknownValue, YES, type Tri } from "../model/unknown";
import { ObjectReader, readInteger, readList, readMap, readString, readStrings, required } from "./fields";
import { clusterNetworkPolicyPattern } from "./fqdn";
import { anyName } from "./waypoints";

/** A port of something in the registry, and where connections to it go. */
interface RegisteredPort {
  /** Nothing where it is not known. */
  readonly port: number | undefined;
  readonly ways: readonly { readonly peers: readonly PeerTerm[]; readonly l4: L4Spec }[];
}

/** A Service, or one of the hosts of a ServiceEntry. */
export interface Registered {
  readonly namespace: string;
  /** Its name, or a pattern that begins with `*`. */
  readonly host: string;
  /** Namespaces, `.` for its own, `~` for none; everybody where the list is empty. */
  readonly exportTo: readonly string[];
  /** Whether it is there for a client is not known: `exportTo` is not, or istiod may refuse the object. */
  readonly doubtful: boolean;
  readonly ports: readonly RegisteredPort[];
}

const uncertain: PeerTerm = { kind: "uncertain" };
const pods: PeerTerm = { kind: "pods", where: always };
const nodes: PeerTerm = { kind: "nodes", where: always };
/** Any address outside the cluster. */
const outside: PeerTerm = {
  kind: "and",
  of: [
    { kind: "not", of: pods },
    { kind: "not", of: nodes },
  ],
};
/** It may be any of these. */
export const perhapsOf = (...of: readonly PeerTerm[]): PeerTerm => ({ kind: "and", of: [...of, uncertain] });
/** Whether a node, or a pod on its network, answers is not looked into. */
export const anyNodePerhaps = perhapsOf(nodes);

/** The name of a Service in the registry. */
export function hostOf({ namespace, name }: Pick<Service, "namespace" | "name">): string {
  return `${name}.${namespace}.svc.cluster.local`;
}

/**
 * Everything in the registry; the API server's Service is in every cluster.
 *
 * @param problems Gets what cannot be read in a ServiceEntry.
 */
export function registeredOf(
  objects: readonly SourcedObject[],
  services: readonly Service[],
  problems: Problem[],
): readonly Registered[] {
  const entries = objects.flatMap((sourced) =>
    sourced.object.kind === "ServiceEntry" && sourced.object.apiVersion.startsWith("networking.istio.io/")
      ? entryOf(sourced, problems)
      : [],
  );
  return [apiServer, ...services.map(serviceOf), ...entries];
}

const tcp = TrafficSet.protocol("TCP");
const exactly = (set: TrafficSet): L4Spec => ({ must: set, may: set, named: [] });

const apiServer: Registered = {
  namespace: "default",
  host: hostOf({ namespace: "default", name: "kubernetes" }),
  exportTo: [],
  doubtful: false,
  ports: [{ port: 443, ways: [{ peers: [{ kind: "entity", entity: "kube-apiserver" }], l4: exactly(tcp) }] }],
};

function serviceOf(service: Service): Registered {
  const { namespace, selector, object } = service;
  const annotations: unknown = object.metadata?.annotations;
  const exported = mapOf(annotations)["networking.istio.io/exportTo"];
  const peers = selector === undefined ? listedBehind(service) : [podsOf(namespace, selector)];
  return {
    namespace,
    host: hostOf(service),
    exportTo:
      typeof exported === "string" && !isUnknown(exported) ? exported.split(",").map((each) => each.trim()) : [],
    doubtful: isUnknown(annotations) || isUnknown(exported),
    ports: [
      ...service.ports
        .filter(({ protocol }) => protocol === "TCP")
        .map(({ port, target, name }) => ({
          port,
          ways: [{ peers, l4: toTarget(selector === undefined ? listedPort(service, name) : target) }],
        })),
      ...(service.portsUnknown ? [{ port: undefined, ways: [{ peers, l4: toTarget(undefined) }] }] : []),
    ],
  };
}

function podsOf(namespace: string, labels: Fields): PeerTerm {
  const wanted = Object.entries(labels).map(([key, value]) =>
    test("label", key, "in", typeof value === "string" && !isUnknown(value) ? value : unknownValue),
  );
  return { kind: "pods", where: all(inNamespace(namespace), ...wanted) };
}

function toTarget(target: number | string | undefined): L4Spec {
  if (target === undefined) return { must: TrafficSet.none(), may: tcp, named: [] };
  if (typeof target === "number") return exactly(TrafficSet.ports("TCP", target));
  return { ...exactly(TrafficSet.none()), named: [{ name: target, protocol: "TCP" }] };
}

/** What Endpoints list of a Service without a selector; its names elsewhere may be anything. */
function listedBehind({ endpoints, externalName }: Service): PeerTerm[] {
  if (externalName !== undefined) return [perhapsOf(outside)];
  const known = rangesIn(endpoints);
  return known === undefined ? [uncertain] : [{ kind: "cidr", set: known, literal: true }];
}

function listedPort({ endpointPorts }: Service, name: string | undefined): number | undefined {
  return endpointPorts.find((each) => each.protocol === "TCP" && each.name === (name ?? ""))?.port;
}

/** Protocols whose listeners are for every address, and find the host in the request. */
const byHost: ReadonlySet<string> = new Set(["http", "http2", "grpc", "grpc-web"]);
/** Protocols that name the host in the first message. */
const bySni: ReadonlySet<string> = new Set(["https", "tls"]);

/** The hosts of a ServiceEntry. One that istiod refuses for a value, or whose parts are not known, is there perhaps. */
function entryOf({ object, source }: SourcedObject, problems: Problem[]): Registered[] {
  const namespace = textOf(object.metadata?.namespace) ?? "default";
  const { apiVersion, kind } = object;
  const ref = { apiVersion, kind, name: textOf(object.metadata?.name) ?? "(unknown)", namespace };
  const reader = new ObjectReader(ref, source, problems);
  const spec = reader.attempt(
    () => readMap(object.spec, "spec"),
    () => undefined,
  );
  const strings = (key: string) =>
    reader.attempt(
      () => readStrings(spec?.[key], `spec.${key}`) ?? [],
      () => undefined,
    );
  const hosts = spec === undefined ? undefined : strings("hosts");
  const exportTo = strings("exportTo");
  const ports = spec === undefined ? [{}] : portsOf(spec, reader);
  const behind = endsOf(spec ?? {}, namespace);
  return (hosts ?? ["*"]).map((host) => ({
    namespace,
    host,
    exportTo: exportTo ?? [],
    doubtful: hosts === undefined || exportTo === undefined || reader.invalid,
    ports: ports.map((port) => ({ port: port.number, ways: behind(host, port) })),
  }));
}

/** A port of a ServiceEntry; what is not known of it is left out. */
interface EntryPort {
  readonly number?: number;
  readonly target?: number | undefined;
  readonly protocol?: string;
}

function portsOf(spec: Fields, reader: ObjectReader): readonly EntryPort[] {
  const listed = reader.attempt(
    () => readList(spec["ports"], "spec.ports") ?? [],
    () => undefined,
  );
  if (listed === undefined) return [{}];
  return listed.map((value, index) => {
    const path = `spec.ports[${index}]`;
    const readPort = (): EntryPort => {
      const fields = required(readMap(value, path), path);
      return {
        number: required(readInteger(fields["number"], `${path}.number`, 1, 65535), `${path}.number`),
        target: readInteger(fields["targetPort"], `${path}.targetPort`, 1, 65535),
        protocol: (readString(fields["protocol"], `${path}.protocol`) ?? "").toLowerCase(),
      };
    };
    return reader.attempt(readPort, () => ({}));
  });
}

/** Where connections to the hosts of a ServiceEntry go, port by port. */
function endsOf(spec: Fields, namespace: string): (host: string, port: EntryPort) => RegisteredPort["ways"] {
  const resolution = spec["resolution"] ?? "NONE";
  const addresses = listOf(spec["addresses"]);
  const ranges = addresses.length === 0 ? undefined : rangesIn(addresses);
  const selected = mapOf(spec["workloadSelector"])["labels"];
  return (host, { number, target = number, protocol }) => {
    const asked = exactly(TrafficSet.ports("TCP", number));
    const open = addresses.length === 0 || protocol === undefined || byHost.has(protocol);
    // a name is asked for in the request; without resolution a connection goes where it was going to
    const stream = protocol === undefined || !(byHost.has(protocol) || bySni.has(protocol));
    const unnamed: PeerTerm = { kind: "not", of: { kind: "fqdn", pattern: anyName, asked: true } };
    const anywhere = resolution !== "NONE" ? perhapsOf(outside, unnamed) : stream ? uncertain : perhapsOf(unnamed);
    return [
      { peers: [named(host)], l4: asked },
      ...(ranges === undefined ? [] : [{ peers: [{ kind: "cidr" as const, set: ranges, literal: true }], l4: asked }]),
      ...(open || ranges === undefined ? [{ peers: [anywhere], l4: asked }] : []),
      ...(selected === undefined ? [] : [{ peers: [podsOf(namespace, mapOf(selected))], l4: toTarget(target) }]),
    ];
  };
}

function named(host: string): PeerTerm {
  return { kind: "fqdn", pattern: host === "*" ? anyName : clusterNetworkPolicyPattern(host), asked: true };
}

/** Addresses and ranges as one set; nothing where one is not known. */
function rangesIn(texts: readonly unknown[]): AddressSet | undefined {
  const ranges = texts.map((text) => {
    if (typeof text !== "string" || isUnknown(text)) return undefined;
    return parseCidr(text.includes("/") ? text : `${text}/${text.includes(":") ? 128 : 32}`);
  });
  const known = ranges.filter((range) => range !== undefined);
  return known.length === ranges.length && known.length > 0 ? AddressSet.of(...known) : undefined;
}

/** Whether something in the registry is there for a client. `client` is its namespace, where known. */
export function isExported({ exportTo, doubtful, namespace }: Registered, client: string | undefined): Tri {
  if (doubtful) return MAYBE;
  if (exportTo.length === 0) return YES;
  return exportTo.reduce<Tri>((result, to) => {
    if (to === "*") return YES;
    if (to === "~") return result;
    const wanted = to === "." ? namespace : to;
    return triOr(result, client === undefined ? MAYBE : wanted === client ? YES : NO);
  }, NO);
}

/** Hosts that VirtualServices send to: a proxy that knows the VirtualService knows these too. */
export function routedHostsOf(objects: readonly SourcedObject[]): ReadonlySet<string> {
  const hosts = new Set<string>();
  for (const { object } of objects) {
    if (object.kind !== "VirtualService" || !object.apiVersion.startsWith("networking.istio.io/")) continue;
    const spec = mapOf(object.spec);
    const namespace = textOf(object.metadata?.namespace) ?? "default";
    for (const field of ["http", "tcp", "tls"]) {
      for (const route of listOf(spec[field])
        .map(mapOf)
        .flatMap((each) => [...listOf(each["route"]), ...listOf(each["mirrors"]), { destination: each["mirror"] }])) {
        const host = textOf(mapOf(mapOf(route)["destination"])["host"]);
        if (host !== undefined) hosts.add(host.includes(".") ? host : `${host}.${namespace}.svc.cluster.local`);
      }
    }
  }
  return hosts;
}

function textOf(value: unknown): string | undefined {
  return typeof value === "string" && !isUnknown(value) && value !== "" ? value : undefined;
}
