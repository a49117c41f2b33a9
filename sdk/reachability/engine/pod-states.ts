/** Which rules name each pod, and how surely: pods that the same rules name in the same way are in one state. */
import { NO, type Tri } from "../model/unknown";

/** Reached from `parent` by one more rule: the values of its column. */
interface State {
  readonly parent: number;
  readonly column: number;
  readonly value: Tri;
}

/** The state of a pod that no rule names. */
export const unnamed = 0;

/**
 * The states of all pods while the rules of one subject are gone through. Only pods that a rule names are moved, so that the
 * work is in proportion to what rules name, not to rules times pods.
 */
export class PodStates {
  readonly #states: State[] = [{ parent: -1, column: -1, value: NO }];
  readonly #transitions = new Map<number, number>();
  readonly #moved: number[] = [];

  /** @param stateOf The state of each pod by its index: {@link unnamed} for all; it is so again after {@link each}. */
  constructor(private readonly stateOf: Int32Array) {}

  /** Notes that a column has this value for a pod. */
  move(index: number, column: number, value: Tri): void {
    const from = this.stateOf[index] as number;
    if (from === unnamed) this.#moved.push(index);
    const name = (from * 2 ** 20 + column) * 4 + value;
    let to = this.#transitions.get(name);
    if (to === undefined) {
      to = this.#states.length;
      this.#states.push({ parent: from, column, value });
      this.#transitions.set(name, to);
    }
    this.stateOf[index] = to;
  }

  /** Replaces what a state knows better of the values of columns; columns beyond them are left out. */
  refine(state: number, values: Tri[]): void {
    for (let at = state; at > unnamed;) {
      const { parent, column, value } = this.#states[at] as State;
      if (column < values.length) values[column] = value;
      at = parent;
    }
  }

  /** Goes through the pods that were moved, by ascending index, and forgets them. */
  each(visit: (index: number, state: number) => void): void {
    this.#moved.sort((a, b) => a - b);
    for (const index of this.#moved) {
      const state = this.stateOf[index] as number;
      this.stateOf[index] = unnamed;
      visit(index, state);
    }
  }
}
