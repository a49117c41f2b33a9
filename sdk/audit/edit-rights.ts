/** Rights to change policies that the baseline does not give. */
import type { LiveObject } from "../findings/live-drift";
import type { SourcedObject } from "../reachability";
import { describeRef } from "../reachability";
import type { Candidate } from "./candidates";
import { kubectlName } from "./identity";
import { managersOf } from "./managers";
import { editorKey, isRbac, policyEditors } from "./rights";
import type { AuditInput } from "./types";

/** Everyone who may change policies and whom the baseline does not name. */
export function editDrifts({
  baseline,
  live,
  policyEditors: accepted = [],
  unlisted = [],
}: AuditInput): readonly Candidate[] {
  if (unlisted.some(({ kind }) => kind.endsWith("RoleBinding"))) return [];
  const rbac = (objects: readonly SourcedObject[]): SourcedObject[] => objects.filter(({ object }) => isRbac(object));
  const known = policyEditors(
    rbac(baseline),
    rbac(live).filter(({ object }) => !object.kind.endsWith("Binding")),
  );
  const named = new Set([
    ...known.map(editorKey),
    ...known.filter(({ namespace }) => namespace === undefined).map(({ subject }) => `${subject}|*`),
  ]);
  const seen = new Set<string>();
  return policyEditors(rbac(live)).flatMap((editor): Candidate[] => {
    const key = editorKey(editor);
    const isKnown = named.has(key) || named.has(`${editor.subject}|*`) || accepted.includes(editor.subject);
    if (isKnown || seen.has(key)) return [];
    seen.add(key);
    const { subject, namespace, may, binding, object } = editor;
    const where = namespace === undefined ? "in every namespace" : `in ${namespace}`;
    return [
      {
        key: `editor|${key}`,
        kind: "edit-rights",
        least: "high",
        object: binding,
        message: `${subject} may change policies ${where}, by ${describeRef(binding)}, and the baseline does not name them`,
        effects: [`They may change ${may.join(", ")}.`],
        managers: managersOf(object.object as LiveObject),
        fix: `Delete the binding (kubectl delete ${kubectlName(binding)}), take it into the baseline, or accept them with --policy-editor "${subject}".`,
        ...(object.source === undefined ? {} : { source: object.source }),
      },
    ];
  });
}
