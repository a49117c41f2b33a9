import { TrafficSet, type TrafficProtocol } from "../reachability";

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

const shortTexts: (string | undefined)[] = [];

/** A set of traffic as people read it: what it leaves out, where that is shorter (`all but TCP 22`). */
function describeSet(set: TrafficSet): string {
  return (shortTexts[set.id] ??= shorter(set));
}

const withPorts = (["TCP", "UDP", "SCTP"] as const).map((protocol) => ({
  protocol,
  all: TrafficSet.protocol(protocol),
}));
const everyPort = withPorts.reduce((sum, { all }) => sum.union(all), TrafficSet.none());

function shorter(set: TrafficSet): string {
  if (set.isAll() || set.isEmpty()) return connections(set);
  const texts = [connections(set), `all but ${connections(TrafficSet.all().subtract(set))}`];
  if (set === everyPort) texts.push("every port");
  else if (set.isSubsetOf(everyPort)) texts.push(`every port but ${connections(everyPort.subtract(set))}`);
  const parts = withPorts.flatMap(({ protocol, all }) => {
    const part = set.intersect(all);
    if (part.isEmpty()) return [];
    const but = `${protocol} but ${connections(all.subtract(part)).slice(protocol.length + 1)}`;
    return part === all || but.length >= connections(part).length ? [connections(part)] : [but];
  });
  const rest = set.subtract(everyPort);
  texts.push([...parts, ...(rest.isEmpty() ? [] : [connections(rest)])].join(","));
  return texts.reduce((shortest, text) => (text.length < shortest.length ? text : shortest));
}

/** What passes for certain and what may pass, as people read it. */
export function describeTraffic(allowed: TrafficSet, possible: TrafficSet): string {
  if (allowed === possible) return describeSet(allowed);
  const more = describeSet(possible.subtract(allowed));
  return allowed.isEmpty() ? `possibly ${more}` : `${describeSet(allowed)} and possibly ${more}`;
}
