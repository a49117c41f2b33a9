import type { PeerTerm } from "../../../reachability";
import { describeRef, namespacesIn } from "../../../reachability";
import { controls } from "../../controls";
import type { PolicyParts } from "../../policy-rules";
import { isForReserved, policyObjects, rulesOf, testsIn } from "../../policy-rules";
import { findingOf } from "../../report";
import { isExempt, list, namespaceSubject } from "../../subjects";
import type { Finding, Rule, RuleContext } from "../../types";

/** An `app` label is a name tag that every pod of the namespace may wear. */
export const labelOnlyIdentity: Rule = {
  id: "label-only-identity",
  title: "A rule identifies callers by labels alone",
  severity: "low",
  why: "Anyone with the right to start a pod in the namespace chooses its labels, but not which service accounts it may use.",
  description:
    "Cilium's allow rules for ingress that name pods by labels also name their service account " +
    "(k8s:io.cilium.k8s.policy.serviceaccount). Kubernetes' own policies cannot say it and are left out.",
  remediation: "Add k8s:io.cilium.k8s.policy.serviceaccount to the peer's labels.",
  controls: [controls.nistLeastPrivilege, controls.nistInformationFlow],
  check: checkIdentities,
};

function* checkIdentities(context: RuleContext): Iterable<Finding> {
  const { snapshot } = context.reachability;
  const byHome = new Map<string, PolicyParts[]>();
  for (const object of policyObjects(snapshot)) {
    if (object.origin.dialect !== "cilium" || !object.parts.some((part) => namesByLabels(part, context))) continue;
    const home = object.origin.namespace ?? "";
    byHome.set(home, [...(byHome.get(home) ?? []), object]);
  }
  for (const [home, objects] of byHome) {
    const names = objects.map(({ origin }) => describeRef(origin));
    yield findingOf(labelOnlyIdentity, {
      subject: home === "" ? { kind: "Cluster", name: "cluster" } : namespaceSubject(snapshot, home),
      message: `${list(names)} ${names.length === 1 ? "identifies" : "identify"} callers by labels alone`,
      because: ["the author of a pod sets any label, but not any service account"],
      causes: objects.map(({ origin }) => origin.source),
    });
  }
}

function namesByLabels(part: PolicyParts["parts"][number], context: RuleContext): boolean {
  if (isForReserved(part)) return false;
  return rulesOf(part).some(
    (rule) =>
      rule.direction === "ingress" && rule.verdict === "allow" && rule.peers.some((peer) => isLabelOnly(peer, context)),
  );
}

function isLabelOnly(peer: PeerTerm, context: RuleContext): boolean {
  if (peer.kind !== "pods" && peer.kind !== "identities") return false;
  const tests = testsIn(peer.where);
  const homes = namespacesIn(peer.where);
  // tier 0 is trusted as a whole
  if (homes !== undefined && homes.every((home) => isExempt(context.tiers, home))) return false;
  return tests.some((test) => test.field === "label") && !tests.some((test) => test.field.startsWith("serviceAccount"));
}
