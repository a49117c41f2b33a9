/** Which rules say nothing that other rules do not say already, by the sets of pods, addresses and ports that they are about. */
import type { Endpoint, PodEndpoint } from "../engine/endpoints";
import type { Engine } from "../engine/engine";
import { matchesOwn, resolvePorts, type RuleOf, type TierSelection } from "../engine/evaluate";
import { matchesAnyPeer } from "../engine/matching";
import type { PodSet, PodUniverse } from "../engine/pod-universe";
import type { PeerTerm, Rule } from "../model/rules";
import { AddressSet } from "../model/sets/addresses";
import type { TrafficSet } from "../model/sets/ports";
import { evaluate } from "../model/selectors/conditions";
import { NO, YES, type Tri } from "../model/unknown";
import type { Direction } from "../model/direction";

/** As many ranges as addresses outside the cluster are cut into before a rule counts as not covered. */
const mostPieces = 256;

/** What a rule is about that is no pod. */
interface Outside {
  /** Addresses it is about for certain, and perhaps. */
  readonly must: AddressSet;
  readonly may: AddressSet;
  /** Names; `every` where all names are meant. */
  readonly names: readonly string[];
  readonly everyName: boolean;
  /** Nodes, the API server and Cilium's ingress proxy, each as a representative endpoint. */
  readonly ends: readonly Tri[];
}

export class Coverage {
  readonly #outside = new Map<Rule, Outside>();
  readonly #others = new Map<Rule, readonly PeerTerm[]>();
  readonly #ends: readonly Endpoint[];

