/** Changes of policies that nobody planned together, in an order that opens and cuts as little as can be on the way. */
import type { PlannedObject } from "../plan";
import type { CompiledPolicy, EnforcerProfile, KubeObject } from "../reachability";
import { buildSnapshot, isClusterwide, isPolicy } from "../reachability";
import { idOf } from "./objects";
import type { OrderStep } from "./moments";

/** A change of one object, before it has its place. */
export type Change = Omit<OrderStep, "layer">;

/**
 * What is applied comes before what is deleted. Applied: what policies refer to, what only allows, what denies, what isolates
 * and allows, and at the end what only isolates, what is clusterwide after what is not. Deleted in reverse.
 *
 * @param others Objects beside the changed ones: policies refer to some of them.
 */
export function safeOrder(
  changes: readonly Change[],
  others: readonly KubeObject[],
  profile: EnforcerProfile,
): readonly OrderStep[] {
  const changed = new Set(changes.map(({ object }) => idOf(object)));
  const rest = others.filter((object) => !changed.has(idOf(object as unknown as PlannedObject)));
  const objects = [...rest, ...changes.map(({ object }) => object as unknown as KubeObject)];
  const { rules } = buildSnapshot(
    objects.map((object) => ({ object })),
    { profile },
  );
  const parts = new Map<string, CompiledPolicy[]>();
  for (const part of [...rules.policies, ...rules.mesh]) {
    const id = idOf(part.origin.object as unknown as PlannedObject);
    parts.set(id, [...(parts.get(id) ?? []), part]);
  }
  const ranked = changes.map((change) => ({
    ...change,
    rank: rankOf(change.object, parts.get(idOf(change.object)) ?? []),
  }));
  const of = (does: Change["does"], direction: 1 | -1): readonly OrderStep[] =>
    ranked
      .filter((one) => one.does === does)
      .sort((a, b) => direction * (a.rank - b.rank))
      .map(({ object, rank }) => ({ does, object, layer: `${does} ${rank}` }));
  return [...of("apply", 1), ...of("delete", -1)];
}

function rankOf({ apiVersion, kind }: PlannedObject, parts: readonly CompiledPolicy[]): number {
  if (!isPolicy(apiVersion, kind)) return 0;
  const clusterwide = isClusterwide(apiVersion, kind) ? 1 : 0;
  const sides = parts.flatMap(({ ingress, egress }) => [ingress, egress].flatMap((side) => side ?? []));
  const allows = sides.some(({ rules }) => rules.some(({ verdict, peers }) => verdict !== "deny" && peers.length > 0));
  const isolates = sides.some((side) => side.isolates > 0);
  if (isolates) return (allows ? 30 : 40) + clusterwide;
  return (allows ? 10 : 20) + clusterwide;
}
