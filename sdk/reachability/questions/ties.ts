/** Policies of one tier and one priority that say different things about the same pods. */
import { Endpoints, type PodEndpoint } from "../engine/endpoints";
import { directionOf } from "../engine/evaluate";
import { leavesTiesOpen } from "../engine/policy-index";
import { PodUniverse, type PodSet } from "../engine/pod-universe";
import { describeRef } from "../model/objects";
import type { Problem } from "../model/problems";
import { tiers, type CompiledPolicy, type PeerTerm, type Rule } from "../model/rules";
import { AddressSet } from "../model/sets/addresses";
import { NO } from "../model/unknown";
import type { Snapshot } from "../model/snapshot";

/** As many pairs as are named. */
const mostPairs = 100;

const directions = ["ingress", "egress"] as const;

/**
 * Pairs of policies of equal priority that select a common pod, among the workloads and a pod that may be started in each
 * namespace, and of which a rule of one contradicts a rule of the other on some peer and port. "If two policies with the
 * same priority conflict, the outcome is undefined" (network-policy-api, clusternetworkpolicy_types.go, `priority`). Where
 * the enforcer has an order of its own the problem has no influence on verdicts.
 */
export function tiedPolicies(snapshot: Snapshot): Problem[] {
  const groups = [...groupsOf(snapshot.rules.policies)].filter((group) => group.length > 1);
  if (groups.length === 0) return [];
  const endpoints = new Endpoints(snapshot);
  const pods: PodEndpoint[] = snapshot.workloads
    .filter((workload) => !workload.hostNetwork)
    .map((workload) => endpoints.pod(workload));
  for (const namespace of snapshot.namespaces.keys()) {
    for (const end of endpoints.resolve({ kind: "freshPod", namespace })) if (end.kind === "pod") pods.push(end);
  }
  const universe = new PodUniverse(pods, {
    profile: snapshot.profile,
    podAddresses: snapshot.podAddresses,
    ...(snapshot.families === undefined ? {} : { families: snapshot.families }),
  });
  const problems: Problem[] = [];
  for (const group of groups) {
    for (const [place, first] of group.entries()) {
      for (const second of group.slice(place + 1)) {
        if (problems.length >= mostPairs) return problems;
        const found = contradiction(first, second, universe);
        if (found !== undefined) problems.push(problemOf(first, second, found, snapshot));
      }
    }
  }
  return problems;
}

function* groupsOf(policies: readonly CompiledPolicy[]): Iterable<CompiledPolicy[]> {
  const byPlace = new Map<string, CompiledPolicy[]>();
  for (const policy of policies) {
    const { dialect } = policy.origin;
    if (dialect !== "cluster-network-policy" && dialect !== "admin-network-policy") continue;
    if (policy.tier.id === tiers.unread.id) continue;
    const key = `${policy.tier.id} ${policy.order}`;
    const group = byPlace.get(key);
    if (group === undefined) byPlace.set(key, [policy]);
    else group.push(policy);
  }
  yield* byPlace.values();
}

type Contradiction = readonly [Rule, Rule];

/** Two rules, one of each policy, that say different things about some of the same traffic of a common pod. */
function contradiction(
  first: CompiledPolicy,
  second: CompiledPolicy,
  universe: PodUniverse,
): Contradiction | undefined {
  const candidates = directions.flatMap((direction) =>
    (directionOf(first, direction)?.rules ?? []).flatMap((one) =>
      (directionOf(second, direction)?.rules ?? [])
        .filter((other) => other.verdict !== one.verdict && portsOverlap(one, other))
        .map((other): Contradiction => [one, other]),
    ),
  );
  if (candidates.length === 0) return undefined;
  const subjects = [first, second].map((policy) => universe.ofCondition(policy.subject.where));
  if (!overlap(subjects[0] as PodSet, subjects[1] as PodSet, universe.pods.length)) return undefined;
  return candidates.find(([one, other]) => peersOverlap(one, other, universe));
}

/** Named ports may be any. */
function portsOverlap(one: Rule, other: Rule): boolean {
  if (one.l4.named.length > 0 || other.l4.named.length > 0) return true;
  return !one.l4.may.intersect(other.l4.may).isEmpty();
}

function peersOverlap(one: Rule, other: Rule, universe: PodUniverse): boolean {
  if (overlap(universe.ofPeers(one.peers), universe.ofPeers(other.peers), universe.pods.length)) return true;
  const [left, right] = [addressesOf(one.peers), addressesOf(other.peers)];
  if (!left.intersect(right).isEmpty()) return true;
  // nodes and names: two rules that speak of them may mean the same one
  const speaksOf = (rule: Rule, kind: PeerTerm["kind"]): boolean => rule.peers.some((term) => term.kind === kind);
  return (["nodes", "fqdn", "uncertain"] as const).some((kind) => speaksOf(one, kind) && speaksOf(other, kind));
}

function addressesOf(terms: readonly PeerTerm[]): AddressSet {
  return terms.reduce((set, term) => (term.kind === "cidr" ? set.union(term.set) : set), AddressSet.none);
}

/** Whether two sets have a pod in common, or may have one. */
function overlap(a: PodSet, b: PodSet, count: number): boolean {
  if (a.base === NO && a.listed.length === 0) return false;
  if (b.base === NO && b.listed.length === 0) return false;
  const member = (set: PodSet): ((index: number) => boolean) => {
    const listed = new Map(Array.from(set.listed, (index, at) => [index, set.values[at]] as const));
    return (index) => (listed.get(index) ?? set.base) !== NO;
  };
  const [inA, inB] = [member(a), member(b)];
  for (let index = 0; index < count; index++) if (inA(index) && inB(index)) return true;
  return false;
}

/** How the order of policies of one priority is described, by the enforcer's rule. */
const ties = { open: "either", denyFirst: "Deny before Accept before Pass", byName: "them by name" } as const;

function problemOf(
  first: CompiledPolicy,
  second: CompiledPolicy,
  [one, other]: Contradiction,
  { profile }: Snapshot,
): Problem {
  const open = leavesTiesOpen(first.tier, profile);
  const order = open
    ? "the API leaves open which of them counts"
    : `${profile.title} takes ${ties[profile.equalPriorities]}, another enforcer may not`;
  const { apiVersion, kind, name, source } = second.origin;
  return {
    code: "ambiguous",
    message:
      `${describeRef(first.origin)} ${one.path} and ${describeRef(second.origin)} ${other.path} have the same priority ` +
      `(${first.order}), select a common pod and disagree: ${order}`,
    object: { apiVersion, kind, name },
    ...(source === undefined ? {} : { source }),
    path: other.path,
    affectsVerdicts: open,
  };
}
