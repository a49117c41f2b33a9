/** What policies refer to besides workloads: Services with their endpoints, CIDR groups, the cluster's own addresses. */
import type { KubeObject, SourcedObject } from "../objects";
import type { ServiceEntry } from "../readers/services";
import { evaluate, type Condition } from "../selectors/conditions";
import { labelOf, type LabelSet, type LabelValue } from "../selectors/labels";
import { AddressSet, parseAddress, parseCidr } from "../sets/addresses";
import { isUnknown, NO, unknownValue } from "../unknown";
import { labelSetOf } from "./workloads";

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
  const endpoints = new Map<string, string[]>();
  const groups: { name: string; labels: LabelSet; set: AddressSet | undefined }[] = [];
  let podAddresses: AddressSet | undefined;
  for (const { object } of objects) {
    const slice = endpointsOf(object);
    if (slice !== undefined) {
      const known = endpoints.get(slice.service) ?? [];
      known.push(...slice.addresses);
      endpoints.set(slice.service, known);
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
    apiServerAddresses: endpoints.get("default/kubernetes") ?? [],
  };
}

function placeOf(object: KubeObject): { namespace: string; name: string } {
  const { namespace, name } = object.metadata ?? {};
  return {
    namespace: typeof namespace === "string" && namespace !== "" ? namespace : "default",
    name: typeof name === "string" ? name : "",
  };
}

/** Addresses that an EndpointSlice or an Endpoints object lists, with the Service they belong to. */
function endpointsOf(object: KubeObject): { service: string; addresses: string[] } | undefined {
  const place = placeOf(object);
  if (object.kind === "EndpointSlice" && object.apiVersion.startsWith("discovery.k8s.io/")) {
    const service = object.metadata?.labels?.["kubernetes.io/service-name"];
    if (typeof service !== "string") return undefined;
    const addresses = listOf(object["endpoints"]).flatMap((entry) => listOf(fieldsOf(entry)["addresses"]));
    return { service: `${place.namespace}/${service}`, addresses: addresses.filter(isText) };
  }
  if (object.kind === "Endpoints" && object.apiVersion === "v1") {
    const addresses = listOf(object["subsets"])
      .flatMap((subset) => listOf(fieldsOf(subset)["addresses"]))
      .map((entry) => fieldsOf(entry)["ip"]);
    return { service: `${place.namespace}/${place.name}`, addresses: addresses.filter(isText) };
  }
  return undefined;
}

function isText(value: unknown): value is string {
  return typeof value === "string" && parseAddress(value) !== undefined;
}

function serviceOf(object: KubeObject, endpoints: ReadonlyMap<string, string[]>): ServiceEntry {
  const place = placeOf(object);
  const selector = fieldsOf(object.spec)["selector"];
  const entries = Object.entries(fieldsOf(selector)).map(([key, value]): [string, LabelValue] => [
    key,
    typeof value === "string" && !isUnknown(value) ? value : unknownValue,
  ]);
  return {
    ...place,
    labelSet: labelSetOf(object.metadata?.labels),
    selector: entries.length === 0 ? undefined : Object.fromEntries(entries),
    endpoints: endpoints.get(`${place.namespace}/${place.name}`) ?? [],
    object,
  };
}

function cidrGroupOf(object: KubeObject): { name: string; labels: LabelSet; set: AddressSet | undefined } {
  const given = fieldsOf(object.spec)["externalCIDRs"];
  const cidrs = listOf(given);
  // what is not known yet, or is no list, may hold anything
  const readable = (object.spec === undefined || isMap(object.spec)) && (given === undefined || Array.isArray(given));
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
