/**
 * What ztunnel is told of a PeerAuthentication that has ports of its own. istiod makes a policy of it and, where the mode above
 * is STRICT, leaves out what it takes to be inherited; what it leaves out too much of is open.
 * Source: pilot/pkg/serviceregistry/ambient/authorization.go (convertedSelectorPeerAuthentications, convertPeerAuthentication).
 */
import { TrafficSet } from "../model/sets/ports";

/** A mode of mutual TLS; `UNSET` also stands for none. */
export type MtlsMode = "UNSET" | "DISABLE" | "PERMISSIVE" | "STRICT";

export interface PortMode {
  readonly port: number;
  readonly mode: MtlsMode;
}

/** The modes of the levels above; nothing where a level has no policy, which is not the same as one that is UNSET. */
export interface ModesAbove {
  readonly namespace: MtlsMode | undefined;
  readonly mesh: MtlsMode | undefined;
}

const tcp = TrafficSet.protocol("TCP");

/** The ports on which ztunnel refuses peers without an identity. */
export function refusedByZtunnel(mode: MtlsMode, ports: readonly PortMode[], above: ModesAbove): TrafficSet {
  const has = (...wanted: MtlsMode[]): boolean => ports.some((each) => wanted.includes(each.mode));
  const own = (): TrafficSet => ownPolicy(mode, ports, above);
  switch (mode) {
    case "STRICT":
      return has("PERMISSIVE", "DISABLE") ? own() : tcp;
    case "PERMISSIVE":
    case "DISABLE":
      return has("STRICT") ? own() : TrafficSet.none();
    case "UNSET":
      // DISABLE alone is no exception from a STRICT above
      if (isStrictAbove(above)) return has("PERMISSIVE") ? own() : tcp;
      return has("STRICT") ? own() : TrafficSet.none();
  }
}

function isStrictAbove({ namespace, mesh }: ModesAbove): boolean {
  return namespace === undefined || namespace === "UNSET" ? mesh === "STRICT" : namespace === "STRICT";
}

/** What the policy refuses that istiod makes of the workload's PeerAuthentication. */
function ownPolicy(mode: MtlsMode, ports: readonly PortMode[], { namespace, mesh }: ModesAbove): TrafficSet {
  const fromMesh = (namespace === undefined || namespace === "UNSET") && mesh === "STRICT";
  const isInherited = mode === "STRICT" || (mode === "UNSET" && namespace === "STRICT") || fromMesh;
  const strict = isInherited ? TrafficSet.none() : portsOf(ports, "STRICT");
  // with a policy of the namespace that is UNSET the mesh's is not looked at
  const isExempt =
    mode === "STRICT" || (mode === "UNSET" && (namespace === undefined ? mesh === "STRICT" : namespace === "STRICT"));
  const exempt = isExempt ? portsOf(ports, "PERMISSIVE", "DISABLE") : TrafficSet.none();
  return exempt.isEmpty() ? strict : strict.union(tcp.subtract(exempt));
}

function portsOf(ports: readonly PortMode[], ...modes: MtlsMode[]): TrafficSet {
  return ports
    .filter(({ mode }) => modes.includes(mode))
    .reduce((set, { port }) => set.union(TrafficSet.ports("TCP", port)), TrafficSet.none());
}
