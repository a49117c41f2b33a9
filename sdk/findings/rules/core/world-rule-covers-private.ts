import type { PeerTerm } from "../../../reachability";
import { AddressSet, describeRef } from "../../../reachability";
import { addressesOf } from "../../address-ranges";
import { controls } from "../../controls";
import { policyObjects, rulesOf } from "../../policy-rules";
import { aboutPolicy } from "../../report";
import { list } from "../../subjects";
import type { Finding, Rule, RuleContext } from "../../types";

/** `0.0.0.0/0` is meant for the internet and also holds every network inside. */
export const worldRuleCoversPrivate: Rule = {
  id: "world-rule-covers-private",
  title: "A rule for the internet also covers private networks",
  severity: "medium",
  why: "A range for the internet that includes private networks also opens nodes, services and everything else in them.",
  description:
    "No allow rule for egress whose CIDR holds more than 1/256 of the public IPv4 or IPv6 addresses also holds addresses of private, " +
    "shared or link-local networks (RFC 1918, RFC 6598, RFC 3927, RFC 4193, fe80::/10).",
  remediation:
    "Leave 10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16, 100.64.0.0/10, 169.254.0.0/16, fc00::/7 and fe80::/10 out (`except`), " +
    "and name private destinations in rules of their own.",
  controls: [controls.nistBoundaryProtection, controls.pciOutbound, controls.pciTrustedUntrusted],
  check: checkRanges,
};

const inner = [
  "10.0.0.0/8",
  "172.16.0.0/12",
  "192.168.0.0/16",
  "100.64.0.0/10",
  "169.254.0.0/16",
  "fc00::/7",
  "fe80::/10",
].map((cidr) => ({ cidr, set: AddressSet.ofCidrs(cidr) }));
const allInner = inner.reduce((sum, { set }) => sum.union(set), AddressSet.none);

/** More than 1/256 of a family's public space (2000::/3 in IPv6) is the internet. */
const mostOfFamily = { 4: 2n ** 24n, 6: 2n ** 117n } as const;

function* checkRanges(context: RuleContext): Iterable<Finding> {
  for (const { origin, parts } of policyObjects(context.reachability.snapshot)) {
    const because = parts
      .flatMap(rulesOf)
      .filter((rule) => rule.verdict === "allow" && rule.direction === "egress")
      .flatMap((rule) => {
        const covered = [...new Set(rule.peers.flatMap(coveredBy))];
        return covered.length === 0 ? [] : [`${rule.path} also holds addresses of ${list(covered, inner.length)}`];
      });
    if (because.length === 0) continue;
    yield aboutPolicy(worldRuleCoversPrivate, origin, {
      message: `${describeRef(origin)} is for the internet and includes private networks`,
      because: [...new Set(because)],
    });
  }
}

/** The inner networks that a peer for the internet holds addresses of, in the families that it is for. */
function coveredBy(peer: PeerTerm): string[] {
  const held = addressesOf(peer);
  if (held === undefined) return [];
  const outer = held.subtract(allInner);
  const families = ([4, 6] as const).filter((family) => sizeOf(outer, family) > mostOfFamily[family]);
  return inner
    .filter(({ set }) => families.some((family) => sizeOf(set.intersect(held), family) > 0n))
    .map(({ cidr }) => cidr);
}

function sizeOf({ ranges }: AddressSet, family: 4 | 6): bigint {
  return ranges.filter((range) => range.family === family).reduce((sum, { from, to }) => sum + to - from + 1n, 0n);
}
