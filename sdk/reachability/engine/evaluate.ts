/** Evaluating the policies of one subject, in one direction, towards one peer. */
import type { CompiledPolicy, DirectionRules, L4Spec, NamedPort, Rule, Tier } from "../model/rules";
import { tiers as knownTiers } from "../model/rules";
import { TrafficSet, type PortProtocol } from "../model/sets/ports";
import { MAYBE, NO, tri, triAnd, triNot, triOr, YES, type Tri } from "../model/unknown";
import type { Direction } from "../model/direction";
import type { Endpoint } from "./endpoints";
import { matchesAnyPeer, matchesPeer, type MatchContext } from "./matching";
import { eitherOf, everything, intersect, nothing, subtract, unite, when, type TrafficRange } from "./traffic-range";

const { normal: normalTier, baseline: baselineTier } = knownTiers;

/** A policy that selects a subject, or may do so. */
export interface Selection {
  readonly policy: CompiledPolicy;
  readonly selected: Tri;
}

/** A rule with the policy that contains it. */
export interface RuleOf {
  readonly selection: Selection;
  readonly rule: Rule;
}

/** The policies that a subject has in one direction, by tier in the order of evaluation. */
export interface TierSelection {
  readonly tier: Tier;
  readonly policies: readonly Selection[];
  /** The rules in the order of evaluation; in an additive tier deny rules come first. */
  readonly rules: readonly RuleOf[];
  /** Whether what the rules leave undecided is denied. */
  readonly isolated: Tri;
  /** Which of the policies deny it. */
  readonly isolating: readonly { readonly selection: Selection; readonly isolates: Tri }[];
  /**
   * Where the tier has policies of equal priority and the enforcer's order among them is not known: the rules by
   * priority, and for each priority by policy. ClusterNetworkPolicy leaves open which of several equals counts.
   */
  readonly ties?: readonly TiedRules[];
}

/** The rules of one priority, by policy. */
export type TiedRules = readonly (readonly RuleOf[])[];

/** What a rule says about traffic between two endpoints; the destination resolves port names. */
export function trafficOfRule(
  rule: Rule,
  subject: Endpoint,
  peer: Endpoint,
  destination: Endpoint,
  context: MatchContext,
): TrafficRange {
  const fits = triAnd(matchesAnyPeer(rule.peers, peer, context), matchesOwn(rule, subject, context, peer));
  return fits === NO ? nothing : when(fits, trafficNamed(rule, destination, context));
}

/**
 * The traffic of a rule towards a destination, its peers aside. On ports that carry no HTTP Istio leaves out an ALLOW rule
 * that asks something of requests, and what a DENY rule asks of them (istio pilot/pkg/security/authz/model, checkError). An
 * ALLOW rule that leaves out all it asks for allows nothing.
 */
export function trafficNamed(rule: Rule, destination: Endpoint, context: MatchContext): TrafficRange {
  const range = resolvePorts(rule.l4, destination);
  if (rule.http?.never === true && rule.verdict === "allow") return nothing;
  if (rule.http === undefined || context.opaquePorts === undefined || destination.kind !== "pod") return range;
  const opaque = context.opaquePorts(destination);
  if (rule.verdict === "allow") return { must: range.must.subtract(opaque), may: range.may.subtract(opaque) };
  return rule.http.always ? range : { must: range.must.intersect(opaque), may: range.may };
}

/** What passes where rules may ask something of HTTP requests: what does for the request that suits best. */
export function evaluateRequests(
  tiers: readonly TierSelection[],
  matchOf: MatchRule,
  circumstances: Circumstances,
): TrafficRange {
  const range = evaluateTiers(tiers, matchOf, circumstances);
  if (!tiers.some(({ rules }) => rules.some(({ rule }) => rule.http !== undefined && rule.verdict === "deny")))
    return range;
  // a request that none of them is about
  const other = evaluateTiers(
    tiers,
    (of) => {
      if (of.rule.http === undefined || of.rule.http.always) return matchOf(of);
      const match = matchOf(of);
      return of.rule.verdict === "deny" ? { must: match.must, may: match.must } : nothing;
    },
    circumstances,
  );
  return { must: range.must.union(other.must), may: range.may };
}

