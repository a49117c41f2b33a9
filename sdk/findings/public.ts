/**
 * What `pulumi-cluster-security/findings` offers: what is wrong in a cluster, decided by computed reachability, and which of it
 * is exempt. Pure.
 *
 * @example
 * const found = evaluate(compile(snapshot));
 * const violations = found.filter(isViolation);
 */
export { evaluate, isViolation, sortFindings } from "./evaluate";
export type { RuleId } from "./rules";
export { rules } from "./rules";
export type { ControlRef } from "./controls";
export type { Exemption, ExemptionResult } from "./exemptions";
export { applyExemptions } from "./exemptions";
export type {
  Certainty,
  Finding,
  FindingOptions,
  Rule,
  RuleContext,
  RuleText,
  Severity,
  Subject,
  Tiers,
} from "./types";
export { defaultTiers, severities } from "./types";
