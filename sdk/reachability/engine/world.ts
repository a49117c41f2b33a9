/** What is outside the cluster, cut into the address ranges that rules tell apart. */
import type { PeerTerm } from "../model/rules";
import { AddressSet, type Address, type AddressRange } from "../model/sets/addresses";
import type { Direction } from "../model/direction";
import { addressBounds } from "./bounds";
import type { Endpoint } from "./endpoints";
import type { Engine } from "./engine";
import type { RangeRegistry } from "./tables";
import { eitherOf, everything, type TrafficRange } from "./traffic-range";
import { WorldSweep } from "./world-sweep";

/** What passes between a peer in the cluster and a range of addresses outside. */
export interface WorldEntry {
  readonly range: AddressRange;
  /** Number in the registry; never that of nothing. */
  readonly traffic: number;
}

const families = [AddressSet.allV4, AddressSet.allV6].map((set) => set.ranges[0] as AddressRange);

export class WorldTables {
  readonly #known = new Map<unknown, Map<string, readonly WorldEntry[]>>();

  constructor(
    private readonly engine: Engine,
    private readonly registry: RangeRegistry,
  ) {}

  /** What passes between a peer in the cluster (one of several possibilities) and addresses outside. */
  of(direction: Direction, subjects: readonly Endpoint[]): readonly WorldEntry[] {
    const [first] = subjects;
    const tiers = first === undefined ? [] : this.engine.index.of(first)[direction];
    const ports =
      first?.kind === "pod" && direction === "ingress" ? JSON.stringify([first.ports, first.portsUnknown]) : "";
    const own = this.engine.hasMesh || tiers.some((tier) => tier.rules.some(({ rule }) => rule.own !== undefined));
    const key = subjects.length === 1 && first?.kind === "pod" ? (own ? first : tiers) : subjects;
    let byPorts = this.#known.get(key);
    if (byPorts === undefined) this.#known.set(key, (byPorts = new Map()));
    const known = byPorts.get(ports);
    if (known !== undefined) return known;
    const built = this.#build(direction, subjects);
    byPorts.set(ports, built);
    return built;
  }

  #build(direction: Direction, subjects: readonly Endpoint[]): readonly WorldEntry[] {
    const { apiServerAddresses } = this.engine.endpoints;
    const boundsOf = (term: PeerTerm): readonly AddressSet[] => addressBounds(term, apiServerAddresses);
    const sets: AddressSet[] = [];
    for (const subject of subjects) {
      for (const { rules } of this.engine.index.of(subject)[direction]) {
        for (const { rule } of rules) sets.push(...rule.peers.flatMap(boundsOf));
      }
      if (direction === "egress" || !this.engine.hasMesh) continue;
      for (const { rules } of this.engine.meshIndex.of(subject).ingress) {
        for (const { rule } of rules) sets.push(...rule.peers.flatMap(boundsOf));
      }
    }
    const sweeps = new Map(subjects.map((each) => [each, WorldSweep.of(this.engine, direction, each, boundsOf)]));
    const entries: WorldEntry[] = [];
    for (const whole of families) {
      let last: WorldEntry | undefined;
      for (const range of cut(whole, sets)) {
        const traffic = this.registry.idOf(
          this.#trafficAt(direction, subjects, { family: range.family, value: range.from }, sweeps),
        );
        if (last !== undefined && last.traffic === traffic) {
          last = { range: { ...last.range, to: range.to }, traffic };
          entries[entries.length - 1] = last;
        } else {
          last = { range, traffic };
          entries.push(last);
        }
      }
    }
    return entries.filter((entry) => entry.traffic !== 0);
  }

  #trafficAt(
    direction: Direction,
    subjects: readonly Endpoint[],
    address: Address,
    sweeps: ReadonlyMap<Endpoint, WorldSweep | undefined>,
  ): TrafficRange {
    const peer = this.engine.endpoints.world(address);
    let result: TrafficRange | undefined;
    for (const subject of subjects) {
      const range =
        sweeps.get(subject)?.at({ ...peer, address }) ??
        (direction === "egress" ? this.engine.between(subject, peer) : this.engine.between(peer, subject));
      result = result === undefined ? range : eitherOf(result, range);
    }
    return result ?? everything;
  }
}

/** Cuts a range at every bound of the sets: inside a piece all addresses are alike. */
function cut(whole: AddressRange, sets: readonly AddressSet[]): AddressRange[] {
  const starts = new Set<bigint>([whole.from]);
  for (const set of sets) {
    for (const range of whole.family === 4 ? set.v4 : set.v6) {
      starts.add(range.from);
      if (range.to < whole.to) starts.add(range.to + 1n);
    }
  }
  const sorted = [...starts].sort((a, b) => (a < b ? -1 : a > b ? 1 : 0));
  return sorted.map((from, index) => ({
    family: whole.family,
    from,
    to: index + 1 < sorted.length ? (sorted[index + 1] as bigint) - 1n : whole.to,
  }));
}
