/** Who reaches whom, on what: every pair between which something passes, without looking at the others. */
import type { Engine } from "../engine/engine";
import { trafficNamed } from "../engine/engine";
import type { Endpoint } from "../engine/endpoints";
import { PodUniverse } from "../engine/pod-universe";
import { TunnelTables } from "../engine/tunnel-tables";
import { MeshTables } from "../engine/mesh-tables";
import { entryOf, RangeRegistry, TableBuilder, type PodTable } from "../engine/tables";
import { WorldTables } from "../engine/world";
import type { Workload } from "../model/snapshot";
import { describeRange, formatAddress } from "../model/sets/addresses";
import { TrafficSet } from "../model/sets/ports";
import type { MatrixEntry, MatrixOptions, Peer, Traffic } from "../model/verdicts";

/** The pairs of a snapshot, in the order of their ids; first those from workloads, then those from outside the cluster. */
export function* matrixOf(engine: Engine, options: MatrixOptions = {}): Iterable<MatrixEntry> {
  const matrix = tablesOf(engine);
  const shape = shaper(matrix, options);
  const { ends } = matrix;
  for (const source of ends) {
    if (options.end === "source" && !shape.chosen(source)) continue;
    for (const [destination, range] of matrix.from(source)) {
      if (!shape.keeps(source, destination)) continue;
      const entry = shape.entry(source.peer, source.workload.id, destination.peer, destination.workload.id, range);
      if (entry !== undefined) yield entry;
    }
    if (options.external === false || !shape.keepsExternal(source, "source")) continue;
    for (const { range, traffic } of matrix.world("egress", source)) {
      const id = `${describeRange(range)}[External]`;
      const peer: Peer = { kind: "address", address: formatAddress({ family: range.family, value: range.from }) };
      const entry = shape.entry(source.peer, source.workload.id, peer, id, traffic);
      if (entry !== undefined) yield entry;
    }
  }
  if (options.external === false) return;
  for (const destination of ends) {
    if (!shape.keepsExternal(destination, "destination")) continue;
    for (const { range, traffic } of matrix.world("ingress", destination)) {
      const id = `${describeRange(range)}[External]`;
      const peer: Peer = { kind: "address", address: formatAddress({ family: range.family, value: range.from }) };
      const entry = shape.entry(peer, id, destination.peer, destination.workload.id, traffic);
      if (entry !== undefined) yield entry;
    }
  }
}

/** A workload as source or destination of pairs. */
export interface End {
  readonly workload: Workload;
  readonly peer: Peer;
  /** Its place among all ends, in the order of ids. */
  readonly place: number;
  /** Its index among the pods; nothing for workloads on the host network, or where that is not known. */
  readonly pod: number | undefined;
}

const prepared = new WeakMap<Engine, Matrix>();

/** The tables of an engine's snapshot, built when they are first needed. */
export function tablesOf(engine: Engine): Matrix {
  let matrix = prepared.get(engine);
  if (matrix === undefined) prepared.set(engine, (matrix = new Matrix(engine)));
  return matrix;
}

export class Matrix {
  readonly ends: readonly End[];
  readonly registry = new RangeRegistry();
  readonly #worlds: WorldTables;
  readonly #egress: PodTable[] = [];
  readonly #ingress: PodTable[] = [];
  readonly #podEnds: End[] = [];
  /** Ends that are no plain pods: nodes, what may be one, and pods behind a waypoint. */
  readonly #others: End[] = [];
  /** Pods that let in peers that no rule of theirs names, ascending. */
  readonly #open: number[] = [];
  /** For each pod the pods that name it among those they let in, ascending. */
  readonly #letIn: Int32Array[];
  readonly #knownOthers: Map<string, number> = new Map();

  constructor(private readonly engine: Engine) {
    const { snapshot } = engine;
    const sorted = [...snapshot.workloads].sort((a, b) => (a.id < b.id ? -1 : a.id > b.id ? 1 : 0));
    const ends: End[] = [];
    for (const workload of sorted) {
      const plain =
        !workload.hostNetwork &&
        !workload.hostNetworkUnknown &&
        !engine.isBehindWaypoint(engine.endpoints.pod(workload));
      const end: End = {
        workload,
        peer: { kind: "workload", id: workload.id },
        place: ends.length,
        pod: plain ? this.#podEnds.length : undefined,
      };
      ends.push(end);
      (plain ? this.#podEnds : this.#others).push(end);
    }
    this.ends = ends;
    const universe = new PodUniverse(
      this.#podEnds.map((end) => engine.endpoints.pod(end.workload)),
      engine.context,
    );
    engine.index.selectFor(universe);
    if (engine.hasMesh) engine.meshIndex.selectFor(universe);
    const builder = new TableBuilder(engine, universe, this.registry);
    const tunnels = new TunnelTables(this.registry, universe.pods);
    const meshTables = engine.hasMesh ? new MeshTables(engine, universe, this.registry, builder) : undefined;
    for (const [index, pod] of universe.pods.entries()) {
      this.#egress.push(tunnels.through(builder.table("egress", pod), "egress", pod));
      const network = tunnels.through(builder.table("ingress", pod), "ingress", pod);
      const ingress = meshTables?.through(network, pod) ?? network;
      this.#ingress.push(ingress);
      if (ingress.base !== 0) this.#open.push(index);
    }
    this.#letIn = reverse(this.#ingress, this.#podEnds.length);
    this.#worlds = new WorldTables(engine, this.registry);
  }

  /** Every destination that something passes to from one source, with the number of what passes, in the order of ids. */
  from(source: End): readonly (readonly [End, number])[] {
    const found: (readonly [End, number])[] = [];
    const { pod } = source;
    if (pod === undefined) {
      for (const destination of this.ends) this.#addOther(source, destination, found);
      return found;
    }
    const egress = this.#egress[pod] as PodTable;
    const others = this.#others;
    let next = 0;
    for (const index of this.#candidates(pod)) {
      const destination = this.#podEnds[index] as End;
      for (; next < others.length && (others[next] as End).place < destination.place; next++) {
        this.#addOther(source, others[next] as End, found);
      }
      if (index === pod) continue;
      const out = entryOf(egress, index);
      if (out === 0) continue;
      const into = entryOf(this.#ingress[index] as PodTable, pod);
      const both = this.registry.intersect(out, into);
      if (both !== 0) found.push([destination, both]);
    }
    for (; next < others.length; next++) this.#addOther(source, others[next] as End, found);
    return found;
  }

  /** Pods that may take something from a pod: those it names where it is closed, else those that are open or name it. */
  #candidates(pod: number): Iterable<number> & ArrayLike<number> {
    const out = this.#egress[pod] as PodTable;
    return out.base === 0 ? out.listed : merged(this.#open, this.#letIn[pod] as Int32Array);
  }

  #addOther(source: End, destination: End, found: (readonly [End, number])[]): void {
    if (source === destination) return;
    const range = this.#trafficOfOther(source, destination);
    if (range !== 0) found.push([destination, range]);
  }

  /** Ends on the host network are alike: what one pod passes to one of them it passes to all. */
  #trafficOfOther(source: End, destination: End): number {
    const key = `${this.#kindOf(source)}>${this.#kindOf(destination)}`;
    const known = this.#knownOthers.get(key);
    if (known !== undefined) return known;
    const range = this.registry.idOf(this.engine.traffic(source.peer, destination.peer));
    this.#knownOthers.set(key, range);
    return range;
  }

