import type { Direction, ObjectRef, Peer, Workload } from "../../../reachability";
import { clusterDnsOf, describeRef, kubeDns, trafficAtEnd, TrafficSet } from "../../../reachability";
import { controls } from "../../controls";
import { isolators, policyOf } from "../../policy-rules";
import { publicPieces } from "../../public-addresses";
import { freshPod, list, withSource } from "../../subjects";
import type { Finding, Rule, RuleContext } from "../../types";

/**
 * Tier 0 is unrestricted: a policy that is the first to select its pods isolates them and
 * takes the cluster's DNS, webhooks and controllers away. An explicit deny, of cloud
 * metadata for example, is a decision and no accident; it isolates nothing and is not reported.
 */
export const tier0Restricted: Rule = {
  id: "tier0-restricted",
  title: "A policy isolates pods of tier 0",
  severity: "high",
  why: "The first policy that selects a pod closes it; closing the cluster's DNS, webhooks or controllers by accident takes the cluster down.",
  description:
    "No policy from outside an exempt namespace isolates its pods: a new pod and the DNS pods of each exchange traffic with " +
    "pods of foreign namespaces, other nodes and the internet. A policy that lies in the namespace is there on purpose: " +
    "what it closes is reported only where it keeps DNS queries from the DNS pods. kube-system is asked even where the " +
    "snapshot does not show it.",
  remediation: "Leave tier 0 out of the policy's selector.",
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

/** A namespace that no object knows, so that only rules without names match it. */
const foreignNamespace = "a-namespace-that-no-policy-names";

/** The policies that close some pod of a namespace by default in a direction, so that some stranger is kept out. */
function closing(context: RuleContext, namespace: string, direction: Direction): readonly ObjectRef[] {
  const { reachability } = context;
  const address = publicPieces(reachability.snapshot).find((piece) => piece.family === 4)?.sample ?? "1.1.1.1";
  const strangers: Peer[] = [
    freshPod(foreignNamespace),
    { kind: "node", where: "remote", address },
    { kind: "address", address },
  ];
  const found = new Map<string, ObjectRef>();
  for (const pod of podsOf(context, namespace)) {
    // what a stranger's own policies keep from it is no restriction of tier 0
    const isOpen = strangers.every((stranger) => {
      const [source, destination] = direction === "ingress" ? [stranger, pod] : [pod, stranger];
      return trafficAtEnd(reachability, direction, source, destination).allowed.isAll();
    });
    if (isOpen) continue;
    const isolatedBy = isolators(reachability.snapshot, pod, direction);
    // one that lies in the namespace is there on purpose, unless it cuts everybody off from DNS
    const tierOf = (ref: ObjectRef) => policyOf(ref, reachability.snapshot)?.parts[0]?.tier.id;
    const onPurpose = new Set(isolatedBy.filter((ref) => ref.namespace === namespace).map(tierOf));
    const byAccident = isolatedBy.some((ref) => ref.namespace !== namespace && !onPurpose.has(tierOf(ref)));
    if (!byAccident && !(direction === "ingress" && refusesQueries(context, pod))) continue;
    for (const ref of isolatedBy) found.set(describeRef(ref), ref);
  }
  return [...found].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, ref]) => ref);
}

function podsOf(context: RuleContext, namespace: string): Peer[] {
  return [
    freshPod(namespace),
    { kind: "freshPod", namespace, labels: kubeDns.labels },
    ...context.reachability.snapshot.workloads
      .filter((workload) => workload.namespace === namespace && !workload.hostNetwork)
      .map((workload): Peer => ({ kind: "workload", id: workload.id })),
  ];
}

/** Whether it is a DNS server of the cluster, and no question reaches it. */
function refusesQueries({ reachability }: RuleContext, pod: Peer): boolean {
  const known =
    pod.kind === "workload" ? reachability.snapshot.workloads.find(({ id }) => id === pod.id) : freshPodOf(pod);
  const dns = known && clusterDnsOf(known);
  if (dns === undefined) return false;
  const queries = TrafficSet.ports("UDP", dns.port).union(TrafficSet.ports("TCP", dns.port));
  const { possible } = reachability.traffic(freshPod(foreignNamespace), pod);
  return possible.intersect(queries).isEmpty();
}

function freshPodOf(pod: Peer): Pick<Workload, "namespace" | "labels"> | undefined {
  return pod.kind === "freshPod" ? { namespace: pod.namespace, labels: pod.labels ?? {} } : undefined;
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
    message: `Pods of tier 0 (${list(group.namespaces)}) are isolated for ${group.direction}`,
    because: names.map((each) => `${each} selects them and closes ${group.direction}`),
    fix: fixOf(group),
    controls: tier0Restricted.controls,
    ...(causes.length === 0 ? {} : { causes }),
  };
}

/** What to do, in the words of the API that the policies are written in. */
function fixOf({ direction, isolatedBy, namespaces }: Group): string {
  const leaveOut = `Leave ${list(namespaces)} out of the selector of that policy`;
  if (isolatedBy.every(({ kind }) => kind.startsWith("Cilium"))) {
    return `${leaveOut}, or set enableDefaultDeny.${direction} to false in it if it is only meant to allow.`;
  }
  if (isolatedBy.every(({ namespace }) => namespace !== undefined)) {
    return `Add a rule that lets DNS queries (UDP and TCP 53) through to the DNS pods, or leave them out of its podSelector.`;
  }
  return `${leaveOut}, or end it with a rule that lets all other ${direction} pass.`;
}
