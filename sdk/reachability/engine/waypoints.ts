/** Connections that pass one of Istio's waypoints: what each hop lets through. */
import type { Snapshot } from "../model/snapshot";
import { evaluate } from "../model/selectors/conditions";
import { isUnknown, NO } from "../model/unknown";
import type { Endpoint, Endpoints, PodEndpoint } from "./endpoints";
import { podLookup } from "./endpoints";
import { eitherOf, intersect, type TrafficRange } from "./traffic-range";
import { tcpOf } from "./tunnel";

/** What single hops of a connection let pass. The engine answers. */
export interface Hops {
  readonly snapshot: Snapshot;
  readonly endpoints: Endpoints;
  /** What network policies let pass from a source to a destination, of what they see. */
  network(source: Endpoint, destination: Endpoint): TrafficRange;
  /** What the mesh's policies let pass from a source to a destination. */
  mesh(source: Endpoint, destination: Endpoint): TrafficRange;
  /** What the policies of the waypoints before a destination let pass. */
  waypoint(source: Endpoint, destination: Endpoint): TrafficRange;
}

/** What of a connection to a destination behind waypoints passes: by way of one, or past them to the pod's address. */
export function pastWaypoints(
  hops: Hops,
  source: PodEndpoint,
  destination: PodEndpoint,
  direct: TrafficRange,
): TrafficRange {
  const { uses } = hops.snapshot.waypoints ?? { uses: [] };
  let result = direct;
  for (const { waypoint, where, fromGateways } of uses) {
    if (source.mesh === "gateway" && !fromGateways) continue;
    if (evaluate(where, podLookup(destination)) === NO) continue;
    for (const proxy of hops.endpoints.waypoint(waypoint.namespace, waypoint.name)) {
      // the waypoint itself is no client of the waypoint
      if (proxy.name === source.name || proxy.name === destination.name) continue;
      const network = intersect(hops.network(source, proxy), hops.network(proxy, destination));
      // what is about the waypoint's own pods it enforces where it ends the tunnel
      const atProxy = intersect(hops.mesh(source, proxy), hops.waypoint(source, destination));
      const admitted = intersect(atProxy, hops.mesh(proxy, destination));
      const byWay = tcpOf(intersect(network, admitted), direct);
      result = eitherOf(result, byWay);
    }
  }
  return result;
}

/** Whether a pod's traffic may pass a waypoint. */
export function isBehindWaypoint(snapshot: Snapshot, pod: PodEndpoint): boolean {
  const lookup = podLookup(pod);
  return (snapshot.waypoints?.uses ?? []).some(({ where }) => evaluate(where, lookup) !== NO);
}

/** Whether a client of waypoints: ztunnel sends through them, a sidecar may, a gateway where it is told to. */
export function usesWaypoints({ mesh }: PodEndpoint): boolean {
  return mesh !== undefined && (isUnknown(mesh) || mesh === "ambient" || mesh === "sidecar" || mesh === "gateway");
}
