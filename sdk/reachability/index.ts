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
export type { BlastRadius, BlastRadiusOptions, ReachedWorkload } from "./questions/blast-radius";
export type { ChangedObject } from "./questions/changed-objects";
export { countPaths } from "./questions/diff";
export type { DiffCounts, DiffOptions, PathChange, PathDifference } from "./questions/diff";
export { describeEnd } from "./questions/ends";
export type { Difference, Equivalence, EquivalenceOptions } from "./questions/equivalence";
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
/** The policies in rule form, for rooms that judge policies themselves. */
export type { CompiledPolicy, PeerTerm, Rule as PolicyRule } from "./rules";
export type { Condition, Lookup, Test } from "./selectors/conditions";
export { evaluate as evaluateCondition } from "./selectors/conditions";
export { labelOf } from "./selectors/labels";
export { isDryRun } from "./snapshot/dry-run";
export { meshModeOf } from "./snapshot/mesh";
export type { Tri } from "./unknown";
