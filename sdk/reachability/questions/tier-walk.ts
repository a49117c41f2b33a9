/** One side of a flow, tier by tier as the enforcer goes: what each rule did, which decided, and what isolates. */
import type { Endpoint } from "../engine/endpoints";
import type { Engine } from "../engine/engine";
import { directionOf, matchesOwn, trafficNamed, type RuleOf, type TierSelection } from "../engine/evaluate";
import { matchesAnyPeer } from "../engine/matching";
import type { PolicyIndex } from "../engine/policy-index";
import type { Direction } from "../model/direction";
import type { ObjectRef } from "../model/objects";
import type { CompiledPolicy, Rule } from "../model/rules";
import type { TrafficSet } from "../model/sets/ports";
import { NO, triAnd, YES } from "../model/unknown";
import type { ExplanationStep, RuleRef } from "../model/verdicts";
import { describeRule, refOf, ruleRef } from "./rule-refs";

/** Whose rules are asked, and about what. */
export interface Side {
  readonly direction: Direction;
  readonly subject: Endpoint;
  readonly peer: Endpoint;
  readonly asked: TrafficSet;
}

/** What the rules of a side did. */
export interface Walk {
  /** Policies that isolate the subject, and were not overruled by a rule of their tier or one before. */
  readonly isolatedBy: readonly ObjectRef[];
  readonly chain: readonly ExplanationStep[];
  readonly notSelecting: readonly ExplanationStep[];
  readonly deciding?: RuleRef;
  /** Two rules that disagree, of which nobody knows which counts. */
  readonly disagreeing?: readonly RuleRef[];
  /** A rule for the name, whose address the enforcer never learns. */
  readonly unlearned?: RuleRef;
}

/** How far the walk has come. */
interface Progress extends Pick<Walk, "deciding" | "disagreeing" | "unlearned"> {
  /** The rule of this tier that passed the flow on to the next. */
  readonly passed?: RuleRef;
  /** A tier before isolates the subject, and its default deny comes before what follows. */
  readonly denied?: true;
}

/**
 * Goes through the tiers as the enforcer does, and notes what each rule did.
 *
 * @param isolationLast Whether default denies count only after the rules of all tiers.
 */
export function walkTiers(engine: Engine, index: PolicyIndex, side: Side, isolationLast: boolean): Walk {
  const { subject, direction } = side;
  const chain: ExplanationStep[] = [];
  const isolatedBy: ObjectRef[] = [];
  let progress: Progress = {};
  for (const tier of index.of(subject)[direction]) {
    const rivals = rivalsIn(tier, (of) => whyNot(engine, of, side) === undefined);
    for (const of of tier.rules) {
      const took = takeRule(engine, side, tier, of, rivals.get(of), progress);
      if (took === undefined) continue;
      chain.push(took.step);
      progress = took.progress;
    }
    const { passed, ...before } = progress;
    progress = before;
    if (tier.isolated === NO || before.deciding !== undefined || passed !== undefined) continue;
    isolatedBy.push(...isolating(tier, direction));
    if (!isolationLast && tier.isolated === YES) progress = { ...before, denied: true };
  }
  const { denied: _denied, ...found } = progress;
  return { isolatedBy, chain, ...found, notSelecting: notSelecting(index, subject, direction) };
}

/** What a rule did, and how far the walk is after it; nothing for a rule that nobody wrote and that does not fit. */
function takeRule(
  engine: Engine,
  side: Side,
  { tier }: TierSelection,
  of: RuleOf,
  rival: RuleOf | undefined,
  progress: Progress,
): { readonly step: ExplanationStep; readonly progress: Progress } | undefined {
  const rule = refOfRule(of, side.direction);
  const took = (did: Did, text: string, change: Progress = {}): ReturnType<typeof takeRule> => ({
    step: { rule, ...did, text: `${describeRule(rule)}: ${text}` },
    progress: { ...progress, ...change },
  });
  const miss = whyNot(engine, of, side);
  if (miss !== undefined) {
    // nobody wrote it, so nothing is to be changed there
    if (of.rule.implied === true) return undefined;
    const isFirst = miss === "unlearned" && progress.unlearned === undefined;
    return took({ outcome: "not-matched", because: miss }, missText[miss], isFirst ? { unlearned: rule } : {});
  }
  const before = progress.deciding ?? progress.passed;
  const isOpen = before === undefined && progress.denied === undefined;
  if (rival !== undefined && isOpen) {
    const other = refOfRule(rival, side.direction);
    const text = `would ${rule.verdict} it, ${describeRule(other)} of the same priority would ${other.verdict} it`;
    return took({ outcome: "maybe-matched" }, text, { disagreeing: progress.disagreeing ?? [rule, other] });
  }
  if (tier.onTheWay === true) {
    const does = rule.verdict === "deny" ? "drop" : "let pass";
    return took({ outcome: "maybe-matched" }, `may ${does} it on its way through a node`);
  }
  if (before !== undefined) {
    const did: Did = { outcome: "shadowed", because: "shadowed", shadowedBy: before };
    return took(did, `decided before by ${describeRule(before)}`);
  }
  if (!isOpen) return took({ outcome: "shadowed", because: "shadowed" }, "after the default deny");
  if (!isCertain(engine, of, side)) return took({ outcome: "maybe-matched" }, `may ${rule.verdict} it, or some of it`);
  if (rule.verdict === "pass") return took({ outcome: "passed" }, "passes it on to the next tier", { passed: rule });
  return took({ outcome: "decided" }, `${verbOf[rule.verdict]} it`, { deciding: rule });
}

