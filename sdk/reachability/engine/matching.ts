/** Whether an endpoint is among the peers of a rule. */
import { metadataEndpoints } from "../model/metadata-endpoints";
import type { EnforcerProfile } from "../model/profile";
import { matchesName, metadataNames } from "../readers/fqdn";
import type { CidrTerm, Entity, PeerTerm, Subject } from "../model/rules";
import { evaluate } from "../model/selectors/conditions";
import { labelOf } from "../model/selectors/labels";
import { AddressSet, type Address } from "../model/sets/addresses";
import { MAYBE, NO, tri, triAnd, triNot, triOr, YES, type Tri } from "../model/unknown";
import type { TrafficSet } from "../model/sets/ports";
import { podLookup, reservedLookup, type Endpoint, type NodeEndpoint, type PodEndpoint } from "./endpoints";

/** What matching depends on besides the rule and the endpoint. */
export interface MatchContext {
  readonly profile: EnforcerProfile;
  /** The ranges pods have their addresses from. */
  readonly podAddresses: AddressSet | undefined;
  /** The families of addresses that the cluster uses. Absent: not known. */
  readonly families?: "4" | "6" | "46";
  /**
   * Whether the enforcer learns the address of a name that the subject connects to. Without it: it knows the addresses of
   * all names that rules speak of.
   */
  readonly learns?: (name: string) => Tri;
  /** Ports of a pod that carry no HTTP, for what a rule of the mesh asks of requests. */
  readonly opaquePorts?: (pod: PodEndpoint) => TrafficSet;
}

const metadataAddresses = AddressSet.ofCidrs(...metadataEndpoints.map((endpoint) => endpoint.address));

/**
 * Unicast addresses that are neither link-local nor a cloud's metadata service: where a node or a pod may have its address
 * when the snapshot does not say. Nor those that spell IPv4 addresses in IPv6 (6to4, NAT64).
 */
const ordinaryV4 = AddressSet.allV4
  .subtract(AddressSet.ofCidrs("0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/4", "240.0.0.0/4"))
  .subtract(metadataAddresses);
const ordinaryV6 = AddressSet.ofCidrs("2000::/3", "fc00::/7")
  .subtract(AddressSet.ofCidrs("2002::/16", "64:ff9b::/96"))
  .subtract(metadataAddresses);
const ordinaryAddresses: Readonly<Record<"4" | "6" | "46", AddressSet>> = {
  4: ordinaryV4,
  6: ordinaryV6,
  46: ordinaryV4.union(ordinaryV6),
};

/** Where installers and clouds put pods: RFC 1918, RFC 6598 (shared), RFC 4193 (unique local). */
const privateAddresses = AddressSet.ofCidrs(
  "10.0.0.0/8",
  "100.64.0.0/10",
  "172.16.0.0/12",
  "192.168.0.0/16",
  "fc00::/7",
);

/** How many addresses the smallest range of pods has that a whole cluster gets in practice: a /16, a /64. */
const smallestPodRange: Readonly<Record<4 | 6, bigint>> = { 4: 1n << 16n, 6: 1n << 64n };

/** Where a node or a pod may have its address, in the families that the cluster uses as far as is known. */
function ordinary({ families }: MatchContext): AddressSet {
  return ordinaryAddresses[families ?? "46"];
}

export function matchesPeer(term: PeerTerm, endpoint: Endpoint, context: MatchContext): Tri {
  switch (term.kind) {
    case "any":
      return YES;
    case "uncertain":
      return MAYBE;
    case "pods":
      return endpoint.kind === "pod" ? evaluate(term.where, podLookup(endpoint)) : NO;
    case "identities":
      return evaluate(term.where, endpoint.kind === "pod" ? podLookup(endpoint) : reservedLookup(endpoint));
    case "entity":
      return matchesEntity(term.entity, endpoint);
    case "cidr":
      return matchesCidr(term, endpoint, context);
    case "nodes":
      return endpoint.kind === "node" ? evaluate(term.where, (_field, key) => labelOf(endpoint.labels, key)) : NO;
    case "fqdn":
      return matchesFqdn(term, endpoint, context);
    case "and":
      return term.of.reduce<Tri>((result, each) => triAnd(result, matchesPeer(each, endpoint, context)), YES);
    case "or":
      return term.of.reduce<Tri>((result, each) => triOr(result, matchesPeer(each, endpoint, context)), NO);
    case "not":
      return triNot(matchesPeer(term.of, endpoint, context));
  }
}

