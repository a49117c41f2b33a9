/**
 * Ways in through the Gateway API: routes that a Gateway's listeners take, to Services that they may refer to.
 * Source: gateway-api apis/v1 (gateway_types.go, shared_types.go, httproute_types.go), apis/v1beta1 referencegrant_types.go.
 */
import type { Engine } from "../../engine/engine";
import { describeRef } from "../../model/objects";
import { NotReadable } from "../../readers/fields";
import { podLabels, readLabelSelector } from "../../readers/label-selector";
import { evaluate } from "../../model/selectors/conditions";
import { labelOf } from "../../model/selectors/labels";
import { MAYBE, NO, YES, type Tri } from "../../model/unknown";
import { gatewayGroup, groupOf, mapsOf, numberOf, refOf, textOf } from "./fields";
import { mapOf, type Fields } from "../../model/plain";
import { carrierOfGateway, type Found } from "./proxies";
import type { Services } from "./services";
import type { Way } from "./ways";

const routeKinds: ReadonlySet<string> = new Set(["HTTPRoute", "GRPCRoute", "TLSRoute", "TCPRoute", "UDPRoute"]);

/** The kinds of routes that listeners of a protocol take, unless `allowedRoutes.kinds` says less. */
const routesOfProtocol: Readonly<Record<string, readonly string[]>> = {
  HTTP: ["HTTPRoute", "GRPCRoute"],
  HTTPS: ["HTTPRoute", "GRPCRoute"],
  TLS: ["TLSRoute", "TCPRoute"],
  TCP: ["TCPRoute"],
  UDP: ["UDPRoute"],
};

interface Gateway {
  readonly namespace: string;
  readonly name: string;
  readonly listeners: readonly Fields[];
  readonly carried: Found;
}

interface Route {
  readonly kind: string;
  readonly namespace: string;
  readonly hostnames: readonly string[];
}

export function gatewayWays(engine: Engine, services: Services): Way[] {
  const { others } = engine.snapshot;
  const ofGroup = others.filter((each) => groupOf(each) === gatewayGroup);
  const controllers = new Map<string, string | undefined>();
  const grants: { readonly namespace: string; readonly spec: Fields }[] = [];
  for (const each of ofGroup) {
    const spec = mapOf(each.object.spec);
    if (each.object.kind === "GatewayClass") controllers.set(refOf(each).name, textOf(spec["controllerName"]));
    if (each.object.kind === "ReferenceGrant") grants.push({ namespace: refOf(each).namespace, spec });
  }
  const gateways = new Map<string, Gateway | "waypoint">();
  for (const each of ofGroup) {
    if (each.object.kind !== "Gateway") continue;
    const { namespace, name } = refOf(each);
    const spec = mapOf(each.object.spec);
    const className = textOf(spec["gatewayClassName"]);
    // a waypoint serves the mesh, it lets nothing in from outside
    if (className === "istio-waypoint") {
      gateways.set(`${namespace}/${name}`, "waypoint");
      continue;
    }
    const controller = className === undefined ? undefined : (controllers.get(className) ?? wellKnown[className]);
    const carried = carrierOfGateway(engine, controller, namespace, name);
    gateways.set(`${namespace}/${name}`, { namespace, name, listeners: mapsOf(spec["listeners"]), carried });
  }
  return ofGroup.flatMap((each): Way[] => {
    if (!routeKinds.has(each.object.kind)) return [];
    const ref = refOf(each);
    const spec = mapOf(each.object.spec);
    const hostnames = (Array.isArray(spec["hostnames"]) ? (spec["hostnames"] as unknown[]) : [])
      .map(textOf)
      .filter((name) => name !== undefined);
    const route: Route = { kind: ref.kind, namespace: ref.namespace, hostnames };
    const parents = mapsOf(spec["parentRefs"]).flatMap((parent) => attachment(engine, route, parent, gateways));
    if (parents.length === 0) return [];
    return backendsOf(spec).flatMap((backend): Way[] => {
      const target = backendTarget(backend, route, grants, services);
      if (target === undefined) return [];
      return parents.map(({ carried, open, text }) => ({
        via: ref,
        carrier: carried.carrier,
        target,
        open,
        because: [text, carried.because],
      }));
    });
  });
}

/** Names of classes that controllers create themselves. */
const wellKnown: Readonly<Record<string, string>> = {
  istio: "istio.io/gateway-controller",
  cilium: "io.cilium/gateway-controller",
};

interface Attached {
  readonly carried: Found;
  readonly open: Tri;
  readonly text: string;
}

