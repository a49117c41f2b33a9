/**
 * Istio's waypoints: which pods' traffic passes one, and which names'.
 * Source: istio pilot/pkg/model/policyattachment.go; labels istio.io/use-waypoint, istio.io/use-waypoint-namespace and
 * istio.io/waypoint-for (istio/api label/labels.yaml).
 */
import type { SourcedObject } from "../model/objects";
import { dnsName, clusterNetworkPolicyPattern } from "./fqdn";
import type { DnsPattern } from "../model/rules";
import type { Waypoint, WaypointTable, WaypointUse } from "../model/waypoints";
import { all, any, inNamespace, test, type Condition } from "../model/selectors/conditions";
import { isUnknown, unknownValue } from "../model/unknown";
import { mapOf } from "../model/plain";

export const waypointClass = "istio-waypoint";

type Labels = Readonly<Record<string, unknown>>;

export function waypointsOf(objects: readonly SourcedObject[]): WaypointTable {
  const gateways = new Map<string, { className: unknown; serves: unknown }>();
  const services = new Map<string, { where: Condition; uses: boolean }>();
  const entries = new Map<string, readonly DnsPattern[]>();
  const namespaces = new Map<string, Labels>();
  for (const { object } of objects) {
    const name = textOf(object.metadata?.name);
    const key = `${namespaceOf(object)}/${name}`;
    const group = object.apiVersion.split("/")[0];
    const spec = mapOf(object.spec);
    const labels = mapOf(object.metadata?.labels);
    if (object.kind === "Namespace" && object.apiVersion === "v1") namespaces.set(name, labels);
    if (object.kind === "Gateway" && group === "gateway.networking.k8s.io")
      gateways.set(key, { className: spec["gatewayClassName"], serves: labels["istio.io/waypoint-for"] ?? "service" });
    if (object.kind === "ServiceEntry" && group === "networking.istio.io") entries.set(key, hostsOf(spec["hosts"]));
  }
  /** What a waypoint is for; for Services where it does not say, or is not in the snapshot. */
  const serves = (waypoint: Waypoint, what: "service" | "workload"): boolean => {
    const kind = gateways.get(`${waypoint.namespace}/${waypoint.name}`)?.serves ?? "service";
    return kind === what || kind === "all" || isUnknown(kind);
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
    const waypoint = used(mapOf(object.metadata?.labels), namespace) ?? used(namespaces.get(namespace), namespace);
    const passes = waypoint !== undefined && waypoint !== "none" && serves(waypoint, "service") && selector.length > 0;
    if (passes) uses.push({ waypoint, where });
    services.set(`${namespace}/${textOf(object.metadata?.name)}`, { where, uses: passes });
  }
  for (const [namespace, labels] of namespaces) {
    const waypoint = used(labels, namespace);
    if (waypoint === undefined || waypoint === "none" || !serves(waypoint, "workload")) continue;
    uses.push({ waypoint, where: all(inNamespace(namespace), test("label", useLabel, "doesNotExist")) });
  }
  for (const [key, { className, serves: kind }] of gateways) {
    if (className !== waypointClass || (kind !== "workload" && kind !== "all")) continue;
    const slash = key.indexOf("/");
    const waypoint: Waypoint = { namespace: key.slice(0, slash), name: key.slice(slash + 1) };
    const near = all(inNamespace(waypoint.namespace), test("label", namespaceLabel, "doesNotExist"));
    const place = any(near, test("label", namespaceLabel, "in", waypoint.namespace));
    uses.push({ waypoint, where: all(test("label", useLabel, "in", waypoint.name), place) });
  }
  return {
    uses,
    gateway: (namespace, name) => {
      const found = gateways.get(`${namespace}/${name}`);
      return found === undefined ? undefined : found.className === waypointClass ? "waypoint" : "gateway";
    },
    service: (namespace, name) => services.get(`${namespace}/${name}`),
    hosts: (namespace, name) => entries.get(`${namespace}/${name}`),
  };
}

const useLabel = "istio.io/use-waypoint";
const namespaceLabel = "istio.io/use-waypoint-namespace";

/** The waypoint that labels name; nothing where they name none, "none" where they refuse one. */
function used(labels: Labels | undefined, namespace: string): Waypoint | "none" | undefined {
  const name = labels?.[useLabel];
  if (typeof name !== "string" || name === "") return undefined;
  if (name === "none") return "none";
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
