/** Active policies that do nothing. */
import type { HygieneIssue, Reachability } from "../reachability";
import { hygiene } from "../reachability";
import type { Ineffective } from "./types";

/** A rule whose flow the other end stops has an effect: it opens its own end. */
const isIneffective = (kind: HygieneIssue["kind"]): kind is Ineffective["kind"] => kind !== "half-open";

/** Policies that select nothing, and rules that match nothing or that others make superfluous, by object. */
export function ineffectiveIn(now: Reachability): readonly Ineffective[] {
  const found: Ineffective[] = [];
  for (const { kind, policy, message, possible } of hygiene(now)) {
    if (isIneffective(kind)) found.push({ kind, object: policy, message, possible: possible === true });
  }
  return found;
}
