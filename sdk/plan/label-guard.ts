/** Who may put the label of a bypass on a pod. */
import { admissionPolicy } from "./admission-policy";
import type { DraftDocument } from "./documents";

/**
 * ValidatingAdmissionPolicy: nobody but the groups puts the label on a pod of the namespace, or changes it there. Pods are
 * labelled in more ways than one: when they are made, through their subresources, and when the scheduler binds them.
 */
export function labelGuard(
  name: string,
  namespace: string,
  key: string,
  groups: readonly string[],
): readonly DraftDocument[] {
  const label = (object: string): string => `${object}.metadata.labels['${key}']`;
  const has = (object: string): string => `has(${object}.metadata.labels) && '${key}' in ${object}.metadata.labels`;
  return admissionPolicy({
    name,
    namespace,
    resources: [{ group: "", version: "*", resources: ["pods", "pods/*", "bindings"] }],
    operations: ["CREATE", "UPDATE"],
    matchConditions: {
      "not-granted": `!request.userInfo.groups.exists(group, group in [${groups.map((group) => JSON.stringify(group)).join(", ")}])`,
    },
    validations: [
      [
        `!(${has("object")}) || (oldObject != null && ${has("oldObject")} && ${label("oldObject")} == ${label("object")})`,
        "This label exempts a pod from its policies. Only the groups that a bypass is granted to may set it, on a running pod.",
      ],
    ],
  });
}
