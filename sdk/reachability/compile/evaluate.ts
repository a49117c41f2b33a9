/** Evaluating the policies of one subject, in one direction, towards one peer. */
import type { CompiledPolicy, L4Spec, NamedPort, Rule, Tier } from "../rules";
import { TrafficSet } from "../sets/ports";
import { NO, triAnd, triNot, triOr, YES, type Tri } from "../unknown";
import type { Direction } from "../verdicts";
import type { Endpoint } from "./endpoints";
import { matchesAnyPeer, type MatchContext } from "./matching";
import { everything, intersect, nothing, subtract, unite, when, type TrafficRange } from "./traffic-range";

/** A policy that selects a subject, or may do so. */
export interface Selection {
  readonly policy: CompiledPolicy;
  readonly selected: Tri;
}

/** The policies that a subject has, by tier in the order of evaluation. */
export interface TierSelection {
  readonly tier: Tier;
  readonly policies: readonly Selection[];
}

/** What a rule says about traffic between two endpoints; the destination resolves port names. */
export function trafficOfRule(rule: Rule, peer: Endpoint, destination: Endpoint, context: MatchContext): TrafficRange {
  const fits = matchesAnyPeer(rule.peers, peer, context);
  return fits === NO ? nothing : when(fits, resolvePorts(rule.l4, destination));
}

/** Replaces names of ports by the destination's own ports of that name. */
export function resolvePorts(l4: L4Spec, destination: Endpoint): TrafficRange {
  let range: TrafficRange = l4;
  for (const named of l4.named) range = unite(range, portsNamed(named, destination));
  for (const named of l4.notNamed ?? []) range = subtract(range, portsNamed(named, destination));
  return range;
}

function portsNamed(named: NamedPort, destination: Endpoint): TrafficRange {
  if (destination.kind !== "pod") return nothing;
  let known = TrafficSet.none();
  for (const port of destination.ports) {
    if (port.name === named.name && (named.protocol === undefined || named.protocol === port.protocol)) {
      known = known.union(TrafficSet.ports(port.protocol, port.port));
    }
  }
  if (!destination.portsUnknown) return { must: known, may: known };
  const protocols = named.protocol === undefined ? (["TCP", "UDP", "SCTP"] as const) : [named.protocol];
  let may = known;
  for (const protocol of protocols) may = may.union(TrafficSet.protocol(protocol));
  return { must: known, may };
}

export function directionOf(policy: CompiledPolicy, direction: Direction) {
  return direction === "ingress" ? policy.ingress : policy.egress;
}

/** What passes in a direction, by all tiers. */
export function evaluateTiers(
  tiers: readonly TierSelection[],
  direction: Direction,
  peer: Endpoint,
  destination: Endpoint,
  context: MatchContext,
): TrafficRange {
  let undecided = everything;
  let allowed = nothing;
  for (const { tier, policies } of tiers) {
    const outcome =
      tier.combinator === "additive"
        ? evaluateAdditive(policies, undecided, direction, peer, destination, context)
        : evaluateFirstMatch(policies, undecided, direction, peer, destination, context);
    allowed = unite(allowed, outcome.allowed);
    undecided = outcome.next;
    if (undecided.may.isEmpty()) return allowed;
  }
  // what no tier decides is allowed
  return unite(allowed, undecided);
}

interface Outcome {
  readonly allowed: TrafficRange;
  /** What goes on to the next tier. */
  readonly next: TrafficRange;
}

/** Whether what the rules of a tier leave undecided is denied there. */
export function isolation(policies: readonly Selection[], direction: Direction): Tri {
  let result: Tri = NO;
  for (const { policy, selected } of policies) {
    result = triOr(result, triAnd(selected, directionOf(policy, direction)?.isolates ?? NO));
  }
  return result;
}

/** What the deny rules of an additive tier stop. */
export function deniedIn(
  policies: readonly Selection[],
  direction: Direction,
  peer: Endpoint,
  destination: Endpoint,
  context: MatchContext,
): TrafficRange {
  return matched("deny", policies, direction, peer, destination, context);
}

function matched(
  verdict: Rule["verdict"],
  policies: readonly Selection[],
  direction: Direction,
  peer: Endpoint,
  destination: Endpoint,
  context: MatchContext,
): TrafficRange {
  let result = nothing;
  for (const { policy, selected } of policies) {
    for (const rule of directionOf(policy, direction)?.rules ?? []) {
      if (rule.verdict !== verdict) continue;
      result = unite(result, when(selected, trafficOfRule(rule, peer, destination, context)));
    }
  }
  return result;
}

function evaluateAdditive(
  policies: readonly Selection[],
  undecided: TrafficRange,
  direction: Direction,
  peer: Endpoint,
  destination: Endpoint,
  context: MatchContext,
): Outcome {
  const denied = matched("deny", policies, direction, peer, destination, context);
  const allow = matched("allow", policies, direction, peer, destination, context);
  const open = subtract(undecided, denied);
  const next = when(triNot(isolation(policies, direction)), subtract(open, allow));
  return { allowed: intersect(open, allow), next };
}

function evaluateFirstMatch(
  policies: readonly Selection[],
  undecided: TrafficRange,
  direction: Direction,
  peer: Endpoint,
  destination: Endpoint,
  context: MatchContext,
): Outcome {
  let open = undecided;
  let allowed = nothing;
  let passed = nothing;
  for (const { policy, selected } of policies) {
    for (const rule of directionOf(policy, direction)?.rules ?? []) {
      const hit = intersect(open, when(selected, trafficOfRule(rule, peer, destination, context)));
      if (hit.may.isEmpty()) continue;
      if (rule.verdict === "allow") allowed = unite(allowed, hit);
      if (rule.verdict === "pass") passed = unite(passed, hit);
      open = subtract(open, when(selected, trafficOfRule(rule, peer, destination, context)));
    }
  }
  const end = isolation(policies, direction);
  return { allowed, next: unite(passed, end === YES ? nothing : when(triNot(end), open)) };
}
