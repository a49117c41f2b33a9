import type { Condition, PeerTerm, PolicySource, Snapshot, Workload } from "../../../reachability";
import { describeRef, namespacesIn } from "../../../reachability";
import { controls } from "../../controls";
import { anyWorkloadsWhere, policyObjects, rulesOf, testsIn } from "../../policy-rules";
import { aboutPolicy } from "../../report";
import type { Finding, Rule, RuleContext } from "../../types";

/** node-exporter, kubelet and etcd are the node to every enforcer. */
export const hostNetworkSelected: Rule = {
  id: "host-network-selected",
  title: "A policy selects or names pods on the host network",
  severity: "medium",
  why: "To the CNI a pod on the host network is the node: a policy that selects it has no effect, and a rule that names it allows nothing.",
  description:
    "No policy selects, and no peer of an allow rule names, by labels or namespace, only workloads that are on the host network.",
  remediation:
    "Write rules for the node instead: a host policy (nodeSelector) to protect it, toEntities [host, remote-node] or its " +
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
        .filter((rule) => rule.verdict === "allow" && rule.peers.some((peer) => namesOnlyHostPods(peer, snapshot)))
        .map((rule) => {
          const all = rule.peers.every((peer) => namesOnlyHostPods(peer, snapshot));
          return `${rule.path} names ${all ? "only" : "in one of its peers only"} pods on the host network, which are nodes to the enforcer`;
        }),
    ]);
    if (because.length === 0) continue;
    yield aboutPolicy(hostNetworkSelected, origin, {
      message: `${describeRef(origin)} selects or names pods on the host network`,
      because: [...new Set(because)],
      fix: fixOf(origin),
    });
  }
}

/** What to do, in the words of the policy's own API. */
function fixOf({ dialect, kind }: PolicySource): string {
  if (dialect === "cilium") {
    return "To protect the pods, write a host policy (nodeSelector); to reach them or be reached, use the entities host and remote-node.";
  }
  if (dialect === "calico") {
    return "To protect the pods, write a policy for host endpoints; to reach them or be reached, name the nodes' addresses (nets).";
  }
  if (kind === "NetworkPolicy") {
    return "Name the addresses of the nodes (ipBlock) instead of the pods, or take the pods off the host network.";
  }
  return hostNetworkSelected.remediation;
}

function namesOnlyHostPods(peer: PeerTerm, snapshot: Snapshot): boolean {
  if (peer.kind !== "pods" && peer.kind !== "identities") return false;
  // a peer that names a namespace, or labels; every pod of the cluster is more than those
  return namespacesIn(peer.where) === undefined
    ? findsOnlyHostPods(peer.where, snapshot)
    : areAllOnHost(anyWorkloadsWhere(peer.where, snapshot));
}

function findsOnlyHostPods(where: Condition, snapshot: Snapshot): boolean {
  if (!testsIn(where).some((test) => test.field === "label")) return false;
  return areAllOnHost(anyWorkloadsWhere(where, snapshot));
}

function areAllOnHost(found: readonly Workload[]): boolean {
  return found.length > 0 && found.every(({ hostNetwork }) => hostNetwork);
}
