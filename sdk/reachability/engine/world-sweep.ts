/**
 * What one side of a pod lets pass to addresses outside, asked in ascending order. From one address range to the next
 * few rules change, so that only their tiers are evaluated anew: with many tiers of many ranges, all of them at each range
 * would cost the square.
 */
import type { Address, AddressSet } from "../model/sets/addresses";
import type { PeerTerm } from "../model/rules";
import type { Direction } from "../model/direction";
import type { Endpoint, WorldEndpoint } from "./endpoints";
import type { Engine } from "./engine";
import { evaluateTiers, trafficOfRule, type RuleOf, type TierSelection } from "./evaluate";
import { everything, intersect, nothing, unite, type TrafficRange } from "./traffic-range";

/** As many tiers as are worth it. */
const fewTiers = 3;

/** What a tier makes of what the next ones let pass: `always`, and of the rest as much as `open` holds. */
interface Step {
  readonly always: TrafficRange;
  readonly open: TrafficRange;
}

const passOn: Step = { always: nothing, open: everything };

/** First one tier, then the other. */
function compose(first: Step, then: Step): Step {
  if (then === passOn) return first;
  if (first === passOn) return then;
  return {
    always: unite(first.always, intersect(first.open, then.always)),
    open: unite(first.always, intersect(first.open, then.open)),
  };
}

interface SweptRule {
  readonly of: RuleOf;
  readonly tier: number;
}

/** Where a rule may begin or cease to match. */
interface Turn {
  readonly at: bigint;
  readonly rule: SweptRule;
}

export class WorldSweep {
  readonly #matches = new Map<RuleOf, TrafficRange>();
  readonly #rules: readonly SweptRule[];
  readonly #turns: Readonly<Record<4 | 6, readonly Turn[]>>;
  /** A segment tree over the tiers: the root is what all of them make together. */
  readonly #tree: Step[];
  readonly #leaves: number;
  #last: Address | undefined;
  #next = 0;

  private constructor(
    private readonly engine: Engine,
    private readonly direction: Direction,
    private readonly subject: Endpoint,
    private readonly tiers: readonly TierSelection[],
    boundsOf: (term: PeerTerm) => readonly AddressSet[],
  ) {
    this.#rules = tiers.flatMap(({ rules }, tier) => rules.map((of) => ({ of, tier })));
    const turns = this.#rules.flatMap((rule) =>
      rule.of.rule.peers.flatMap(boundsOf).flatMap((set) =>
        set.ranges.flatMap(({ family, from, to }) => [
          { family, at: from, rule },
          { family, at: to + 1n, rule },
        ]),
      ),
    );
    const of = (family: 4 | 6): Turn[] =>
      turns.filter((turn) => turn.family === family).sort((a, b) => (a.at < b.at ? -1 : a.at > b.at ? 1 : 0));
    this.#turns = { 4: of(4), 6: of(6) };
    this.#leaves = 2 ** Math.ceil(Math.log2(Math.max(tiers.length, 1)));
    this.#tree = Array.from({ length: 2 * this.#leaves }, () => passOn);
  }

  /** Nothing where going through all tiers is as good, or where more than the tiers one after the other decides. */
  static of(
    engine: Engine,
    direction: Direction,
    subject: Endpoint,
    boundsOf: (term: PeerTerm) => readonly AddressSet[],
  ): WorldSweep | undefined {
    const { snapshot } = engine;
    if (!snapshot.profile.namedTiers || engine.hasMesh || subject.kind !== "pod" || !engine.enforces())
      return undefined;
    if (engine.hasWaypoints) return undefined;
    const tiers = engine.index.of(subject)[direction];
    if (tiers.length <= fewTiers || tiers.some(({ tier, ties }) => tier.onTheWay === true || ties !== undefined)) {
      return undefined;
    }
    return new WorldSweep(engine, direction, subject, tiers, boundsOf);
  }

  at(peer: WorldEndpoint & { readonly address: Address }): TrafficRange {
    const { address } = peer;
    const last = this.#last;
    const turns = this.#turns[address.family];
    if (last === undefined || last.family !== address.family || address.value < last.value) {
      for (const rule of this.#rules) this.#match(rule, peer);
      this.tiers.forEach((_tier, index) => this.#step(index));
      for (let node = this.#leaves - 1; node > 0; node--) this.#join(node);
      this.#next = 0;
      while (this.#isPassed(turns, address.value)) this.#next++;
    } else {
      const changed = new Set<number>();
      for (; this.#isPassed(turns, address.value); this.#next++) {
        const { rule } = turns[this.#next] as Turn;
        if (this.#match(rule, peer)) changed.add(rule.tier);
      }
      for (const tier of changed) {
        this.#step(tier);
        for (let node = (this.#leaves + tier) >> 1; node > 0; node >>= 1) this.#join(node);
      }
    }
    this.#last = address;
    return (this.#tree[1] as Step).open;
  }

  #isPassed(turns: readonly Turn[], value: bigint): boolean {
    const turn = turns[this.#next];
    return turn !== undefined && turn.at <= value;
  }

  /** Whether a rule matches otherwise than before. */
  #match({ of }: SweptRule, peer: Endpoint): boolean {
    const destination = this.direction === "ingress" ? this.subject : peer;
    const range = trafficOfRule(of.rule, this.subject, peer, destination, this.engine.context);
    const known = this.#matches.get(of);
    this.#matches.set(of, range);
    return known === undefined || known.must !== range.must || known.may !== range.may;
  }

  #step(index: number): void {
    const tier = [this.tiers[index] as TierSelection];
    const match = (of: RuleOf): TrafficRange => this.#matches.get(of) ?? nothing;
    const circumstances = this.engine.circumstances(this.subject, false);
    this.#tree[this.#leaves + index] = {
      always: evaluateTiers(tier, match, circumstances, nothing),
      open: evaluateTiers(tier, match, circumstances, everything),
    };
  }

  #join(node: number): void {
    this.#tree[node] = compose(this.#tree[2 * node] as Step, this.#tree[2 * node + 1] as Step);
  }
}