/** Where a route is taken by a Gateway: by which listeners, and whether for certain. */
function attachment(
  engine: Engine,
  route: Route,
  parent: Fields,
  gateways: ReadonlyMap<string, Gateway | "waypoint">,
): readonly Attached[] {
  const kind = textOf(parent["kind"]) ?? "Gateway";
  const group = parent["group"] === undefined ? gatewayGroup : parent["group"];
  const namespace = textOf(parent["namespace"]) ?? route.namespace;
  const name = textOf(parent["name"]) ?? "(unknown)";
  // a Service as parent is about traffic inside the mesh
  if (kind === "Service") return [];
  const gateway = kind === "Gateway" && group === gatewayGroup ? gateways.get(`${namespace}/${name}`) : undefined;
  if (gateway === undefined) {
    const text = `${kind} ${namespace}/${name} is not in the snapshot, or no Gateway: whether it takes the route is not known`;
    return [{ carried: { carrier: { kind: "somebody" }, because: "who carries it is not known" }, open: MAYBE, text }];
  }
  if (gateway === "waypoint") return [];
  const section = textOf(parent["sectionName"]);
  const port = numberOf(parent["port"]);
  return gateway.listeners.flatMap((listener): Attached[] => {
    if (section !== undefined && textOf(listener["name"]) !== section) return [];
    if (port !== undefined && numberOf(listener["port"]) !== port) return [];
    const open = takes(engine, listener, gateway, route);
    if (open === NO) return [];
    const at = `${textOf(listener["protocol"]) ?? "?"} ${numberOf(listener["port"]) ?? "?"}`;
    const text = `${describeRef({ apiVersion: "", kind: "Gateway", namespace, name })} listener ${textOf(listener["name"]) ?? "?"} (${at})`;
    return [{ carried: gateway.carried, open, text }];
  });
}

/** Whether a listener takes a route: by its kind, its namespace and its names. */
function takes(engine: Engine, listener: Fields, gateway: Gateway, route: Route): Tri {
  const allowed = mapOf(listener["allowedRoutes"]);
  const protocol = textOf(listener["protocol"]) ?? "";
  const kinds = mapsOf(allowed["kinds"]).map((entry) => textOf(entry["kind"]));
  const known = Object.hasOwn(routesOfProtocol, protocol) ? routesOfProtocol[protocol] : undefined;
  if (kinds.length > 0 ? !kinds.includes(route.kind) : known !== undefined && !known.includes(route.kind)) return NO;
  const hostname = textOf(listener["hostname"]);
  const named = route.kind === "HTTPRoute" || route.kind === "GRPCRoute" || route.kind === "TLSRoute";
  if (named && hostname !== undefined && route.hostnames.length > 0) {
    if (!route.hostnames.some((name) => namesMeet(name, hostname))) return NO;
  }
  const takesNamespace = namespaceAllowed(engine, mapOf(allowed["namespaces"]), gateway, route);
  // what the protocol is for is not known: the controller defines it
  return takesNamespace === YES && known === undefined && kinds.length === 0 ? MAYBE : takesNamespace;
}

function namespaceAllowed(engine: Engine, namespaces: Fields, gateway: Gateway, route: Route): Tri {
  switch (namespaces["from"] ?? "Same") {
    case "Same":
      return route.namespace === gateway.namespace ? YES : NO;
    case "All":
      return YES;
    case "None":
      return NO;
    case "Selector": {
      const labels = engine.snapshot.namespaces.get(route.namespace)?.labelSet;
      try {
        const selector = readLabelSelector(namespaces["selector"], "selector", podLabels);
        return labels === undefined ? MAYBE : evaluate(selector, (_field, key) => labelOf(labels, key));
      } catch (error) {
        if (error instanceof NotReadable) return MAYBE;
        throw error;
      }
    }
    default:
      return MAYBE;
  }
}

/** Whether two host names, each perhaps with `*.` for one or more labels, have a name in common. */
export function namesMeet(a: string, b: string): boolean {
  const [left, right] = [a.toLowerCase(), b.toLowerCase()];
  if (left.startsWith("*.") && right.startsWith("*.")) {
    return left.endsWith(right.slice(1)) || right.endsWith(left.slice(1));
  }
  if (left.startsWith("*.")) return right.endsWith(left.slice(1));
  if (right.startsWith("*.")) return left.endsWith(right.slice(1));
  return left === right;
}

/** Backends that get traffic: those of the rules, and those that requests are mirrored to. */
function backendsOf(spec: Fields): Fields[] {
  return mapsOf(spec["rules"]).flatMap((rule) => {
    const mirrored = (filters: unknown): Fields[] =>
      mapsOf(filters)
        .filter((filter) => filter["requestMirror"] !== undefined)
        .map((filter) => mapOf(mapOf(filter["requestMirror"])["backendRef"]));
    const backends = mapsOf(rule["backendRefs"]).filter((backend) => backend["weight"] !== 0);
    return [...backends, ...mirrored(rule["filters"]), ...backends.flatMap((backend) => mirrored(backend["filters"]))];
  });
}

/** A Service that a route may refer to; in another namespace only with a ReferenceGrant there. */
function backendTarget(
  backend: Fields,
  route: Route,
  grants: readonly { readonly namespace: string; readonly spec: Fields }[],
  services: Services,
): Way["target"] | undefined {
  const name = textOf(backend["name"]);
  const group = backend["group"] ?? "";
  const kind = backend["kind"] ?? "Service";
  if (name === undefined || group !== "" || kind !== "Service") return undefined;
  const namespace = textOf(backend["namespace"]) ?? route.namespace;
  const granted =
    namespace === route.namespace ||
    grants.some(
      (grant) =>
        grant.namespace === namespace &&
        mapsOf(grant.spec["from"]).some(
          (from) =>
            from["group"] === gatewayGroup && from["kind"] === route.kind && from["namespace"] === route.namespace,
        ) &&
        mapsOf(grant.spec["to"]).some(
          (to) => (to["group"] ?? "") === "" && to["kind"] === "Service" && (textOf(to["name"]) ?? name) === name,
        ),
    );
  return granted ? services.behind(namespace, name, numberOf(backend["port"])) : undefined;
}
