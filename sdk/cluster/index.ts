/** Effects on a cluster: the client, the live snapshot's objects, and verification by packets through an executor. */
export { ApiClient, ApiError, type ApiClientOptions, type Connection } from "./api-client";
export { ClusterError } from "./errors";
export { kindsToRead, type KindToRead } from "./kinds";
export { connect, inCluster, type ContextOptions } from "./kubeconfig";
export { LiveExecutor, type LiveOptions as LiveExecutorOptions } from "./prober/executor";
export {
  defaultProberImage,
  proberContainer,
  proberPodSpec,
  runLabel,
  withoutSidecars,
  type ProberImage,
  type ProberPort,
} from "./prober/pods";
export { reportLimit, reportVariable, settingsVariable, type ProberSettings, type ProberTask } from "./prober/protocol";
export { proberScript } from "./prober/script";
export { readLiveObjects, type LiveObjects, type LiveOptions } from "./live-objects";
export { withoutOwned } from "./owners";
export { readingRole, verifyingRole, type RoleOptions } from "./role";
export { formatVerification, summary, verificationFormats, type VerificationFormat } from "./verify-formats";
export { describeProbe, probesFor, type Probe, type ProbeEnd, type ProbeGroup, type Unprobed } from "./verify-probes";
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
