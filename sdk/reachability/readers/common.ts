import type { PolicySource } from "../model/policy-source";
import type { EnforcerProfile } from "../model/profile";
import type { WaypointTable } from "../model/waypoints";
import type {
  CidrTerm,
  CompiledPolicy,
  DirectionRules,
  DnsPattern,
  PeerTerm,
  Rule,
  Subject,
  Tier,
} from "../model/rules";
import { all, perhaps, type Condition } from "../model/selectors/conditions";
import type { LabelValue } from "../model/selectors/labels";
import { AddressSet, parseCidr, type AddressRange } from "../model/sets/addresses";
import { MAYBE } from "../model/unknown";
import type { Direction } from "../model/direction";
import { NotReadable, readList, readString, required, type Fields, type ObjectReader } from "./fields";
import { everyTraffic } from "./l4";
import type { ServiceTable } from "./services";
import type { TierTable } from "./tiers";

/** The API server or the agent takes nothing of a policy: what it contains has no effect. */
export class Refused extends Error {
  /**
   * @param reason Why, quoting no value of the object.
   * @param message The same, with the value.
   */
  constructor(
    readonly reason: string,
    message = reason,
  ) {
    super(message);
  }
}

/** The addresses of groups of ranges. */
export interface CidrGroups {
  readonly known: AddressSet;
  /** There may be more: no group of that name was read, or what one holds is not known. */
  readonly rest?: "not-read" | "unknown";
}

/** What a reader of policies may consult. */
export interface ReaderContext {
  readonly profile: EnforcerProfile;
  readonly services: ServiceTable;
  readonly tiers: TierTable;
  readonly waypoints: WaypointTable;
  /** Names that policies for ServiceEntries are about; readers add to it. */
  readonly waypointHosts: DnsPattern[];
  /** Calico's (Global)NetworkSets and HostEndpoints whose labels fit, as peers. */
  networkSets(where: Condition): PeerTerm[];
  /** Whether the labels of some HostEndpoint of Calico's fit. */
  selectsHostEndpoint(where: Condition): boolean;
  /** The addresses of the CiliumCIDRGroups of a name, or that a selector fits. */
  cidrGroups(name: string | undefined, selector: Condition | undefined): CidrGroups;
}

/** Reads one object into normalized rules; nothing where the object is not enforced (it then says so). */
export type PolicyReader = (
  origin: PolicySource,
  namespace: LabelValue,
  reader: ObjectReader,
  context: ReaderContext,
) => CompiledPolicy[];

export const uncertainPeer: PeerTerm = { kind: "uncertain" };
/** Addresses that are not known: whom addresses stand for at all, the enforcer says. */
export const someAddresses: PeerTerm = { kind: "and", of: [{ kind: "cidr", set: AddressSet.all }, uncertainPeer] };
/** The world, at addresses that nobody here knows. */
export const somewhereInTheWorld: PeerTerm = { kind: "and", of: [{ kind: "entity", entity: "world" }, uncertainPeer] };
export const anyPeer: PeerTerm = { kind: "any" };

/** A rule that may match anything: what is left of a rule that cannot be read. */
export function uncertainRule(direction: Direction, verdict: Rule["verdict"], path: string): Rule {
  return { direction, verdict, peers: [uncertainPeer], l4: everyTraffic, path };
}

/** Both directions of a policy of which nothing can be said but that it exists. */
export function uncertainDirection(direction: Direction, path: string, mayDeny: boolean): DirectionRules {
  const rules = [uncertainRule(direction, "allow", path)];
  if (mayDeny) rules.unshift(uncertainRule(direction, "deny", path));
  return { isolates: MAYBE, rules };
}

/** A policy that cannot be read: within its scope it may select anybody, allow and deny anything. */
export function uncertainPolicy(origin: PolicySource, scope: Condition, tier: Tier, mayDeny: boolean): CompiledPolicy {
  const subject: Subject = { kind: "pods", where: all(scope, perhaps) };
  return {
    origin,
    tier,
    order: 0,
    subject,
    ingress: uncertainDirection("ingress", "spec", mayDeny),
    egress: uncertainDirection("egress", "spec", mayDeny),
  };
}

/** @throws NotReadable where the text is not a CIDR. */
export function readCidr(text: string, path: string): AddressRange {
  const range = text.includes("/") ? parseCidr(text) : undefined;
  if (range === undefined) {
    throw new NotReadable(
      path,
      `${path} must be a CIDR such as 10.0.0.0/8 or fd00::/8, not ${JSON.stringify(text)}`,
      "invalid-value",
    );
  }
  return range;
}

/**
 * A CIDR with its exceptions, each of which must lie inside it.
 *
 * @throws NotReadable where one does not.
 */
export function cidrTerm(cidr: AddressRange, exceptions: readonly AddressRange[], path: string): CidrTerm {
  for (const [index, exception] of exceptions.entries()) {
    if (exception.family !== cidr.family || exception.from < cidr.from || exception.to > cidr.to) {
      const where = `${path}.except[${index}]`;
      throw new NotReadable(where, `${where} does not lie inside the CIDR it is an exception of`, "invalid-value");
    }
  }
  if (exceptions.length === 0) return { kind: "cidr", set: AddressSet.of(cidr) };
  const except = AddressSet.of(...exceptions);
  return { kind: "cidr", set: AddressSet.of(cidr).subtract(except), except };
}

/** What a range leaves out; one that is not known yet may be any part of it. */
export function readExceptions(
  entry: Fields,
  path: string,
  reader: ObjectReader,
): { readonly exceptions: readonly AddressRange[]; readonly complete: boolean } {
  const given = reader.attemptUnknown(
    () => readList(entry["except"], `${path}.except`) ?? [],
    () => undefined,
  );
  const { ranges, complete } = readRanges(given ?? [], `${path}.except`, reader);
  return { exceptions: ranges, complete: given !== undefined && complete };
}

/** The ranges of a list. Where one is not known yet, those that are; they are not complete then. */
export function readRanges(
  values: readonly unknown[],
  path: string,
  reader: ObjectReader,
): { readonly ranges: readonly AddressRange[]; readonly complete: boolean } {
  const read = values.map((value, index) => {
    const at = `${path}[${index}]`;
    return reader.attemptUnknown(
      () => readCidr(required(readString(value, at), at), at),
      () => undefined,
    );
  });
  const ranges = read.filter((range) => range !== undefined);
  return { ranges, complete: ranges.length === read.length };
}
