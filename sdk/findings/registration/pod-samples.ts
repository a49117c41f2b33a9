/**
 * Pods that a policy would select, made from its selectors. When a policy is registered, the pods it is for usually do not
 * exist yet; judged against those that do, a policy for `app: legacy` would look as if it selected no pod.
 */
import type { EnforcerProfile, SourcedObject } from "../../reachability";
import type { PodDraft } from "../../reachability";
import { buildSnapshot, isPolicy, podsFitting } from "../../reachability";
import { isForReserved } from "../policy-rules";

/** A namespace that nothing names, for policies that select pods of any namespace. */
export const undeclaredNamespace = "not-declared-yet";

/** A pod as a policy asks for it, with a place. */
export type PodSample = PodDraft & { readonly namespace: string };

/**
 * A pod for each selector of the policies among some objects, of whichever policy API. Selectors that contradict themselves
 * select no pod, and so not their sample either.
 */
export function podSamples(objects: readonly SourcedObject[], profile: EnforcerProfile): PodSample[] {
  const policies = objects.filter(({ object }) => isPolicy(object.apiVersion, object.kind));
  if (policies.length === 0) return [];
  const { rules } = buildSnapshot(policies, { profile });
  return [...rules.policies, ...rules.mesh].flatMap((part) =>
    part.subject.kind === "pods" && !isForReserved(part)
      ? [{ namespace: part.origin.namespace ?? undeclaredNamespace, ...podsFitting(part.subject.where)[0] }]
      : [],
  );
}
