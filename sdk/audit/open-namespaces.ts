/** Namespaces that came after the baseline, and that nothing closes. */
import { evaluate } from "../findings/evaluate";
import type { LiveObject } from "../findings/live-drift";
import { namespaceDefaultDeny } from "../findings/rules/core/namespace-default-deny";
import { defaultTiers } from "../findings/types";
import type { Reachability, SourcedObject } from "../reachability";
import type { Candidate } from "./candidates";
import { keyOf, refOf } from "./identity";
import { managersOf } from "./managers";
import type { AuditInput } from "./types";

/** The namespaces that a cluster has before anyone makes one. */
export const builtInNamespaces: readonly string[] = ["default", "kube-system", "kube-public", "kube-node-lease"];

/** Namespaces that the baseline does not speak of, and in which a new pod is not isolated. */
export function openNamespaces(
  now: Reachability,
  { baseline, live, exemptNamespaces = [] }: AuditInput,
): readonly Candidate[] {
  const known = new Set([...builtInNamespaces, ...defaultTiers.exemptNamespaces, ...exemptNamespaces]);
  for (const { object } of baseline) {
    const { name, namespace } = object.metadata ?? {};
    if (object.kind === "Namespace" && typeof name === "string") known.add(name);
    if (typeof namespace === "string") known.add(namespace);
  }
  const found = new Map(
    live.flatMap((each) => (isNew(each, known) ? [[each.object.metadata?.name ?? "", each] as const] : [])),
  );
  if (found.size === 0) return [];
  const findings = evaluate(now, { rules: [namespaceDefaultDeny], exemptNamespaces: [...known] });
  return findings.flatMap(({ subject, exempt, message, certainty }): Candidate[] => {
    const each = found.get(subject.name);
    if (each === undefined || exempt === true) return [];
    return [
      {
        key: keyOf(each.object) ?? subject.name,
        kind: "namespace-open",
        least: certainty === "definite" ? "medium" : "low",
        object: refOf(each.object),
        message: `Namespace ${subject.name} is not in the baseline and has no default deny`,
        effects: [`${message}.`],
        managers: managersOf(each.object as LiveObject),
        fix: "Declare it, or give it a default deny; --tier0 names namespaces that need none.",
        ...(each.source === undefined ? {} : { source: each.source }),
      },
    ];
  });
}

function isNew({ object }: SourcedObject, known: ReadonlySet<string>): boolean {
  return object.kind === "Namespace" && object.apiVersion === "v1" && !known.has(object.metadata?.name ?? "");
}
