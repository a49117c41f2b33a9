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
import { PodStates, unnamed } from "./pod-states";
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

/** Whose table it is, of which rules. */
interface Question {
  readonly direction: Direction;
  readonly subject: PodEndpoint;
  readonly tiers: readonly TierSelection[];
  readonly circumstances: Circumstances;
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
    return this.#tableOf({ direction, subject, tiers, circumstances: this.engine.circumstances(subject, false) });
  }

  /** What a pod's proxy lets in. */
  mesh(subject: PodEndpoint): PodTable {
    const tiers = this.engine.meshIndex.of(subject).ingress;
    return this.#tableOf({ direction: "ingress", subject, tiers, circumstances: meshCircumstances });
  }

  #tableOf(question: Question): PodTable {
    const { direction, subject, tiers } = question;
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
    const built = this.#build(question, usesNames);
    shared.set(ports, built);
    return built;
  }

  #build({ direction, subject, tiers, circumstances }: Question, usesNames: boolean): PodTable {
    const columns: Column[] = [];
    const states = new PodStates(this.#state);
    for (const of of tiers.flatMap((tier) => tier.rules)) {
      const set = this.universe.ofPeers(of.rule.peers);
      for (let place = 0; place < set.listed.length; place++) {
        states.move(set.listed[place] as number, columns.length, set.values[place] as Tri);
      }
      columns.push({ of, set });
    }
    if (usesNames && direction === "egress") this.#moveByPorts(states, columns);
    const columnOf = new Map(columns.map(({ of }, column) => [of, column]));
    const results = new Map<number, number>();
    const resultOf = (state: number, pod: PodEndpoint | undefined): number => {
      const known = results.get(state);
      if (known !== undefined) return known;
      const values = columns.map(({ set }) => set.base);
      states.refine(state, values);
      const destination = direction === "ingress" ? subject : (pod ?? blankPod);
      const matchOf = (of: RuleOf): TrafficRange => {
        const peer = values[columnOf.get(of) as number] as Tri;
        const value = triAnd(peer, matchesOwn(of.rule, subject, this.engine.context));
        return value === NO ? nothing : when(value, trafficNamed(of.rule, destination, this.engine.context));
      };
      const result = this.registry.idOf(evaluateRequests(tiers, matchOf, circumstances));
      results.set(state, result);
      return result;
    };
    const base = resultOf(unnamed, undefined);
    const listed: number[] = [];
    const ranges: number[] = [];
    states.each((index, state) => {
      const range = resultOf(state, this.universe.pods[index] as PodEndpoint);
      if (range === base) return;
      listed.push(index);
      ranges.push(range);
    });
    return { base, listed: Int32Array.from(listed), ranges: Int32Array.from(ranges) };
  }

  /** The destination of egress resolves names of ports: pods that have the name differ from those that do not. */
  #moveByPorts(states: PodStates, columns: readonly Column[]): void {
    const names = [...new Set(columns.flatMap(({ of }) => namesOf(of.rule)))];
    const portClasses = new Map<string, number>();
    for (const index of this.#resolving(columns, names)) {
      const text = portKey(this.universe.pods[index] as PodEndpoint, names);
      if (text === "") continue;
      let portClass = portClasses.get(text);
      if (portClass === undefined) {
        portClass = columns.length + portClasses.size;
        portClasses.set(text, portClass);
      }
      states.move(index, portClass, YES);
    }
  }

  /** Pods on which names of ports in rules have to be resolved: those among the peers of a rule that uses names. */
  #resolving(columns: readonly Column[], names: readonly string[]): Iterable<number> {
    const naming = columns.filter((column) => namesPorts(column.of.rule));
    if (naming.some((column) => column.set.base !== NO)) return this.universe.withPortNamed(names);
    return new Set(naming.flatMap((column) => Array.from(column.set.listed)));
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