  #kindOf(end: End): string {
    return end.workload.hostNetwork ? "node" : end.workload.id;
  }

  trafficOf(range: number): Traffic {
    const { must, may } = this.registry.get(range);
    return { allowed: must, possible: may };
  }

  /**
   * What the policies of a destination let in from pods, each different range once: from pods that no rule names, and
   * others.
   */
  lettingIn(end: End): readonly Traffic[] {
    if (end.pod === undefined) return [{ allowed: TrafficSet.all(), possible: TrafficSet.all() }];
    const { base, ranges } = this.#ingress[end.pod] as PodTable;
    return [...new Set([base, ...ranges])].map((range) => this.trafficOf(range));
  }

  world(direction: "ingress" | "egress", end: End): ReturnType<WorldTables["of"]> {
    const subjects: readonly Endpoint[] = this.engine.endpoints.ofWorkload(end.workload);
    return this.#worlds.of(direction, subjects);
  }
}

/** For each pod the indices of the tables that list it with something. */
function reverse(tables: readonly PodTable[], count: number): Int32Array[] {
  const sizes = new Int32Array(count);
  for (const table of tables) {
    for (let at = 0; at < table.listed.length; at++) {
      if (table.ranges[at] !== 0) sizes[table.listed[at] as number]! += 1;
    }
  }
  const result = Array.from(sizes, (size) => new Int32Array(size));
  const filled = new Int32Array(count);
  for (const [index, table] of tables.entries()) {
    for (let at = 0; at < table.listed.length; at++) {
      if (table.ranges[at] === 0) continue;
      const pod = table.listed[at] as number;
      (result[pod] as Int32Array)[filled[pod] as number] = index;
      filled[pod]! += 1;
    }
  }
  return result;
}

/** The union of two ascending lists. */
function merged(a: readonly number[], b: Int32Array): readonly number[] {
  if (b.length === 0) return a;
  const result: number[] = [];
  let i = 0;
  let j = 0;
  while (i < a.length || j < b.length) {
    const left = i < a.length ? (a[i] as number) : Infinity;
    const right = j < b.length ? (b[j] as number) : Infinity;
    if (left <= right) i++;
    if (right <= left) j++;
    result.push(Math.min(left, right));
  }
  return result;
}

interface Shaper {
  chosen(end: End): boolean;
  keeps(source: End, destination: End): boolean;
  keepsExternal(end: End, as: "source" | "destination"): boolean;
  entry(
    source: Peer,
    sourceId: string,
    destination: Peer,
    destinationId: string,
    range: number,
  ): MatrixEntry | undefined;
}

/** Applies the options: which pairs are kept, and what of their traffic. */
function shaper(matrix: Matrix, options: MatrixOptions): Shaper {
  const namespaces = options.namespaces === undefined ? undefined : new Set(options.namespaces);
  const workloads = options.workloads === undefined ? undefined : new Set(options.workloads);
  const filters = namespaces !== undefined || workloads !== undefined;
  const chosen = (end: End): boolean =>
    !filters || namespaces?.has(end.workload.namespace) === true || workloads?.has(end.workload.id) === true;
  const asked =
    options.protocol === undefined
      ? TrafficSet.all()
      : trafficNamed({
          protocol: options.protocol,
          ...(options.port === undefined ? {} : { port: options.port }),
        });
  const onlyCertain = options.possible === false;
  return {
    chosen,
    keeps: (source, destination) => {
      if (!filters) return true;
      if (options.end === "source") return chosen(source);
      if (options.end === "destination") return chosen(destination);
      return chosen(source) || chosen(destination);
    },
    keepsExternal: (end, as) => (options.end === undefined || options.end === as ? chosen(end) : !filters),
    entry: (source, sourceId, destination, destinationId, range) => {
      const { must, may } = matrix.registry.get(range);
      const allowed = must.intersect(asked);
      const possible = may.intersect(asked);
      if (possible.isEmpty() || (onlyCertain && allowed.isEmpty())) return undefined;
      return { source, sourceId, destination, destinationId, allowed, possible };
    },
  };
}
