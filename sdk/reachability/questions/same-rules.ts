/** Whether the same rules decide about an end under two sets of policies: then the same passes, whoever the other end is. */
import type { Direction } from "../model/direction";
import { NO } from "../model/unknown";
import type { Peer } from "../model/verdicts";
import type { Endpoint } from "../engine/endpoints";
import type { Engine } from "../engine/engine";
import type { RuleOf, TierSelection } from "../engine/evaluate";

/** True is certain; false where it has to be looked at. */
export type SameRules = (source: Peer, destination: Peer) => boolean;

/** The two engines are about one cluster; `() => false` where they are not, or a mesh or a waypoint decides too. */
export function sameRulesIn(a: Engine, b: Engine): SameRules {
  const isPlain = (engine: Engine): boolean =>
    !engine.hasMesh && !engine.hasWaypoints && engine.snapshot.redirects.length === 0;
  if (a.endpoints !== b.endpoints || !isPlain(a) || !isPlain(b)) return () => false;
  const areSame: Readonly<Record<Direction, Map<Peer, boolean>>> = { egress: new Map(), ingress: new Map() };
  const isSame = (direction: Direction, peer: Peer): boolean => {
    let same = areSame[direction].get(peer);
    if (same === undefined) {
      same = endsOf(a, direction, peer).every((end) => haveSameRules(a, b, direction, end));
      areSame[direction].set(peer, same);
    }
    return same;
  };
  // what an enforcer learns of a name for one pod counts for others
  const namesDiffer = namesOf(a) !== namesOf(b);
  return (source, destination) =>
    !(namesDiffer && destination.kind === "fqdn") && isSame("egress", source) && isSame("ingress", destination);
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
