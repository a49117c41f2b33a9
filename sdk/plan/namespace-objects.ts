/** Planned namespaces as objects. */
import type { PlannedNamespace, PlannedObject } from "./documents";

/** The label with which a created namespace states its tier. */
const tierLabel = "pulumi-cluster-security/tier";

/** What a namespace is labelled with; one that is created also states its tier. */
export function namespaceLabels({
  labels,
  existing,
  tier,
}: Pick<PlannedNamespace, "labels" | "existing" | "tier">): Record<string, string> {
  return existing ? { ...labels } : { ...labels, [tierLabel]: tier };
}

/** The Namespace object to apply; nothing for one that exists and gets neither a label nor an annotation. */
export function namespaceObject(namespace: PlannedNamespace): PlannedObject | undefined {
  const { name, existing, annotations } = namespace;
  const labels = namespaceLabels(namespace);
  const written = Object.keys(annotations).length > 0 ? { annotations: { ...annotations } } : {};
  if (existing && Object.keys(labels).length === 0 && written.annotations === undefined) return undefined;
  return { apiVersion: "v1", kind: "Namespace", metadata: { name, labels, ...written } };
}
