/** How pods take part in an Istio mesh, and what of their traffic its proxies get to see. */
import type { Condition } from "./selectors/conditions";
import type { AddressSet } from "./sets/addresses";
import type { TrafficSet } from "./sets/ports";
import type { Tri } from "./unknown";

/**
 * How a pod takes part in the mesh; nothing where it does not. A gateway is a proxy itself: it has an identity, and no
 * sidecar's inbound listeners; a waypoint is the gateway of an ambient mesh.
 */
export type MeshMode = "sidecar" | "ambient" | "gateway" | "waypoint";

/** A proxy of Istio's that is a pod of its own. */
export type GatewayMode = Extract<MeshMode, "gateway" | "waypoint">;

/** What a snapshot says of Istio's installation. */
export interface MeshInstallation {
  /** The pods that some webhook of the sidecar injector is called for, by their labels and their namespace's. */
  readonly injected: Condition;
  /** Which of them get a proxy where neither label nor annotation says so: the injector's own configuration. */
  readonly byDefault: Condition;
  /** Gateways of Istio's classes by `namespace/name`. */
  readonly gateways: ReadonlyMap<string, GatewayMode>;
}

/** TCP that is redirected to a proxy: for certain, and perhaps. `must` ⊆ `may`. */
export interface Redirected {
  readonly must: TrafficSet;
  readonly may: TrafficSet;
}

/** An annotation that keeps inbound TCP away from the proxy. */
export interface Bypass {
  readonly annotation: string;
  readonly value: string;
  readonly ports: TrafficSet;
}

/** What reaches the proxy of the TCP that is sent to a pod. */
export interface InboundCapture {
  readonly redirected: Redirected;
  readonly bypasses: readonly Bypass[];
}

/** What a client's connections have to be for its sidecar to carry them. */
export interface OutboundCapture {
  /** Nothing is redirected for certain, perhaps, or the rest decides. */
  readonly off: Tri;
  readonly includedPorts: TrafficSet;
  readonly excludedPorts: TrafficSet;
  /** Ranges of destinations; nothing stands for all. */
  readonly includedRanges: AddressSet | undefined;
  readonly excludedRanges: AddressSet;
  readonly annotations: readonly string[];
}
