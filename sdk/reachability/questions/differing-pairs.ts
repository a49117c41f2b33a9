/** Which pairs two sets of policies may judge differently, told by the policies and without judging any pair. */
import type { Direction } from "../model/direction";
import type { Rule } from "../model/rules";
import { NO, YES, type Tri } from "../model/unknown";
import type { Peer } from "../model/verdicts";
import type { Endpoint } from "../engine/endpoints";
import type { Engine } from "../engine/engine";
import { directionOf, type RuleOf, type TierSelection } from "../engine/evaluate";
import { matchesAnyPeer, selects } from "../engine/matching";
import { PolicyIndex } from "../engine/policy-index";

/** Where it may be that not the same passes. False is certain; true where it has to be looked at. */
export interface Differences {
  /** From a source, to some destination or other. A pair of which neither end may differ does not. */
  source(source: Peer): boolean;
  /** To a destination, from some source or other. */
  destination(destination: Peer): boolean;
  /** Between the two. */
  pair(source: Peer, destination: Peer): boolean;
}

/** The two engines are about one cluster under different policies, and nothing else of it differs. */
export function differingPairs(a: Engine, b: Engine): Differences {
  if (!arePlain(a) || !arePlain(b) || a.snapshot.profile !== b.snapshot.profile) {
    return { source: () => true, destination: () => true, pair: () => true };
  }
  const namesDiffer = dnsNamesOf(a) !== dnsNamesOf(b);
  const isNamed = (destination: Peer): boolean => namesDiffer && destination.kind === "fqdn";
  const changed = changedPolicies(a, b);
  const egress = new Side(a, b, "egress", changed);
  const ingress = new Side(a, b, "ingress", changed);
  return {
    source: (source) => egress.mayDiffer(source),
    destination: (destination) => isNamed(destination) || ingress.mayDiffer(destination),
    pair: (source, destination) =>
      isNamed(destination) ||
      egress.differs(source, () => ingress.endsOf(destination)) ||
      ingress.differs(destination, () => egress.endsOf(source)),
  };
}

/** The policies that only one of the two has, or that were read anew: what they refer to may have changed. */
function changedPolicies(a: Engine, b: Engine): PolicyIndex {
  const [before, after] = [new Set(a.snapshot.rules.policies), new Set(b.snapshot.rules.policies)];
  const changed = [...[...before].filter((one) => !after.has(one)), ...[...after].filter((one) => !before.has(one))];
  return new PolicyIndex(changed, a.snapshot.profile);
}

/** Meshes, waypoints and redirects decide by more than the policies of the two ends. */
function arePlain({ snapshot, hasMesh }: Engine): boolean {
  const { meshEgress, waypoint } = snapshot.rules;
  return (
    !hasMesh &&
    (meshEgress ?? []).length === 0 &&
    (waypoint ?? []).length === 0 &&
    (snapshot.waypoints?.uses.length ?? 0) === 0 &&
    snapshot.redirects.length === 0
  );
}

/** The names that pods may ask for: what an enforcer learns for one of them counts for others. */
function dnsNamesOf({ snapshot }: Engine): string {
  const names = snapshot.rules.policies.flatMap(({ egress }) =>
    (egress?.rules ?? []).flatMap(({ dnsNames }) => (dnsNames ?? []).map(({ text }) => text)),
  );
  return [...new Set(names)].sort().join();
}

/** What of the policies of a subject differs, in one direction. */
interface Change {
  /** All peers may be judged differently. */
  readonly all: boolean;
  /** Else those that these rules are about. */
  readonly rules: readonly Rule[];
  readonly known: Map<Endpoint, boolean>;
}

const same: Change = { all: false, rules: [], known: new Map() };
const everywhere: Change = { all: true, rules: [], known: new Map() };

class Side {
  readonly #changes = new Map<Peer, readonly Change[]>();
  readonly #ends = new Map<Peer, readonly Endpoint[]>();
  /** Pods that the same rules are new to share what was found of their peers. */
  readonly #shared = new Map<string, Change>();
  readonly #ids = new Map<object, number>();

  constructor(
    private readonly a: Engine,
    private readonly b: Engine,
    private readonly direction: Direction,
    private readonly changed: PolicyIndex,
  ) {}

  mayDiffer(subject: Peer): boolean {
    return this.#changesOf(subject).length > 0;
  }

