/**
 * Istio's waypoints: which pods' traffic passes one, and which names'.
 * Source: istio pilot/pkg/model/policyattachment.go, pilot/pkg/serviceregistry/ambient/waypoints.go; labels istio.io/use-waypoint, istio.io/use-waypoint-namespace and
 * istio.io/waypoint-for (istio/api label/labels.yaml).
 */
import { namespaceNameLabel } from "../model/namespace-labels";
import type { KubeObject, SourcedObject } from "../model/objects";
import { dnsName, clusterNetworkPolicyPattern } from "./fqdn";
import type { DnsPattern } from "../model/rules";
import type { Waypoint, WaypointTable, WaypointUse } from "../model/waypoints";
import {
  all,
  always,
  any,
  evaluate,
  inNamespace,
  perhaps,
  test,
  type Condition,
  type Lookup,
} from "../model/selectors/conditions";
import { isUnknown, NO, unknownValue } from "../model/unknown";
import { listOf, mapOf, type Fields } from "../model/plain";
import { namespaceLabels } from "./label-selector";
import { gatewayClassesOf, selectorIn } from "./mesh-installation";

export const waypointClass = "istio-waypoint";

type Labels = Readonly<Record<string, unknown>>;

/** A Gateway, as far as it is a waypoint. */
interface GatewayObject {
  readonly waypoint: boolean;
  /** `istio.io/waypoint-for`. */
  readonly serves: unknown;
  /** The namespaces whose Services and pods may name it. */
  readonly admits: Condition;
}

/** Reads the waypoints of a snapshot, and what names them. */
export function waypointsOf(objects: readonly SourcedObject[]): WaypointTable {
  const named = readNamed(objects);
  const services = objects
    .filter(({ object }) => object.kind === "Service" && object.apiVersion === "v1")
    .map(({ object }) => ({ key: keyOf(object), ...readService(object, named) }));
  const byKey = new Map(services.map(({ key, where, uses }) => [key, { where, uses: uses.length > 0 }]));
  return {
    uses: [...services.flatMap(({ uses }) => uses), ...usesOfNamespaces(named), ...usesOfGateways(named)],
    gateway: (namespace, name) => {
      const found = named.gateways.get(`${namespace}/${name}`);
      return found === undefined ? undefined : found.waypoint ? "waypoint" : "gateway";
    },
    service: (namespace, name) => byKey.get(`${namespace}/${name}`),
    hosts: (namespace, name) => named.entries.get(`${namespace}/${name}`),
  };
}

/** What others name, by `namespace/name`. */
interface Named {
  readonly gateways: ReadonlyMap<string, GatewayObject>;
  /** Hosts of ServiceEntries. */
  readonly entries: ReadonlyMap<string, readonly DnsPattern[]>;
  /** Labels of namespaces, by name. */
  readonly namespaces: ReadonlyMap<string, Labels>;
}

function readNamed(objects: readonly SourcedObject[]): Named {
  const gateways = new Map<string, GatewayObject>();
  const entries = new Map<string, readonly DnsPattern[]>();
  const namespaces = new Map<string, Labels>();
  const classes = gatewayClassesOf(objects);
  for (const { object } of objects) {
    const group = object.apiVersion.split("/")[0];
    const spec = mapOf(object.spec);
    const labels = mapOf(object.metadata?.labels);
    if (object.kind === "Namespace" && object.apiVersion === "v1")
      namespaces.set(textOf(object.metadata?.name), labels);
    if (object.kind === "Gateway" && group === "gateway.networking.k8s.io")
      gateways.set(keyOf(object), {
        waypoint: classes.get(textOf(spec["gatewayClassName"])) === "waypoint",
        serves: labels["istio.io/waypoint-for"] ?? "service",
        admits: admittedBy(spec, namespaceOf(object)),
      });
    if (object.kind === "ServiceEntry" && group === "networking.istio.io")
      entries.set(keyOf(object), hostsOf(spec["hosts"]));
  }
  return { gateways, entries, namespaces };
}

/** The pods behind a Service, and the waypoints that it uses. */
function readService(object: KubeObject, named: Named): { where: Condition; uses: readonly WaypointUse[] } {
  const namespace = namespaceOf(object);
  const selector = Object.entries(mapOf(mapOf(object.spec)["selector"]));
  const where = all(
    inNamespace(namespace),
    ...selector.map(([key, value]) => test("label", key, "in", typeof value === "string" ? value : unknownValue)),
  );
  const labels = mapOf(object.metadata?.labels);
  // waypoints and the gateways between clusters have none themselves
  if (selector.length === 0 || managed.has(labels["gateway.istio.io/managed"])) return { where, uses: [] };
  const around = named.namespaces.get(namespace);
  const fromGateways = isTrue(labels[ingressLabel] ?? around?.[ingressLabel]);
  const uses = usedBy(labels, around, namespace)
    .filter((waypoint) => mayUse(named, waypoint, "service", namespace))
    .map((waypoint) => ({ waypoint, where, fromGateways }));
  return { where, uses };
}

/** Pods without a label of their own use the waypoint that their namespace names. */
function usesOfNamespaces(named: Named): WaypointUse[] {
  return [...named.namespaces].flatMap(([namespace, labels]): WaypointUse[] => {
    const waypoint = used(labels, namespace);
    if (waypoint === undefined || waypoint === "none" || !mayUse(named, waypoint, "workload", namespace)) return [];
    const where = all(inNamespace(namespace), test("label", useLabel, "doesNotExist"));
    return [{ waypoint, where, fromGateways: false }];
  });
}

