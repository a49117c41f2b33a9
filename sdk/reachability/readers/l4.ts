import type { L4Spec, NamedPort } from "../model/rules";
import { TrafficSet, type PortProtocol } from "../model/sets/ports";

export const everyTraffic: L4Spec = { must: TrafficSet.all(), may: TrafficSet.all(), named: [] };
export const uncertainTraffic: L4Spec = { must: TrafficSet.none(), may: TrafficSet.all(), named: [] };

export function exactly(set: TrafficSet, named: readonly NamedPort[] = []): L4Spec {
  return { must: set, may: set, named };
}

/** The union of several specifications, as of the items of a `ports` list. */
export function uniteL4(specs: readonly L4Spec[]): L4Spec {
  if (specs.length === 1) return specs[0] as L4Spec;
  let must = TrafficSet.none();
  let may = TrafficSet.none();
  const named: NamedPort[] = [];
  for (const spec of specs) {
    must = must.union(spec.must);
    may = may.union(spec.may);
    named.push(...spec.named);
  }
  return { must, may, named, items: specs.map((spec) => spec.must) };
}

/** Reads a protocol's name; nothing for one that has no ports. */
export function portProtocol(name: string): PortProtocol | undefined {
  return name === "TCP" || name === "UDP" || name === "SCTP" ? name : undefined;
}

/** A port that is not known yet, of a protocol if that is known, and of any of some traffic if it is not. */
export function unknownPort(protocol: unknown, otherwise: TrafficSet): L4Spec {
  const known = typeof protocol === "string" ? portProtocol(protocol) : undefined;
  return { must: TrafficSet.none(), may: known === undefined ? otherwise : TrafficSet.protocol(known), named: [] };
}

/** Every port of every protocol that has ports. */
export const everyPort = TrafficSet.protocol("TCP")
  .union(TrafficSet.protocol("UDP"))
  .union(TrafficSet.protocol("SCTP"));
