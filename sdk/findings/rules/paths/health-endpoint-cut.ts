import type { CompiledPolicy, Direction, PeerTerm } from "../../../reachability";
import { describeRef } from "../../../reachability";
import { controls } from "../../controls";
import { policySubject } from "../../policy-rules";
import { findingOf } from "../../report";
import { closedBy, reservedIsolators } from "../../reserved-identities";
import type { Finding, Rule, RuleContext } from "../../types";

/** `NotIn namespaces` also selects what has no namespace: Cilium's health endpoint. */
export const healthEndpointCut: Rule = {
  id: "health-endpoint-cut",
  title: "Cilium's health endpoints are isolated",
  severity: "medium",
  why: "A clusterwide deny that also isolates reserved:health makes every node look unreachable, which hides a real outage.",
  description:
    "No Cilium policy closes the endpoints reserved:health, which carry no namespace, unless another lets the nodes and " +
    "the health endpoints (remote-node, health, cluster or all) through in that direction.",
  remediation:
    "Add `{ key: k8s:io.kubernetes.pod.namespace, operator: Exists }` to the deny's selector, or allow reserved:health " +
    "from and to remote-node.",
  controls: [controls.nistMonitoring],
  check: checkHealth,
};

function* checkHealth(context: RuleContext): Iterable<Finding> {
  const { snapshot } = context.reachability;
  if (!snapshot.profile.healthEndpoints) return;
  const closing = reservedIsolators(snapshot, "health", lets);
  const [first] = closing;
  if (first === undefined) return;
  // one outage, whichever of the policies is repaired first
  yield findingOf(healthEndpointCut, {
    subject: policySubject(first.origin),
    message: `Cilium's health endpoints are closed for ${closedBy(closing).join(" and ")}`,
    because: [
      ...closing.map(({ origin, closed }) => `${describeRef(origin)} selects them and closes ${closed.join(" and ")}`),
      "a selector without Exists for the namespace also fits endpoints that have none, and no policy lets the nodes through to them",
    ],
    causes: closing.map(({ origin }) => origin.source),
  });
}

function lets(part: CompiledPolicy, direction: Direction): boolean {
  return (part[direction]?.rules ?? []).some((rule) => rule.verdict === "allow" && rule.peers.some(isNodes));
}

function isNodes(peer: PeerTerm): boolean {
  return (
    peer.kind === "any" || (peer.kind === "entity" && ["all", "cluster", "remote-node", "health"].includes(peer.entity))
  );
}
