/** Policies and rules that do nothing, or only half of what they seem to. */
import type { Endpoint, PodEndpoint } from "../engine/endpoints";
import type { Engine } from "../engine/engine";
import { directionOf, resolvePorts, type TierSelection } from "../engine/evaluate";
import { PodUniverse, type PodSet } from "../engine/pod-universe";
import type { KubeObject, ObjectRef } from "../model/objects";
import { describeRef } from "../model/objects";
import type { CompiledPolicy, PeerTerm, Rule } from "../model/rules";
import type { Condition } from "../model/selectors/conditions";
import type { Snapshot } from "../model/snapshot";
import { NO, YES } from "../model/unknown";
import type { RuleRef } from "../model/verdicts";
import type { Direction } from "../model/direction";
import { Coverage, rulesBeside } from "./coverage";
import { representatives } from "./representatives";
import { refOf, ruleRef } from "./rule-refs";
import { describeSight, sightOf, type Sight } from "./sight";

/** Something about a policy or a rule that deserves a look. */
export interface HygieneIssue {
  readonly kind:
    /** The policy selects no workload of the snapshot. */
    | "unused"
    /** The rule's peers or ports match nothing in the snapshot. */
    | "dead"
    /** Another rule says exactly the same. */
    | "duplicate"
    /** Other rules already do all that this one does, or decide before it is reached. */
    | "shadowed"
    /** The rule allows a flow that the other side's policies stop. */
    | "half-open";
  readonly policy: ObjectRef;
  readonly rule?: RuleRef;
  /** The first of {@link coveredBy}. */
  readonly by?: RuleRef;
  /** The rules that make this one superfluous, all of which are needed for it; of any policy. */
  readonly coveredBy?: readonly RuleRef[];
  /** Not all pods that the selector can mean were read, so that one may exist after all. */
  readonly possible?: boolean;
  /** For a half-open rule: the policies that close the other side. */
  readonly closedBy?: readonly ObjectRef[];
  readonly message: string;
}

/**
 * Judged by the sets of pods, addresses and ports that rules are about, not by how they are written. Pods that might be
 * started count where it is asked whether a rule is superfluous: one without labels in each namespace, and one for each
 * selector. A superfluous rule is judged against those that are kept, so that all that are named can go at once.
 */
export function* hygieneOf(engine: Engine): Iterable<HygieneIssue> {
  const { snapshot } = engine;
  const workloads = snapshot.workloads.filter((each) => !each.hostNetwork).map((each) => engine.endpoints.pod(each));
  const universe = new PodUniverse([...new Set([...workloads, ...representatives(engine)])], engine.context);
  engine.index.selectFor(universe);
  const superfluous = superfluousRules(engine, universe);
  const real = workloads.length;
  for (const policy of snapshot.rules.policies) {
    if (policy.subject.kind !== "pods") continue;
    const subjects = membersOf(universe.ofCondition(policy.subject.where), real);
    const ref = refOf(policy);
    if (subjects.length === 0) {
      const sight = sightOf(policy.subject.where, snapshot);
      const message = `${describeRef(ref)} selects no workload${describeSight(sight)}`;
      yield { kind: "unused", policy: ref, ...possibly(sight), message };
      continue;
    }
    for (const direction of ["ingress", "egress"] as const) {
      for (const rule of directionOf(policy, direction)?.rules ?? []) {
        yield* issuesOf(policy, rule, direction, subjects, { engine, universe, superfluous, real });
      }
    }
  }
}

/** Which rules make another superfluous: `NetworkPolicy shop/a spec.ingress[0] already decides all of it`. */
function describeCover({ kind, coveredBy }: Superfluous): string {
  const names = coveredBy.map((each) => `${describeRef(each.policy)} ${each.path}`).join(", ");
  if (kind === "duplicate") return `${names} says the same`;
  return `${names} already ${coveredBy.length === 1 ? "decides" : "decide"} all of it`;
}

/** What rules are judged by. */
interface Grounds {
  readonly engine: Engine;
  readonly universe: PodUniverse;
  readonly superfluous: ReturnType<typeof superfluousRules>;
  /** So many pods of the universe exist; the others might be started. */
  readonly real: number;
}

