/**
 * What Istio's registry knows: Services and ServiceEntries, for which namespaces, and on which ports they lead where.
 * Source: istio pilot/pkg/model/push_context.go (servicesExportedToNamespace), pkg/config/visibility.
 */
import type { SourcedObject } from "../model/objects";
import { listOf, mapOf, type Fields } from "../model/plain";
import type { L4Spec, PeerTerm } from "../model/rules";
import { all, always, inNamespace, test } from "../model/selectors/conditions";
import type { ServiceEntry as Service } from "../model/services";
import { AddressSet, parseCidr } from "../model/sets/addresses";
import { TrafficSet } from "../model/sets/ports";
import { isUnknown, MAYBE, NO, triOr, unknownValue, YES, type Tri } from "../model/unknown";
import { clusterNetworkPolicyPattern } from "./fqdn";
import { anyName } from "./waypoints";

/** A port of something in the registry, and where connections to it go. */
interface RegisteredPort {
  readonly port: number;
  readonly ways: readonly { readonly peers: readonly PeerTerm[]; readonly l4: L4Spec }[];
}

/** A Service, or one of the hosts of a ServiceEntry. */
export interface Registered {
  readonly namespace: string;
  /** Its name, or a pattern that begins with `*`. */
  readonly host: string;
  /** Namespaces, `.` for its own, `~` for none; everybody where the list is empty. */
  readonly exportTo: readonly string[];
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

/** Everything in the registry; the API server's Service is in every cluster. */
export function registeredOf(objects: readonly SourcedObject[], services: readonly Service[]): readonly Registered[] {
  const entries = objects.flatMap(({ object }) =>
    object.kind === "ServiceEntry" && object.apiVersion.startsWith("networking.istio.io/") ? entryOf(object) : [],
  );
  return [apiServer, ...services.map(serviceOf), ...entries];
}

const tcp = TrafficSet.protocol("TCP");
const exactly = (set: TrafficSet): L4Spec => ({ must: set, may: set, named: [] });

const apiServer: Registered = {
  namespace: "default",
  host: hostOf({ namespace: "default", name: "kubernetes" }),
  exportTo: [],
  ports: [{ port: 443, ways: [{ peers: [{ kind: "entity", entity: "kube-apiserver" }], l4: exactly(tcp) }] }],
};

function serviceOf(service: Service): Registered {
  const { namespace, selector, object } = service;
  const exported = object.metadata?.annotations?.["networking.istio.io/exportTo"];
  return {
    namespace,
    host: hostOf(service),
    exportTo: typeof exported === "string" ? exported.split(",").map((each) => each.trim()) : [],
    ports: service.ports
      .filter(({ protocol }) => protocol === "TCP")
      .map(({ port, target, name }) => ({
        port,
        ways: [
          {
            peers: selector === undefined ? listedBehind(service) : [podsOf(namespace, selector)],
            l4: toTarget(selector === undefined ? listedPort(service, name) : target),
          },
        ],
      })),
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

function entryOf(object: SourcedObject["object"]): Registered[] {
  const spec = mapOf(object.spec);
  const namespace = textOf(object.metadata?.namespace) ?? "default";
  const hosts = listOf(spec["hosts"]).map((each) => textOf(each) ?? "*");
  const resolution = spec["resolution"] ?? "NONE";
  const addresses = listOf(spec["addresses"]);
  const ranges = addresses.length === 0 ? undefined : rangesIn(addresses);
  const selected = mapOf(spec["workloadSelector"])["labels"];
  return hosts.map((host) => ({
    namespace,
    host,
    exportTo: listOf(spec["exportTo"]).flatMap((each) => textOf(each) ?? []),
    ports: listOf(spec["ports"])
      .map(mapOf)
      .flatMap((fields): RegisteredPort[] => {
        const port = fields["number"];
        if (typeof port !== "number") return [];
        const asked = exactly(TrafficSet.ports("TCP", port));
        const target = fields["targetPort"];
        const pattern = host === "*" ? anyName : clusterNetworkPolicyPattern(host);
        const protocol = (textOf(fields["protocol"]) ?? "").toLowerCase();
        const open = addresses.length === 0 || byHost.has(protocol);
        // a name is asked for in the request; without resolution a connection goes where it was going to
        const stream = !byHost.has(protocol) && !bySni.has(protocol);
        const unnamed: PeerTerm = { kind: "not", of: { kind: "fqdn", pattern: anyName, asked: true } };
        const anywhere = resolution !== "NONE" ? perhapsOf(outside, unnamed) : stream ? uncertain : perhapsOf(unnamed);
        return [
          {
            port,
            ways: [
              { peers: [{ kind: "fqdn", pattern, asked: true }], l4: asked },
              ...(ranges === undefined
                ? []
                : [{ peers: [{ kind: "cidr" as const, set: ranges, literal: true }], l4: asked }]),
              ...(open || ranges === undefined ? [{ peers: [anywhere], l4: asked }] : []),
              ...(selected === undefined
                ? []
                : [
                    {
                      peers: [podsOf(namespace, mapOf(selected))],
                      l4: toTarget(typeof target === "number" ? target : port),
                    },
                  ]),
            ],
          },
        ];
      }),
  }));
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
export function isExported({ exportTo, namespace }: Registered, client: string | undefined): Tri {
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
