/**
 * The planner: declarations, the sentences that write them, and the policies that they mean. Pure.
 */
export { internetRanges } from "./addresses";
export * from "./builders";
export * from "./declaration";
export type { Input } from "./inputs";
export type {
  ExceptionState,
  Plan,
  PlanWarning,
  PlannedBreakGlass,
  PlannedBypass,
  PlannedException,
  PlannedDns,
  PlannedFlow,
  PlannedPeer,
  PlannedMetadataAccess,
  PlannedNamespace,
  PlannedObject,
  PlannedTenant,
  PlannedWorkload,
  PolicyDocument,
  Stage,
  WarningCode,
} from "./documents";
export { describePlannedPeer, reviewAnnotation, stages } from "./documents";
export type { DeclarationProblem } from "./errors";
export type * from "./presets/declarations";
export { DeclarationError } from "./errors";
export type { DocumentedException, ExceptionPorts, ExceptionSide } from "./exceptions";
export { documentedExceptions, exceptionAnnotation } from "./exceptions";
export { allowAllsFor } from "./apis/kubernetes/allow-all";
export type { ImaginedCluster } from "./imagined-cluster";
export { imaginedCluster } from "./imagined-cluster";
export { namespaceLabels, namespaceObject } from "./namespace-objects";
export { plan, planFlows, planMesh } from "./plan";
export { exceptionRegister } from "./tenants/exceptions";
export type { EgressDeclaration, EgressHost, EgressRange } from "./egress";
export { planEgress } from "./egress";
export type { TenantPlanDeclaration } from "./tenants/plan";
export { planTenant } from "./tenants/plan";
export { bypassAnnotations, timerLabel } from "./bypass-label";
export { durationText, secondsOf } from "./break-glass/duration";
export type { Grant, GrantedPolicy, GrantedSubject, NamespaceGrants } from "./break-glass/grants";
export { describeSubject, grantsLabel, grantsLabelValue, readGrants, timerPrefix } from "./break-glass/grants";
export { debugPod, type DebugPod } from "./break-glass/debug-pod";
export type { BypassStatement } from "./break-glass/objects";
export {
  bypassPolicy,
  timerJob,
  timerName,
  timerOwner,
  trialJob,
  trialName,
  trialPolicy,
  trialSeconds,
} from "./break-glass/objects";