/** What is wrong with one rule of a policy. `subjects` are the pods that the policy selects. */
function* issuesOf(
  policy: CompiledPolicy,
  rule: Rule,
  direction: Direction,
  subjects: readonly number[],
  { engine, universe, superfluous, real }: Grounds,
): Iterable<HygieneIssue> {
  const { snapshot } = engine;
  const ref = refOf(policy);
  const named = ruleRef(policy, rule, direction);
  const about = { policy: ref, rule: named };
  const text = `${describeRef(ref)} ${rule.path}`;
  const members = membersOf(universe.ofPeers(rule.peers), real);
  const outside = rule.peers.some(reachesOutside);
  if (members.length === 0 && !outside) {
    const sight = sightOfPeers(rule.peers, snapshot);
    if (sight.seen === "none") return;
    const message = `${text}: no workload${describeSight(sight)} is among its peers`;
    yield { kind: "dead", ...about, ...possibly(sight), message };
    return;
  }
  for (const [index, peer] of rule.peers.entries()) {
    if (rule.peers.length === 1 || rule.verdict !== "allow") break;
    if (reachesOutside(peer) || membersOf(universe.ofPeers([peer]), real).length > 0) continue;
    const sight = sightOfPeers([peer], snapshot);
    if (sight.seen === "none") continue;
    const where = peerPath(policy.origin.object, rule, index);
    const message = `${describeRef(ref)} ${where}: no workload${describeSight(sight)} is such a peer`;
    yield { kind: "dead", ...about, ...possibly(sight), message };
  }
  const destinations = direction === "ingress" ? subjects : members;
  const reaches = (index: number): boolean => !resolvePorts(rule.l4, universe.pods[index] as Endpoint).may.isEmpty();
  if (!outside && !destinations.some(reaches)) {
    yield { kind: "dead", ...about, message: `${text}: none of its ports exist at the destination${namesOf(rule)}` };
    return;
  }
  const issue = superfluous.get(rule);
  if (issue !== undefined) {
    const [by] = issue.coveredBy;
    const message = `${text}: ${describeCover(issue)}`;
    yield { kind: issue.kind, ...about, ...(by === undefined ? {} : { by }), coveredBy: issue.coveredBy, message };
    return;
  }
  if (rule.verdict !== "allow" || outside) return;
  const closed = closedAtOtherEnd(engine, rule, direction, subjects, members, universe.pods);
  if (closed === undefined) return;
  const other = direction === "ingress" ? "egress of the sources" : "ingress of the destinations";
  const by = closed.length === 0 ? "" : ` (${closed.map(describeRef).join(", ")})`;
  yield {
    kind: "half-open",
    ...about,
    closedBy: closed,
    message: `${text}: the ${other} does not let it pass${by}`,
  };
}

function possibly({ seen }: Sight): { readonly possible?: true } {
  return seen === "all" ? {} : { possible: true };
}

/** What was read of the pods that peers can mean: of all of them together. */
function sightOfPeers(peers: readonly PeerTerm[], snapshot: Snapshot): Sight {
  const sights = peers.flatMap(podConditions).map((where) => sightOf(where, snapshot));
  const seen = (["none", "all"] as const).find((each) => sights.every((sight) => sight.seen === each)) ?? "part";
  return { seen, makers: sights.flatMap(({ makers }) => makers) };
}

function podConditions(term: PeerTerm): Condition[] {
  if (term.kind === "pods" || term.kind === "identities") return [term.where];
  return term.kind === "and" || term.kind === "or" ? term.of.flatMap(podConditions) : [];
}

/** Where a peer is written: `spec.ingress[0].from[1]` where the rule has one list of peers. */
function peerPath(object: KubeObject, rule: Rule, index: number): string {
  const steps = rule.path.split(/[.[\]]+/).filter((step) => step !== "");
  const written = steps.reduce<unknown>(
    (value, step) =>
      typeof value === "object" && value !== null ? (value as Record<string, unknown>)[step] : undefined,
    object,
  );
  const lists = Object.entries(typeof written === "object" && written !== null ? written : {}).filter(
    ([key, value]) => /^(from|to)(?!Ports)/.test(key) && Array.isArray(value),
  );
  const [only] = lists;
  const fits = lists.length === 1 && only !== undefined && (only[1] as unknown[]).length === rule.peers.length;
  return fits ? `${rule.path}.${only[0]}[${index}]` : `${rule.path}, peer ${index + 1} of ${rule.peers.length}`;
}

interface Superfluous {
  readonly kind: "duplicate" | "shadowed";
  readonly coveredBy: readonly RuleRef[];
}

/** A rule with what it takes to judge it: its policy, and the pods it may be about, one of each kind. */
interface Candidate {
  readonly policy: CompiledPolicy;
  readonly direction: Direction;
  readonly rule: Rule;
}

/** The rules without which every verdict would be the same, with those that make them superfluous. */
function superfluousRules(engine: Engine, universe: PodUniverse): Map<Rule, Superfluous> {
  const coverage = new Coverage(engine, universe);
  const owners = new Map<Rule, Candidate>();
  const candidates: Candidate[] = [];
  for (const policy of engine.snapshot.rules.policies) {
    for (const direction of ["ingress", "egress"] as const) {
      for (const rule of directionOf(policy, direction)?.rules ?? []) {
        const candidate = { policy, direction, rule };
        owners.set(rule, candidate);
        if (policy.subject.kind === "pods" && rule.verdict !== "pass") candidates.push(candidate);
      }
    }
  }
  const found = new Map<Rule, Superfluous>();
  const removed = new Set<Rule>();
  // from the last to the first: of two equal rules the later one can go
  for (const candidate of candidates.reverse()) {
    const covering = coverEverywhere(engine, universe, coverage, candidate, removed);
    if (covering === undefined) continue;
    removed.add(candidate.rule);
    const refs = covering.flatMap((rule) => {
      const owner = owners.get(rule);
      return owner === undefined ? [] : [ruleRef(owner.policy, owner.rule, owner.direction)];
    });
    const [only] = covering;
    const owner = only === undefined ? undefined : owners.get(only);
    const same =
      covering.length === 1 &&
      owner !== undefined &&
      only?.verdict === candidate.rule.verdict &&
      coverEverywhere(engine, universe, coverage, owner, removed, [candidate.rule]) !== undefined;
    found.set(candidate.rule, { kind: same ? "duplicate" : "shadowed", coveredBy: refs });
  }
  return found;
}

