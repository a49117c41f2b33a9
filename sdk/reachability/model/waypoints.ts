/** Istio's waypoints, as read from a snapshot. */
import type { DnsPattern } from "./rules";
import type { Condition } from "./selectors/conditions";

/** A waypoint's name. */
export interface Waypoint {
  readonly namespace: string;
  readonly name: string;
}

/** Pods whose traffic passes a waypoint, of that which is sent to one Service or to the pods themselves. */
export interface WaypointUse {
  readonly waypoint: Waypoint;
  readonly where: Condition;
  /** Gateways send by it too (`istio.io/ingress-use-waypoint`); without that they go past it. */
  readonly fromGateways: boolean;
}

/** The waypoints of a snapshot. */
export interface WaypointTable {
  readonly uses: readonly WaypointUse[];
  /** What a Gateway is: a waypoint, another gateway, or not in the snapshot. */
  gateway(namespace: string, name: string): "waypoint" | "gateway" | undefined;
  /** The pods behind a Service, and whether their traffic passes a waypoint; nothing where the snapshot lacks it. */
  service(namespace: string, name: string): { readonly where: Condition; readonly uses: boolean } | undefined;
  /** The hosts of a ServiceEntry; nothing where the snapshot lacks it. */
  hosts(namespace: string, name: string): readonly DnsPattern[] | undefined;
}
