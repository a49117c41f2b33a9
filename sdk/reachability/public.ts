/**
 * What `pulumi-cluster-security/reachability` offers: read policies of every policy API, and ask who can reach whom. Pure:
 * no file system, no cluster, no Pulumi.
 *
 * @example
 * const { objects } = readYaml(text, "policies.yaml");
 * const reachability = compile(buildSnapshot(objects, { profile: profileFor("cilium@1.20") }));
 * reachability.verdict({ source, destination, protocol: "TCP", port: 5432 });
 */
export { blastRadius, buildSnapshot, compile, diff, equivalent, exposure, hygiene } from "./reachability";
export type { ReadYaml } from "./snapshot/documents";
export { readYaml } from "./snapshot/documents";
export type { KubeObject, ObjectMeta, ObjectRef, Source, SourcedObject } from "./model/objects";
export { describeRef } from "./model/objects";
export type { UnknownValue } from "./model/unknown";
export { isUnknown, unknownValue } from "./model/unknown";
export type { Problem, ProblemCode } from "./model/problems";
export type { EnforcerSettings, EnforcerTraits } from "./model/enforcer";
export type { Cni, EnforcerProfile } from "./model/profile";
export { inferProfile, profileFor } from "./model/profile";
export type { ClusterNode, Namespace, Snapshot, Workload, WorkloadPort } from "./model/snapshot";
export type { PolicyDialect, PolicySource } from "./model/policy-source";
export type { LabelSet, LabelValue } from "./model/selectors/labels";
export type { BlastRadius, BlastRadiusOptions, ReachedWorkload } from "./questions/blast-radius";
export type { ChangedObject } from "./questions/changed-objects";
export type { DiffOptions, PathChange, PathDifference } from "./questions/diff";
export type { Difference, Equivalence, EquivalenceOptions } from "./questions/equivalence";
export type { Entrance, Exposure, ExposureOptions, FreshAccess, WorldAccess } from "./questions/exposure";
export type { HygieneIssue } from "./questions/hygiene";
export type {
  DirectionExplanation,
  Explanation,
  ExplanationStep,
  FlipHint,
  Flow,
  FlowProtocol,
  MatrixEntry,
  MatrixOptions,
  Peer,
  Reachability,
  RuleRef,
  Traffic,
  Verdict,
} from "./model/verdicts";
export type { Direction } from "./model/direction";
export { TrafficSet } from "./model/sets/ports";
export type { PortProtocol, TrafficProtocol } from "./model/sets/ports";
export { AddressSet, formatAddress, parseAddress, parseCidr } from "./model/sets/addresses";
export type { Address, AddressRange } from "./model/sets/addresses";
export type { MetadataEndpoint } from "./model/metadata-endpoints";
export { metadataEndpoints } from "./model/metadata-endpoints";
