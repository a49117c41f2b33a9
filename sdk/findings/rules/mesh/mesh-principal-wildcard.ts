import type { Condition, PeerTerm } from "../../../reachability";
import { describeRef } from "../../../reachability";
import { controls } from "../../controls";
import { meshPolicyObjects, rulesOf, testsIn } from "../../policy-rules";
import { aboutPolicy } from "../../report";
import { list } from "../../subjects";
import type { Finding, Rule, RuleContext } from "../../types";

/** Names with a wildcard name people who do not exist yet. */
export const meshPrincipalWildcard: Rule = {
  id: "mesh-principal-wildcard",
  title: "An AuthorizationPolicy does not name its callers in full",
  severity: "medium",
  why: "A wildcard also admits service accounts that are created later; an exclusion admits all other callers, including plaintext clients.",
  description:
    "No ALLOW rule of an AuthorizationPolicy names principals, service accounts, namespaces or trust domains by a " +
    "wildcard, or by exclusion alone.",
  remediation: "Name the service accounts: `cluster.local/ns/<namespace>/sa/<account>`.",
  controls: [controls.nistLeastPrivilege, controls.nistInformationFlow],
  check: checkPrincipals,
};

function* checkPrincipals(context: RuleContext): Iterable<Finding> {
  for (const { origin, parts } of meshPolicyObjects(context.reachability.snapshot)) {
    if (origin.kind !== "AuthorizationPolicy") continue;
    const rules = parts.flatMap(rulesOf).filter((rule) => rule.verdict === "allow");
    const byWildcard = pathsOf(rules.filter((rule) => rule.peers.some(hasWildcard)));
    const byExclusion = pathsOf(rules.filter((rule) => rule.peers.some((peer) => excludes(peer) && !names(peer))));
    const because = [
      ...(byWildcard.length === 0 ? [] : [`${list(byWildcard)} names callers by a wildcard`]),
      ...(byExclusion.length === 0
        ? []
        : [`${list(byExclusion)} names only excluded callers, so it admits all others`]),
    ];
    if (because.length === 0) continue;
    yield aboutPolicy(meshPrincipalWildcard, origin, {
      message: `${describeRef(origin)} admits callers that it does not name in full`,
      because,
    });
  }
}

/** A policy is read once for sidecars and once for ambient mode. */
function pathsOf(rules: readonly { readonly path: string }[]): string[] {
  return [...new Set(rules.map((rule) => rule.path))];
}

const identityFields: ReadonlySet<string> = new Set(["principal", "meshNamespace", "meshAccount", "meshTrustDomain"]);
const wildcards: ReadonlySet<string> = new Set(["exists", "startsWith", "endsWith", "contains", "matches"]);

function hasWildcard(peer: PeerTerm): boolean {
  return positive(peer).some((where) =>
    testsIn(where).some((test) => identityFields.has(test.field) && wildcards.has(test.operator)),
  );
}

function names(peer: PeerTerm): boolean {
  return positive(peer).some((where) => testsIn(where).some((test) => identityFields.has(test.field)));
}

/**
 * Excludes somebody by name. `notPrincipals: ["*"]` is left out: it means peers without an identity, for whom a port has
 * to take plaintext, which is a finding of its own.
 */
function excludes(peer: PeerTerm): boolean {
  return conditionsOf(peer).some(
    (where) => where.op === "not" && testsIn(where).some((test) => test.operator !== "exists"),
  );
}

function positive(peer: PeerTerm): Condition[] {
  return conditionsOf(peer).filter((where) => where.op !== "not");
}

function conditionsOf(peer: PeerTerm): Condition[] {
  if (peer.kind === "and" || peer.kind === "or") return peer.of.flatMap(conditionsOf);
  return peer.kind === "identities" || peer.kind === "pods" ? [peer.where] : [];
}
