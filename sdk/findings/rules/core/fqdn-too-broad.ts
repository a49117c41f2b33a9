import { describeRef } from "../../../reachability";
import { controls } from "../../controls";
import { policyObjects, rulesOf } from "../../policy-rules";
import { aboutPolicy } from "../../report";
import { list } from "../../subjects";
import type { Finding, Rule, RuleContext } from "../../types";

/** A pattern that strangers can register names for opens whatever they point it at, cloud metadata included. */
export const fqdnTooBroad: Rule = {
  id: "fqdn-too-broad",
  title: "A rule for DNS names allows names that anyone can register",
  severity: "high",
  why: "Anyone who registers a matching name decides what it resolves to, including cloud metadata addresses.",
  description:
    "No toFQDNs pattern matches names that anyone can register (`*`, a public suffix, names that spell an address).",
  remediation: "Name the hosts (matchName), or a pattern inside a domain that you trust.",
  controls: [controls.nistExternalServices, controls.pciOutbound, controls.mitreExfiltration],
  check: checkPatterns,
};

function* checkPatterns(context: RuleContext): Iterable<Finding> {
  for (const object of policyObjects(context.reachability.snapshot)) {
    const paths = object.parts
      .flatMap(rulesOf)
      .filter(
        (rule) => rule.verdict === "allow" && rule.peers.some((peer) => peer.kind === "fqdn" && peer.pattern.broad),
      )
      .map((rule) => rule.path);
    if (paths.length === 0) continue;
    yield aboutPolicy(fqdnTooBroad, object.origin, {
      message: `${describeRef(object.origin)} allows names that anyone can register: ${list(paths)}`,
      because: ["the owner of a name decides what it resolves to"],
    });
  }
}