  differs(subject: Peer, peers: () => readonly Endpoint[]): boolean {
    const changes = this.#changesOf(subject);
    return (
      changes.length > 0 && changes.some((change) => change.all || peers().some((peer) => this.#concerns(change, peer)))
    );
  }

  /** Everybody that a subject may turn out to be. */
  endsOf(subject: Peer): readonly Endpoint[] {
    let ends = this.#ends.get(subject);
    if (ends === undefined) this.#ends.set(subject, (ends = this.#endsIn(this.b, subject)));
    return ends;
  }

  #concerns({ rules, known }: Change, peer: Endpoint): boolean {
    let concerned = known.get(peer);
    if (concerned === undefined) {
      concerned = rules.some((rule) => matchesAnyPeer(rule.peers, peer, this.b.context) !== NO);
      known.set(peer, concerned);
    }
    return concerned;
  }

  #changesOf(subject: Peer): readonly Change[] {
    let changes = this.#changes.get(subject);
    if (changes === undefined) {
      const [before, after] = [this.#endsIn(this.a, subject), this.endsOf(subject)];
      changes =
        before.length === after.length
          ? after.map((end, index) => this.#changeOf(before[index] as Endpoint, end)).filter((one) => one !== same)
          : [everywhere];
      this.#changes.set(subject, changes);
    }
    return changes;
  }

  #endsIn({ routes }: Engine, subject: Peer): readonly Endpoint[] {
    if (this.direction === "egress") return routes.from(subject);
    const { direct, ports, anyPort } = routes.to(subject);
    return [...direct, ...ports.flatMap(({ backends }) => backends.map(({ endpoint }) => endpoint)), ...anyPort];
  }

  #changeOf(before: Endpoint, after: Endpoint): Change {
    if (!this.#isConcerned(before) && !this.#isConcerned(after)) return same;
    const [old, now] = [this.#chainOf(this.a, before), this.#chainOf(this.b, after)];
    if (old.shape !== now.shape) return everywhere;
    const [wasThere, isThere] = [new Set(old.keys), new Set(now.keys)];
    const common = (keys: readonly string[], other: ReadonlySet<string>): string =>
      keys.filter((key) => other.has(key)).join();
    if (common(old.keys, isThere) !== common(now.keys, wasThere)) return everywhere;
    const only = (chain: Chain, other: ReadonlySet<string>): number[] =>
      chain.keys.flatMap((key, index) => (other.has(key) ? [] : [index]));
    const [gone, come] = [only(old, isThere), only(now, wasThere)];
    if (gone.length + come.length === 0) return same;
    if (old.isDoubtful || now.isDoubtful) return everywhere;
    const key = [...gone.map((index) => old.keys[index]), "", ...come.map((index) => now.keys[index])].join();
    let change = this.#shared.get(key);
    if (change === undefined) {
      const rules = [
        ...gone.flatMap((index) => old.rules[index] ?? []),
        ...come.flatMap((index) => now.rules[index] ?? []),
      ];
      this.#shared.set(key, (change = { all: false, rules, known: new Map() }));
    }
    return change;
  }

  /** Whether a changed policy may select an endpoint. */
  #isConcerned(subject: Endpoint): boolean {
    return (
      subject.kind !== "world" &&
      this.changed
        .candidates(subject)
        .some((policy) => directionOf(policy, this.direction) !== undefined && selects(policy.subject, subject) !== NO)
    );
  }

  #chainOf(engine: Engine, subject: Endpoint): Chain {
    const tiers = engine.index.of(subject)[this.direction];
    const { isolationLast, closed } = engine.circumstances(subject, false);
    const kept = deciding(tiers, closed, isolationLast);
    const idOf = ({ selection: { policy, selected }, rule }: RuleOf): string => {
      const rules = directionOf(policy, this.direction)?.rules ?? [];
      return `${this.#idOf(policy.origin.object)}:${rules.indexOf(rule)}:${selected}:${policy.tier.id}:${policy.order}`;
    };
    return {
      shape: tiers.map(({ tier, isolated }) => (isolated === NO ? "" : `${tier.id}:${isolated}`)).join(),
      rules: kept.map(({ rule }) => rule),
      keys: kept.map(idOf),
      isDoubtful: tiers.some(
        ({ tier, ties, policies }) =>
          tier.onTheWay === true || ties !== undefined || policies.some(({ selected }) => selected !== YES),
      ),
    };
  }

  /** An object stands for what it says: a changed one is another. */
  #idOf(object: object): number {
    let id = this.#ids.get(object);
    if (id === undefined) this.#ids.set(object, (id = this.#ids.size));
    return id;
  }
}

/** The rules of a subject in their order, as far as they decide anything. */
interface Chain {
  readonly shape: string;
  readonly rules: readonly Rule[];
  readonly keys: readonly string[];
  readonly isDoubtful: boolean;
}

/** Where everything passes that no rule decides, a rule that allows changes nothing unless one that denies comes after it. */
function deciding(tiers: readonly TierSelection[], closed: boolean, isolationLast: boolean): readonly RuleOf[] {
  const rules = tiers.flatMap((tier) => tier.rules);
  const isolates = (isolated: Tri): boolean => isolated !== NO;
  if (closed || (isolationLast && tiers.some(({ isolated }) => isolates(isolated)))) return rules;
  // what comes after the last tier that isolates
  const last = tiers.findLastIndex(({ isolated }) => isolates(isolated));
  const fixed = tiers.slice(0, last + 1).reduce((count, tier) => count + tier.rules.length, 0);
  let end = rules.length;
  while (end > fixed && rules[end - 1]?.rule.verdict !== "deny") end -= 1;
  return rules.slice(0, end);
}
