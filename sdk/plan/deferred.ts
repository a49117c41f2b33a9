/**
 * Values that are known only while a stack is deployed.
 *
 * The planner is pure and plans at once, so an output cannot wait in it. Whoever has outputs (the components) puts a
 * {@link Deferred} in the place of each and plans several times:
 *
 * - with stand-ins, twice, each time with other ones. The shape of a declaration is plain, so both plans have the same
 *   policies in the same order, and where they differ is what depends on the values;
 * - with the values, once they are known. That is an ordinary plan: every check that a literal goes through is made of an
 *   output, too, in the same place and with the same path.
 *
 * What only values can tell (whether a port is served, whether a range lies within a limit) is not asked of stand-ins.
 */

import type { PropertyPath } from "../property-path";

/** Which of its stand-ins an unknown value has. */
export type Variant = "first" | "second";

/** A leaf of a declaration whose value comes from an output. */
export class Deferred {
  private constructor(
    /** Where in the declaration: `flows[3].to.cidr`. */
    readonly path: PropertyPath,
    private readonly state:
      | { readonly isKnown: true; readonly value: unknown }
      | {
          readonly isKnown: false;
          readonly index: number;
          readonly variant: Variant;
          readonly standIns: Set<string>;
        },
  ) {}

  /** A value that is known by now. */
  static known(path: PropertyPath, value: unknown): Deferred {
    return new Deferred(path, { isKnown: true, value });
  }

  /**
   * A value that is not known yet.
   *
   * @param index Its number among those of the declaration: stand-ins of different values differ.
   * @param standIns Collects what stands in for it, as text: where the text is, the value goes.
   */
  static unknown(path: PropertyPath, index: number, variant: Variant, standIns: Set<string>): Deferred {
    return new Deferred(path, { isKnown: false, index, variant, standIns });
  }

  get isKnown(): boolean {
    return this.state.isKnown;
  }

  /** The value, or what `standIn` makes of the number and the variant. */
  resolve<T>(standIn: StandIn<T>): unknown {
    if (this.state.isKnown) return this.state.value;
    const { index, variant, standIns } = this.state;
    const value = standIn(index, variant);
    for (const text of textsIn(value)) standIns.add(text);
    return value;
  }
}

/** Makes a value that passes for one of its kind. Those of different numbers and of the two variants differ. */
export type StandIn<T = unknown> = (index: number, variant: Variant) => T;

/** Whether a value comes from an output, known or not. */
export function isDeferred(value: unknown): value is Deferred {
  return value instanceof Deferred;
}

/** Whether a value is not known yet: checks that only the value can pass or fail are not made. */
export function isUnknown(value: unknown): boolean {
  return value instanceof Deferred && !value.isKnown;
}

/** Marks what came from an output: it has no part in names, and is never joined with a neighbour of the same value. */
export interface Origin {
  readonly path: PropertyPath;
  readonly isKnown: boolean;
}

/** The mark of a value, where it comes from an output. */
export function originOf(value: unknown): { readonly origin?: Origin } {
  return value instanceof Deferred ? { origin: { path: value.path, isKnown: value.isKnown } } : {};
}

function* textsIn(value: unknown): Iterable<string> {
  if (typeof value === "string" || typeof value === "number") yield String(value);
  else if (typeof value === "object" && value !== null) {
    for (const [key, item] of Object.entries(value)) {
      if (!Array.isArray(value)) yield key;
      yield* textsIn(item);
    }
  }
}

function label(index: number, variant: Variant): string {
  return `stand-in-${index}-${variant}`;
}

/** A block of 16 addresses of the range for benchmarks (RFC 2544), which nobody declares. */
function block(index: number): { readonly prefix: string; readonly last: number } {
  const place = (index * 16) % 0x20000;
  return { prefix: `198.${18 + (place >> 16)}.${(place >> 8) & 255}`, last: place & 255 };
}

/** Stand-ins for each kind of leaf. */
export const standIns = {
  /** Words: a reason, an owner. */
  text: label,
  /** A label's value, a service account, the name of a namespace. */
  name: label,
  /** A name, and a pattern: policies may write them in different ways. */
  host: (index, variant) =>
    variant === "first" ? `${label(index, variant)}.example.com` : `**.${label(index, variant)}.example.com`,
  /** A range outside the cluster: a small one, and one that holds everything that is cut out of ranges. */
  range: (index, variant) => {
    const { prefix, last } = block(index);
    return variant === "first" ? `${prefix}.${last}/28` : "0.0.0.0/0";
  },
  /** Addresses of nodes, of the API server. */
  network: (index, variant) => {
    const { prefix, last } = block(index);
    return `${prefix}.${last + (variant === "first" ? 0 : 1)}/32`;
  },
  /** Pods are cut out of ranges, where they lie in them: the first lies in none, the second leaves nothing of any. */
  pods: (index, variant) => {
    const { prefix, last } = block(index);
    return variant === "first" ? `${prefix}.${last}/32` : "0.0.0.0/0";
  },
  /** One address. */
  address: (index, variant) => {
    const { prefix, last } = block(index);
    return `${prefix}.${last + (variant === "first" ? 0 : 1)}`;
  },
  /** A port, of those that no service has. */
  port: (index, variant) => 49_152 + ((index * 2) % 16_000) + (variant === "first" ? 0 : 1),
  /** A whole map of labels. */
  labels: (index, variant) => ({ [label(index, variant)]: variant }),
} satisfies Readonly<Record<string, StandIn>>;

/** Stand-ins for a list of which not even the length is known: one item, and two. */
export function listOf<T>(standIn: StandIn<T>): StandIn<T[]> {
  return (index, variant) =>
    variant === "first" ? [standIn(index, "first")] : [standIn(index, "first"), standIn(index, "second")];
}
