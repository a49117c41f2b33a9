import { describeRef, isUnknown } from "../../../reachability";
import { controls } from "../../controls";
import { listOf, mapOf } from "../../plain";
import { aboutPolicy } from "../../report";
import { list } from "../../subjects";
import type { Finding, Rule, RuleContext } from "../../types";

/**
 * Cilium reads a `namespaces` peer made only of NotIn and DoesNotExist as everybody (measured on 1.20.2, see
 * tests/enforcement/cases/by-absence-*.yaml): the conditions also fit what has no namespace, and all that has none is the
 * node, the world and cloud metadata.
 */
export const peerByAbsence: Rule = {
  id: "peer-by-absence",
  title: "A rule identifies peers by labels that they lack",
  severity: "high",
  why: "For Cilium, a peer whose namespace is described only by labels that it lacks matches everything, including the internet and cloud metadata.",
  description:
    "Under Cilium no rule of a ClusterNetworkPolicy has a peer `namespaces` whose conditions are all NotIn or DoesNotExist: " +
    "such a peer matches everything, so Accept opens to the internet and Deny denies all.",
  remediation:
    "Add a condition that the namespaces meet, such as `{ key: kubernetes.io/metadata.name, operator: Exists }`.",
  controls: [controls.nistInformationFlow, controls.nistBoundaryProtection, controls.pciServicesApproved],
  check: checkPeers,
};

const directions = [
  ["ingress", "from"],
  ["egress", "to"],
] as const;

function* checkPeers(context: RuleContext): Iterable<Finding> {
  const { snapshot } = context.reachability;
  if (!snapshot.profile.negativeNamespacesAreEverything) return;
  for (const origin of snapshot.policies) {
    if (origin.dialect !== "cluster-network-policy") continue;
    const spec = mapOf(origin.object.spec);
    const paths = directions.flatMap(([direction, field]) =>
      listOf(spec[direction]).flatMap((rule, index) =>
        listOf(mapOf(rule)[field]).flatMap((peer, at) =>
          isByAbsence(mapOf(peer)["namespaces"]) ? [`spec.${direction}[${index}].${field}[${at}].namespaces`] : [],
        ),
      ),
    );
    if (paths.length === 0) continue;
    yield aboutPolicy(peerByAbsence, origin, {
      message: `${describeRef(origin)} has peers that match everything for Cilium, including the internet and cloud metadata`,
      because: [`only what the namespaces lack is named: ${list(paths)}`],
    });
  }
}

function isByAbsence(selector: unknown): boolean {
  const { matchLabels, matchExpressions } = mapOf(selector);
  // what is not known is said by not-understood
  if (isUnknown(matchLabels) || Object.keys(mapOf(matchLabels)).length > 0) return false;
  const operators = listOf(matchExpressions).map((expression) => mapOf(expression)["operator"]);
  return operators.length > 0 && operators.every((operator) => operator === "NotIn" || operator === "DoesNotExist");
}