export function matchesAnyPeer(terms: readonly PeerTerm[], endpoint: Endpoint, context: MatchContext): Tri {
  let result: Tri = NO;
  for (const term of terms) {
    result = triOr(result, matchesPeer(term, endpoint, context));
    if (result === YES) break;
  }
  return result === YES || terms.length < 2 ? result : triOr(result, matchesTogether(terms, endpoint, context));
}

/**
 * Whether an address that is not known lies in one of several ranges, whichever: `0.0.0.0/0` and `::/0`, or two halves of
 * one, cover it together.
 */
function matchesTogether(terms: readonly PeerTerm[], endpoint: Endpoint, context: MatchContext): Tri {
  const together = rangesTogether(terms);
  if (together === undefined || addressIsKnown(endpoint)) return NO;
  // each range is an identity, with exceptions of its own
  if (context.profile.matchesByIdentity && endpoint.kind !== "world") return NO;
  return matchesCidr(together, endpoint, context);
}

/** The ranges of a rule as one; a rule is asked about many ends, so what was found is kept. */
const united = new WeakMap<readonly PeerTerm[], CidrTerm | undefined>();

function rangesTogether(terms: readonly PeerTerm[]): CidrTerm | undefined {
  if (united.has(terms)) return united.get(terms);
  const ranges = terms.filter((term) => term.kind === "cidr");
  const [first] = ranges;
  const alike = first !== undefined && ranges.length > 1 && ranges.every(({ literal }) => literal === first.literal);
  let together: CidrTerm | undefined;
  if (alike) {
    const { except: _, ...whole } = first;
    together = { ...whole, set: AddressSet.of(...ranges.flatMap(({ set }) => set.ranges)) };
  }
  united.set(terms, together);
  return together;
}

function addressIsKnown(endpoint: Endpoint): boolean {
  switch (endpoint.kind) {
    case "pod":
      return endpoint.addresses !== undefined;
    case "node":
      return endpoint.address !== undefined || endpoint.addresses !== undefined;
    case "world":
      return endpoint.address !== undefined;
    case "ingress":
      return true;
  }
}

/**
 * Whether a policy protects an endpoint. Pods on the host network are nodes, which policies for pods never select; a
 * clusterwide policy of Cilium for all endpoints also selects the ingress proxy.
 */
export function selects(subject: Subject, endpoint: Endpoint): Tri {
  if (endpoint.kind === "ingress")
    return subject.kind === "pods" ? evaluate(subject.where, reservedLookup(endpoint)) : NO;
  if (subject.kind === "pods") return endpoint.kind === "pod" ? evaluate(subject.where, podLookup(endpoint)) : NO;
  return endpoint.kind === "node" ? evaluate(subject.where, (_field, key) => labelOf(endpoint.labels, key)) : NO;
}

function matchesEntity(entity: Entity, endpoint: Endpoint): Tri {
  switch (entity) {
    case "all":
      return YES;
    case "ingress":
      return tri(endpoint.kind === "ingress");
    case "none":
    case "health":
    case "init":
    case "unmanaged":
      return NO;
    case "world":
      return tri(endpoint.kind === "world");
    case "world-ipv4":
    case "world-ipv6":
      if (endpoint.kind !== "world") return NO;
      return endpoint.address === undefined ? MAYBE : tri(entity === `world-ipv${endpoint.address.family}`);
    case "cluster":
      return endpoint.kind === "world" ? endpoint.apiServer : YES;
    case "host":
      return tri(endpoint.kind === "node" && endpoint.local);
    case "remote-node":
      return tri(endpoint.kind === "node" && !endpoint.local);
    case "kube-apiserver":
      return endpoint.kind === "pod" || endpoint.kind === "ingress" ? NO : endpoint.apiServer;
  }
}