/** The rules that cover a rule at every pod it is about; nothing where at one of them something is left. */
function coverEverywhere(
  engine: Engine,
  universe: PodUniverse,
  coverage: Coverage,
  { policy, direction, rule }: Candidate,
  removed: ReadonlySet<Rule>,
  only?: readonly Rule[],
): readonly Rule[] | undefined {
  const selected = universe.ofCondition(policy.subject.where);
  const used = new Set<Rule>();
  const seen = new Set<unknown>();
  for (const index of membersOf(selected, universe.pods.length)) {
    const subject = universe.pods[index] as PodEndpoint;
    const tiers = engine.index.of(subject)[direction];
    // named ports make subjects of the same policies differ
    const named = direction === "ingress" && tiers.some(namesPorts);
    const key = tiers.some(usesOwnSide) ? subject : named ? JSON.stringify([tiersNumber(tiers), subject.ports]) : tiers;
    if (seen.has(key)) continue;
    seen.add(key);
    const place = tiers.findIndex((tier) => tier.rules.some((of) => of.rule === rule));
    const tier = tiers[place];
    const of = tier?.rules.find((each) => each.rule === rule);
    if (tier === undefined || of === undefined) return undefined;
    const beside = rulesBeside(of, tier, tiers.slice(0, place), removed);
    const others =
      only === undefined
        ? beside
        : tier.rules
            .filter((each) => each.selection.selected === YES && only.includes(each.rule))
            .map((each) => each.rule);
    if (others.length === 0) return undefined;
    const cover = coverage.coverOf(rule, direction, subject, others);
    if (cover === undefined) return undefined;
    for (const each of cover) used.add(each);
  }
  return used.size === 0 ? undefined : [...used];
}

/** Whether what rules say depends on more of a subject than the policies that select it. */
function usesOwnSide({ rules }: TierSelection): boolean {
  return rules.some(({ rule }) => rule.own !== undefined);
}

/** The named ports of a rule, in brackets. */
function namesOf({ l4 }: Rule): string {
  return l4.named.length === 0 ? "" : ` (${[...new Set(l4.named.map(({ name }) => name))].join(", ")})`;
}

function namesPorts({ rules }: TierSelection): boolean {
  return rules.some(({ rule }) => rule.l4.named.length > 0);
}

const numbers = new WeakMap<readonly TierSelection[], number>();
let nextNumber = 0;

function tiersNumber(tiers: readonly TierSelection[]): number {
  let number = numbers.get(tiers);
  if (number === undefined) numbers.set(tiers, (number = nextNumber++));
  return number;
}

/** The policies that close the other side, where nothing of what a rule allows passes between any workloads it is about. */
function closedAtOtherEnd(
  engine: Engine,
  rule: Rule,
  direction: Direction,
  subjects: readonly number[],
  members: readonly number[],
  pods: readonly Endpoint[],
): readonly ObjectRef[] | undefined {
  const closing = new Map<string, ObjectRef>();
  let pairs = 0;
  for (const subject of subjects) {
    for (const member of members) {
      if (subject === member) continue;
      const [from, to] = direction === "ingress" ? [member, subject] : [subject, member];
      const [source, destination] = [pods[from], pods[to]];
      if (source === undefined || destination === undefined) continue;
      const wanted = resolvePorts(rule.l4, destination).may;
      if (!engine.between(source, destination).may.intersect(wanted).isEmpty()) return undefined;
      const other = direction === "ingress" ? "egress" : "ingress";
      // stopped on this side, by a rule before it: the other side has no part in it
      if (!engine.direction(other, source, destination).may.intersect(wanted).isEmpty()) continue;
      pairs++;
      if (closing.size >= mostClosing) continue;
      for (const { policies } of engine.index.of(pods[member] as Endpoint)[other]) {
        for (const { policy } of policies) {
          if ((directionOf(policy, other)?.isolates ?? NO) === NO) continue;
          const ref = refOf(policy);
          closing.set(describeRef(ref), ref);
        }
      }
    }
  }
  return pairs === 0 ? undefined : [...closing.values()].slice(0, mostClosing);
}

/** As many closing policies as are named. */
const mostClosing = 3;

/** The members of a set among the first so many pods. */
function membersOf(set: PodSet, count: number): number[] {
  if (set.base === NO) return [...set.listed].filter((index, at) => index < count && set.values[at] !== NO);
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