/** Pods that name a waypoint themselves use it. */
function usesOfGateways({ gateways }: Named): WaypointUse[] {
  return [...gateways].flatMap(([key, { waypoint: isWaypoint, serves, admits }]): WaypointUse[] => {
    if (!isWaypoint || (serves !== "workload" && serves !== "all")) return [];
    const slash = key.indexOf("/");
    const waypoint: Waypoint = { namespace: key.slice(0, slash), name: key.slice(slash + 1) };
    const near = all(inNamespace(waypoint.namespace), test("label", namespaceLabel, "doesNotExist"));
    const place = any(near, test("label", namespaceLabel, "in", waypoint.namespace));
    const where = all(test("label", useLabel, "in", waypoint.name), place, admits);
    return [{ waypoint, where, fromGateways: false }];
  });
}

/**
 * Whether a waypoint serves what names it, and admits its namespace. One that does not say what it is for, or that is not in
 * the snapshot, serves Services.
 */
function mayUse(named: Named, waypoint: Waypoint, what: "service" | "workload", namespace: string): boolean {
  const gateway = named.gateways.get(`${waypoint.namespace}/${waypoint.name}`);
  const serves = gateway?.serves ?? "service";
  if (serves !== what && serves !== "all" && !isUnknown(serves)) return false;
  return evaluate(gateway?.admits ?? always, lookupOf(namespace, named.namespaces.get(namespace))) !== NO;
}

/** What a condition about namespaces finds in one; its labels are unknown where the snapshot lacks it. */
function lookupOf(namespace: string, labels: Labels | undefined): Lookup {
  return (field, key) => {
    if (field === "namespace") return namespace;
    if (labels === undefined) return unknownValue;
    const value = labels[key] ?? (key === namespaceNameLabel ? namespace : undefined);
    return value === undefined || typeof value === "string" ? value : unknownValue;
  };
}

/** The namespaces that a waypoint's listener for HBONE admits; its own where it does not say (makeAllowedRoutes). */
function admittedBy(spec: Fields, own: string): Condition {
  const listener = listOf(spec["listeners"])
    .map(mapOf)
    .find(({ protocol, port }) => protocol === "HBONE" && port === 15008);
  const { from, selector } = mapOf(mapOf(listener?.["allowedRoutes"])["namespaces"]);
  if (from === "All") return always;
  if (from === "Selector") return selectorIn(mapOf(selector), namespaceLabels);
  return isUnknown(from) ? perhaps : inNamespace(own);
}

const useLabel = "istio.io/use-waypoint";
const namespaceLabel = "istio.io/use-waypoint-namespace";
const ingressLabel = "istio.io/ingress-use-waypoint";

/** The waypoints of a Service: what its own labels name, else its namespace's; beside it one that gets a share on trial. */
function usedBy(labels: Labels, around: Labels | undefined, namespace: string): Waypoint[] {
  const own = used(labels, namespace);
  const primary = own ?? used(around, namespace);
  if (primary === undefined || primary === "none") return [];
  const place = own === undefined && labels[canaryLabel] === undefined ? around : labels;
  const canary = place?.[canaryLabel];
  if (typeof canary !== "string" || canary === "" || canary === "none") return [primary];
  const other = place?.[`${canaryLabel}-namespace`];
  return [primary, { name: canary, namespace: typeof other === "string" ? other : namespace }];
}

const managed: ReadonlySet<unknown> = new Set(["istio.io-mesh-controller", "istio.io-eastwest-controller"]);
const canaryLabel = "istio.io/use-waypoint-canary";

/** Go's strconv.ParseBool. */
function isTrue(value: unknown): boolean {
  return typeof value === "string" && /^(1|t|T|TRUE|true|True)$/.test(value);
}

/** The waypoint that labels name; nothing where they name none, "none" where they refuse one. */
function used(labels: Labels | undefined, namespace: string): Waypoint | "none" | undefined {
  const name = labels?.[useLabel];
  if (typeof name !== "string") return undefined;
  // no waypoint has an empty name
  if (name === "none" || name === "") return "none";
  const other = labels?.[namespaceLabel];
  return { name, namespace: typeof other === "string" && other !== "" ? other : namespace };
}

function hostsOf(value: unknown): DnsPattern[] {
  const hosts: readonly unknown[] = Array.isArray(value) ? (value as unknown[]) : [];
  // a host that is not known may be any
  return hosts.map((host) =>
    typeof host === "string" && !isUnknown(host) ? clusterNetworkPolicyPattern(host) : anyName,
  );
}

/** Every name. */
export const anyName: DnsPattern = { ...dnsName("*"), expression: /^.*$/, broad: true };

function keyOf(object: KubeObject): string {
  return `${namespaceOf(object)}/${textOf(object.metadata?.name)}`;
}

function textOf(value: unknown): string {
  return typeof value === "string" ? value : "(unknown)";
}

function namespaceOf({ metadata }: KubeObject): string {
  const namespace = metadata?.namespace;
  return typeof namespace === "string" && namespace !== "" ? namespace : "default";
}
