/** Makes a disagreement small: what can be left out without the two sides agreeing again is left out. */
import type { LabObject, LabProbe } from "../../lab/datapath/index";
import type { Agreement } from "./agreement";

/** What one attempt needs: the same comparison that found the disagreement. */
export type Compare = (policies: readonly LabObject[], probes: readonly LabProbe[]) => Promise<Agreement>;

/**
 * Leaves out policies, then rules and fields, one at a time, as long as one of `probes` still disagrees. Returns the
 * smallest set that was found within `attempts` comparisons.
 */
export async function shrink(
  policies: readonly LabObject[],
  probes: readonly LabProbe[],
  compare: Compare,
  attempts = 60,
): Promise<readonly LabObject[]> {
  let smallest = policies;
  let left = attempts;
  for (let progress = true; progress && left > 0;) {
    progress = false;
    for (const candidate of candidates(smallest)) {
      if (left-- <= 0) break;
      const { disagreements, states } = await compare(candidate, probes);
      // a set that the API server or the agent no longer takes shows something else
      const taken = states.every(({ state }) => state !== "refused");
      if (!taken || disagreements.length === 0) continue;
      smallest = candidate;
      progress = true;
      break;
    }
  }
  return smallest;
}

/** Every set that lacks one policy, one entry of a list or one field of this one; the largest parts first. */
function* candidates(policies: readonly LabObject[]): Generator<readonly LabObject[]> {
  for (const index of policies.keys()) yield policies.filter((_policy, position) => position !== index);
  for (const depth of [1, 2, 3, 4, 5, 6]) {
    for (const [index, policy] of policies.entries()) {
      for (const spec of without(policy.spec, depth)) {
        yield policies.map((each, position) => (position === index ? { ...policy, spec } : each));
      }
    }
  }
}

/** Copies of a value that lack one entry or field at a depth. */
function* without(value: unknown, depth: number): Generator<unknown> {
  if (Array.isArray(value)) {
    const items: readonly unknown[] = value;
    for (const [index, item] of items.entries()) {
      if (depth === 1) yield items.filter((_item, position) => position !== index);
      else for (const smaller of without(item, depth - 1)) yield items.with(index, smaller);
    }
  } else if (typeof value === "object" && value !== null) {
    for (const [key, item] of Object.entries(value)) {
      if (depth === 1) yield Object.fromEntries(Object.entries(value).filter(([other]) => other !== key));
      else for (const smaller of without(item, depth - 1)) yield { ...value, [key]: smaller };
    }
  }
}