/** Whether what a rule says about its own side fits; towards an address, with the pod's addresses of that family. */
export function matchesOwn(rule: Rule, subject: Endpoint, context: MatchContext, peer?: Endpoint): Tri {
  return rule.own === undefined ? YES : matchesPeer(rule.own, seenFrom(peer, subject, context), context);
}

/** A pod as a peer sees it that has one address: by its addresses of the same family, where these count. */
function seenFrom(peer: Endpoint | undefined, subject: Endpoint, { profile }: MatchContext): Endpoint {
  const address = peer?.kind === "world" || peer?.kind === "node" ? peer.address : undefined;
  if (address === undefined || subject.kind !== "pod" || profile.matchesByIdentity) return subject;
  const same = (subject.addresses ?? []).filter((each) => each.family === address.family);
  return same.length === 0 || same.length === subject.addresses?.length ? subject : { ...subject, addresses: same };
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

export function directionOf(policy: CompiledPolicy, direction: Direction): DirectionRules | undefined {
  return direction === "ingress" ? policy.ingress : policy.egress;
}

/** What is special about the source and the destination. */
export interface Circumstances {
  /** The subject is isolated whatever selects it (Cilium's enforcement mode `always`). */
  readonly closed: boolean;
  /** The peer is the subject's own node, which nothing but a deny rule stops. */
  readonly ownNode: boolean;
  /** In Cilium default deny comes after all tiers; elsewhere the tier that isolates ends the evaluation. */
  readonly isolationLast: boolean;
}

/** What a rule says about the traffic in question, if its policy selects the subject. */
export type MatchRule = (of: RuleOf) => TrafficRange;

/**
 * What passes in a direction, by all tiers. `after` is what passes where none of them decides: everything, unless only some
 * of an enforcer's tiers are given.
 *
 * Evaluated from the last rule to the first, each step saying what passes from there on: a rule that may or may not match
 * leaves unknown only what the rule and the rest decide differently.
 */
export function evaluateTiers(
  tiers: readonly TierSelection[],
  matchOf: MatchRule,
  circumstances: Circumstances,
  after: TrafficRange = everything,
): TrafficRange {
  const doubtful = doubtfulIn(tiers);
  if (doubtful.length === 0 || doubtful.length > mostDoubtful) {
    return evaluateOnce(tiers, (of) => when(of.selection.selected, matchOf(of)), circumstances, after);
  }
  // a policy that may select the subject does so with all its rules, or with none
  let outcome: TrafficRange | undefined;
  for (let choice = 0; choice < 2 ** doubtful.length; choice++) {
    const selected = (of: Selection): Tri => {
      const place = doubtful.indexOf(of);
      return place < 0 ? of.selected : tri(((choice >> place) & 1) === 1);
    };
    const chosen = tiers.map((tier): TierSelection => ({
      ...tier,
      isolated: tier.isolating.reduce<Tri>(
        (result, { selection, isolates }) => triOr(result, triAnd(selected(selection), isolates)),
        NO,
      ),
    }));
    const range = evaluateOnce(chosen, (of) => when(selected(of.selection), matchOf(of)), circumstances, after);
    outcome = outcome === undefined ? range : eitherOf(outcome, range);
  }
  return outcome ?? everything;
}

/** With more policies than these that may select the subject, each rule of them is weighed by itself. */
const mostDoubtful = 3;

/** The policies of which it is not known whether they select the subject. */
function doubtfulIn(tiers: readonly TierSelection[]): readonly Selection[] {
  let found: Selection[] | undefined;
  for (const { policies } of tiers) {
    for (const selection of policies) if (selection.selected === MAYBE) (found ??= []).push(selection);
  }
  return found ?? noSelections;
}

const noSelections: readonly Selection[] = [];

function evaluateOnce(
  tiers: readonly TierSelection[],
  matchOf: MatchRule,
  circumstances: Circumstances,
  after: TrafficRange,
): TrafficRange {
  const onTheWay = tiers.filter(({ tier }) => tier.onTheWay === true);
  if (onTheWay.length === 0) return evaluateChain(tiers, matchOf, circumstances, after);
  // what is dropped at the node's interface may still pass: that depends on where source and destination run
  const own = evaluateChain(
    tiers.filter(({ tier }) => tier.onTheWay !== true),
    matchOf,
    circumstances,
    after,
  );
  return { ...own, must: own.must.intersect(evaluateChain(onTheWay, matchOf, circumstances, everything).must) };
}

function evaluateChain(
  tiers: readonly TierSelection[],
  matchOf: MatchRule,
  circumstances: Circumstances,
  after: TrafficRange,
): TrafficRange {
  if (isDeniedFirst(tiers, matchOf)) return nothing;
  const { isolationLast, ownNode } = circumstances;
  let closed: Tri = circumstances.closed ? YES : NO;
  if (isolationLast) {
    for (const { tier, isolated } of tiers) if (tier.combinator === "additive") closed = triOr(closed, isolated);
  }
  // what no tier decides is allowed
  let outcome = ownNode ? after : when(triNot(closed), after);
  for (let place = tiers.length - 1; place >= 0; place--) {
    const selection = tiers[place] as TierSelection;
    const next = outcome;
    const last = isolationLast && selection.tier.combinator === "additive";
    outcome = last ? next : when(triNot(selection.isolated), next);
    const { rules, ties } = selection;
    if (ties !== undefined) {
      outcome = ties.reduceRight((rest, tied) => applyTied(tied, matchOf, rest, next), outcome);
      continue;
    }
    let taken = last && closed !== NO && !ownNode ? when(closed, takenByBaselinePass(tiers, matchOf)) : nothing;
    for (let index = rules.length - 1; index >= 0; index--) {
      const of = rules[index] as RuleOf;
      if (of.rule.verdict === "deny" && taken !== nothing) {
        outcome = subtract(outcome, taken);
        taken = nothing;
      }
      // where everything passes after it, a rule that allows adds nothing, whatever it matches
      if (of.rule.verdict === "allow" && outcome.must.isAll()) continue;
      outcome = applyRule(of.rule.verdict, matchOf(of), outcome, next);
    }
    if (taken !== nothing) outcome = subtract(outcome, taken);
  }
  return outcome;
}

/** Whether one of the denies that come before everything else is about all traffic: the rest need not be looked at. */
function isDeniedFirst([first]: readonly TierSelection[], matchOf: MatchRule): boolean {
  if (first === undefined || first.ties !== undefined) return false;
  for (const of of first.rules) {
    if (of.rule.verdict !== "deny") return false;
    if (matchOf(of).must.isAll()) return true;
  }
  return false;
}

/** What passes from a rule on, given what passes after it and, for Pass, in the next tier. */
function applyRule(
  verdict: Rule["verdict"],
  match: TrafficRange,
  rest: TrafficRange,
  next: TrafficRange,
): TrafficRange {
  if (match.may.isEmpty()) return rest;
  switch (verdict) {
    case "allow":
      return { must: match.must.union(rest.must), may: match.may.union(rest.may) };
    case "deny":
      return { must: rest.must.subtract(match.may), may: rest.may.subtract(match.must) };
    case "pass":
      return {
        must: match.must
          .intersect(next.must)
          .union(rest.must.subtract(match.may))
          .union(rest.must.intersect(next.must)),
        may: match.may.intersect(next.may).union(rest.may.subtract(match.must)),
      };
  }
}

/**
 * What passes from policies of equal priority on. The first rule that matches in one of them decides, and nobody knows in
 * which: certain is only what all of them that match agree on.
 */
function applyTied(tied: TiedRules, matchOf: MatchRule, rest: TrafficRange, next: TrafficRange): TrafficRange {
  const run = (rules: readonly RuleOf[], after: TrafficRange): TrafficRange =>
    rules.reduceRight((outcome, of) => applyRule(of.rule.verdict, matchOf(of), outcome, next), after);
  const [only, ...others] = tied;
  if (only === undefined) return rest;
  if (others.length === 0) return run(only, rest);
  let matched = nothing;
  let must = TrafficSet.all();
  let may = TrafficSet.none();
  for (const rules of tied) {
    for (const of of rules) matched = unite(matched, matchOf(of));
    // by itself the policy lets this pass for certain, or says nothing of it
    must = must.intersect(run(rules, everything).must);
    may = may.union(run(rules, nothing).may);
  }
  return {
    must: must.intersect(rest.must.union(matched.must)),
    may: may.union(rest.may.subtract(matched.must)),
  };
}

/**
 * Traffic that NetworkPolicy rules allow and a Baseline Pass rule nevertheless stops, where the subject is closed by
 * default. Measured on cilium-agent 1.20.2, against the API's text: the agent looks up the most specific
 * port entry, ports are entered in aligned blocks of 2^n, and the Pass wins where its block is smaller than the allow's.
 */
function takenByBaselinePass(tiers: readonly TierSelection[], matchOf: MatchRule): TrafficRange {
  const baseline = tiers.find((each) => each.tier.id === baselineTier.id);
  const normal = tiers.find((each) => each.tier.id === normalTier.id);
  if (baseline === undefined || normal === undefined) return nothing;
  let taken = nothing;
  let open = everything;
  for (const of of baseline.rules) {
    const match = matchOf(of);
    const hit = intersect(open, match);
    open = subtract(open, match);
    if (of.rule.verdict !== "pass" || of.rule.l4.must.isAll() || hit.may.isEmpty()) continue;
    const kept = normal.rules.flatMap((allow) => {
      if (allow.rule.verdict !== "allow") return [];
      const { must } = matchOf(allow);
      if (must.isEmpty()) return [];
      return (allow.rule.l4.items ?? []).length > 0 ? (allow.rule.l4.items ?? []).flatMap(blocksOf) : blocksOf(must);
    });
    taken = unite(taken, { must: withoutKept(hit.must, kept), may: withoutKept(hit.may, kept) });
  }
  return taken;
}

/** What of a set remains without the blocks that are no larger than its own. */
function withoutKept(set: TrafficSet, kept: readonly PortBlock[]): TrafficSet {
  let result = TrafficSet.none();
  for (const block of blocksOf(set)) {
    let rest = portsOf(block);
    for (const each of kept) {
      const smaller = each.to - each.from <= block.to - block.from;
      if (smaller && each.protocol === block.protocol) rest = rest.subtract(portsOf(each));
    }
    result = result.union(rest);
  }
  return result;
}

function portsOf(block: PortBlock): TrafficSet {
  return TrafficSet.ports(block.protocol, Math.max(block.from, 1), block.to);
}

interface PortBlock {
  readonly protocol: PortProtocol;
  readonly from: number;
  readonly to: number;
}

/** The aligned blocks of 2^n ports that a set is entered as; all ports of a protocol are one block. */
function blocksOf(set: TrafficSet): PortBlock[] {
  const blocks: PortBlock[] = [];
  for (const protocol of ["TCP", "UDP", "SCTP"] as const) {
    for (const [low, high] of set.ranges(protocol)) {
      if (low === 1 && high === 65535) {
        blocks.push({ protocol, from: 0, to: 65535 });
        continue;
      }
      let from = low;
      while (from <= high) {
        let size = 1;
        while (from % (size * 2) === 0 && from + size * 2 - 1 <= high) size *= 2;
        blocks.push({ protocol, from, to: from + size - 1 });
        from += size;
      }
    }
  }
  return blocks;
}
