/** What passes between many ends under one set of policies after another: most of it is the same, and asked for once. */
import type { PodEndpoint } from "../engine/endpoints";
import type { Engine } from "../engine/engine";
import { PodUniverse } from "../engine/pod-universe";
import { entryOf, RangeRegistry, TableBuilder, type PodTable } from "../engine/tables";
import type { TrafficRange } from "../engine/traffic-range";
import type { Direction } from "../model/direction";
import type { Peer, Traffic } from "../model/verdicts";
import { SameRules } from "./same-rules";
import { StandIns } from "./stand-ins";

/** Between whom it is asked. What passes between two of `others` is not. */
export interface Ends {
  readonly pods: readonly Peer[];
  readonly others: readonly Peer[];
}

/** Ends are named by their places: pods first, then the others. */
export class Passing {
  readonly #peers: readonly Peer[];
  readonly tables: PodTables | undefined;
  readonly standIns: StandIns | undefined;
  readonly #same: SameRules | undefined;
  readonly #withOthers: (Traffic | undefined)[];
  #before: Passing | undefined;

  /** @param before What passed under other policies between the same ends. */
  constructor(
    private readonly engine: Engine,
    private readonly ends: Ends,
    before?: Passing,
  ) {
    const { pods, others } = ends;
    this.#peers = [...pods, ...others];
    this.#before = before;
    if (before !== undefined) this.#same = new SameRules(before.engine, engine, this.#peers);
    const plain = plainPods(engine, pods);
    if (plain !== undefined) {
      this.tables = new PodTables(engine, plain, before?.tables, this.#same);
      this.standIns = new StandIns(engine, plain, others, before?.standIns);
    }
    this.#withOthers = new Array<undefined>(pods.length * others.length * 2).fill(undefined);
  }

  /** What passes from one end to another. */
  traffic(from: number, to: number): Traffic {
    const { length } = this.ends.pods;
    if (from < length && to < length) return this.tables?.traffic(from, to) ?? this.#ask(from, to);
    return from < length ? this.#withOther("egress", from, to - length) : this.#withOther("ingress", to, from - length);
  }

  /** Whether the same passes for certain as did before; where it does not say so, it may. */
  isAsBefore(from: number, to: number): boolean {
    return this.#same?.between(from, to) === true;
  }

  /** Not to hold all that was before. */
  forgetBefore(): void {
    this.#before = undefined;
  }

  #withOther(direction: Direction, ofPod: number, ofOther: number): Traffic {
    const { pods, others } = this.ends;
    const pod = this.standIns?.podFor(direction, ofPod, ofOther) ?? ofPod;
    const other = this.standIns?.otherFor(direction, ofPod, ofOther) ?? ofOther;
    const place = (pod * others.length + other) * 2 + (direction === "egress" ? 0 : 1);
    const end = pods.length + other;
    return (this.#withOthers[place] ??= direction === "egress" ? this.#known(pod, end) : this.#known(end, pod));
  }

  #known(from: number, to: number): Traffic {
    const before = this.#before;
    return before !== undefined && this.isAsBefore(from, to) ? before.traffic(from, to) : this.#ask(from, to);
  }

  #ask(from: number, to: number): Traffic {
    return asTraffic(this.engine.traffic(this.#peers[from] as Peer, this.#peers[to] as Peer));
  }
}

/** What passes between pods of which nothing but the policies of the two decides: looked up in tables. */
class PodTables {
  readonly universe: PodUniverse;
  readonly registry: RangeRegistry;
  readonly known: Traffic[];
  readonly tables: Readonly<Record<Direction, (PodTable | undefined)[]>>;
  readonly #builder: TableBuilder;

  /** @param before Tables of the same pods under other policies: those of the same rules are taken over. */
  constructor(
    engine: Engine,
    private readonly pods: readonly PodEndpoint[],
    before: PodTables | undefined,
    same: SameRules | undefined,
  ) {
    const isSameCluster = before?.pods.every((pod, place) => pod === pods[place]) === true;
    this.universe = isSameCluster ? before.universe : new PodUniverse(pods, engine.context);
    this.registry = before?.registry ?? new RangeRegistry();
    this.known = before?.known ?? [];
    engine.index.selectFor(this.universe);
    this.#builder = new TableBuilder(engine, this.universe, this.registry);
    const tablesBefore = (direction: Direction): (PodTable | undefined)[] =>
      pods.map((_, place) => (same?.of(direction, place) === true ? before?.tables[direction][place] : undefined));
    this.tables = { egress: tablesBefore("egress"), ingress: tablesBefore("ingress") };
  }

  traffic(from: number, to: number): Traffic {
    const out = entryOf(this.#table("egress", from), to);
    const range = out === 0 ? 0 : this.registry.intersect(out, entryOf(this.#table("ingress", to), from));
    return (this.known[range] ??= asTraffic(this.registry.get(range)));
  }

  #table(direction: Direction, place: number): PodTable {
    return (this.tables[direction][place] ??= this.#builder.table(direction, this.pods[place] as PodEndpoint));
  }
}

/** The pods that the peers are; nothing where one may be something else, or a mesh or a waypoint decides too. */
function plainPods(engine: Engine, peers: readonly Peer[]): readonly PodEndpoint[] | undefined {
  if (engine.hasMesh || engine.hasWaypoints) return undefined;
  const pods = new Set<PodEndpoint>();
  for (const peer of peers) {
    const [end, ...others] = peer.kind === "workload" || peer.kind === "freshPod" ? engine.endpoints.resolve(peer) : [];
    if (end?.kind !== "pod" || end.mesh !== undefined || others.length > 0) return undefined;
    pods.add(end);
  }
  return pods.size === peers.length ? [...pods] : undefined;
}

function asTraffic({ must, may }: TrafficRange): Traffic {
  return { allowed: must, possible: may };
}
