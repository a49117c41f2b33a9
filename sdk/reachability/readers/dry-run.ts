/** Istio's dry run of policies. */
import { isUnknown } from "../model/unknown";

const annotation = "istio.io/dry-run";

/**
 * Whether annotations have an AuthorizationPolicy only logged, by `istio.io/dry-run`. The value is what Go's strconv.ParseBool
 * takes (pilot/pkg/security/authz/builder); nothing for one that is not known yet or that is no truth value.
 */
export function isDryRun(metadata: unknown): boolean | undefined {
  const annotations = valueAt(metadata, "annotations");
  const value = valueAt(annotations, annotation);
  if (isUnknown(metadata) || !isMapOrAbsent(annotations)) return undefined;
  if (value === undefined || value === null) return false;
  if (typeof value !== "string") return undefined;
  if (/^(1|t|T|TRUE|true|True)$/.test(value)) return true;
  return /^(0|f|F|FALSE|false|False)$/.test(value) ? false : undefined;
}

/** Whether an object has the annotation at all, which istiod's webhook takes of AuthorizationPolicies only. */
export function isAnnotated({ metadata }: { readonly metadata?: unknown }): boolean {
  return valueAt(valueAt(metadata, "annotations"), annotation) !== undefined;
}

function isMapOrAbsent(value: unknown): boolean {
  if (value === undefined || value === null) return true;
  return typeof value === "object" && !Array.isArray(value) && !isUnknown(value);
}

function valueAt(holder: unknown, key: string): unknown {
  return typeof holder === "object" && holder !== null ? (holder as Record<string, unknown>)[key] : undefined;
}
