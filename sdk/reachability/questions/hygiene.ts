/** Policies and rules that do nothing, or only half of what they seem to. */
import type { Endpoint } from "../compile/endpoints";
import type { Engine } from "../compile/engine";
import { directionOf, resolvePorts } from "../compile/evaluate";
import { PodUniverse, type PodSet } from "../compile/pod-universe";
import type { ObjectRef } from "../objects";
import type { CompiledPolicy, PeerTerm, Rule } from "../rules";
import { NO } from "../unknown";
import type { Direction, RuleRef } from "../verdicts";
import { describeRef } from "../objects";

/** Something about a policy or a rule that deserves a look. */
export interface HygieneIssue {
  readonly kind:
    /** The policy selects no workload of the snapshot. */
    | "unused"
    /** The rule's peers or ports match nothing in the snapshot. */
    | "dead"
    /** Another rule already does all that this one does. */
    | "shadowed"
    /** The rule allows a flow that the other end's policies stop. */
    | "half-open";
  readonly policy: ObjectRef;
  readonly rule?: RuleRef;
  readonly by?: RuleRef;
  readonly message: string;
}

export function* hygieneOf(engine: Engine): Iterable<HygieneIssue> {
  const { snapshot } = engine;
  const pods = snapshot.workloads.filter((each) => !each.hostNetwork).map((each) => engine.endpoints.pod(each));
  const universe = new PodUniverse(pods, engine.context);
  const shadows = new Shadows(universe);
  for (const policy of snapshot.rules.policies) {
    if (policy.subject.kind !== "pods") continue;
    const subjects = membersOf(universe.ofCondition(policy.subject.where), pods.length);
    const ref = refOf(policy);
    if (subjects.length === 0) {
      yield { kind: "unused", policy: ref, message: `${describeRef(ref)} selects no workload` };
      continue;
    }
    for (const direction of ["ingress", "egress"] as const) {
      for (const rule of directionOf(policy, direction)?.rules ?? []) {
        const named = ruleRef(policy, rule, direction);
        const about = `${describeRef(ref)} ${rule.path}`;
        const peers = universe.ofPeers(rule.peers);
        const members = membersOf(peers, pods.length);
        const outside = rule.peers.some(reachesOutside);
        if (members.length === 0 && !outside) {
          yield { kind: "dead", policy: ref, rule: named, message: `${about}: no workload is among its peers` };
          continue;
        }
        const destinations = direction === "ingress" ? subjects : members;
        if (!outside && destinations.every((index) => resolvePorts(rule.l4, pods[index] as Endpoint).may.isEmpty())) {
          yield {
            kind: "dead",
            policy: ref,
            rule: named,
            message: `${about}: none of its ports exist at the destination`,
          };
          continue;
        }
        const by = shadows.find(policy, rule, direction);
        if (by !== undefined) {
          yield {
            kind: "shadowed",
            policy: ref,
            rule: named,
            by,
            message: `${about}: ${describeRef(by.policy)} ${by.path} does the same and more`,
          };
          continue;
        }
        if (rule.verdict === "allow" && !outside && halfOpen(engine, rule, direction, subjects, members, pods)) {
          const other = direction === "ingress" ? "egress of the sources" : "ingress of the destinations";
          yield { kind: "half-open", policy: ref, rule: named, message: `${about}: the ${other} does not let it pass` };
        }
      }
    }
  }
}

/** Whether nothing of what a rule allows passes between any of the workloads that it is about. */
function halfOpen(
  engine: Engine,
  rule: Rule,
  direction: Direction,
  subjects: readonly number[],
  members: readonly number[],
  pods: readonly Endpoint[],
): boolean {
  let pairs = 0;
  for (const subject of subjects) {
    for (const member of members) {
      if (subject === member) continue;
      const [from, to] = direction === "ingress" ? [member, subject] : [subject, member];
      const [source, destination] = [pods[from], pods[to]];
      if (source === undefined || destination === undefined) continue;
      pairs++;
      const passing = engine.between(source, destination).may;
      if (!passing.intersect(resolvePorts(rule.l4, destination).may).isEmpty()) return false;
    }
  }
  return pairs > 0;
}

function membersOf(set: PodSet, count: number): number[] {
  if (set.base === NO) return [...set.listed].filter((_index, at) => set.values[at] !== NO);
  const without = new Set([...set.listed].filter((_index, at) => set.values[at] === NO));
  return Array.from({ length: count }, (_each, index) => index).filter((index) => !without.has(index));
}

/** Whether a peer may be something that is no pod. */
function reachesOutside(term: PeerTerm): boolean {
  switch (term.kind) {
    case "pods":
      return false;
    case "identities":
      return false;
    case "and":
      return term.of.every(reachesOutside);
    case "or":
      return term.of.some(reachesOutside);
    default:
      return true;
  }
}

/** Finds rules that another rule makes superfluous. */
class Shadows {
  constructor(private readonly universe: PodUniverse) {}

  find(policy: CompiledPolicy, rule: Rule, direction: Direction): RuleRef | undefined {
    // rules of the same policy have the same subjects; those of additive tiers work in any order
    const own = directionOf(policy, direction)?.rules ?? [];
    for (const other of own) {
      if (other === rule || other.verdict !== rule.verdict) continue;
      const before = own.indexOf(other) < own.indexOf(rule);
      if (policy.tier.combinator === "firstMatch" && !before) continue;
      if (!this.#covers(other, rule)) continue;
      // of two equal rules the later one is superfluous
      if (!before && this.#covers(rule, other)) continue;
      return ruleRef(policy, other, direction);
    }
    return undefined;
  }

  #covers(wide: Rule, narrow: Rule): boolean {
    if (wide.l7 === true || narrow.dnsProxy === true || wide.own !== undefined || narrow.own !== undefined)
      return false;
    if (narrow.l4.named.length > 0 || wide.l4.notNamed !== undefined || narrow.l4.notNamed !== undefined) return false;
    if (!narrow.l4.may.isSubsetOf(wide.l4.must)) return false;
    return (
      narrow.peers.length > 0 && narrow.peers.every((term) => wide.peers.some((other) => this.#includes(other, term)))
    );
  }

  #includes(wide: PeerTerm, narrow: PeerTerm): boolean {
    if (wide.kind === "any" || (wide.kind === "entity" && wide.entity === "all")) return true;
    if (wide.kind === "cidr" && narrow.kind === "cidr") return narrow.set.isSubsetOf(wide.set);
    if (wide.kind === "entity" && narrow.kind === "cidr")
      return wide.entity === "world" && !this.universe.ofTerm(narrow).listed.length;
    return JSON.stringify(wide) === JSON.stringify(narrow) && wide.kind !== "uncertain" && wide.kind !== "fqdn";
  }
}

function refOf(policy: CompiledPolicy): ObjectRef {
  const { apiVersion, kind, namespace, name } = policy.origin;
  return { apiVersion, kind, name, ...(namespace === undefined ? {} : { namespace }) };
}

function ruleRef(policy: CompiledPolicy, rule: Rule, direction: Direction): RuleRef {
  const { source } = policy.origin;
  return {
    policy: refOf(policy),
    direction,
    path: rule.path,
    verdict: rule.verdict,
    ...(source === undefined ? {} : { source }),
  };
}