  constructor(
    private readonly engine: Engine,
    private readonly universe: PodUniverse,
  ) {
    const resolve = engine.endpoints.resolve.bind(engine.endpoints);
    this.#ends = [
      ...resolve({ kind: "node", where: "local" }),
      ...resolve({ kind: "node", where: "remote" }),
      ...resolve({ kind: "kubeApiserver" }),
      engine.endpoints.ciliumIngress,
    ];
  }

  /**
   * Rules that together say at one subject all that a rule says there; nothing where something of it is left. Each of them
   * takes part: without it something would be left.
   */
  coverOf(
    rule: Rule,
    direction: Direction,
    subject: PodEndpoint,
    others: readonly Rule[],
  ): readonly Rule[] | undefined {
    if (!isPlain(rule) || rule.peers.length === 0) return undefined;
    const { context } = this.engine;
    // a rule that does not fit its own side says nothing here
    if (matchesOwn(rule, subject, context) === NO) return [];
    const usable = others.filter(
      (other) =>
        isPlain(other) && (other.l7 !== true || rule.l7 === true) && matchesOwn(other, subject, context) === YES,
    );
    const used = new Set<Rule>();
    const covers =
      this.#coversPods(rule, direction, subject, usable, used) &&
      this.#coversEnds(rule, direction, subject, usable, used) &&
      this.#coversWorld(rule, direction, subject, usable, used);
    return covers ? [...used] : undefined;
  }

  /**
   * The peers of a rule that are not told by addresses. Which pods and nodes a CIDR rule is about is then no matter of their
   * own: it is settled with the addresses of the world. Where Cilium matches pods or nodes by CIDR, "world" does not, so
   * that addresses alone settle nothing.
   */
  #notByAddress(rule: Rule): readonly PeerTerm[] {
    const { matchesByIdentity, cidrMatchesPods, cidrMatchesNodes } = this.engine.context.profile;
    if (matchesByIdentity && (cidrMatchesPods || cidrMatchesNodes)) return rule.peers;
    let terms = this.#others.get(rule);
    if (terms === undefined) {
      terms = rule.peers.filter(({ kind }) => kind !== "cidr" && kind !== "fqdn");
      this.#others.set(rule, terms);
    }
    return terms;
  }

  #coversPods(
    rule: Rule,
    direction: Direction,
    subject: PodEndpoint,
    others: readonly Rule[],
    used: Set<Rule>,
  ): boolean {
    const own = this.universe.ofPeers(this.#notByAddress(rule));
    const sets = others.map((other): readonly [Rule, PodSet] => [
      other,
      this.universe.ofPeers(this.#notByAddress(other)),
    ]);
    const at = (index: number | undefined): boolean => {
      if (memberOf(own, index) === NO) return true;
      const peer = index === undefined ? undefined : this.universe.pods[index];
      const destination = direction === "ingress" ? subject : peer;
      const wanted = portsOf(rule, destination).may;
      return isCovered(
        wanted,
        sets,
        (set) => memberOf(set, index) === YES,
        (other) => portsOf(other, destination).must,
        used,
      );
    };
    if (own.base === NO) return own.listed.every((index) => at(index));
    // pods that no rule lists are alike; those that some rule lists are looked at one by one
    if (!at(undefined)) return false;
    const listed = new Set<number>([...own.listed, ...sets.flatMap(([, set]) => [...set.listed])]);
    if (direction === "egress" && rule.l4.named.length > 0) {
      for (const index of this.universe.withPortNamed(rule.l4.named.map(({ name }) => name))) listed.add(index);
    }
    return [...listed].every((index) => at(index));
  }

  #coversEnds(
    rule: Rule,
    direction: Direction,
    subject: PodEndpoint,
    others: readonly Rule[],
    used: Set<Rule>,
  ): boolean {
    const own = this.#outsideOf(rule);
    return this.#ends.every((end, place) => {
      if (own.ends[place] === NO) return true;
      const destination = direction === "ingress" ? subject : end;
      const sets = others.map((other): readonly [Rule, Outside] => [other, this.#outsideOf(other)]);
      return isCovered(
        portsOf(rule, destination).may,
        sets,
        (outside) => outside.ends[place] === YES,
        (other) => portsOf(other, destination).must,
        used,
      );
    });
  }

  #coversWorld(
    rule: Rule,
    direction: Direction,
    subject: PodEndpoint,
    others: readonly Rule[],
    used: Set<Rule>,
  ): boolean {
    const own = this.#outsideOf(rule);
    const destination = direction === "ingress" ? subject : undefined;
    const wanted = portsOf(rule, destination).may;
    if (wanted.isEmpty()) return true;
    const byNames = others.map((other): readonly [Rule, Outside] => [other, this.#outsideOf(other)]);
    const portsAt = (other: Rule): TrafficSet => portsOf(other, destination).must;
    const names = own.everyName ? [undefined, ...own.names] : own.names;
    const named = names.every((name) =>
      isCovered(
        wanted,
        byNames,
        (outside) => outside.everyName || (name !== undefined && outside.names.includes(name)),
        portsAt,
        used,
      ),
    );
    if (!named) return false;
    let left: (readonly [AddressSet, TrafficSet])[] = own.may.isEmpty() ? [] : [[own.may, wanted]];
    for (const [other, { must }] of byNames) {
      if (left.length === 0) break;
      const ports = portsAt(other);
      if (ports.isEmpty() || must.isEmpty()) continue;
      const next: (readonly [AddressSet, TrafficSet])[] = [];
      for (const [set, traffic] of left) {
        const both = set.intersect(must);
        const rest = traffic.subtract(ports);
        if (both.isEmpty() || rest === traffic) {
          next.push([set, traffic]);
          continue;
        }
        used.add(other);
        if (!rest.isEmpty()) next.push([both, rest]);
        const remaining = set.subtract(must);
        if (!remaining.isEmpty()) next.push([remaining, traffic]);
      }
      left = next;
      if (left.length > mostPieces) return false;
    }
    return left.length === 0;
  }

  #outsideOf(rule: Rule): Outside {
    const known = this.#outside.get(rule);
    if (known !== undefined) return known;
    const bounds = rule.peers.map((term) => this.#addressesOf(term));
    const unite = (sets: readonly AddressSet[]): AddressSet =>
      sets.reduce((all, set) => all.union(set), AddressSet.none);
    const outside: Outside = {
      must: unite(bounds.map(({ must }) => must)),
      may: unite(bounds.map(({ may }) => may)),
      names: rule.peers.flatMap((term) => (term.kind === "fqdn" ? [term.pattern.text] : [])),
      everyName: rule.peers.some((term) => this.#meansEveryName(term)),
      ends: this.#ends.map((end) => matchesAnyPeer(this.#notByAddress(rule), end, this.engine.context)),
    };
    this.#outside.set(rule, outside);
    return outside;
  }

  #meansEveryName(term: PeerTerm): boolean {
    if (term.kind === "any") return true;
    return term.kind === "entity" && (term.entity === "all" || term.entity === "world");
  }

  /** The addresses outside the cluster that a term is about. */
  #addressesOf(term: PeerTerm): { must: AddressSet; may: AddressSet } {
    const exactly = (set: AddressSet): { must: AddressSet; may: AddressSet } => ({ must: set, may: set });
    switch (term.kind) {
      case "any":
        return exactly(AddressSet.all);
      case "cidr":
        return exactly(term.set);
      case "uncertain":
        return { must: AddressSet.none, may: AddressSet.all };
      case "entity":
        if (term.entity === "all" || term.entity === "world") return exactly(AddressSet.all);
        if (term.entity === "world-ipv4") return exactly(AddressSet.allV4);
        if (term.entity === "world-ipv6") return exactly(AddressSet.allV6);
        // the API server may answer outside the cluster; it is looked at as a peer of its own
        return exactly(AddressSet.none);
      case "identities": {
        const world = evaluate(term.where, (field, key) => (field === "reserved" && key === "world" ? "" : undefined));
        return {
          must: world === YES ? AddressSet.all : AddressSet.none,
          may: world === NO ? AddressSet.none : AddressSet.all,
        };
      }
      case "or": {
        const parts = term.of.map((each) => this.#addressesOf(each));
        return {
          must: parts.reduce((set, { must }) => set.union(must), AddressSet.none),
          may: parts.reduce((set, { may }) => set.union(may), AddressSet.none),
        };
      }
      case "and": {
        const parts = term.of.map((each) => this.#addressesOf(each));
        return {
          must: parts.reduce((set, { must }) => set.intersect(must), AddressSet.all),
          may: parts.reduce((set, { may }) => set.intersect(may), AddressSet.all),
        };
      }
      case "not": {
        const { must, may } = this.#addressesOf(term.of);
        return { must: AddressSet.all.subtract(may), may: AddressSet.all.subtract(must) };
      }
      case "pods":
      case "nodes":
      case "fqdn":
        return exactly(AddressSet.none);
    }
  }
}

/** Rules whose meaning is in their peers and ports alone. */
function isPlain(rule: Rule): boolean {
  return rule.l4.notNamed === undefined && rule.dnsProxy !== true && rule.dnsNames === undefined;
}

/** What a rule says of ports towards a destination; without one that has names of ports, what it says by number. */
function portsOf(rule: Rule, destination: Endpoint | undefined): { must: TrafficSet; may: TrafficSet } {
  return destination === undefined ? rule.l4 : resolvePorts(rule.l4, destination);
}

function memberOf(set: PodSet, index: number | undefined): Tri {
  if (index === undefined) return set.base;
  let low = 0;
  let high = set.listed.length - 1;
  while (low <= high) {
    const middle = (low + high) >> 1;
    const value = set.listed[middle] as number;
    if (value === index) return set.values[middle] as Tri;
    if (value < index) low = middle + 1;
    else high = middle - 1;
  }
  return set.base;
}

/** Whether the rules that are about something take all of some traffic; notes those that take a part. */
function isCovered<T>(
  wanted: TrafficSet,
  others: readonly (readonly [Rule, T])[],
  isAbout: (set: T) => boolean,
  portsAt: (rule: Rule) => TrafficSet,
  used: Set<Rule>,
): boolean {
  let left = wanted;
  for (const [other, set] of others) {
    if (left.isEmpty()) return true;
    if (!isAbout(set)) continue;
    const rest = left.subtract(portsAt(other));
    if (rest !== left) used.add(other);
    left = rest;
  }
  return left.isEmpty();
}

/** The rules that come before a rule, or beside it, at a subject: what they take, it cannot change. */
export function rulesBeside(
  of: RuleOf,
  tier: TierSelection,
  before: readonly TierSelection[],
  removed: ReadonlySet<Rule>,
): Rule[] {
  const certain = (other: RuleOf): boolean => other.selection.selected === YES && !removed.has(other.rule);
  // a Pass takes traffic away from the rules after it, so that a tier with one decides less than its rules say
  const earlier = before
    .filter(({ rules }) => rules.every(({ rule }) => rule.verdict !== "pass"))
    .flatMap(({ rules }) => rules.filter(certain).map(({ rule }) => rule));
  if (tier.tier.combinator === "additive") {
    const same = tier.rules.filter(
      (other) =>
        other.rule !== of.rule &&
        certain(other) &&
        (other.rule.verdict === of.rule.verdict || other.rule.verdict === "deny"),
    );
    return [...earlier, ...same.map(({ rule }) => rule)];
  }
  const place = tier.rules.indexOf(of);
  const own = of.selection.policy;
  const first = tier.rules.slice(0, place).filter((other) => {
    const tied =
      tier.ties !== undefined && other.selection.policy !== own && other.selection.policy.order === own.order;
    return certain(other) && !tied;
  });
  return [...earlier, ...first.map(({ rule }) => rule)];
}
