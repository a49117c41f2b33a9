/** Address ranges in a declaration, and the ones that are never open. */
import type { AddressRange } from "../reachability/index";
import type { Origin } from "./deferred";
import { formatAddress, isInRange, metadataEndpoints, parseAddress, parseCidr } from "../reachability/index";

/** A CIDR with parts that are left out. */
export interface CidrRange {
  readonly cidr: string;
  readonly except: readonly string[];
  /** Where the range comes from an output. */
  readonly origin?: Origin;
}

/** 6to4 gives every IPv4 address a whole /48 (RFC 3056), so the network is closed, not one address of it. */
const sixToFour = /^2002:/;

/**
 * IPv4-mapped addresses are closed by ::/80, in which ::ffff:0:0/96 lies. API servers with strict validation
 * (Kubernetes 1.33 and later) refuse the mapped prefix itself, and ::/80 holds nothing else that is routed.
 */
const mappedRange = "::/80";

function closingCidr(endpoint: (typeof metadataEndpoints)[number]): string {
  if (endpoint.family === 4) return `${endpoint.address}/32`;
  const address = parseAddress(endpoint.address);
  const isMapped = endpoint.formOf !== undefined && address !== undefined && address.value >> 32n === 0xffffn;
  if (isMapped) return mappedRange;
  return endpoint.formOf !== undefined && sixToFour.test(endpoint.address)
    ? `${endpoint.address}/48`
    : `${endpoint.address}/128`;
}

/**
 * The ranges that close every cloud's metadata endpoints, IPv4 and IPv6, with the NAT64, 6to4 and IPv4-mapped forms of
 * the IPv4 ones. Source: the list of the reachability engine (policy-semantics 3f).
 */
export const metadataCidrs: readonly string[] = [...new Set(metadataEndpoints.map(closingCidr))];

/** What {@link Entity.Internet} means: globally routed addresses only (IANA special-purpose registries): a rule for the internet does not open private networks. */
export const internetRanges: readonly CidrRange[] = [
  {
    cidr: "0.0.0.0/0",
    except: [
      "0.0.0.0/8",
      "10.0.0.0/8",
      "100.64.0.0/10",
      "127.0.0.0/8",
      "168.63.129.16/32",
      "169.254.0.0/16",
      "172.16.0.0/12",
      "192.0.0.0/24",
      "192.0.2.0/24",
      "192.88.99.0/24",
      "192.168.0.0/16",
      "198.18.0.0/15",
      "198.51.100.0/24",
      "203.0.113.0/24",
      "224.0.0.0/3",
    ],
  },
  { cidr: "2000::/3", except: ["2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20"] },
];

/** Why a text is no CIDR that a policy can contain, or nothing if it is one. */
export function cidrProblem(text: string): { message: string; fix: string } | undefined {
  const slash = text.indexOf("/");
  const address = parseAddress(slash < 0 ? text : text.slice(0, slash));
  if (address === undefined) {
    return {
      message: "is not an IPv4 or IPv6 address range",
      fix: 'Write it as "198.51.100.0/24" or "2001:db8::/32".',
    };
  }
  const bits = address.family === 4 ? 32 : 128;
  if (slash < 0) {
    return { message: "has no prefix length", fix: `Append the prefix length; a single address ends in /${bits}.` };
  }
  const prefix = text.slice(slash + 1);
  if (!/^\d{1,3}$/.test(prefix) || Number(prefix) > bits) {
    return { message: "has an invalid prefix length", fix: `Use a prefix length from 0 to ${bits}.` };
  }
  if (address.family === 6 && address.value >> 32n === 0xffffn) {
    return { message: "is an IPv4 range in IPv6 form", fix: "Write the IPv4 range." };
  }
  const hostBits = BigInt(bits - Number(prefix));
  if ((address.value >> hostBits) << hostBits !== address.value) {
    return { message: "has address bits beyond its prefix length", fix: "Clear the bits that the prefix leaves out." };
  }
  return undefined;
}

function rangeOf(cidr: string): AddressRange {
  const range = parseCidr(cidr);
  if (range === undefined) throw new RangeError("a range that was not checked before");
  return range;
}

/** Whether every address of `inner` lies in `outer`. Both are valid CIDRs. */
export function cidrInside(inner: string, outer: string): boolean {
  return isInRange(rangeOf(inner), rangeOf(outer));
}

/** The first or last address of a range, as a range of its own; the text itself where it is none. */
export function endOf(cidr: string, isFirst: boolean): string {
  const range = parseCidr(cidr);
  if (range === undefined) return cidr;
  return `${formatAddress({ family: range.family, value: isFirst ? range.from : range.to })}/${range.family === 4 ? 32 : 128}`;
}

interface NamedRange {
  readonly cidr: string;
  readonly range: AddressRange;
}

function named(cidr: string): NamedRange {
  return { cidr, range: rangeOf(cidr) };
}

const closedRanges: readonly NamedRange[] = metadataCidrs.map(named);

/**
 * A range without the metadata endpoints and without `closed`. Undefined when nothing of it stays open.
 *
 * @param closed Further ranges to leave out, such as the pods' own.
 */
export function rangeWithout(range: CidrRange, closed: readonly string[]): CidrRange | undefined {
  const whole = rangeOf(range.cidr);
  // two CIDRs are apart, or one holds the other
  const relevant = [...range.except.map(named), ...closedRanges, ...closed.map(named)].filter(
    (other) => isInRange(other.range, whole) || isInRange(whole, other.range),
  );
  if (relevant.some((other) => isInRange(whole, other.range))) return undefined;
  // an exception inside another exception says nothing
  const distinct = [...new Map(relevant.map((one) => [one.cidr, one])).values()];
  const except = distinct.filter(
    (one) => !distinct.some((other) => other !== one && isInRange(one.range, other.range)),
  );
  return { ...range, except: except.map(({ cidr }) => cidr).sort() };
}
