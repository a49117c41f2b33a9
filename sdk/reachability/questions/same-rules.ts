/** Whether the same rules decide about an end under two sets of policies: then the same passes, whoever the other end is. */
import type { Direction } from "../model/direction";
import { NO } from "../model/unknown";
import type { Peer } from "../model/verdicts";
import type { Endpoint } from "../engine/endpoints";
import type { Engine } from "../engine/engine";
import type { RuleOf, TierSelection } from "../engine/evaluate";

/** Ends are named by their places. */
export class SameRules {
  readonly #areSame: Readonly<Record<Direction, (boolean | undefined)[]>> = { egress: [], ingress: [] };
  /** What an enforcer learns of a name for one pod counts for others. */
  readonly #namesDiffer: boolean;
  /** The two engines are about one cluster, and no mesh and no waypoint decides too. */
  readonly #areComparable: boolean;

  constructor(
    private readonly before: Engine,
    private readonly now: Engine,
    private readonly ends: readonly Peer[],
  ) {
    this.#areComparable = before.endpoints === now.endpoints && isPlain(before) && isPlain(now);
    this.#namesDiffer = namesOf(before) !== namesOf(now);
  }

  /** Whether the same rules decide what an end lets out, or in. True is certain; false where it has to be looked at. */
  of(direction: Direction, end: number): boolean {
    if (!this.#areComparable) return false;
    return (this.#areSame[direction][end] ??= endsOf(this.before, direction, this.ends[end] as Peer).every((each) =>
      haveSameRules(this.before, this.now, direction, each),
    ));
  }

  /** Whether the same rules decide what passes from one end to another. */
  between(from: number, to: number): boolean {
    if (!this.of("egress", from) || !this.of("ingress", to)) return false;
    return !this.#namesDiffer || this.ends[to]?.kind !== "fqdn";
  }
}

function isPlain(engine: Engine): boolean {
  return !engine.hasMesh && !engine.hasWaypoints && engine.snapshot.redirects.length === 0;
}

function endsOf({ routes }: Engine, direction: Direction, peer: Peer): readonly Endpoint[] {
  if (direction === "egress") return routes.from(peer);
  const { direct, ports, anyPort } = routes.to(peer);
  return [...direct, ...ports.flatMap(({ backends }) => backends.map(({ endpoint }) => endpoint)), ...anyPort];
}

function haveSameRules(a: Engine, b: Engine, direction: Direction, end: Endpoint): boolean {
  const [before, after] = [a.index.of(end)[direction], b.index.of(end)[direction]];
  if (before.length + after.length === 0) return true;
  if ([...before, ...after].some(({ tier, ties }) => tier.onTheWay === true || ties !== undefined)) return false;
  if (isolatingIn(before) !== isolatingIn(after)) return false;
  const { closed, isolationLast } = a.circumstances(end, false);
  const [first, second] = [before, after].map((tiers) => deciding(tiers, closed, isolationLast));
  return (
    first?.length === second?.length &&
    first?.every(({ rule, selection }, place) => {
      const other = second?.[place];
      return rule === other?.rule && selection.selected === other.selection.selected;
    }) === true
  );
}

function isolatingIn(tiers: readonly TierSelection[]): string {
  return tiers.flatMap(({ tier, isolated }) => (isolated === NO ? [] : [`${tier.id}:${isolated}`])).join();
}

/** Where everything passes that no rule decides, a rule that allows changes nothing unless one that denies comes after it. */
function deciding(tiers: readonly TierSelection[], closed: boolean, isolationLast: boolean): readonly RuleOf[] {
  const rules = tiers.flatMap((tier) => tier.rules);
  if (closed || (isolationLast && tiers.some(({ isolated }) => isolated !== NO))) return rules;
  // what comes after the last tier that isolates
  const last = tiers.findLastIndex(({ isolated }) => isolated !== NO);
  const fixed = tiers.slice(0, last + 1).reduce((count, tier) => count + tier.rules.length, 0);
  let end = rules.length;
  while (end > fixed && rules[end - 1]?.rule.verdict !== "deny") end -= 1;
  return rules.slice(0, end);
}

/** The names that pods may ask for. */
function namesOf({ snapshot }: Engine): string {
  const names = snapshot.rules.policies.flatMap(({ egress }) =>
    (egress?.rules ?? []).flatMap(({ dnsNames }) => (dnsNames ?? []).map(({ text }) => text)),
  );
  return [...new Set(names)].sort().join();
}
