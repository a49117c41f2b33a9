/**
 * Istio's ambient mode on the network: ztunnel carries TCP between pods of the mesh to port 15008 of the destination
 * (HBONE), perhaps through a waypoint. That is what network policies see, not the port of the application.
 * Source: istio architecture/ambient, cni/pkg/iptables (HostProbeSNATAddress).
 */
import type { MeshMode } from "../model/mesh";
import { parseAddress, type Address } from "../model/sets/addresses";
import { TrafficSet } from "../model/sets/ports";
import { isUnknown, MAYBE, NO, YES, type Tri, type UnknownValue } from "../model/unknown";
import type { Endpoint, PodEndpoint } from "./endpoints";
import { eitherOf, type TrafficRange } from "./traffic-range";

const tcp = TrafficSet.protocol("TCP");
const tunnelPort = TrafficSet.ports("TCP", 15008);

/** The address that istio-cni puts in place of the node's in TCP connections of the node to ambient pods (probes). */
const probeAddresses: Readonly<Record<4 | 6, Address>> = {
  4: parseAddress("169.254.7.127") as Address,
  6: parseAddress("fd16:9254:7127:1337:ffff:ffff:ffff:ffff") as Address,
};

export function probeAddressOf(pod: PodEndpoint): Address {
  const onlyIpv6 = (pod.addresses?.length ?? 0) > 0 && pod.addresses?.every(({ family }) => family === 6) === true;
  return probeAddresses[onlyIpv6 ? 6 : 4];
}

/** TCP of one range and all the rest of another. */
export function tcpOf(ofTcp: TrafficRange, rest: TrafficRange): TrafficRange {
  return {
    must: ofTcp.must.intersect(tcp).union(rest.must.subtract(tcp)),
    may: ofTcp.may.intersect(tcp).union(rest.may.subtract(tcp)),
  };
}

/** What network policies see of the traffic asked about, where ztunnel carries it. */
export function seenInTunnel(asked: TrafficSet): TrafficSet {
  return asked.intersect(tcp).isEmpty() ? asked : asked.subtract(tcp).union(tunnelPort);
}

/**
 * Whether ztunnel carries TCP from a source to a destination. Sidecars may or may not speak HBONE
 * (`PILOT_ENABLE_SENDING_HBONE`).
 */
export function tunnelled(source: Endpoint, destination: Endpoint): Tri {
  if (source.kind !== "pod" || destination.kind !== "pod") return NO;
  return tunnelledModes(source.mesh, destination.mesh);
}

export type Mode = MeshMode | UnknownValue | undefined;

export function tunnelledModes(source: Mode, destination: Mode): Tri {
  if (source === undefined || destination === undefined) return NO;
  const [from, to] = [speaksTunnel(source), speaksTunnel(destination)];
  // a gateway that takes traffic from outside the tunnel is reached outside it
  if (destination === "gateway" || (from === false && to === false)) return NO;
  return from === true && to === true ? YES : MAYBE;
}

/** Whether a peer always speaks HBONE, or only where the mesh has sidecars and gateways do so; nothing where unknown. */
function speaksTunnel(mode: Exclude<Mode, undefined>): boolean | undefined {
  return isUnknown(mode) ? undefined : mode === "ambient" || mode === "waypoint";
}

/** What passes of a range of the network where ztunnel carries TCP, does not, or may. */
export function throughTunnel(range: TrafficRange, carried: Tri): TrafficRange {
  if (carried === NO) return range;
  const open = (set: TrafficSet): TrafficSet => (tunnelPort.isSubsetOf(set) ? set.union(tcp) : set.subtract(tcp));
  const inside: TrafficRange = { must: open(range.must), may: open(range.may) };
  return carried === YES ? inside : eitherOf(range, inside);
}