function refOfRule({ selection, rule }: RuleOf, direction: Direction): RuleRef {
  return ruleRef(selection.policy, rule, direction);
}

type Did = Pick<ExplanationStep, "outcome" | "because" | "shadowedBy">;

const verbOf: Readonly<Record<RuleRef["verdict"], string>> = { allow: "allows", deny: "denies", pass: "passes" };

/**
 * Rules that would decide by themselves, each with one of another policy of the same priority that would too, and says
 * otherwise.
 */
function rivalsIn({ ties }: TierSelection, matches: (of: RuleOf) => boolean): ReadonlyMap<RuleOf, RuleOf> {
  if (ties === undefined) return noRivals;
  const rivals = new Map<RuleOf, RuleOf>();
  for (const tied of ties) {
    const firsts = tied.map((rules) => rules.find(matches)).filter((of) => of !== undefined);
    for (const of of firsts) {
      const rival = firsts.find((other) => other.rule.verdict !== of.rule.verdict);
      if (rival !== undefined) rivals.set(of, rival);
    }
    if (firsts.length > 0) break;
  }
  return rivals;
}

const noRivals: ReadonlyMap<RuleOf, RuleOf> = new Map();

/** What of a rule may not fit a flow. */
export const missText = {
  subject: "its own side does not fit",
  peer: "the other end is not among its peers",
  unlearned: "no DNS rule lets the pod ask for this name through the DNS proxy, so its address is never learned",
  port: "the port or protocol is not among its ports",
} as const;

/** The destination is where names of ports are resolved. */
function destinationOf({ direction, subject, peer }: Side): Endpoint {
  return direction === "ingress" ? subject : peer;
}

/** What of a rule does not fit the flow; nothing where it fits, or may fit. */
function whyNot(engine: Engine, { rule }: RuleOf, side: Side): keyof typeof missText | undefined {
  const { subject, peer, asked } = side;
  if (matchesOwn(rule, subject, engine.context, peer) === NO) return "subject";
  const context = engine.contextFor(rule.direction, subject, peer);
  if (matchesAnyPeer(rule.peers, peer, context) === NO) {
    return matchesAnyPeer(rule.peers, peer, engine.context) === NO ? "peer" : "unlearned";
  }
  return trafficNamed(rule, destinationOf(side), engine.context).may.intersect(asked).isEmpty() ? "port" : undefined;
}

function isCertain(engine: Engine, { selection, rule }: RuleOf, side: Side): boolean {
  const { subject, peer, asked } = side;
  const fits = triAnd(
    triAnd(selection.selected, matchesOwn(rule, subject, engine.context, peer)),
    matchesAnyPeer(rule.peers, peer, engine.contextFor(rule.direction, subject, peer)),
  );
  return fits === YES && asked.isSubsetOf(trafficNamed(rule, destinationOf(side), engine.context).must);
}

function isolating(tier: TierSelection, direction: Direction): ObjectRef[] {
  return tier.policies
    .filter(({ policy }) => (directionOf(policy, direction)?.isolates ?? NO) !== NO)
    .map(({ policy }) => refOf(policy));
}

/** Policies that could be about the subject, and do not select it: their rules, once for every question about it. */
const remembered = new WeakMap<PolicyIndex, Map<Endpoint, Map<Direction, readonly ExplanationStep[]>>>();

function notSelecting(index: PolicyIndex, subject: Endpoint, direction: Direction): readonly ExplanationStep[] {
  let bySubject = remembered.get(index);
  if (bySubject === undefined) remembered.set(index, (bySubject = new Map()));
  let byDirection = bySubject.get(subject);
  if (byDirection === undefined) bySubject.set(subject, (byDirection = new Map()));
  const known = byDirection.get(direction);
  if (known !== undefined) return known;
  const selected = new Set(index.of(subject)[direction].flatMap((tier) => tier.policies.map(({ policy }) => policy)));
  const steps = index
    .candidates(subject)
    .filter((policy) => !selected.has(policy))
    .flatMap((policy) =>
      writtenRules(policy, direction).map((rule): ExplanationStep => {
        const ref = ruleRef(policy, rule, direction);
        return {
          rule: ref,
          outcome: "not-matched",
          because: "subject",
          text: `${describeRule(ref)}: does not select it`,
        };
      }),
    );
  byDirection.set(direction, steps);
  return steps;
}

function writtenRules(policy: CompiledPolicy, direction: Direction): readonly Rule[] {
  return (directionOf(policy, direction)?.rules ?? []).filter(({ implied }) => implied !== true);
}
