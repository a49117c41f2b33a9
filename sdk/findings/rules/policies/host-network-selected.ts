import type { Condition, PeerTerm, Snapshot } from "../../../reachability";
import { describeRef } from "../../../reachability";
import { controls } from "../../controls";
import { anyWorkloadsWhere, policyObjects, rulesOf, testsIn } from "../../policy-rules";
import { aboutPolicy } from "../../report";
import type { Finding, Rule, RuleContext } from "../../types";

/** node-exporter, kubelet and etcd are the node to every enforcer (seed defect B25, requirement S3-26). */
export const hostNetworkSelected: Rule = {
  id: "host-network-selected",
  title: "No policy counts on pods that policies do not see",
  severity: "medium",
  why: "A pod on the host network is the node: a policy that selects it protects nothing, and a rule that names it allows nothing.",
  description: "No policy selects, and no allow rule names, by labels only workloads that are on the host network.",
  remediation:
    "Speak of the node instead: a host policy (nodeSelector) to protect it, toEntities [host, remote-node] or its " +
    "addresses to reach it.",
  controls: [controls.cisMinimiseHostNetwork, controls.nsaHostNetwork, controls.nistInformationFlow],
  check: checkSelectors,
};

function* checkSelectors(context: RuleContext): Iterable<Finding> {
  const { snapshot } = context.reachability;
  if (!snapshot.workloads.some(({ hostNetwork }) => hostNetwork)) return;
  for (const { origin, parts } of policyObjects(snapshot)) {
    const because = parts.flatMap((part) => [
      ...(part.subject.kind === "pods" && findsOnlyHostPods(part.subject.where, snapshot)
        ? ["it selects only pods on the host network, to which no policy applies"]
        : []),
      ...rulesOf(part)
        .filter((rule) => rule.verdict === "allow" && rule.peers.length > 0)
        .filter((rule) => rule.peers.every((peer) => namesOnlyHostPods(peer, snapshot)))
        .map((rule) => `${rule.path} names only pods on the host network, which are nodes to the enforcer`),
    ]);
    if (because.length === 0) continue;
    yield aboutPolicy(hostNetworkSelected, origin, {
      message: `${describeRef(origin)} speaks of pods on the host network`,
      because: [...new Set(because)],
    });
  }
}

function namesOnlyHostPods(peer: PeerTerm, snapshot: Snapshot): boolean {
  return (peer.kind === "pods" || peer.kind === "identities") && findsOnlyHostPods(peer.where, snapshot);
}

function findsOnlyHostPods(where: Condition, snapshot: Snapshot): boolean {
  if (!testsIn(where).some((test) => test.field === "label")) return false;
  const found = anyWorkloadsWhere(where, snapshot);
  return found.length > 0 && found.every(({ hostNetwork }) => hostNetwork);
}
