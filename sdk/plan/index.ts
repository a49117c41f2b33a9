/**
 * The planner: declarations, the sentences that write them, and the policies that they mean. Pure.
 */
export * from "./builders";
export * from "./declaration";
export type {
  Plan,
  PlanWarning,
  PlannedFlow,
  PlannedNamespace,
  PlannedObject,
  PolicyDocument,
  Stage,
  WarningCode,
} from "./documents";
export { flowsAnnotation, managedByLabel, ownersAnnotation, stages } from "./documents";
export type { DeclarationProblem } from "./errors";
export { DeclarationError } from "./errors";
export { plan, planFlows, planMesh } from "./plan";
