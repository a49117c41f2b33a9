/** Effects on a cluster: the client, the live snapshot's objects, and verification by packets through an executor. */
export { applyObject, deleteObject } from "./apply";
export { ApiClient, type Connection } from "./api-client";
export { BreakGlassApi } from "./break-glass/api";
export { closeBypass } from "./break-glass/close";
export { chooseGrant, grantsOf, kindsOf, type Choice } from "./break-glass/grants";
export { listBypasses, type ListedBypass } from "./break-glass/list";
export { openBypass, type OpenedBypass, type OpenRequest } from "./break-glass/open";
export { tryBreakGlass, type TrialResult } from "./break-glass/trial";
export { ApiError, ClusterError } from "./errors";
export { auditedKinds, kindsToRead } from "./kinds";
export { connect, connectAsProvider, type ProviderCluster } from "./kubeconfig";
export { readKustomizations } from "./kustomizations";
export { LiveExecutor } from "./prober/executor";
export {
  defaultProberImage,
  proberContainer,
  proberPodSpec,
  runLabel,
  withoutSidecars,
  type ProberImage,
} from "./prober/pods";
export { reportLimit, reportVariable, settingsVariable, type ProberSettings, type ProberTask } from "./prober/protocol";
export { proberScript } from "./prober/script";
export { type ScenarioFlow } from "./scenario-probes";
export { readLiveObjects } from "./live-objects";
export { withoutOwned } from "./owners";
export { bypassRole, bypassTrialRole, changingRole, readingRole, verifyingRole } from "./role";
export { exportedPolicies, withoutServerFields } from "./policy-export";
export { formatVerification, summary, verificationFormats, type VerificationFormat } from "./verify-formats";
export { describeProbe, type Probe, type ProbeEnd } from "./verify-probes";
export {
  plannedProbes,
  verify,
  type CanaryResult,
  type ProbeExecutor,
  type ProbeOutcome,
  type Verification,
  type VerifiedProbe,
  type VerifyOptions,
} from "./verify";
