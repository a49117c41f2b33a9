import type { CompiledPolicy, PeerTerm, PolicyRule } from "../../../reachability";
import { describeRef } from "../../../reachability";
import { controls } from "../../controls";
import type { PolicyParts } from "../../policy-rules";
import { policyObjects, rulesOf, understoodRulesOf } from "../../policy-rules";
import { aboutPolicy } from "../../report";
import type { Finding, Rule, RuleContext } from "../../types";

/** A policy that has a name that contradicts its effect is believed by its name. */
export const nameContradictsEffect: Rule = {
  id: "name-contradicts-effect",
  title: "A policy's name contradicts its effect",
  severity: "low",
  why: "Reviewers trust names: a `deny` that denies nothing, or an `external` that allows nothing external, goes unnoticed.",
  description:
    "A policy named default-deny or deny-all allows nothing; a Kubernetes NetworkPolicy is not named after one peer that it " +
    "denies (deny-external), since it can only isolate; " +
    "a policy named external, internet or world names something outside the cluster in every rule that is not for DNS; and a " +
    "policy named allow has a rule that allows. The effect is computed from the rules.",
  remediation:
    "Change the name of the policy (metadata.name), or move the rule that does not belong to its name into a policy of its own.",
  controls: [controls.pciRuleSets, controls.pciServicesApproved],
  check: checkEffects,
};

function* checkEffects(context: RuleContext): Iterable<Finding> {
  for (const object of policyObjects(context.reachability.snapshot)) {
    const because = contradictions(object);
    if (because.length === 0) continue;
    yield aboutPolicy(nameContradictsEffect, object.origin, {
      message: `${describeRef(object.origin)} has a name that contradicts its effect`,
      because,
    });
  }
}

/** `deny-all`, `deny-all-ingress`, `deny-egress`, `deny-by-default`: names of a default deny. */
const meansAll = /(^|\.)deny(-(all|any|everything|traffic|ingress|egress|by-default))+$/;

function contradictions({ origin, parts }: PolicyParts): string[] {
  const says = (pattern: RegExp): boolean => pattern.test(origin.name);
  const allows = parts.flatMap(understoodRulesOf).filter((rule) => rule.verdict === "allow" && rule.peers.length > 0);
  const paths = [...new Set(allows.map((rule) => rule.path))].join(", ");
  if (says(/(^|\.)default-deny/)) {
    return allows.length === 0 ? [] : [`it is named default-deny and allows something: ${paths}`];
  }
  if (says(meansAll)) {
    return allows.length === 0 ? [] : [`it is named deny-all and allows something: ${paths}`];
  }
  // what keeps others out by allowing the own pods alone does what its name says
  const keepsOthersOut = allows.length > 0 && allows.every((rule) => rule.peers.every(isPods));
  if (says(/(^|\.)deny-/) && origin.dialect === "kubernetes" && !(keepsOthersOut && says(/other|foreign|cross/))) {
    return ["a NetworkPolicy cannot deny: it isolates the pods, and any other policy's allow still opens them"];
  }
  if (says(/(^|[.-])(external(?!-(secrets|dns))|internet|world)([.-]|$)/) && says(/(^|\.)allow/)) {
    const inward = allows.filter((rule) => !rule.peers.some(isOutside) && !isDns(rule)).map((rule) => rule.path);
    if (inward.length > 0) return [`it is named for the outside and reaches only pods: ${inward.join(", ")}`];
  }
  if (says(/(^|\.)allow-/) && allows.length === 0 && parts.length > 0 && parts.every(isRead)) {
    return ["it is named allow and no rule of it allows anything"];
  }
  return [];
}

function isPods(peer: PeerTerm): boolean {
  return peer.kind === "pods" || peer.kind === "identities";
}

function isOutside(peer: PeerTerm): boolean {
  switch (peer.kind) {
    case "pods":
    case "identities":
    case "nodes":
      return false;
    case "entity":
      return ["all", "world", "world-ipv4", "world-ipv6"].includes(peer.entity);
    case "and":
    case "or":
      return peer.of.some(isOutside);
    default:
      return true;
  }
}

function isDns({ l4 }: PolicyRule): boolean {
  return (
    !l4.must.isEmpty() &&
    (["TCP", "UDP"] as const).every((protocol) =>
      l4.must.ranges(protocol).every(([from, to]) => from === 53 && to === 53),
    )
  );
}

/** Rules that were understood. What was not is another finding. */
function isRead(part: CompiledPolicy): boolean {
  const understood = understoodRulesOf(part).length === rulesOf(part).length;
  return understood && (part.ingress !== undefined || part.egress !== undefined);
}
