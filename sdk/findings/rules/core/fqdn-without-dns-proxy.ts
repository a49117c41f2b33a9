import type { CompiledPolicy, Snapshot } from "../../../reachability";
import { describeRef } from "../../../reachability";
import { controls } from "../../controls";
import { policyObjects, rulesOf, selectsWorkload } from "../../policy-rules";
import { aboutPolicy } from "../../report";
import type { Finding, Rule, RuleContext } from "../../types";

/**
 * Cilium learns the addresses behind toFQDNs from DNS answers that its proxy sees. Without a DNS rule for the same pods
 * the list of addresses stays empty and nothing passes.
 */
export const fqdnWithoutDnsProxy: Rule = {
  id: "fqdn-without-dns-proxy",
  title: "Pods with FQDN rules bypass the DNS proxy",
  severity: "medium",
  why: "Cilium learns the addresses behind names from answers that its DNS proxy sees; without the proxy it learns none and the rule opens nothing.",
  description: "Every pod that a toFQDNs rule is for is also selected by a policy whose DNS rule has `rules.dns`.",
  remediation: 'Add `rules: { dns: [{ matchPattern: "*" }] }` to the rule that lets these pods ask DNS.',
  controls: [controls.nistInformationFlow],
  check: checkProxy,
};

const hasNames = (part: CompiledPolicy): boolean =>
  rulesOf(part).some((rule) => rule.peers.some((peer) => peer.kind === "fqdn"));
const hasProxy = (part: CompiledPolicy): boolean => rulesOf(part).some((rule) => rule.dnsProxy === true);

function* checkProxy(context: RuleContext): Iterable<Finding> {
  const { snapshot } = context.reachability;
  const objects = policyObjects(snapshot);
  const proxies = objects.flatMap((object) => object.parts).filter(hasProxy);
  for (const object of objects) {
    const missing = object.parts.filter(hasNames).filter((part) => !isProxied(part, proxies, snapshot));
    if (missing.length === 0) continue;
    yield aboutPolicy(fqdnWithoutDnsProxy, object.origin, {
      message: `${describeRef(object.origin)} has FQDN rules, and the DNS queries of its pods bypass the DNS proxy`,
      because: [
        "no policy that selects the same pods has a DNS rule with rules.dns, so the agent never learns an address",
      ],
    });
  }
}

/** Whether the pods of a part ask through the proxy. Without pods yet: whether some policy of the namespace says so. */
function isProxied(part: CompiledPolicy, proxies: readonly CompiledPolicy[], snapshot: Snapshot): boolean {
  const pods = snapshot.workloads.filter((workload) => selectsWorkload(part, workload, snapshot) === 2);
  if (pods.length > 0) {
    return pods.every((pod) => proxies.some((proxy) => selectsWorkload(proxy, pod, snapshot) === 2));
  }
  const home = part.origin.namespace;
  return proxies.some((proxy) => proxy.origin.namespace === undefined || proxy.origin.namespace === home);
}
