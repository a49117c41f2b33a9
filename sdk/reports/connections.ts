import type { TrafficSet, TrafficProtocol } from "../reachability";

/** Protocols in the order np-guard's netpol-analyzer writes them; ICMP, which it does not know, comes after. */
const protocols: readonly TrafficProtocol[] = ["SCTP", "TCP", "UDP", "ICMP", "ICMPv6"];

const texts: (string | undefined)[] = [];

/**
 * A set of traffic in the form of np-guard's `netpol-analyzer list`: `All Connections`, `No Connections`,
 * `SCTP 1-65535,TCP 80,443,UDP 53`. Sets are shared, so each is written once.
 */
export function connections(set: TrafficSet): string {
  return (texts[set.id] ??= write(set));
}

function write(set: TrafficSet): string {
  if (set.isAll() || set.isEmpty()) return set.toString();
  const parts = set.toString("\n").split("\n");
  const rank = (part: string): number => {
    const index = protocols.findIndex((protocol) => part === protocol || part.startsWith(`${protocol} `));
    return index < 0 ? protocols.length : index;
  };
  return parts.sort((a, b) => rank(a) - rank(b)).join(",");
}

/** What passes for certain and what may pass, as people read it. */
export function describeTraffic(allowed: TrafficSet, possible: TrafficSet): string {
  if (allowed === possible) return connections(allowed);
  const more = connections(possible.subtract(allowed));
  return allowed.isEmpty() ? `possibly ${more}` : `${connections(allowed)} and possibly ${more}`;
}
