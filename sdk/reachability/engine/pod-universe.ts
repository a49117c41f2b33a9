/** All pods of a snapshot, and which of them fit a condition: found by their labels, not one by one. */
import { namespaceNameLabel } from "../model/namespace-labels";
import type { PeerTerm } from "../model/rules";
import { evaluate, type Condition, type Lookup, type Test } from "../model/selectors/conditions";
import { isUnknown, MAYBE, NO, triOr, YES, type Tri } from "../model/unknown";
import { blankPod, podLookup, type PodEndpoint } from "./endpoints";
import { matchesAnyPeer, matchesPeer, type MatchContext } from "./matching";

/**
 * Pods by their index: `base` holds for all that are not listed, `values` for those that are. Lists are ascending.
 */
export interface PodSet {
  readonly base: Tri;
  readonly listed: Int32Array;
  readonly values: Uint8Array;
}

const noPods = new Int32Array(0);
const noValues = new Uint8Array(0);

function uniform(base: Tri): PodSet {
  return { base, listed: noPods, values: noValues };
}

export class PodUniverse {
  readonly #lookups: readonly Lookup[];
  readonly #byNamespace = new Map<string, number[]>();
  readonly #byLabel = new Map<string, number[]>();
  readonly #byAccount = new Map<string, number[]>();
  /** Pods of which the namespace, the account, some labels, or the value of one label is not known. */
  readonly #ofUnknownNamespace: number[] = [];
  readonly #ofUnknownAccount: number[] = [];
  readonly #ofUnknownLabels: number[] = [];
  readonly #ofUnknownLabel = new Map<string, number[]>();
  readonly #withAddresses: number[] = [];
  readonly #conditions = new Map<Condition, PodSet>();
  readonly #conditionsByText = new Map<string, PodSet>();
  readonly #terms = new Map<PeerTerm, PodSet>();
  readonly #portNames = new Map<string, readonly number[]>();
  readonly #byPortName = new Map<string, number[]>();

