import type { PeerTerm } from "../../../reachability";
import { describeRef, isAboutNamespaceName } from "../../../reachability";
import { controls } from "../../controls";
import { policyObjects, policySubject, testsIn, understoodRulesOf } from "../../policy-rules";
import { list } from "../../subjects";
import type { Finding, Rule, RuleContext } from "../../types";

/**
 * An identity that others can take on is none. Kubernetes sets the label
 * kubernetes.io/metadata.name; every other label of a namespace is whatever its owner writes. And labels of a pod without
 * its namespace let anybody, in any namespace, be the DNS server.
 */
export const spoofablePeer: Rule = {
  id: "spoofable-peer",
  title: "A rule identifies peers by what others can set",
  severity: "medium",
  why: "Anyone with the right to label a namespace, or to start a pod anywhere, can take on this identity and become the peer.",
  description:
    "No allow rule identifies a peer by a namespace label other than kubernetes.io/metadata.name, or by pod labels in " +
    "any namespace.",
  remediation:
    "Add the namespace by its name: kubernetes.io/metadata.name, or k8s:io.kubernetes.pod.namespace in Cilium.",
  controls: [controls.nistInformationFlow, controls.nistLeastPrivilege],
  check: checkPeers,
};

function* checkPeers(context: RuleContext): Iterable<Finding> {
  for (const { origin, parts } of policyObjects(context.reachability.snapshot)) {
    const rules = parts.flatMap(understoodRulesOf).filter((rule) => rule.verdict === "allow");
    const byLabel = rules.filter((rule) => rule.peers.some(usesSettableNamespaceLabel)).map((rule) => rule.path);
    const anywhere = rules.filter((rule) => rule.peers.some(isAnywhere)).map((rule) => rule.path);
    const because = [
      ...(byLabel.length === 0
        ? []
        : [`${list(byLabel)} trusts a label that anyone with edit rights on a namespace can set`]),
      ...(anywhere.length === 0 ? [] : [`${list(anywhere)} trusts pod labels in any namespace`]),
    ];
    if (because.length === 0) continue;
    yield {
      id: spoofablePeer.id,
      severity: spoofablePeer.severity,
      certainty: "definite",
      subject: policySubject(origin),
      message: `${describeRef(origin)} identifies peers by what others can set`,
      because,
      fix: spoofablePeer.remediation,
      controls: spoofablePeer.controls,
      ...(origin.source === undefined ? {} : { causes: [origin.source] }),
    };
  }
}

function usesSettableNamespaceLabel(peer: PeerTerm): boolean {
  const tests = testsOf(peer);
  const named = tests.some((test) => isAboutNamespaceName(test) && test.operator === "in");
  return !named && tests.some((test) => test.field === "namespaceLabel" && !isAboutNamespaceName(test));
}

/** Pods by their labels alone, whatever their namespace. Every pod of the cluster (no labels) is another matter. */
function isAnywhere(peer: PeerTerm): boolean {
  const tests = testsOf(peer).filter((test) => test.operator === "in");
  return tests.some((test) => test.field === "label") && !tests.some((test) => restrictsHome.has(test.field));
}

/** What says whose pod it is. */
const restrictsHome: ReadonlySet<string> = new Set(["namespace", "namespaceLabel", "serviceAccount"]);

function testsOf(peer: PeerTerm) {
  return peer.kind === "pods" || peer.kind === "identities" ? testsIn(peer.where) : [];
}
