/** What the proxy of each pod lets in, for all clients at once. */
import { intersectTables, TableBuilder, type PodTable, type RangeRegistry } from "./tables";
import { PodUniverse } from "./pod-universe";
import type { PodEndpoint } from "./endpoints";
import type { Engine } from "./engine";
import { judgedBy } from "./mesh-transport";
import type { TrafficRange } from "./traffic-range";

/** How clients of one sort reach a pod's proxy. */
interface Reach {
  readonly plaintext: TrafficRange;
  readonly redirected: TrafficRange;
}

export class MeshTables {
  /** Clients by how they may differ in reaching a proxy; those outside the mesh are left out. */
  readonly #sorts = new Map<string, number[]>();
  readonly #builder: TableBuilder;
  #anonymous: TableBuilder | undefined;
  readonly #memo = new Map<string, number>();

  constructor(
    private readonly engine: Engine,
    private readonly universe: PodUniverse,
    private readonly registry: RangeRegistry,
    builder: TableBuilder,
  ) {
    this.#builder = builder;
    for (const [index, pod] of universe.pods.entries()) {
      if (pod.mesh === undefined) continue;
      const sort = this.#sortOf(pod, index);
      const list = this.#sorts.get(sort);
      if (list === undefined) this.#sorts.set(sort, [index]);
      else list.push(index);
    }
  }

  /** A table of the network with what the proxy lets in besides. */
  through(network: PodTable, destination: PodEndpoint): PodTable {
    return this.engine.meshIndex.of(destination).ingress.length === 0
      ? network
      : intersectTables(this.registry, network, this.#table(destination));
  }

  #sortOf(pod: PodEndpoint, index: number): string {
    const special = pod.outbound !== undefined || (this.engine.transport.asksServices && pod.mesh !== "ambient");
    return special ? `#${index}` : String(typeof pod.mesh === "string" ? pod.mesh : "?");
  }

  #table(destination: PodEndpoint): PodTable {
    const identified = this.#builder.mesh(destination);
    const { transport, meshIndex } = this.engine;
    const tiers = meshIndex.of(destination).ingress;
    const reachOf = (source: PodEndpoint): Reach => ({
      plaintext: transport.plaintext(source, destination, tiers),
      redirected: transport.redirected(source, destination),
    });
    const outside = reachOf(outsider(destination));
    const sorts = [...this.#sorts].map(([, members]) => ({
      members,
      reach: reachOf(this.universe.pods[members[0] as number] as PodEndpoint),
    }));
    const differing = sorts.filter(({ reach }) => keyOf(reach) !== keyOf(outside));
    const anonymous = differing.some(({ reach }) => !reach.plaintext.may.isEmpty())
      ? this.#plain().mesh(destination)
      : undefined;
    const special = new Map<number, Reach>();
    for (const { members, reach } of differing) for (const index of members) special.set(index, reach);
    const base = this.#judge(identified.base, anonymous?.base ?? 0, outside);
    const indices = new Set<number>([...identified.listed, ...(anonymous?.listed ?? []), ...special.keys()]);
    const sorted = [...indices].sort((a, b) => a - b);
    const listed: number[] = [];
    const ranges: number[] = [];
    const at = walker(identified);
    const plainAt = anonymous === undefined ? undefined : walker(anonymous);
    for (const index of sorted) {
      const range = this.#judge(at(index), plainAt?.(index) ?? 0, special.get(index) ?? outside);
      if (range === base) continue;
      listed.push(index);
      ranges.push(range);
    }
    return { base, listed: Int32Array.from(listed), ranges: Int32Array.from(ranges) };
  }

  #judge(identified: number, anonymous: number, reach: Reach): number {
    const key = `${identified} ${anonymous} ${keyOf(reach)}`;
    let known = this.#memo.get(key);
    if (known === undefined) {
      const range = judgedBy(
        this.registry.get(identified),
        () => this.registry.get(anonymous),
        reach.plaintext,
        reach.redirected,
      );
      this.#memo.set(key, (known = this.registry.idOf(range)));
    }
    return known;
  }

  /** Tables in which no client has an identity. */
  #plain(): TableBuilder {
    if (this.#anonymous === undefined) {
      const pods = this.universe.pods.map((pod) => this.engine.transport.withoutIdentity(pod));
      this.#anonymous = new TableBuilder(this.engine, new PodUniverse(pods, this.engine.context), this.registry);
    }
    return this.#anonymous;
  }
}

function keyOf({ plaintext, redirected }: Reach): string {
  return [plaintext.must, plaintext.may, redirected.must, redirected.may].map((set) => set.id).join();
}

/** A client that takes no part in the mesh. */
function outsider(pod: PodEndpoint): PodEndpoint {
  return { ...pod, mesh: undefined, outbound: undefined };
}

/** Entries of a table for ascending indices. */
function walker(table: PodTable): (index: number) => number {
  let place = 0;
  return (index) => {
    while (place < table.listed.length && (table.listed[place] as number) < index) place++;
    return table.listed[place] === index ? (table.ranges[place] as number) : table.base;
  };
}
