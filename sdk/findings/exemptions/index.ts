/** Exceptions from the rules: in configuration and as annotations, owned, reasoned, and for a time. */
export type { AnnotationOptions } from "./annotations";
export { applyAnnotations, statesExemption } from "./annotations";
export type { Exemption, ExemptionResult } from "./apply";
export { applyExemptions, exemptionOverdue } from "./apply";
