/**
 * Istio's waypoints: which pods' traffic passes one, and which names'.
 * Source: istio pilot/pkg/model/policyattachment.go, pilot/pkg/serviceregistry/ambient/waypoints.go; labels istio.io/use-waypoint, istio.io/use-waypoint-namespace and
 * istio.io/waypoint-for (istio/api label/labels.yaml).
 */
import type { SourcedObject } from "../model/objects";
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

export function waypointsOf(objects: readonly SourcedObject[]): WaypointTable {
  const gateways = new Map<string, GatewayObject>();
  const services = new Map<string, { where: Condition; uses: boolean }>();
  const entries = new Map<string, readonly DnsPattern[]>();
  const namespaces = new Map<string, Labels>();
  const classes = gatewayClassesOf(objects);
  for (const { object } of objects) {
    const name = textOf(object.metadata?.name);
    const key = `${namespaceOf(object)}/${name}`;
    const group = object.apiVersion.split("/")[0];
    const spec = mapOf(object.spec);
    const labels = mapOf(object.metadata?.labels);
    if (object.kind === "Namespace" && object.apiVersion === "v1") namespaces.set(name, labels);
    if (object.kind === "Gateway" && group === "gateway.networking.k8s.io")
      gateways.set(key, {
        waypoint: classes.get(textOf(spec["gatewayClassName"])) === "waypoint",
        serves: labels["istio.io/waypoint-for"] ?? "service",
        admits: admittedBy(spec, namespaceOf(object)),
      });
    if (object.kind === "ServiceEntry" && group === "networking.istio.io") entries.set(key, hostsOf(spec["hosts"]));
  }
  const gatewayOf = ({ namespace, name }: Waypoint): GatewayObject | undefined => gateways.get(`${namespace}/${name}`);
  /** What a waypoint is for; for Services where it does not say, or is not in the snapshot. */
  const serves = (waypoint: Waypoint, what: "service" | "workload"): boolean => {
    const kind = gatewayOf(waypoint)?.serves ?? "service";
    return kind === what || kind === "all" || isUnknown(kind);
  };
  const admits = (waypoint: Waypoint, namespace: string): boolean => {
    const labels = namespaces.get(namespace);
    const lookup: Lookup = (field, key) => {
      if (field === "namespace") return namespace;
      if (labels === undefined) return unknownValue;
      const value = labels[key] ?? (key === "kubernetes.io/metadata.name" ? namespace : undefined);
      return value === undefined || typeof value === "string" ? value : unknownValue;
    };
    return evaluate(gatewayOf(waypoint)?.admits ?? always, lookup) !== NO;
  };
  const uses: WaypointUse[] = [];
  for (const { object } of objects) {
    if (object.kind !== "Service" || object.apiVersion !== "v1") continue;
    const namespace = namespaceOf(object);
    const selector = Object.entries(mapOf(mapOf(object.spec)["selector"]));
    const where = all(
      inNamespace(namespace),
      ...selector.map(([key, value]) => test("label", key, "in", typeof value === "string" ? value : unknownValue)),
    );
    const labels = mapOf(object.metadata?.labels);
    const around = namespaces.get(namespace);
    const fromGateways = isTrue(labels[ingressLabel] ?? around?.[ingressLabel]);
    let passes = false;
    // waypoints and the gateways between clusters have none themselves
    const candidates = managed.has(labels["gateway.istio.io/managed"]) ? [] : usedBy(labels, around, namespace);
    for (const waypoint of candidates) {
      if (!serves(waypoint, "service") || !admits(waypoint, namespace) || selector.length === 0) continue;
      uses.push({ waypoint, where, fromGateways });
      passes = true;
    }
    services.set(`${namespace}/${textOf(object.metadata?.name)}`, { where, uses: passes });
  }
  for (const [namespace, labels] of namespaces) {
    const waypoint = used(labels, namespace);
    if (waypoint === undefined || waypoint === "none") continue;
    if (!serves(waypoint, "workload") || !admits(waypoint, namespace)) continue;
    const where = all(inNamespace(namespace), test("label", useLabel, "doesNotExist"));
    uses.push({ waypoint, where, fromGateways: false });
  }
  for (const [key, { waypoint: isWaypoint, serves: kind, admits: admitted }] of gateways) {
    if (!isWaypoint || (kind !== "workload" && kind !== "all")) continue;
    const slash = key.indexOf("/");
    const waypoint: Waypoint = { namespace: key.slice(0, slash), name: key.slice(slash + 1) };
    const near = all(inNamespace(waypoint.namespace), test("label", namespaceLabel, "doesNotExist"));
    const place = any(near, test("label", namespaceLabel, "in", waypoint.namespace));
    const where = all(test("label", useLabel, "in", waypoint.name), place, admitted);
    uses.push({ waypoint, where, fromGateways: false });
  }
  return {
    uses,
    gateway: (namespace, name) => {
      const found = gateways.get(`${namespace}/${name}`);
      return found === undefined ? undefined : found.waypoint ? "waypoint" : "gateway";
    },
    service: (namespace, name) => services.get(`${namespace}/${name}`),
    hosts: (namespace, name) => entries.get(`${namespace}/${name}`),
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

function textOf(value: unknown): string {
  return typeof value === "string" ? value : "(unknown)";
}

function namespaceOf({ metadata }: SourcedObject["object"]): string {
  const namespace = metadata?.namespace;
  return typeof namespace === "string" && namespace !== "" ? namespace : "default";
}
