/** Addresses and names outside, and which of them rules tell apart. */
import type { WorldEndpoint } from "../engine/endpoints";
import type { Routes } from "../engine/routes";
import type { DnsPattern } from "../model/rules";
import type { AddressSet } from "../model/sets/addresses";
import type { Peer } from "../model/verdicts";
import { matchesName } from "../readers/fqdn";

/** For each end the first one that is like it. */
type Alike = readonly number[];

export class Outside {
  /** Nothing in the place of what is not outside, or not for certain: it is like nothing else. */
  readonly #ends: readonly (WorldEndpoint | undefined)[];
  readonly #whatever: Alike;
  readonly #inSet = new Map<AddressSet, readonly boolean[]>();
  readonly #fitting = new Map<DnsPattern, readonly boolean[]>();

  constructor(
    readonly routes: Routes,
    others: readonly Peer[],
  ) {
    this.#ends = others.map((other) => worldOf(routes, other));
    const texts = this.#ends.map((end, place) =>
      end === undefined ? `${place}` : [end.address?.family, end.dnsName === undefined, end.apiServer].join(),
    );
    this.#whatever = texts.map((text) => texts.indexOf(text));
  }

  /** @param isAsked Whether the enforcer may learn a name's addresses. */
  alike(
    sets: ReadonlySet<AddressSet>,
    patterns: ReadonlySet<DnsPattern>,
    isAsked: (name: string) => boolean,
  ): readonly number[] {
    const asked = this.#ends.map((end) => end?.dnsName !== undefined && isAsked(end.dnsName));
    let alike = toldApart(this.#whatever, asked);
    for (const set of sets) alike = toldApart(alike, this.#areIn(set));
    for (const pattern of patterns) alike = toldApart(alike, this.#fit(pattern));
    return alike;
  }

  #areIn(set: AddressSet): readonly boolean[] {
    let known = this.#inSet.get(set);
    if (known === undefined) {
      known = this.#ends.map((end) => end?.address !== undefined && set.contains(end.address));
      this.#inSet.set(set, known);
    }
    return known;
  }

  #fit(pattern: DnsPattern): readonly boolean[] {
    let known = this.#fitting.get(pattern);
    if (known === undefined) {
      known = this.#ends.map((end) => end?.dnsName !== undefined && matchesName(pattern, end.dnsName));
      this.#fitting.set(pattern, known);
    }
    return known;
  }
}

/** The only end that a peer is, where that lies outside. */
function worldOf(routes: Routes, other: Peer): WorldEndpoint | undefined {
  const { direct, ports, anyPort, sole } = routes.to(other);
  const [end, ...more] = direct;
  return end?.kind === "world" && more.length + ports.length + anyPort.length === 0 && !sole ? end : undefined;
}

/** Of those that were alike, those are still that have the mark, and those that do not. */
function toldApart(alike: Alike, marked: readonly boolean[]): Alike {
  const first = new Map<number, number>();
  return alike.map((one, place) => {
    const key = one * 2 + (marked[place] === true ? 1 : 0);
    const known = first.get(key);
    if (known === undefined) first.set(key, place);
    return known ?? place;
  });
}
