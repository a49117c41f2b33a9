/** Components: they plan, then register in a loop. */
export type { CiliumCniArgs, CniPosture } from "./cilium-cni";
export { CiliumCni } from "./cilium-cni";
export type { ClusterSecurityArgs } from "./cluster-security";
export { ClusterSecurity } from "./cluster-security";
export type { MeshIdentityArgs } from "./mesh-identity";
export { MeshIdentity } from "./mesh-identity";
export type { SecurityPosture } from "./register";
export type { ServiceFlowsArgs } from "./service-flows";
export { ServiceFlows } from "./service-flows";
export type { TieredPoliciesArgs } from "./tiered-policies";
export { TieredPolicies } from "./tiered-policies";
export { declareWorkload } from "./declare-workload";
