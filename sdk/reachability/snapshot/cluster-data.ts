/** What policies refer to besides workloads: Services with their endpoints, CIDR groups, the cluster's own addresses. */
import type { KubeObject, SourcedObject } from "../model/objects";
import type { ServiceEndpoint, ServiceEntry, ServicePort } from "../model/services";
import { evaluate, type Condition } from "../model/selectors/conditions";
import { labelOf, type LabelSet, type LabelValue } from "../model/selectors/labels";
import { AddressSet, parseAddress, parseCidr, type AddressRange } from "../model/sets/addresses";
import type { PortProtocol } from "../model/sets/ports";
import { isUnknown, NO, tri, unknownValue, YES } from "../model/unknown";
import type { CidrGroups } from "../readers/common";
import { labelSetOf } from "../readers/workloads";
import { isMap, listOf, mapOf, type Fields } from "../model/plain";

export interface ClusterData {
  readonly services: readonly ServiceEntry[];
  readonly cidrGroups: (name: string | undefined, selector: Condition | undefined) => CidrGroups;
  /** The ranges pods get their addresses from; nothing where the objects do not say. */
  readonly podAddresses: AddressSet | undefined;
  /** The ranges Services get their ClusterIPs from (ServiceCIDR objects); nothing where the objects do not say. */
  readonly serviceAddresses: AddressSet | undefined;
  /** Where the API server answers (endpoints of the Service `default/kubernetes`). */
  readonly apiServerAddresses: readonly string[];
  /** The cluster's DNS domains: `cluster.local`, and what CoreDNS is told to serve. */
  readonly clusterDomains: readonly string[];
}

export function readClusterData(objects: readonly SourcedObject[]): ClusterData {
  const endpoints = new Map<string, Endpoints>();
  const groups: CidrGroup[] = [];
  let podAddresses: AddressSet | undefined;
  let serviceAddresses: AddressSet | undefined;
  const clusterDomains = new Set(["cluster.local"]);
  for (const { object } of objects) {
    const slice = endpointsOf(object);
    if (slice !== undefined) {
      const known = endpoints.get(slice.service);
      endpoints.set(slice.service, {
        addresses: [...(known?.addresses ?? []), ...slice.addresses],
        listed: [...(known?.listed ?? []), ...slice.listed],
        ports: [...(known?.ports ?? []), ...slice.ports],
        readable: (known?.readable ?? true) && slice.readable,
      });
    }
    if (object.kind === "CiliumCIDRGroup") groups.push(cidrGroupOf(object));
    for (const range of podRangesOf(object)) {
      podAddresses = AddressSet.of(range).union(podAddresses ?? AddressSet.none);
    }
    if (object.kind === "ServiceCIDR" && object.apiVersion.startsWith("networking.k8s.io/")) {
      const ranges = rangesIn(listOf(mapOf(object.spec)["cidrs"]));
      serviceAddresses = AddressSet.of(...ranges).union(serviceAddresses ?? AddressSet.none);
    }
    for (const domain of domainsOf(object)) clusterDomains.add(domain);
  }
  const services = objects.filter(({ object }) => object.kind === "Service" && object.apiVersion === "v1");
  return {
    services: services.map(({ object }) => serviceOf(object, endpoints)),
    cidrGroups: (name, selector) => groupsOf(groups, name, selector),
    podAddresses,
    serviceAddresses,
    apiServerAddresses: endpoints.get("default/kubernetes")?.addresses ?? [],
    clusterDomains: [...clusterDomains],
  };
}

/** The ranges of pod addresses that an object states: a Node, a CiliumNode, a pool of Cilium's or Calico's. */
function podRangesOf(object: KubeObject): AddressRange[] {
  const spec = mapOf(object.spec);
  const group = object.apiVersion.split("/")[0] ?? "";
  if (object.kind === "Node" && object.apiVersion === "v1") {
    return rangesIn([spec["podCIDR"], ...listOf(spec["podCIDRs"])]);
  }
  if (object.kind === "CiliumNode" && group === "cilium.io") {
    return rangesIn(listOf(mapOf(spec["ipam"])["podCIDRs"]));
  }
  if (object.kind === "CiliumPodIPPool" && group === "cilium.io") {
    return rangesIn([spec["ipv4"], spec["ipv6"]].flatMap((family) => listOf(mapOf(family)["cidrs"])));
  }
  if (object.kind === "IPPool" && group.endsWith("projectcalico.org")) {
    const uses = listOf(spec["allowedUses"]);
    return uses.length > 0 && !uses.includes("Workload") ? [] : rangesIn([spec["cidr"]]);
  }
  return [];
}

function rangesIn(values: readonly unknown[]): AddressRange[] {
  return values.flatMap((value) => {
    const range = typeof value === "string" && !isUnknown(value) ? parseCidr(value) : undefined;
    return range === undefined ? [] : [range];
  });
}

