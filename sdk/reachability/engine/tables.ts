/** What each pod lets in and out, for all peers at once: most peers fare alike, only those that rules name are listed. */
import { NO, triAnd, YES, type Tri } from "../model/unknown";
import type { Direction } from "../model/direction";
import { blankPod, type PodEndpoint } from "./endpoints";
import { meshCircumstances, type Engine } from "./engine";
import {
  evaluateRequests,
  matchesOwn,
  trafficNamed,
  type Circumstances,
  type RuleOf,
  type TierSelection,
} from "./evaluate";
import type { PodSet, PodUniverse } from "./pod-universe";
import { everything, nothing, when, type TrafficRange } from "./traffic-range";

/** Hash-consed ranges of traffic by number; number 0 is nothing. */
export class RangeRegistry {
  readonly ranges: TrafficRange[] = [nothing];
  readonly #ids = new Map<number, number>([[key(nothing), 0]]);
  readonly #intersections = new Map<number, number>();

  idOf(range: TrafficRange): number {
    const name = key(range);
    const known = this.#ids.get(name);
    if (known !== undefined) return known;
    const id = this.ranges.length;
    this.ranges.push(range);
    this.#ids.set(name, id);
    return id;
  }

  get(id: number): TrafficRange {
    return this.ranges[id] as TrafficRange;
  }

  /** The number of what two ranges have in common. */
  intersect(a: number, b: number): number {
    if (a === b || a === 0 || b === 0) return a === b ? a : 0;
    const name = a < b ? a * 2 ** 26 + b : b * 2 ** 26 + a;
    const known = this.#intersections.get(name);
    if (known !== undefined) return known;
    const [left, right] = [this.get(a), this.get(b)];
    const result = this.idOf({ must: left.must.intersect(right.must), may: left.may.intersect(right.may) });
    this.#intersections.set(name, result);
    return result;
  }
}

function key(range: TrafficRange): number {
  return range.must.id * 2 ** 26 + range.may.id;
}

/** What passes between a subject and each pod: `base`, unless the pod is listed. Numbers of ranges, see the registry. */
export interface PodTable {
  readonly base: number;
  /** Indices of pods, ascending. */
  readonly listed: Int32Array;
  readonly ranges: Int32Array;
}

/** What two tables both let pass. */
export function intersectTables(registry: RangeRegistry, a: PodTable, b: PodTable): PodTable {
  const base = registry.intersect(a.base, b.base);
  const listed: number[] = [];
  const ranges: number[] = [];
  let i = 0;
  let j = 0;
  while (i < a.listed.length || j < b.listed.length) {
    const left = a.listed[i] ?? Infinity;
    const right = b.listed[j] ?? Infinity;
    const index = Math.min(left, right);
    const range = registry.intersect(
      left === index ? (a.ranges[i++] as number) : a.base,
      right === index ? (b.ranges[j++] as number) : b.base,
    );
    if (range === base) continue;
    listed.push(index);
    ranges.push(range);
  }
  return { base, listed: Int32Array.from(listed), ranges: Int32Array.from(ranges) };
}

export function entryOf(table: PodTable, index: number): number {
  const { listed } = table;
  let low = 0;
  let high = listed.length - 1;
  while (low <= high) {
    const middle = (low + high) >> 1;
    const value = listed[middle] as number;
    if (value === index) return table.ranges[middle] as number;
    if (value < index) low = middle + 1;
    else high = middle - 1;
  }
  return table.base;
}

/** One rule with the pods among its peers. */
interface Column {
  readonly of: RuleOf;
  readonly set: PodSet;
}

/** Builds tables; subjects with the same policies (and port names, where they matter) share one. */
export class TableBuilder {
  readonly #tables = new Map<readonly TierSelection[], Map<string, PodTable>>();
  /** Scratch: the state of each pod while the rules of one subject are gone through. */
  readonly #state: Int32Array;

  constructor(
    private readonly engine: Engine,
    private readonly universe: PodUniverse,
    readonly registry: RangeRegistry,
  ) {
    this.#state = new Int32Array(universe.pods.length);
  }

  /** What a pod lets in or out, as the network has it. */
  table(direction: Direction, subject: PodEndpoint): PodTable {
    if (!this.engine.enforces()) return { base: this.registry.idOf(everything), listed: none, ranges: none };
    const tiers = this.engine.index.of(subject)[direction];
    return this.#tableOf(direction, subject, tiers, this.engine.circumstances(subject, false));
  }

  /** What a pod's proxy lets in. */
  mesh(subject: PodEndpoint): PodTable {
    return this.#tableOf("ingress", subject, this.engine.meshIndex.of(subject).ingress, meshCircumstances);
  }

