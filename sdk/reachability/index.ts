/**
 * The reachability engine: reads policies of every dialect into one rule form and says who can reach whom.
 * Pure: no file system, no cluster, no Pulumi.
 */
export type { KubeObject, ObjectMeta, ObjectRef, Source, SourcedObject } from "./objects";
export { describeRef } from "./objects";
export type { UnknownValue } from "./unknown";
export { isUnknown, unknownValue } from "./unknown";
export type { Problem, ProblemCode } from "./problems";
export type { Cni, EnforcerProfile } from "./profile";
export { inferProfile, profileFor } from "./profile";
export type {
  ClusterNode,
  Namespace,
  PolicyDialect,
  PolicySource,
  Snapshot,
  Workload,
  WorkloadPort,
} from "./snapshot/types";
export type { LabelSet, LabelValue } from "./selectors/labels";
export { buildSnapshot } from "./snapshot/build";
export type { ReadYaml } from "./yaml";
export { lineOfPath, readYaml } from "./yaml";
export { blastRadius, compile, diff, equivalent, exposure, hygiene } from "./compile/compile";
export type { BlastRadius, ReachedWorkload } from "./questions/blast-radius";
export type { DiffEntry, PathChange } from "./questions/diff";
export type { Difference, Equivalence } from "./questions/equivalence";
export type { Entrance, Exposure, ExposureOptions, FreshAccess, WorldAccess } from "./questions/exposure";
export type { HygieneIssue } from "./questions/hygiene";
export type {
  Direction,
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
} from "./verdicts";
export { TrafficSet } from "./sets/ports";
export type { PortProtocol, TrafficProtocol } from "./sets/ports";
export { AddressSet, formatAddress, parseAddress, parseCidr } from "./sets/addresses";
export type { Address, AddressRange } from "./sets/addresses";
export type { MetadataEndpoint } from "./metadata-endpoints";
export { metadataEndpoints } from "./metadata-endpoints";
