/** What policies refer to besides workloads: Services with their endpoints, CIDR groups, the cluster's own addresses. */
import type { KubeObject, SourcedObject } from "../model/objects";
import type { ServiceEntry } from "../readers/services";
import { evaluate, type Condition } from "../model/selectors/conditions";
import { labelOf, type LabelSet, type LabelValue } from "../model/selectors/labels";
import { AddressSet, parseAddress, parseCidr } from "../model/sets/addresses";
import { isUnknown, NO, unknownValue } from "../model/unknown";
import { labelSetOf } from "../readers/workloads";

export interface ClusterData {
  readonly services: readonly ServiceEntry[];
  readonly cidrGroups: (name: string | undefined, selector: Condition | undefined) => AddressSet | undefined;
  /** The ranges pods get their addresses from; nothing where the objects do not say. */
  readonly podAddresses: AddressSet | undefined;
  /** Where the API server answers (endpoints of the Service `default/kubernetes`). */
  readonly apiServerAddresses: readonly string[];
}

function fieldsOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : {};
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? (value as unknown[]) : [];
}

export function readClusterData(objects: readonly SourcedObject[]): ClusterData {
  const endpoints = new Map<string, Endpoints>();
  const groups: { name: string; labels: LabelSet; set: AddressSet | undefined }[] = [];
  let podAddresses: AddressSet | undefined;
  for (const { object } of objects) {
    const slice = endpointsOf(object);
    if (slice !== undefined) {
      const known = endpoints.get(slice.service);
      endpoints.set(slice.service, {
        addresses: [...(known?.addresses ?? []), ...slice.addresses],
        readable: (known?.readable ?? true) && slice.readable,
      });
    }
    if (object.kind === "CiliumCIDRGroup") groups.push(cidrGroupOf(object));
    if (object.kind === "Node" && object.apiVersion === "v1") {
      const spec = fieldsOf(object.spec);
      for (const cidr of [spec["podCIDR"], ...listOf(spec["podCIDRs"])]) {
        const range = typeof cidr === "string" ? parseCidr(cidr) : undefined;
        if (range !== undefined) podAddresses = AddressSet.of(range).union(podAddresses ?? AddressSet.none);
      }
    }
  }
  const services = objects.filter(({ object }) => object.kind === "Service" && object.apiVersion === "v1");
  return {
    services: services.map(({ object }) => serviceOf(object, endpoints)),
    cidrGroups: (name, selector) => {
      const found = groups.filter((group) =>
        name === undefined
          ? selector !== undefined && evaluate(selector, (_field, key) => labelOf(group.labels, key)) !== NO
          : group.name === name,
      );
      if (name !== undefined && found.length === 0) return undefined;
      let set = AddressSet.none;
      for (const group of found) {
        if (group.set === undefined) return undefined;
        set = set.union(group.set);
      }
      return set;
    },
    podAddresses,
    apiServerAddresses: endpoints.get("default/kubernetes")?.addresses ?? [],
  };
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
  readonly readable: boolean;
}

/** Addresses that an EndpointSlice or an Endpoints object lists, with the Service they belong to. */
function endpointsOf(object: KubeObject): (Endpoints & { readonly service: string }) | undefined {
  const place = placeOf(object);
  if (object.kind === "EndpointSlice" && object.apiVersion.startsWith("discovery.k8s.io/")) {
    const service = object.metadata?.labels?.["kubernetes.io/service-name"];
    if (typeof service !== "string") return undefined;
    // names as addresses (addressType FQDN) stand for addresses that nobody here knows
    const lists = listOrWrong(object["endpoints"]).map((entry) => fieldsOf(entry)["addresses"] ?? [undefined]);
    return { service: `${place.namespace}/${service}`, ...addressesIn(lists.flatMap(listOrWrong)) };
  }
  if (object.kind === "Endpoints" && object.apiVersion === "v1") {
    const entries = listOrWrong(object["subsets"]).flatMap((subset) => listOrWrong(fieldsOf(subset)["addresses"]));
    const addresses = addressesIn(entries.map((entry) => fieldsOf(entry)["ip"]));
    return { service: `${place.namespace}/${place.name}`, ...addresses };
  }
  return undefined;
}

/** A list; what is none counts as an entry that cannot be read. */
function listOrWrong(value: unknown): readonly unknown[] {
  return value === undefined || value === null || Array.isArray(value) ? listOf(value) : [undefined];
}

function addressesIn(values: readonly unknown[]): Endpoints {
  const addresses = values.filter(isText);
  return { addresses, readable: addresses.length === values.length };
}

function isText(value: unknown): value is string {
  return typeof value === "string" && parseAddress(value) !== undefined;
}

function serviceOf(object: KubeObject, endpoints: ReadonlyMap<string, Endpoints>): ServiceEntry {
  const place = placeOf(object);
  const selector = fieldsOf(object.spec)["selector"];
  const listed = endpoints.get(`${place.namespace}/${place.name}`);
  const isReadable = [object.spec, selector].every((part) => part === undefined || part === null || isMap(part));
  const entries = Object.entries(fieldsOf(selector)).map(([key, value]): [string, LabelValue] => [
    key,
    typeof value === "string" && !isUnknown(value) ? value : unknownValue,
  ]);
  return {
    ...place,
    labelSet: labelSetOf(object.metadata?.labels),
    selector: entries.length === 0 ? undefined : Object.fromEntries(entries),
    endpoints: listed?.addresses ?? [],
    readable: isReadable && (entries.length > 0 || (listed?.readable ?? true)),
    object,
  };
}

function cidrGroupOf(object: KubeObject): { name: string; labels: LabelSet; set: AddressSet | undefined } {
  const { externalCIDRs: given, ...others } = fieldsOf(object.spec);
  const cidrs = listOf(given);
  // what is not known yet, is no list, or has a field that nobody knows may hold anything
  const readable =
    (object.spec === undefined || isMap(object.spec)) &&
    (given === undefined || Array.isArray(given)) &&
    Object.keys(others).length === 0;
  const ranges = cidrs.map((cidr) => (typeof cidr === "string" ? parseCidr(cidr) : undefined));
  const known = ranges.filter((range) => range !== undefined);
  return {
    name: placeOf(object).name,
    labels: labelSetOf(object.metadata?.labels),
    set: readable && known.length === ranges.length ? AddressSet.of(...known) : undefined,
  };
}

function isMap(value: unknown): boolean {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !isUnknown(value);
}
