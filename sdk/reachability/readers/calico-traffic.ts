/** Protocols, ports and ICMP of Calico's rules. */
import type { L4Spec, NamedPort } from "../model/rules";
import { TrafficSet, type PortProtocol } from "../model/sets/ports";
import { isUnknown } from "../model/unknown";
import { type Fields, NotReadable, type ObjectReader, onlyFields, readInteger, readList, readMap } from "./fields";
import { portProtocol } from "./l4";
import { readPortName } from "./names";

/** `ports` and `notPorts` of a source or destination. */
export interface PortList {
  readonly given: boolean;
  readonly ports: readonly PortItem[] | undefined;
  readonly notPorts: readonly PortItem[] | undefined;
}

type PortItem =
  | { readonly from: number; readonly to: number }
  | { readonly name: string }
  /** One that is not known yet. */
  | { readonly unknown: true };

export function readPorts(entity: Fields, path: string, reader: ObjectReader): PortList {
  const ports = readItems(entity["ports"], `${path}.ports`, reader);
  const notPorts = readItems(entity["notPorts"], `${path}.notPorts`, reader);
  return { given: ports !== undefined || notPorts !== undefined, ports, notPorts };
}

function readItems(value: unknown, path: string, reader: ObjectReader): PortItem[] | undefined {
  const list = readList(value, path) ?? [];
  if (list.length === 0) return undefined;
  return list.map((item, index) =>
    reader.attemptUnknown<PortItem>(
      () => readItem(item, `${path}[${index}]`),
      () => ({ unknown: true }),
    ),
  );
}

/** A number, a range `a:b`, or a name. */
function readItem(value: unknown, path: string): PortItem {
  // the engine's mark for an unknown value would pass for a name, which nobody has
  if (isUnknown(value)) throw new NotReadable(path, `${path} is not known yet`, "unknown-value");
  if (typeof value === "string") {
    const range = /^(\d+):(\d+)$/.exec(value);
    if (range !== null) return rangeOf(Number(range[1]), Number(range[2]), path);
    if (/^\d+$/.test(value)) return rangeOf(Number(value), Number(value), path);
    return { name: readPortName(value, path) };
  } else if (typeof value === "number") {
    return rangeOf(value, value, path);
  }
  throw new NotReadable(path, `${path} must be a port, a range such as "1:10", or a name`, "invalid-value");
}

function rangeOf(from: number, to: number, path: string): PortItem {
  const valid = Number.isInteger(from) && Number.isInteger(to) && from >= 1 && to <= 65535 && from <= to;
  if (!valid) throw new NotReadable(path, `${path} is not a port or a range of ports from 1 to 65535`, "invalid-value");
  return { from, to };
}

const protocolNumbers: Readonly<Record<string, number>> = {
  TCP: 6,
  UDP: 17,
  ICMP: 1,
  ICMPv6: 58,
  SCTP: 132,
  UDPLite: 136,
};

function numberOf(name: string): number | undefined {
  if (Object.hasOwn(protocolNumbers, name)) return protocolNumbers[name];
  return /^\d+$/.test(name) ? Number(name) : undefined;
}

/** What a rule's `protocol` or `notProtocol` names; the protocol if it is one that has ports. */
export interface CalicoProtocol {
  readonly set: TrafficSet;
  readonly ported: PortProtocol | undefined;
  /** The family of ICMP, where it is ICMP or ICMPv6. */
  readonly icmp: 4 | 6 | undefined;
}

export function readProtocol(value: unknown, path: string): CalicoProtocol | undefined {
  if (value === undefined || value === null) return undefined;
  const number = typeof value === "string" ? numberOf(value) : typeof value === "number" ? value : undefined;
  if (isUnknown(value)) throw new NotReadable(path, `${path} is not known yet`, "unknown-value");
  if (number === undefined || !Number.isInteger(number) || number < 1 || number > 255) {
    throw new NotReadable(path, `${path} is not a protocol: ${JSON.stringify(value)}`, "invalid-value");
  }
  const name = Object.keys(protocolNumbers).find((each) => protocolNumbers[each] === number) ?? "";
  const icmp = number === 1 ? 4 : number === 58 ? 6 : undefined;
  return { set: TrafficSet.ipProtocol(number), ported: portProtocol(name), icmp };
}

const portProtocols: readonly PortProtocol[] = ["TCP", "UDP", "SCTP"];

/**
 * What a rule says about traffic; `destination` are the ports of its destination. Without a protocol a named port is of
 * any (ProtocolAny in felix/calc/rule_scanner.go).
 */
export function readCalicoTraffic(rule: Fields, path: string, destination: PortList): L4Spec {
  const protocol = readProtocol(rule["protocol"], `${path}.protocol`);
  const notProtocol = readProtocol(rule["notProtocol"], `${path}.notProtocol`);
  let set = protocol?.set ?? TrafficSet.all();
  if (notProtocol !== undefined) set = set.subtract(notProtocol.set);
  const icmp = readIcmp(rule["icmp"], `${path}.icmp`);
  if (icmp !== undefined) set = set.intersect(icmp);
  const notIcmp = readIcmp(rule["notICMP"], `${path}.notICMP`);
  if (notIcmp !== undefined) set = set.subtract(notIcmp);
  // without a protocol nftables adds one to the match, and iptables has none to match on
  const must = notIcmp !== undefined && protocol?.icmp === undefined ? TrafficSet.none() : set;
  if (!destination.given) return { must, may: set, named: [] };
  const ported = (protocol === undefined ? portProtocols : [protocol.ported])
    .filter((each) => each !== undefined)
    // every part of a rule has to fit: ports beside a protocol that another part excludes match nothing
    .filter((each) => set.contains(each));
  const named: NamedPort[] = [];
  const notNamed: NamedPort[] = [];
  let ports = destination.ports === undefined ? set : TrafficSet.none();
  let perhaps = TrafficSet.none();
  for (const item of destination.ports ?? []) {
    for (const each of ported) {
      if ("name" in item) named.push({ name: item.name, protocol: each });
      else if ("unknown" in item) perhaps = perhaps.union(TrafficSet.protocol(each));
      else ports = ports.union(TrafficSet.ports(each, item.from, item.to));
    }
  }
  let perhapsNot = TrafficSet.none();
  for (const item of destination.notPorts ?? []) {
    for (const each of ported) {
      if ("name" in item) notNamed.push({ name: item.name, protocol: each });
      else if ("unknown" in item) perhapsNot = perhapsNot.union(TrafficSet.protocol(each));
      else {
        const out = TrafficSet.ports(each, item.from, item.to);
        ports = ports.subtract(out);
        perhaps = perhaps.subtract(out);
      }
    }
  }
  ports = ports.intersect(set);
  return {
    must: ports.intersect(must).subtract(perhapsNot),
    may: ports.union(perhaps.intersect(set)),
    named,
    ...(notNamed.length === 0 ? {} : { notNamed }),
  };
}

/** Messages of both families, of which the protocol or the packet's own leaves one. */
function readIcmp(value: unknown, path: string): TrafficSet | undefined {
  const icmp = readMap(value, path);
  if (icmp === undefined) return undefined;
  onlyFields(icmp, path, ["type", "code"]);
  const type = readInteger(icmp["type"], `${path}.type`, 0, 254);
  const code = readInteger(icmp["code"], `${path}.code`, 0, 255);
  if (type === undefined && code !== undefined) {
    throw new NotReadable(`${path}.code`, `${path}.code needs a type`, "invalid-value");
  }
  return TrafficSet.icmp(4, type, code).union(TrafficSet.icmp(6, type, code));
}
