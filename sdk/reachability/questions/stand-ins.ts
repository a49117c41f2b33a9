/** Pairs of a pod and what is no pod that fare alike, so that one of them is asked about for all. */
import { addressBounds, namePatterns } from "../engine/bounds";
import type { Endpoint, PodEndpoint } from "../engine/endpoints";
import type { Engine } from "../engine/engine";
import type { TierSelection } from "../engine/evaluate";
import type { Direction } from "../model/direction";
import type { Peer } from "../model/verdicts";
import { Outside } from "./outside";

type Tiers = readonly TierSelection[];

/**
 * Two pods fare alike that the same policies select, where no rule asks anything else of the pod itself: its address, the
 * names of its ports, what its proxy makes of requests, the node that it runs on. Policies of the other end, or pods behind
 * it, would judge them by their labels. Two ends outside fare alike that no rule for the pod tells apart. Of a mesh nothing
 * is known here.
 */
export class StandIns {
  readonly outside: Outside;
  readonly #pods: Readonly<Record<Direction, readonly number[]>>;
  readonly #arePlain: Readonly<Record<Direction, readonly boolean[]>>;
  readonly #others = new Map<Tiers, readonly number[]>();

  /** @param before Those of the same ends under other policies. */
  constructor(
    private readonly engine: Engine,
    private readonly pods: readonly PodEndpoint[],
    others: readonly Peer[],
    before: StandIns | undefined,
  ) {
    const { routes } = engine;
    this.outside = before?.outside.routes === routes ? before.outside : new Outside(routes, others);
    this.#pods = { egress: this.#podsAlike("egress"), ingress: this.#podsAlike("ingress") };
    const arePlain = (direction: Direction): boolean[] => others.map((other) => isPlain(engine, direction, other));
    this.#arePlain = { egress: arePlain("egress"), ingress: arePlain("ingress") };
  }

  /** The pod to ask about: `egress` where it connects to the other, `ingress` where the other connects to it. */
  podFor(direction: Direction, pod: number, other: number): number {
    return this.#arePlain[direction][other] === true ? (this.#pods[direction][pod] as number) : pod;
  }

  /** The other end to ask about. */
  otherFor(direction: Direction, pod: number, other: number): number {
    const tiers = this.#tiersOf(direction, pod);
    let alike = this.#others.get(tiers);
    if (alike === undefined) this.#others.set(tiers, (alike = this.#othersAlike(tiers)));
    return alike[other] as number;
  }

  #tiersOf(direction: Direction, pod: number): Tiers {
    return this.engine.index.of(this.pods[pod] as PodEndpoint)[direction];
  }

  #podsAlike(direction: Direction): readonly number[] {
    const first = new Map<Tiers, number>();
    return this.pods.map(({ nodeName }, place) => {
      const tiers = this.#tiersOf(direction, place);
      if (nodeName !== undefined || tiers.some(asksMore)) return place;
      const known = first.get(tiers);
      if (known === undefined) first.set(tiers, place);
      return known ?? place;
    });
  }

  #othersAlike(tiers: Tiers): readonly number[] {
    const rules = tiers.flatMap((tier) => tier.rules);
    const peers = rules.flatMap(({ rule }) => rule.peers);
    const { apiServerAddresses } = this.engine.endpoints;
    return this.outside.alike(
      new Set(peers.flatMap((term) => addressBounds(term, apiServerAddresses))),
      new Set([...peers.flatMap(namePatterns), ...rules.flatMap(({ rule }) => rule.dnsNames ?? [])]),
      (name) => this.engine.isAskedFor(name),
    );
  }
}

/** Whether the other end is no pod, no pod is behind it, and it has no policies of its own. */
function isPlain({ routes, index }: Engine, direction: Direction, other: Peer): boolean {
  const { direct, ports, anyPort, sole } = routes.to(other);
  const itsOwn = direction === "egress" ? "ingress" : "egress";
  const isFree = (end: Endpoint): boolean => end.kind !== "pod" && index.of(end)[itsOwn].length === 0;
  return ports.length + anyPort.length === 0 && !sole && [...direct, ...routes.from(other)].every(isFree);
}

/** Whether a rule asks of the pod more than that its policy selects it. */
function asksMore({ rules }: TierSelection): boolean {
  return rules.some(
    ({ rule: { own, http, l4 } }) =>
      own !== undefined || http !== undefined || l4.named.length > 0 || (l4.notNamed ?? []).length > 0,
  );
}
