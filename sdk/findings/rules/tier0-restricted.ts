import type { Direction, Peer } from "../../reachability";
import { controls } from "../controls";
import { publicPieces } from "../public-addresses";
import { freshPod, isExempt, namespaceNames, namespaceSubject } from "../subjects";
import type { Finding, Rule, RuleContext } from "../types";
import { ask } from "../world";

/**
 * Tier 0 is unrestricted (requirement S3-04): a policy that is the first to select its pods closes them by default and
 * takes the cluster's DNS, webhooks and controllers away (seed defects B17, B18, B34).
 */
export const tier0Restricted: Rule = {
  id: "tier0-restricted",
  title: "Tier 0 is not closed by accident",
  severity: "high",
  description:
    "No policy closes pods of an exempt namespace by default: a fresh pod and the DNS pods there reach the internet and " +
    "are reached from a fresh pod of a foreign namespace.",
  remediation:
    "Leave tier 0 out of the selector, or set enableDefaultDeny to false for the directions in which the policy only allows.",
  controls: [controls.pciRuleSets, controls.nistInformationFlow],
  check: checkTier0,
};

const strangers = "a-namespace-that-no-policy-names";

function* checkTier0(context: RuleContext): Iterable<Finding> {
  const { snapshot } = context.reachability;
  const address = publicPieces(snapshot).find((piece) => piece.family === 4)?.sample ?? "1.1.1.1";
  for (const namespace of namespaceNames(snapshot).filter((name) => isExempt(context.tiers, name))) {
    const pods: Peer[] = [
      freshPod(namespace),
      { kind: "freshPod", namespace, labels: { "k8s-app": "kube-dns" } },
      ...snapshot.workloads
        .filter((workload) => workload.namespace === namespace && !workload.hostNetwork)
        .map((workload): Peer => ({ kind: "workload", id: workload.id })),
    ];
    for (const direction of ["ingress", "egress"] as const) {
      const finding = closedDirection(context, namespace, pods, direction, address);
      if (finding !== undefined) yield finding;
    }
  }
}

function closedDirection(
  context: RuleContext,
  namespace: string,
  pods: readonly Peer[],
  direction: Direction,
  address: string,
): Finding | undefined {
  const { reachability } = context;
  const peer: Peer = direction === "ingress" ? freshPod(strangers) : { kind: "address", address };
  for (const pod of pods) {
    const answer = ask(reachability, pod, peer, direction);
    if (answer.openness === "open" && answer.traffic.isAll()) continue;
    const [source, destination] = direction === "ingress" ? [peer, pod] : [pod, peer];
    const { isolatedBy } = reachability.explain({ source, destination, protocol: "SCTP", port: 9 })[direction];
    const names = isolatedBy.map((ref) =>
      ref.namespace === undefined ? `${ref.kind} ${ref.name}` : `${ref.kind} ${ref.namespace}/${ref.name}`,
    );
    const causes = reachability.snapshot.policies
      .filter((policy) => isolatedBy.some((ref) => ref.kind === policy.kind && ref.name === policy.name))
      .flatMap((policy) => policy.source ?? []);
    // an explicit deny (of cloud metadata, of a neighbour) is a decision; a default that closes is what is looked for
    if (names.length === 0) continue;
    return {
      id: tier0Restricted.id,
      severity: tier0Restricted.severity,
      certainty: "definite",
      subject: namespaceSubject(reachability.snapshot, namespace),
      message: `Pods of tier 0 in namespace ${namespace} are closed by default for ${direction}`,
      because: names.map((name) => `${name} selects them and closes ${direction}`),
      fix: `Set enableDefaultDeny.${direction} to false in that policy, or leave ${namespace} out of its selector.`,
      controls: tier0Restricted.controls,
      ...(causes.length === 0 ? {} : { causes }),
    };
  }
  return undefined;
}
