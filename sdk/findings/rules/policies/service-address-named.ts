import type { AddressRange, PolicyRule, Snapshot } from "../../../reachability";
import { AddressSet, describeRef, isCiliumProxy, parseAddress } from "../../../reachability";
import { addressesOf, describeAddresses } from "../../address-ranges";
import { controls } from "../../controls";
import { policyObjects, rulesOf } from "../../policy-rules";
import { aboutPolicy } from "../../report";
import { list } from "../../subjects";
import type { Finding, Rule, RuleContext } from "../../types";

/** The address of a Service is gone before a policy sees the packet. */
export const serviceAddressNamed: Rule = {
  id: "service-address-named",
  title: "A rule names the address of a Service, which no policy sees",
  severity: "medium",
  why: "A connection to a ClusterIP is translated to one of the pods behind it first; a rule for the address allows nothing, and a deny of it denies nothing.",
  description:
    "No rule names a range in which Services have their ClusterIPs and in which nothing else that was read has an address: " +
    "pods, nodes, endpoints. Ranges of more than about a million addresses, and public ones, are left out: they hold more.",
  remediation: "Name the pods behind the Service and their own port instead of its ClusterIP.",
  controls: [controls.pciRuleSets, controls.nistInformationFlow],
  check: checkAddresses,
};

const privateRanges = AddressSet.ofCidrs("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7");
/** The widest range for Services that Kubernetes takes: 20 bits. */
const mostAddresses = 1n << 20n;

function* checkAddresses(context: RuleContext): Iterable<Finding> {
  const { snapshot } = context.reachability;
  const services = snapshot.services.flatMap((service) =>
    service.clusterIps.flatMap((text) => {
      const address = parseAddress(text);
      const isProxy = snapshot.profile.servesIngress && isCiliumProxy(service);
      return address === undefined ? [] : [{ name: `${service.namespace}/${service.name}`, address, isProxy }];
    }),
  );
  if (services.length === 0) return;
  const others = knownAddresses(snapshot);
  for (const { origin, parts } of policyObjects(snapshot)) {
    const because = parts.flatMap(rulesOf).flatMap((rule) =>
      rangesOf(rule).flatMap((set) => {
        const inside = services.filter(({ address }) => set.contains(address));
        const hasOthers = others.some((address) => set.contains(address));
        if (inside.length === 0 || hasOthers || !isNarrow(set.ranges) || !set.isSubsetOf(privateRanges)) return [];
        const names = list([...new Set(inside.map(({ name }) => name))], 3);
        const seen = inside.every(({ isProxy }) => isProxy)
          ? "Cilium's ingress proxy is behind it, which policies see as the entity ingress (toEntities: [ingress])"
          : "policies see the pods behind it";
        return [`${rule.path} names ${describeAddresses(set)}, where the ClusterIP of Service ${names} lies; ${seen}`];
      }),
    );
    if (because.length === 0) continue;
    yield aboutPolicy(serviceAddressNamed, origin, {
      message: `${describeRef(origin)} names addresses of Services, which no policy sees`,
      because: [...new Set(because)],
    });
  }
}

/** The ranges of a rule, each peer's by itself. */
function rangesOf({ peers }: PolicyRule): AddressSet[] {
  return peers.flatMap((peer) => (peer.kind === "not" ? [] : (addressesOf(peer) ?? [])));
}

function isNarrow(ranges: readonly AddressRange[]): boolean {
  return ranges.reduce((sum, { from, to }) => sum + to - from + 1n, 0n) <= mostAddresses;
}

/** Addresses of pods, nodes and endpoints. */
function knownAddresses(snapshot: Snapshot) {
  const texts = [
    ...snapshot.workloads.flatMap(({ addresses }) => addresses),
    ...snapshot.nodes.flatMap(({ addresses }) => addresses),
    ...snapshot.services.flatMap(({ endpoints }) => endpoints),
    ...snapshot.apiServerAddresses,
  ];
  return texts.flatMap((text) => parseAddress(text) ?? []);
}
