/** Traffic of which only bounds are known: what is in it for certain, and what may be. */
import { TrafficSet } from "../model/sets/ports";
import { NO, YES, type Tri } from "../model/unknown";

/** `must` ⊆ `may`; they are equal where nothing is unknown. */
export interface TrafficRange {
  readonly must: TrafficSet;
  readonly may: TrafficSet;
}

export const nothing: TrafficRange = { must: TrafficSet.none(), may: TrafficSet.none() };
export const everything: TrafficRange = { must: TrafficSet.all(), may: TrafficSet.all() };
export const anything: TrafficRange = { must: TrafficSet.none(), may: TrafficSet.all() };

export function unite(a: TrafficRange, b: TrafficRange): TrafficRange {
  if (a === nothing) return b;
  if (b === nothing) return a;
  return { must: a.must.union(b.must), may: a.may.union(b.may) };
}

export function intersect(a: TrafficRange, b: TrafficRange): TrafficRange {
  if (a === everything) return b;
  if (b === everything) return a;
  return { must: a.must.intersect(b.must), may: a.may.intersect(b.may) };
}

export function subtract(a: TrafficRange, b: TrafficRange): TrafficRange {
  if (b === nothing) return a;
  return { must: a.must.subtract(b.may), may: a.may.subtract(b.must) };
}

/** The range where a condition holds for certain, perhaps, or not at all. */
export function when(condition: Tri, range: TrafficRange): TrafficRange {
  if (condition === YES) return range;
  return condition === NO ? nothing : { must: TrafficSet.none(), may: range.may };
}

/** One of two possibilities, of which it is not known which holds. */
export function eitherOf(a: TrafficRange, b: TrafficRange): TrafficRange {
  return { must: a.must.intersect(b.must), may: a.may.union(b.may) };
}
