/** The metadata of every policy that the planner writes. */
import type { PlannedObject } from "../documents";
import { managedByLabel } from "../documents";

/** A policy's name and, where it lies in one, its namespace; the mark of this package, and annotations if there are any. */
export function managedMetadata(
  place: { readonly name: string; readonly namespace?: string },
  annotations: Readonly<Record<string, string>> = {},
): PlannedObject["metadata"] {
  return { ...place, labels: managedByLabel, ...(Object.keys(annotations).length > 0 ? { annotations } : {}) };
}