  constructor(
    readonly pods: readonly PodEndpoint[],
    private readonly context: MatchContext,
  ) {
    this.#lookups = pods.map(podLookup);
    for (const [index, pod] of pods.entries()) {
      if (isUnknown(pod.namespace)) this.#ofUnknownNamespace.push(index);
      else addTo(this.#byNamespace, pod.namespace, index);
      if (isUnknown(pod.serviceAccount)) this.#ofUnknownAccount.push(index);
      else addTo(this.#byAccount, pod.serviceAccount, index);
      if (!pod.labels.complete) this.#ofUnknownLabels.push(index);
      for (const key in pod.labels.values) {
        const value = pod.labels.values[key];
        if (isUnknown(value)) addTo(this.#ofUnknownLabel, key, index);
        else addTo(this.#byLabel, `${key}=${value as string}`, index);
      }
      for (const key of pod.labels.perhaps ?? []) {
        if (!Object.hasOwn(pod.labels.values, key)) addTo(this.#ofUnknownLabel, key, index);
      }
      if (pod.addresses !== undefined) this.#withAddresses.push(index);
      for (const port of pod.ports) if (port.name !== undefined) addTo(this.#byPortName, port.name, index);
    }
  }

  /** The pods among the peers of a rule. */
  ofPeers(terms: readonly PeerTerm[]): PodSet {
    if (terms.length === 1) return this.ofTerm(terms[0] as PeerTerm);
    const set = terms.map((term) => this.ofTerm(term)).reduce(unite, uniform(NO));
    const ranges = terms.filter(({ kind }) => kind === "cidr");
    if (set.base === YES || ranges.length < 2) return set;
    const together = matchesAnyPeer(ranges, blankPod, this.context);
    return together > set.base ? this.#whole(terms, together) : set;
  }

  /** Several ranges that cover together whatever address a pod may have. */
  #whole(terms: readonly PeerTerm[], base: Tri): PodSet {
    return this.#evaluateAround((index) => matchesAnyPeer(terms, this.pods[index] as PodEndpoint, this.context), base);
  }

  ofTerm(term: PeerTerm): PodSet {
    switch (term.kind) {
      case "any":
        return uniform(YES);
      case "uncertain":
        return uniform(MAYBE);
      case "entity":
        return uniform(term.entity === "all" || term.entity === "cluster" ? YES : NO);
      case "nodes":
      case "fqdn":
        return uniform(NO);
      case "pods":
      case "identities":
        return this.ofCondition(term.where);
      case "cidr":
        if (!this.context.profile.cidrMatchesPods && term.literal !== true) return uniform(NO);
        break;
      default:
        break;
    }
    const known = this.#terms.get(term);
    if (known !== undefined) return known;
    const set =
      term.kind === "cidr"
        ? this.#evaluate(
            (index) => matchesPeer(term, this.pods[index] as PodEndpoint, this.context),
            this.#withAddresses,
            matchesPeer(term, blankPod, this.context),
          )
        : this.#evaluate((index) => matchesPeer(term, this.pods[index] as PodEndpoint, this.context), undefined, NO);
    this.#terms.set(term, set);
    return set;
  }

  ofCondition(where: Condition): PodSet {
    if (where.op === "constant") return uniform(where.value);
    let set = this.#conditions.get(where);
    if (set !== undefined) return set;
    const key = keyOf(where);
    set = this.#conditionsByText.get(key);
    if (set === undefined) {
      set = this.#evaluate((index) => evaluate(where, this.#lookups[index] as Lookup), this.#candidates(where), NO);
      this.#conditionsByText.set(key, set);
    }
    this.#conditions.set(where, set);
    return set;
  }

  /** Pods that have a port of one of these names, or may have one. */
  withPortNamed(names: readonly string[]): readonly number[] {
    const key = names.join();
    const known = this.#portNames.get(key);
    if (known !== undefined) return known;
    const found = new Set<number>();
    for (const name of names) for (const index of this.#byPortName.get(name) ?? []) found.add(index);
    for (const [index, pod] of this.pods.entries()) if (pod.portsUnknown) found.add(index);
    const sorted = [...found].sort((a, b) => a - b);
    this.#portNames.set(key, sorted);
    return sorted;
  }

  /** The shortest list of pods that contains all that fit; nothing where no list is known. */
  #candidates(where: Condition): readonly number[] | undefined {
    const parts = where.op === "and" ? where.of : [where];
    let best: readonly number[] | undefined;
    for (const part of parts) {
      if (part.op !== "test" || part.operator !== "in") continue;
      const list = this.#posting(part);
      if (list !== undefined && (best === undefined || list.length < best.length)) best = list;
    }
    return best;
  }

  #posting(test: Test): readonly number[] | undefined {
    const lists: (readonly number[])[] = [];
    for (const value of test.values) {
      if (isUnknown(value)) return undefined;
      const list =
        test.field === "namespace"
          ? this.#byNamespace.get(value)
          : test.field === "serviceAccount"
            ? this.#byAccount.get(value)
            : test.field === "label"
              ? this.#byLabel.get(`${test.key}=${value}`)
              : test.field === "namespaceLabel" && test.key === namespaceNameLabel
                ? this.#byNamespace.get(value)
                : null;
      if (list === null) return undefined;
      if (list !== undefined) lists.push(list);
    }
    // pods that may have one of the values
    lists.push(...this.#doubtful(test).filter((list) => list.length > 0));
    if (lists.length <= 1) return lists[0] ?? [];
    return [...new Set(lists.flat())].sort((a, b) => a - b);
  }

  #doubtful({ field, key }: Test): readonly (readonly number[])[] {
    if (field === "namespace" || field === "namespaceLabel") return [this.#ofUnknownNamespace];
    if (field === "serviceAccount") return [this.#ofUnknownAccount];
    return [this.#ofUnknownLabels, this.#ofUnknownLabel.get(key) ?? []];
  }

  /** Evaluates candidates (all pods where there is no list), and lists the fewer of what fits and what does not. */
  #evaluate(fits: (index: number) => Tri, candidates: readonly number[] | undefined, base: Tri): PodSet {
    const count = candidates?.length ?? this.pods.length;
    const listed: number[] = [];
    const values: Tri[] = [];
    const seen: Record<Tri, number> = { 0: 0, 1: 0, 2: 0 };
    for (let place = 0; place < count; place++) {
      const index = candidates === undefined ? place : (candidates[place] as number);
      const value = fits(index);
      seen[value]++;
      if (value !== base) {
        listed.push(index);
        values.push(value);
      }
    }
    if (candidates === undefined && seen[YES] > this.pods.length / 2) {
      // most pods fit: list the others
      return this.#evaluateAround(fits, YES);
    }
    return { base, listed: Int32Array.from(listed), values: Uint8Array.from(values) };
  }

  #evaluateAround(fits: (index: number) => Tri, base: Tri): PodSet {
    const listed: number[] = [];
    const values: Tri[] = [];
    for (let index = 0; index < this.pods.length; index++) {
      const value = fits(index);
      if (value === base) continue;
      listed.push(index);
      values.push(value);
    }
    return { base, listed: Int32Array.from(listed), values: Uint8Array.from(values) };
  }
}

function addTo(map: Map<string, number[]>, key: string, index: number): void {
  const list = map.get(key);
  if (list === undefined) map.set(key, [index]);
  else list.push(index);
}

/** The union of two sets. */
function unite(a: PodSet, b: PodSet): PodSet {
  if (a.listed.length === 0 && a.base === NO) return b;
  if (b.listed.length === 0 && b.base === NO) return a;
  const base = triOr(a.base, b.base);
  const listed: number[] = [];
  const values: Tri[] = [];
  let i = 0;
  let j = 0;
  while (i < a.listed.length || j < b.listed.length) {
    const left = a.listed[i] ?? Infinity;
    const right = b.listed[j] ?? Infinity;
    const index = Math.min(left, right);
    const value = triOr(
      left === index ? (a.values[i++] as Tri) : a.base,
      right === index ? (b.values[j++] as Tri) : b.base,
    );
    if (value === base) continue;
    listed.push(index);
    values.push(value);
  }
  return { base, listed: Int32Array.from(listed), values: Uint8Array.from(values) };
}

/** A text that is equal for equal conditions. */
function keyOf(condition: Condition): string {
  switch (condition.op) {
    case "constant":
      return `${condition.value}`;
    case "not":
      return `!(${keyOf(condition.of)})`;
    case "and":
    case "or":
      return `${condition.op}(${condition.of.map(keyOf).join()})`;
    case "test": {
      const values = condition.values.map((value) => (isUnknown(value) ? "?" : JSON.stringify(value)));
      return `${condition.field} ${JSON.stringify(condition.key)} ${condition.operator} ${values.join()}`;
    }
  }
}