  #tableOf(
    direction: Direction,
    subject: PodEndpoint,
    tiers: readonly TierSelection[],
    circumstances: Circumstances,
  ): PodTable {
    const usesNames = tiers.some((tier) => tier.rules.some(({ rule }) => namesPorts(rule)));
    const usesOwn = tiers.some((tier) => tier.rules.some(({ rule }) => rule.own !== undefined));
    const usesRequests = tiers.some((tier) => tier.rules.some(({ rule }) => rule.http !== undefined));
    const ports = usesOwn
      ? subject.name
      : (usesNames && direction === "ingress" ? JSON.stringify([subject.ports, subject.portsUnknown]) : "") +
        (usesRequests ? `http ${this.engine.transport.opaque(subject).id}` : "");
    let shared = this.#tables.get(tiers);
    if (shared === undefined) {
      shared = new Map();
      this.#tables.set(tiers, shared);
    }
    const known = shared.get(ports);
    if (known !== undefined) return known;
    const built = this.#build(direction, subject, tiers, usesNames, circumstances);
    shared.set(ports, built);
    return built;
  }

  /** Pods on which names of ports in rules have to be resolved: those among the peers of a rule that uses names. */
  #resolving(columns: readonly Column[], names: readonly string[]): Iterable<number> {
    const naming = columns.filter((column) => namesPorts(column.of.rule));
    if (naming.some((column) => column.set.base !== NO)) return this.universe.withPortNamed(names);
    return new Set(naming.flatMap((column) => Array.from(column.set.listed)));
  }

  #build(
    direction: Direction,
    subject: PodEndpoint,
    tiers: readonly TierSelection[],
    usesNames: boolean,
    circumstances: Circumstances,
  ): PodTable {
    const columns: Column[] = [];
    const states: { readonly parent: number; readonly column: number; readonly value: Tri }[] = [
      { parent: -1, column: -1, value: NO },
    ];
    const transitions = new Map<number, number>();
    const touched: number[] = [];
    const state = this.#state;
    const move = (index: number, column: number, value: Tri): void => {
      const from = state[index] as number;
      if (from === 0) touched.push(index);
      const name = (from * 2 ** 20 + column) * 4 + value;
      let to = transitions.get(name);
      if (to === undefined) {
        to = states.length;
        states.push({ parent: from, column, value });
        transitions.set(name, to);
      }
      state[index] = to;
    };
    const columnOf = new Map<RuleOf, number>();
    for (const of of tiers.flatMap((tier) => tier.rules)) {
      const set = this.universe.ofPeers(of.rule.peers);
      const column = columns.length;
      columns.push({ of, set });
      columnOf.set(of, column);
      for (let place = 0; place < set.listed.length; place++) {
        move(set.listed[place] as number, column, set.values[place] as Tri);
      }
    }
    // the destination of egress resolves port names: pods that have the name stand apart from those that do not
    const portClasses = new Map<string, number>();
    if (usesNames && direction === "egress") {
      const names = [...new Set(tiers.flatMap((tier) => tier.rules.flatMap(({ rule }) => namesOf(rule))))];
      for (const index of this.#resolving(columns, names)) {
        const pod = this.universe.pods[index] as PodEndpoint;
        const text = portKey(pod, names);
        if (text === "") continue;
        let portClass = portClasses.get(text);
        if (portClass === undefined) {
          portClass = columns.length + portClasses.size;
          portClasses.set(text, portClass);
        }
        move(index, portClass, YES);
      }
    }
    const results = new Map<number, number>();
    const resultOf = (id: number, pod: PodEndpoint | undefined): number => {
      const known = results.get(id);
      if (known !== undefined) return known;
      const values = columns.map((column) => column.set.base);
      for (let at = id; at > 0; at = (states[at] as { parent: number }).parent) {
        const { column, value } = states[at] as { column: number; value: Tri };
        if (column < values.length) values[column] = value;
      }
      const destination = direction === "ingress" ? subject : (pod ?? blankPod);
      const range = evaluateRequests(
        tiers,
        (of) => {
          const value = triAnd(
            values[columnOf.get(of) as number] as Tri,
            matchesOwn(of.rule, subject, this.engine.context),
          );
          return value === NO ? nothing : when(value, trafficNamed(of.rule, destination, this.engine.context));
        },
        circumstances,
      );
      const result = this.registry.idOf(range);
      results.set(id, result);
      return result;
    };
    const base = resultOf(0, undefined);
    touched.sort((a, b) => a - b);
    const listed: number[] = [];
    const ranges: number[] = [];
    for (const index of touched) {
      const range = resultOf(state[index] as number, this.universe.pods[index] as PodEndpoint);
      state[index] = 0;
      if (range === base) continue;
      listed.push(index);
      ranges.push(range);
    }
    return { base, listed: Int32Array.from(listed), ranges: Int32Array.from(ranges) };
  }
}

/** How a pod answers to names of ports; nothing where it has none of them. */
function portKey(pod: PodEndpoint, names: readonly string[]): string {
  const parts: string[] = pod.portsUnknown ? ["?"] : [];
  for (const port of pod.ports) {
    if (port.name !== undefined && names.includes(port.name)) parts.push(`${port.name}=${port.port}/${port.protocol}`);
  }
  return parts.join();
}

const none = new Int32Array(0);

function namesPorts(rule: RuleOf["rule"]): boolean {
  return rule.l4.named.length > 0 || (rule.l4.notNamed ?? []).length > 0;
}

function namesOf(rule: RuleOf["rule"]): string[] {
  return [...rule.l4.named, ...(rule.l4.notNamed ?? [])].map((named) => named.name);
}
