import type { Direction, ObjectRef, Peer } from "../../../reachability";
import { describeRef } from "../../../reachability";
import { controls } from "../../controls";
import { isolators } from "../../policy-rules";
import { publicPieces } from "../../public-addresses";
import { freshPod, list, withSource } from "../../subjects";
import type { Finding, Rule, RuleContext } from "../../types";
import { ask } from "../../world";

/**
 * Tier 0 is unrestricted (requirement S3-04): a policy that is the first to select its pods closes them by default and
 * takes the cluster's DNS, webhooks and controllers away (seed defects B17, B18, B34). An explicit deny, of cloud
 * metadata for example, is a decision and no accident; it closes nothing by default and is not reported.
 */
export const tier0Restricted: Rule = {
  id: "tier0-restricted",
  title: "Tier 0 is not closed by accident",
  severity: "high",
  why: "The first policy that selects a pod closes it; closing the cluster's DNS, webhooks or controllers by accident takes the cluster down.",
  description:
    "No policy closes pods of an exempt namespace by default: a fresh pod and the DNS pods of each exchange traffic with " +
    "pods of foreign namespaces, other nodes and the internet. kube-system is asked even where the snapshot does not show it.",
  remediation:
    "Leave tier 0 out of the selector, or set enableDefaultDeny to false for the directions in which the policy only allows.",
  controls: [controls.pciRuleSets, controls.nistInformationFlow],
  check: checkTier0,
};

/** Namespaces that the same policies close in the same direction. */
interface Group {
  readonly direction: Direction;
  readonly isolatedBy: readonly ObjectRef[];
  readonly namespaces: string[];
}

function* checkTier0(context: RuleContext): Iterable<Finding> {
  const groups = new Map<string, Group>();
  const present = context.reachability.snapshot.namespaces;
  // kube-system is in every cluster, also where the snapshot does not show it
  for (const namespace of context.tiers.exemptNamespaces.filter(
    (name) => name === "kube-system" || present.has(name),
  )) {
    for (const direction of ["ingress", "egress"] as const) {
      const isolatedBy = closing(context, namespace, direction);
      if (isolatedBy.length === 0) continue;
      const key = JSON.stringify([direction, isolatedBy.map(describeRef)]);
      const group = groups.get(key) ?? { direction, isolatedBy, namespaces: [] };
      groups.set(key, group);
      group.namespaces.push(namespace);
    }
  }
  for (const group of groups.values()) yield describe(context, group);
}

/** The policies that close some pod of a namespace by default in a direction, so that some stranger is kept out. */
function closing(context: RuleContext, namespace: string, direction: Direction): readonly ObjectRef[] {
  const { reachability } = context;
  const address = publicPieces(reachability.snapshot).find((piece) => piece.family === 4)?.sample ?? "1.1.1.1";
  const strangers: Peer[] = [
    freshPod("a-namespace-that-no-policy-names"),
    { kind: "node", where: "remote", address },
    { kind: "address", address },
  ];
  const found = new Map<string, ObjectRef>();
  for (const pod of podsOf(context, namespace)) {
    for (const stranger of strangers) {
      const answer = ask(reachability, pod, stranger, direction);
      if (answer.openness === "open" && answer.traffic.isAll()) continue;
      const isolatedBy = isolators(reachability.snapshot, pod, direction);
      for (const ref of isolatedBy) found.set(describeRef(ref), ref);
    }
  }
  return [...found].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, ref]) => ref);
}

function podsOf(context: RuleContext, namespace: string): Peer[] {
  return [
    freshPod(namespace),
    { kind: "freshPod", namespace, labels: { "k8s-app": "kube-dns" } },
    ...context.reachability.snapshot.workloads
      .filter((workload) => workload.namespace === namespace && !workload.hostNetwork)
      .map((workload): Peer => ({ kind: "workload", id: workload.id })),
  ];
}

function describe(context: RuleContext, group: Group): Finding {
  const { snapshot } = context.reachability;
  const names = group.isolatedBy.map(describeRef);
  const causes = snapshot.policies
    .filter((policy) => names.includes(describeRef(policy)))
    .flatMap((policy) => policy.source ?? []);
  const [first] = group.isolatedBy as [ObjectRef];
  const { kind, name, namespace } = first;
  return {
    id: tier0Restricted.id,
    severity: tier0Restricted.severity,
    certainty: "definite",
    subject: withSource({ kind, name, ...(namespace === undefined ? {} : { namespace }) }, causes[0]),
    message: `Pods of tier 0 (${list(group.namespaces)}) are closed by default for ${group.direction}`,
    because: names.map((each) => `${each} selects them and closes ${group.direction}`),
    fix: `Set enableDefaultDeny.${group.direction} to false in that policy, or leave tier 0 out of its selector.`,
    controls: tier0Restricted.controls,
    ...(causes.length === 0 ? {} : { causes }),
  };
}