/** The zones of the `kubernetes` plugin in CoreDNS's configuration that hold Services. */
function domainsOf(object: KubeObject): string[] {
  if (object.kind !== "ConfigMap" || object.metadata?.namespace !== "kube-system") return [];
  const corefile = mapOf(object["data"])["Corefile"];
  if (typeof corefile !== "string") return [];
  return [...corefile.matchAll(/^\s*kubernetes[ \t]+([^{\n]*)/gm)].flatMap((match) =>
    (match[1] ?? "")
      .split(/\s+/)
      .map((zone) => zone.toLowerCase().replace(/\.$/, ""))
      .filter((zone) => /^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/.test(zone) && !zone.endsWith(".arpa")),
  );
}

function placeOf(object: KubeObject): { namespace: string; name: string } {
  const { namespace, name } = object.metadata ?? {};
  return {
    namespace: typeof namespace === "string" && namespace !== "" ? namespace : "default",
    name: typeof name === "string" ? name : "",
  };
}

/** Addresses behind a Service, and whether those are all that its objects list. */
interface Endpoints {
  readonly addresses: readonly string[];
  readonly listed: readonly ServiceEndpoint[];
  readonly ports: ServiceEntry["endpointPorts"];
  readonly readable: boolean;
}

/** Addresses that an EndpointSlice or an Endpoints object lists, with the Service they belong to. */
function endpointsOf(object: KubeObject): (Endpoints & { readonly service: string }) | undefined {
  const place = placeOf(object);
  if (object.kind === "EndpointSlice" && object.apiVersion.startsWith("discovery.k8s.io/")) {
    const service = object.metadata?.labels?.["kubernetes.io/service-name"];
    if (typeof service !== "string") return undefined;
    // names as addresses (addressType FQDN) stand for addresses that nobody here knows
    const entries = listOrWrong(object["endpoints"]).flatMap((entry) =>
      listOrWrong(mapOf(entry)["addresses"] ?? [undefined]).map((address) => ({ address, entry })),
    );
    const ports = endpointPortsIn(listOf(object["ports"]));
    return { service: `${place.namespace}/${service}`, ports, ...addressesIn(entries, place.namespace) };
  }
  if (object.kind === "Endpoints" && object.apiVersion === "v1") {
    const subsets = listOrWrong(object["subsets"]);
    const entries = subsets.flatMap((subset) =>
      listOrWrong(mapOf(subset)["addresses"]).map((entry) => ({ address: mapOf(entry)["ip"], entry })),
    );
    const ports = endpointPortsIn(subsets.flatMap((subset) => listOf(mapOf(subset)["ports"])));
    return { service: `${place.namespace}/${place.name}`, ports, ...addressesIn(entries, place.namespace) };
  }
  return undefined;
}

function endpointPortsIn(values: readonly unknown[]): ServiceEntry["endpointPorts"] {
  return values.flatMap((value) => {
    const { name, port, protocol } = mapOf(value);
    const known = protocolOf(protocol);
    if (!isPort(port) || known === undefined) return [];
    return [{ name: typeof name === "string" ? name : "", protocol: known, port }];
  });
}

function isPort(value: unknown): value is number {
  return typeof value === "number" && Number.isInteger(value) && value >= 1 && value <= 65535;
}

/** TCP where nothing is said, as the API server fills it in. */
function protocolOf(value: unknown): PortProtocol | undefined {
  if (value === undefined || value === null || value === "") return "TCP";
  return value === "TCP" || value === "UDP" || value === "SCTP" ? value : undefined;
}

/** A list; what is none counts as an entry that cannot be read. */
function listOrWrong(value: unknown): readonly unknown[] {
  return value === undefined || value === null || Array.isArray(value) ? listOf(value) : [undefined];
}

function addressesIn(
  entries: readonly { readonly address: unknown; readonly entry: unknown }[],
  home: string,
): Pick<Endpoints, "addresses" | "listed" | "readable"> {
  const listed = entries.flatMap(({ address, entry }): ServiceEndpoint[] => {
    if (!isText(address)) return [];
    const { targetRef, hostname } = mapOf(entry);
    const { kind, name, namespace } = mapOf(targetRef);
    const pod =
      kind === "Pod" && typeof name === "string"
        ? { pod: { name, namespace: typeof namespace === "string" ? namespace : home } }
        : {};
    return [{ address, ...pod, ...(typeof hostname === "string" && hostname !== "" ? { hostname } : {}) }];
  });
  return {
    addresses: listed.map(({ address }) => address),
    listed,
    readable: listed.length === entries.length,
  };
}

function isText(value: unknown): value is string {
  return typeof value === "string" && parseAddress(value) !== undefined;
}

function serviceOf(object: KubeObject, endpoints: ReadonlyMap<string, Endpoints>): ServiceEntry {
  const place = placeOf(object);
  const spec = mapOf(object.spec);
  const { selector } = spec;
  const listed = endpoints.get(`${place.namespace}/${place.name}`);
  const isReadable = [object.spec, selector].every((part) => part === undefined || part === null || isMap(part));
  const entries = Object.entries(mapOf(selector)).map(([key, value]): [string, LabelValue] => [
    key,
    typeof value === "string" && !isUnknown(value) ? value : unknownValue,
  ]);
  return {
    ...place,
    labelSet: labelSetOf(object.metadata?.labels),
    selector: entries.length === 0 ? undefined : Object.fromEntries(entries),
    endpoints: listed?.addresses ?? [],
    listed: listed?.listed ?? [],
    endpointPorts: listed?.ports ?? [],
    readable: isReadable && (entries.length > 0 || (listed?.readable ?? true)),
    ...portsIn(spec),
    ...addressesOfService(spec, mapOf(object["status"])),
    object,
  };
}

function portsIn(spec: Fields): Pick<ServiceEntry, "ports" | "portsUnknown"> {
  const entries = listOrWrong(spec["ports"]);
  const ports = entries.flatMap((entry): ServicePort[] => {
    const { name, port, protocol: given, targetPort, nodePort } = mapOf(entry);
    const protocol = protocolOf(given);
    if (!isPort(port) || protocol === undefined) return [];
    // `targetPort: 0` and "" mean the Service's own port, as if nothing stood there
    const absent = targetPort === undefined || targetPort === null || targetPort === 0 || targetPort === "";
    const target = absent ? port : isPort(targetPort) || isKnownText(targetPort) ? targetPort : undefined;
    return [
      {
        protocol,
        port,
        target,
        ...(typeof name === "string" ? { name } : {}),
        ...(isPort(nodePort) ? { nodePort } : {}),
      },
    ];
  });
  return { ports, portsUnknown: ports.length < entries.length };
}

function isKnownText(value: unknown): value is string {
  return typeof value === "string" && !isUnknown(value);
}

function addressesOfService(
  spec: Fields,
  status: Fields,
): Pick<ServiceEntry, "headless" | "clusterIps" | "outerAddresses" | "outerNames" | "externalName"> {
  const clusterIps = [spec["clusterIP"], ...listOf(spec["clusterIPs"])];
  const balancers = listOf(mapOf(status["loadBalancer"])["ingress"]).map(mapOf);
  const outer = [...listOf(spec["externalIPs"]), spec["loadBalancerIP"], ...balancers.map(({ ip }) => ip)];
  const externalName = spec["type"] === "ExternalName" ? spec["externalName"] : undefined;
  return {
    headless: clusterIps.includes("None"),
    clusterIps: [...new Set(clusterIps.filter(isText))],
    outerAddresses: [...new Set(outer.filter(isText))],
    outerNames: balancers.flatMap(({ hostname }) => (isKnownText(hostname) && hostname !== "" ? [hostname] : [])),
    ...(isKnownText(externalName) && externalName !== "" ? { externalName } : {}),
  };
}

interface CidrGroup {
  readonly name: string;
  readonly labels: LabelSet;
  readonly known: AddressSet;
  /** It holds no more than what is known. */
  readonly complete: boolean;
}

function groupsOf(groups: readonly CidrGroup[], name: string | undefined, selector: Condition | undefined): CidrGroups {
  let known = AddressSet.none;
  let complete = true;
  let found = 0;
  for (const group of groups) {
    const named = tri(group.name === name);
    const fits = selector === undefined ? named : evaluate(selector, (_field, key) => labelOf(group.labels, key));
    if (fits === NO) continue;
    found += 1;
    if (fits === YES) known = known.union(group.known);
    complete &&= fits === YES && group.complete;
  }
  if (name !== undefined && found === 0) return { known, rest: "not-read" };
  return complete ? { known } : { known, rest: "unknown" };
}

function cidrGroupOf(object: KubeObject): CidrGroup {
  const { externalCIDRs: given, ...others } = mapOf(object.spec);
  const cidrs = listOf(given);
  // what is not known yet, is no list, or has a field that nobody knows may hold anything
  const readable =
    (object.spec === undefined || isMap(object.spec)) &&
    (given === undefined || Array.isArray(given)) &&
    Object.keys(others).length === 0;
  const written = cidrs.filter((cidr) => !isUnknown(cidr));
  const ranges = written.map((cidr) => (typeof cidr === "string" ? parseCidr(cidr) : undefined));
  const known = ranges.filter((range) => range !== undefined);
  // for a range that is none the API server refuses the group
  const valid = readable && known.length === ranges.length;
  return {
    name: placeOf(object).name,
    labels: labelSetOf(object.metadata?.labels),
    known: valid ? AddressSet.of(...known) : AddressSet.none,
    complete: valid && written.length === cidrs.length,
  };
}