function matchesCidr(term: CidrTerm, endpoint: Endpoint, context: MatchContext): Tri {
  const { profile } = context;
  // it has an identity of its own, which no CIDR covers
  if (endpoint.kind === "ingress") return NO;
  if (term.literal === true && endpoint.kind !== "world") {
    const addresses =
      endpoint.kind === "node" && endpoint.address !== undefined ? [endpoint.address] : endpoint.addresses;
    if (addresses === undefined) {
      return within(endpoint.kind === "pod" ? podRange(context) : ordinary(context), term.set);
    }
    const inside = addresses.filter((address) => term.set.contains(address)).length;
    return inside === 0 ? NO : inside === addresses.length ? YES : MAYBE;
  }
  switch (endpoint.kind) {
    case "world":
      return endpoint.address === undefined
        ? within(AddressSet.all, term.set)
        : tri(term.set.contains(endpoint.address));
    case "pod":
      if (!profile.cidrMatchesPods) return NO;
      if (endpoint.addresses !== undefined) return matchesAddresses(term, endpoint.addresses, profile);
      return profile.unknownPodAddresses === "outside-cidrs" ? NO : podWithin(term.set, context);
    case "node":
      return profile.cidrMatchesNodes ? matchesNodeAddresses(term, endpoint, context) : NO;
  }
}

/** Whether a pod whose address is not known lies in a set. */
function podWithin(set: AddressSet, context: MatchContext): Tri {
  const range = podRange(context);
  const found = within(range, set);
  if (found !== MAYBE || context.podAddresses !== undefined) return found;
  return context.profile.unknownPodAddresses !== "in-wide-ranges" || isWide(set) ? found : NO;
}

/**
 * Whether a set holds a block of private addresses that could be the range of a cluster's pods, or a whole family: a database's
 * subnet or a partner's addresses are no such block.
 */
function isWide(set: AddressSet): boolean {
  const blocks = set.intersect(privateAddresses).ranges;
  return (
    blocks.some(({ family, from, to }) => to - from + 1n >= smallestPodRange[family]) || ordinaryV6.isSubsetOf(set)
  );
}

/** Where a pod has its address that the snapshot does not state. */
function podRange(context: MatchContext): AddressSet {
  return context.podAddresses ?? ordinary(context);
}

function matchesNodeAddresses(term: CidrTerm, node: NodeEndpoint, context: MatchContext): Tri {
  const { profile } = context;
  if (!profile.matchesByIdentity && node.address !== undefined) return tri(term.set.contains(node.address));
  return node.addresses === undefined
    ? within(ordinary(context), term.set)
    : matchesAddresses(term, node.addresses, profile);
}

function matchesAddresses(term: CidrTerm, addresses: readonly Address[], profile: EnforcerProfile): Tri {
  const inside = addresses.filter((address) => term.set.contains(address)).length;
  if (profile.matchesByIdentity) {
    // measured on Cilium: one address in the CIDR covers them all, one address in an exception excepts them all
    return tri(inside > 0 && !addresses.some((address) => term.except?.contains(address) === true));
  }
  return inside === 0 ? NO : inside === addresses.length ? YES : MAYBE;
}

/** Whether an address of which only the range is known lies in a set. Few ranges are asked about many sets, and again. */
function within(range: AddressSet, set: AddressSet): Tri {
  let known = insideOf.get(range);
  if (known === undefined) insideOf.set(range, (known = new WeakMap()));
  let result = known.get(set);
  if (result === undefined) {
    result = range.isSubsetOf(set) ? YES : range.intersect(set).isEmpty() ? NO : MAYBE;
    known.set(set, result);
  }
  return result;
}

const insideOf = new WeakMap<AddressSet, WeakMap<AddressSet, Tri>>();

/**
 * Names against addresses: nobody here knows what a name resolves to. A name of which strangers can own an instance may
 * resolve to any address, and the names of metadata services resolve to theirs.
 */
function matchesFqdn(
  { pattern, asked }: Extract<PeerTerm, { kind: "fqdn" }>,
  endpoint: Endpoint,
  { learns }: MatchContext,
): Tri {
  if (endpoint.kind !== "world") return NO;
  if (endpoint.dnsName !== undefined) {
    const fits = tri(matchesName(pattern, endpoint.dnsName));
    return learns === undefined || asked === true ? fits : triAnd(fits, learns(endpoint.dnsName));
  }
  if (asked === true) return NO;
  if (pattern.broad || endpoint.address === undefined) return MAYBE;
  const namesMetadata = metadataNames.some((name) => matchesName(pattern, name));
  return namesMetadata && metadataAddresses.contains(endpoint.address) ? MAYBE : NO;
}
