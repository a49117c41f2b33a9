/** A declaration as a baseline: what its plan registers. */
import type { Plan } from "../plan";
import type { KubeObject } from "../reachability";
import type { BaselineObject } from "./types";

/**
 * The objects that a plan means. Of a namespace that exists already only the declared labels count; the others are its
 * owner's.
 *
 * @param file Where the declaration stands, for messages.
 */
export function baselineOf(plan: Plan, file: string): readonly BaselineObject[] {
  const source = { file };
  const namespaces = plan.namespaces.map(({ name, labels, existing }): BaselineObject => {
    const object: KubeObject = { apiVersion: "v1", kind: "Namespace", metadata: { name, labels: { ...labels } } };
    return { object, source, partial: existing };
  });
  return [...namespaces, ...plan.documents.map(({ object }): BaselineObject => ({ object: { ...object }, source }))];
}
