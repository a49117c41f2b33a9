/** `log.value`: what a rule writes onto the flows that it decides (Hubble's `policy_log`). */
import { flowId } from "../../flow-id";
import type { Half } from "../../halves";
import type { Model } from "../../model";
import { versionAtLeast } from "../../versions";
import type { Plain } from "../writer";

/** The first version whose rules have it; its definition allows 32 characters. */
export const logSince = [1, 18] as const;

/** Whether the agents may know it: a version that is not stated is the newest. */
export function canLog({ enforcerVersion }: Model): boolean {
  return enforcerVersion === undefined || versionAtLeast(enforcerVersion, ...logSince);
}

/**
 * One rule for each flow, marked with the flow's id; without ids one rule for all of them, which is shorter. A flow that
 * two rules allow has the marks of both.
 */
export function byFlow(
  { flowIds }: Model,
  halves: readonly Half[],
  specOf: (halves: readonly Half[], mark: Plain) => Plain,
): readonly Plain[] {
  if (!flowIds) return [specOf(halves, {})];
  const byId = new Map<string, Half[]>();
  for (const half of halves) {
    const id = flowId(half.flow);
    byId.set(id, [...(byId.get(id) ?? []), half]);
  }
  return [...byId].map(([id, own]) => specOf(own, logged(id)));
}

/** The mark of a rule. */
export function logged(value: string): Plain {
  return { log: { value } };
}
