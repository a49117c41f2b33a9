/** What stands in a cluster on the way through an order. */
import type { PlannedObject } from "../plan";
import { idOf } from "./objects";

/** One thing that a tool does to the cluster. */
export interface OrderStep {
  readonly does: "apply" | "delete";
  readonly object: PlannedObject;
  /** The layer it belongs to; between two layers the tool waits. */
  readonly layer: string;
  /** It is taken together with its neighbours that are, too, in no order. */
  readonly atOnce?: true;
}

/** Between two steps, or in the middle of what a tool does at once. */
export interface Moment {
  readonly standing: ReadonlyMap<string, PlannedObject>;
  /** What it came about by: `NetworkPolicy.networking.k8s.io shop/allow-web`. */
  readonly since: string;
  /** One of several that may come after the moment before, and none that the next one comes after. */
  readonly isBeside: boolean;
}

/**
 * The moments after each step, or after each layer. The last step is left out: after it everything is as it is to be.
 *
 * Of steps that a tool takes at once every subset may have been taken at some moment. What one object does is most visible
 * where it is the first that goes, and where it is the last that stands: these are looked at, object by object or layer by layer.
 */
export function* momentsOf(
  before: ReadonlyMap<string, PlannedObject>,
  steps: readonly OrderStep[],
  after: "object" | "layer",
): Generator<Moment> {
  const standing = new Map(before);
  for (const group of groupsOf(steps, after)) {
    yield* partsOf(group, after, standing);
    for (const step of group) carryOut(standing, step);
    const last = group[group.length - 1];
    if (last === undefined || last === steps[steps.length - 1]) return;
    yield { standing, since: idOf(last.object), isBeside: false };
  }
}

/** Carries a step out on what stands. */
export function carryOut(standing: Map<string, PlannedObject>, { does, object }: OrderStep): void {
  if (does === "apply") standing.set(idOf(object), object);
  else standing.delete(idOf(object));
}

/** Steps that nothing is looked at between: single ones, those of a layer, or those that are taken at once. */
function groupsOf(steps: readonly OrderStep[], after: "object" | "layer"): readonly (readonly OrderStep[])[] {
  const groups: OrderStep[][] = [];
  let previous: OrderStep | undefined;
  for (const step of steps) {
    const isWithPrevious =
      step.atOnce === true
        ? previous?.atOnce === true
        : after === "layer" && previous?.atOnce !== true && previous?.layer === step.layer;
    const group = groups[groups.length - 1];
    if (isWithPrevious && group !== undefined) group.push(step);
    else groups.push([step]);
    previous = step;
  }
  return groups;
}

/** Moments in the middle of steps that are taken at once. */
function* partsOf(
  group: readonly OrderStep[],
  after: "object" | "layer",
  standing: ReadonlyMap<string, PlannedObject>,
): Generator<Moment> {
  if (group[0]?.atOnce !== true) return;
  const parts = new Map<string, OrderStep[]>();
  for (const step of group) {
    const part = after === "object" ? idOf(step.object) : step.layer;
    parts.set(part, [...(parts.get(part) ?? []), step]);
  }
  if (parts.size < 2) return;
  const once = (steps: readonly OrderStep[]): ReadonlyMap<string, PlannedObject> => {
    const then = new Map(standing);
    for (const step of steps) carryOut(then, step);
    return then;
  };
  for (const [name, own] of parts) yield { standing: once(own), since: name, isBeside: true };
  for (const [name, own] of parts) {
    const others = group.filter((step) => !own.includes(step));
    yield { standing: once(others), since: `the deletion of all but ${name}`, isBeside: true };
  }
}
