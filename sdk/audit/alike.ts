/** Policies that come to the same rules in baseline and cluster, whatever their fields say: defaults, spelling. */
import { isDeepStrictEqual } from "node:util";
import type { EnforcerProfile, SourcedObject } from "../reachability";
import { buildSnapshot, isPolicy, isWorkloadKind, shapesPolicies } from "../reachability";
import { keyOf, keyOfRef } from "./identity";

/**
 * The keys of policies that have the same rules on both sides, read all at once: most policies of a cluster differ from what
 * was applied by the server's defaults. What is not understood is not among them.
 */
export function sameRules(
  baseline: readonly SourcedObject[],
  live: readonly SourcedObject[],
  profile: EnforcerProfile,
): ReadonlySet<string> {
  // sets of addresses, tiers and Services that rules refer to: a change of theirs is a drift of its own
  const context = live.filter(
    ({ object: { apiVersion, kind } }) =>
      !isPolicy(apiVersion, kind) &&
      (shapesPolicies(apiVersion, kind) || (!isWorkloadKind(kind) && kind !== "EndpointSlice" && kind !== "Node")),
  );
  const [meant, found] = [baseline, live].map((side) => rulesOf(side, context, profile)) as [Rules, Rules];
  return new Set([...meant].flatMap(([key, rules]) => (isDeepStrictEqual(rules, found.get(key)) ? [key] : [])));
}

/** Rules without the objects that they come from, by key. */
type Rules = ReadonlyMap<string, readonly unknown[]>;

function rulesOf(side: readonly SourcedObject[], context: readonly SourcedObject[], profile: EnforcerProfile): Rules {
  const policies = side.filter(({ object }) => isPolicy(object.apiVersion, object.kind));
  const { rules, problems } = buildSnapshot([...context, ...policies], { profile });
  const unclear = new Set(problems.flatMap(({ object }) => (object === undefined ? [] : [keyOfRef(object)])));
  const found = new Map<string, unknown[]>();
  const parts = [rules.policies, rules.mesh, rules.waypoint ?? []];
  for (const [place, policiesOfPart] of parts.entries()) {
    for (const { origin, ...policy } of policiesOfPart) {
      const key = keyOf(origin.object);
      if (key === undefined || unclear.has(key)) continue;
      const known = found.get(key) ?? [];
      known.push({ place, ...policy });
      found.set(key, known);
    }
  }
  return found;
}
