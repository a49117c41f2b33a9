/** Whom it points at that several repairs together are no improvement. */
import type { Repair } from "./types";

/** Repairs that are no improvement together. */
export interface Failure {
  /** Those that may have done it. */
  readonly suspects: ReadonlySet<Repair>;
  /** Of these, those that something points at that points at no other. */
  readonly culprits: ReadonlySet<Repair>;
}

/** Collects what speaks against repairs that were tried together. */
export class Blame implements Failure {
  readonly suspects = new Set<Repair>();
  readonly culprits = new Set<Repair>();

  constructor(private readonly repairs: readonly Repair[]) {}

  get isGiven(): boolean {
    return this.suspects.size > 0;
  }

  /** Something that only these can have done; all of them, where it seems to be none. */
  add(mayHaveDone: (each: Repair) => boolean): void {
    const named = this.repairs.filter(mayHaveDone);
    const suspects = named.length === 0 ? this.repairs : named;
    for (const each of suspects) this.suspects.add(each);
    const [only] = suspects;
    if (suspects.length === 1 && only !== undefined) this.culprits.add(only);
  }
}

/** Whether what came of repairs is a failure. */
export function isFailure(tried: object): tried is Failure {
  return "suspects" in tried;
}
