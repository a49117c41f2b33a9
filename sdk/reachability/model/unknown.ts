/**
 * Values that are not known yet: Pulumi outputs during a preview.
 *
 * The engine computes with three values (yes, no, maybe). An unknown never counts as safe: what depends on it is
 * "unknown", not "denied" and not "allowed".
 */

const marker: unique symbol = Symbol.for("pulumi-cluster-security.unknown") as never;

/** A value that is not known yet. There is one instance, {@link unknownValue}. */
export interface UnknownValue {
  readonly [marker]: true;
}

/** Stands for a value that is not known yet (a Pulumi output in preview); may sit anywhere inside an object. */
export const unknownValue: UnknownValue = Object.freeze({ [marker]: true as const });

/** A value that is there for certain, though not known: what controllers fill in. An {@link UnknownValue} to all who do not ask further. */
export interface SomeValue extends UnknownValue {
  readonly present: true;
  /** What it may be; absent: anything that fits the pattern. */
  readonly oneOf?: readonly string[];
  readonly pattern?: RegExp;
}

/** Some value that is there: one of a few, or one that fits a pattern, or just any. */
export function someValue(about: Pick<SomeValue, "oneOf" | "pattern"> = {}): SomeValue {
  return Object.freeze({ [marker]: true as const, present: true as const, ...about });
}

/** Whether a value is there for certain, though not known. */
export function isSomeValue(value: unknown): value is SomeValue {
  return isUnknown(value) && typeof value === "object" && (value as Partial<SomeValue>).present === true;
}

/** The strings by which the Pulumi engine writes unknowns into plain property maps (pulumi/pulumi sdk: plugin/rpc.go). */
const pulumiUnknownStrings: ReadonlySet<string> = new Set([
  "1c4a061d-8072-4f0a-a4cb-0ff528b18fe7",
  "3eeb2bf0-c639-47a8-9e75-3b44932eb421",
  "04da6b54-80e4-46f7-96ec-b56ff0331ba9",
  "6a19a0b0-7e62-4c92-b797-7f8e31da9cc2",
  "030794c1-ac77-496b-92df-f27374a8bd58",
  "e48ece36-62e2-4504-bad9-02848725956a",
  "dd056dcd-154b-4c76-9bd3-c8f88648b5ff",
]);

/** Whether a value is {@link unknownValue} or one of Pulumi's own marks for a value that is not known yet. */
export function isUnknown(value: unknown): value is UnknownValue {
  if (typeof value === "string") return pulumiUnknownStrings.has(value);
  return typeof value === "object" && value !== null && (value as Record<symbol, unknown>)[marker] === true;
}

/** Whether something in plain data is not known. */
export function holdsUnknown(value: unknown): boolean {
  if (isUnknown(value)) return true;
  return typeof value === "object" && value !== null && Object.values(value).some(holdsUnknown);
}

/** Three-valued truth: 0 is no, 1 is maybe, 2 is yes. The order makes "and" the minimum and "or" the maximum. */
export type Tri = 0 | 1 | 2;
export const NO = 0 as const;
export const MAYBE = 1 as const;
export const YES = 2 as const;

export function triAnd(a: Tri, b: Tri): Tri {
  return a < b ? a : b;
}
export function triOr(a: Tri, b: Tri): Tri {
  return a > b ? a : b;
}
export function triNot(a: Tri): Tri {
  return (2 - a) as Tri;
}
export function tri(value: boolean): Tri {
  return value ? YES : NO;
}
