/** Effects on a cluster: the client, the live snapshot's objects, and verification by packets through an executor. */
export { ApiClient, ApiError, type ApiClientOptions, type Connection } from "./api-client";
export { ClusterError } from "./errors";
export { kindsToRead, type KindToRead } from "./kinds";
export { connect, inCluster, type ContextOptions } from "./kubeconfig";
export { readLiveObjects, type LiveObjects, type LiveOptions } from "./live-objects";
export { withoutOwned } from "./owners";
export { readingRole, type RoleOptions } from "./role";
export { formatVerification, summary, verificationFormats, type VerificationFormat } from "./verify-formats";
export { describeProbe, type Probe, type ProbeEnd, type ProbeGroup, type Unprobed } from "./verify-probes";
export {
  verify,
  type CanaryResult,
  type EnforcementFinding,
  type ProbeExecutor,
  type ProbeOutcome,
  type Verification,
  type VerifiedProbe,
  type VerifyOptions,
} from "./verify";
