/**
 * What is wrong in a cluster, decided by computed reachability. Each rule stands in a file of its own with its severity,
 * explanation, fix and controls. Pure: no Pulumi, no cluster, no file system.
 */
export type { ControlRef } from "./controls";
export { controls, describeControl } from "./controls";
export { evaluate, isViolation, sortFindings } from "./evaluate";
export type { Exemption } from "./exemptions";
export { applyExemptions, exemptionOverdue } from "./exemptions";
export type { AnnotationOptions } from "./exemptions";
export { applyAnnotations, statesExemption } from "./exemptions";
export type { ExceptionPlaces } from "./exception-places";
export type { RuleId } from "./rules";
export { rules } from "./rules";
export { clusterAdminBinding } from "./rules/core/cluster-admin-binding";
export { enforcementOff } from "./rules/core/enforcement-off";
export { fqdnTooBroad } from "./rules/core/fqdn-too-broad";
export { metadataEndpointsClosed } from "./rules/core/metadata-endpoints-closed";
export { namespaceDefaultDeny } from "./rules/core/namespace-default-deny";
export { tenantsOf } from "./tenants";
export type { DeclaredObject, Drift } from "./live-drift";
export { driftOf } from "./live-drift";
export { droppedValues, emptyPlaces, sharesValue } from "./dropped-values";
export type { FelixFault } from "./felix-faults";
export { faultyPaths } from "./felix-faults";
export { icmpCode } from "./rules/installation/icmp-code-stops-felix";
export { twoProtocols } from "./rules/installation/two-protocols-stop-felix";
export { orderHazard } from "./rules/lifecycle/order-hazard";
export { notUnderstood } from "./rules/core/not-understood";
export { tier0Restricted } from "./rules/core/tier0-restricted";
export type { Finding, FindingOptions, Rule, RuleText, Severity } from "./types";
export { defaultTenantLabels, defaultTiers, severities } from "./types";
export { assumeDefaultDeny, describePolicy, namespaceOf } from "./registration/assumptions";
export { deniesOf } from "./registration/denies";
export { podSamples, undeclaredNamespace } from "./registration/pod-samples";
export { mayOpenTo } from "./registration/tenant-peers";
