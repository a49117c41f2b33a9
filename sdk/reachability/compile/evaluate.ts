/** Evaluating the policies of one subject, in one direction, towards one peer. */
import type { CompiledPolicy, DirectionRules, L4Spec, NamedPort, Rule, Tier } from "../rules";
import { tiers as knownTiers } from "../rules";
import { TrafficSet, type PortProtocol } from "../sets/ports";
import { NO, triAnd, triNot, triOr, YES, type Tri } from "../unknown";
import type { Direction } from "../verdicts";
import type { Endpoint } from "./endpoints";
import { matchesAnyPeer, type MatchContext } from "./matching";
import { everything, intersect, nothing, subtract, unite, when, type TrafficRange } from "./traffic-range";

const { normal: normalTier, baseline: baselineTier } = knownTiers;

/** A policy that selects a subject, or may do so. */
export interface Selection {
  readonly policy: CompiledPolicy;
  readonly selected: Tri;
}

/** A rule with the policy it stands in. */
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

export function directionOf(policy: CompiledPolicy, direction: Direction): DirectionRules | undefined {
  return direction === "ingress" ? policy.ingress : policy.egress;
}

/** What is special about the two ends. */
export interface Circumstances {
  /** The subject is closed by default whatever selects it (Cilium's enforcement mode `always`). */
  readonly closed: boolean;
  /** The peer is the subject's own node, which nothing but a deny rule stops. */
  readonly ownNode: boolean;
}

/**
 * What passes in a direction, by all tiers.
 *
 * In the Kubernetes API and in Calico a tier that isolates the subject ends the evaluation. In Cilium default deny comes
 * after all tiers (measured: a Baseline Accept opens what a NetworkPolicy isolates).
 */
export function evaluateTiers(
  tiers: readonly TierSelection[],
  peer: Endpoint,
  destination: Endpoint,
  context: MatchContext,
  circumstances: Circumstances,
): TrafficRange {
  const isolationLast = context.profile.cni === "cilium";
  let undecided = everything;
  let allowed = nothing;
  let closed: Tri = circumstances.closed ? YES : NO;
  for (const selection of tiers) {
    const outcome =
      selection.tier.combinator === "additive"
        ? evaluateAdditive(selection.rules, undecided, peer, destination, context)
        : evaluateFirstMatch(selection.rules, undecided, peer, destination, context);
    allowed = unite(allowed, outcome.allowed);
    if (isolationLast && selection.tier.combinator === "additive") {
      closed = triOr(closed, selection.isolated);
      undecided = unite(outcome.passed, outcome.open);
    } else {
      undecided = unite(outcome.passed, when(triNot(selection.isolated), outcome.open));
    }
    if (undecided.may.isEmpty()) break;
  }
  if (isolationLast && closed !== NO && !circumstances.ownNode) {
    allowed = subtract(allowed, when(closed, takenByBaselinePass(tiers, peer, destination, context)));
  }
  // what no tier decides is allowed
  return unite(allowed, circumstances.ownNode ? undecided : when(triNot(closed), undecided));
}

interface Outcome {
  readonly allowed: TrafficRange;
  /** What a Pass rule hands to the next tier. */
  readonly passed: TrafficRange;
  /** What no rule decided. */
  readonly open: TrafficRange;
}

function evaluateAdditive(
  rules: readonly RuleOf[],
  undecided: TrafficRange,
  peer: Endpoint,
  destination: Endpoint,
  context: MatchContext,
): Outcome {
  let denied = nothing;
  let allow = nothing;
  for (const { selection, rule } of rules) {
    const hit = when(selection.selected, trafficOfRule(rule, peer, destination, context));
    if (rule.verdict === "deny") denied = unite(denied, hit);
    else allow = unite(allow, hit);
  }
  const left = subtract(undecided, denied);
  return { allowed: intersect(left, allow), passed: nothing, open: subtract(left, allow) };
}

function evaluateFirstMatch(
  rules: readonly RuleOf[],
  undecided: TrafficRange,
  peer: Endpoint,
  destination: Endpoint,
  context: MatchContext,
): Outcome {
  let open = undecided;
  let allowed = nothing;
  let passed = nothing;
  for (const { selection, rule } of rules) {
    const match = when(selection.selected, trafficOfRule(rule, peer, destination, context));
    const hit = intersect(open, match);
    if (hit.may.isEmpty()) continue;
    if (rule.verdict === "allow") allowed = unite(allowed, hit);
    if (rule.verdict === "pass") passed = unite(passed, hit);
    open = subtract(open, match);
    if (open.may.isEmpty()) break;
  }
  return { allowed, passed, open };
}

/**
 * Traffic that NetworkPolicy rules allow and a Baseline Pass rule nevertheless stops, where the subject is closed by
 * default. Measured on cilium-agent 1.20.2 (case r411-50), against the API's text: the agent looks up the most specific
 * port entry, ports are entered in aligned blocks of 2^n, and the Pass wins where its block is smaller than the allow's.
 */
function takenByBaselinePass(
  tiers: readonly TierSelection[],
  peer: Endpoint,
  destination: Endpoint,
  context: MatchContext,
): TrafficRange {
  const baseline = tiers.find((each) => each.tier.id === baselineTier.id);
  const normal = tiers.find((each) => each.tier.id === normalTier.id);
  if (baseline === undefined || normal === undefined) return nothing;
  let taken = nothing;
  let open = everything;
  for (const { selection, rule } of baseline.rules) {
    const match = when(selection.selected, trafficOfRule(rule, peer, destination, context));
    const hit = intersect(open, match);
    open = subtract(open, match);
    if (rule.verdict !== "pass" || hit.may.isAll() || hit.may.isEmpty()) continue;
    const kept = normal.rules.flatMap(({ selection: by, rule: allow }) =>
      allow.verdict === "allow" && triAnd(by.selected, matchesAnyPeer(allow.peers, peer, context)) === YES
        ? (allow.l4.items ?? [resolvePorts(allow.l4, destination).must]).flatMap(blocksOf)
        : [],
    );
    const stolen = (set: TrafficSet): TrafficSet =>
      blocksOf(set).reduce((result, block) => {
        const survives = kept.filter(
          (each) =>
            each.protocol === block.protocol &&
            each.to - each.from <= block.to - block.from &&
            each.from <= block.to &&
            block.from <= each.to,
        );
        const own = TrafficSet.ports(block.protocol, Math.max(block.from, 1), block.to);
        return result.union(
          survives.reduce(
            (rest, each) => rest.subtract(TrafficSet.ports(each.protocol, Math.max(each.from, 1), each.to)),
            own,
          ),
        );
      }, TrafficSet.none());
    taken = unite(taken, { must: stolen(hit.must), may: stolen(hit.may) });
  }
  return taken;
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
