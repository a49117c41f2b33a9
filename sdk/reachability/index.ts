/**
 * The reachability engine: reads policies of every dialect into one rule form and says who can reach whom.
 * Pure: no file system, no cluster, no Pulumi.
 */
export type { KubeObject, ObjectMeta, ObjectRef, Source, SourcedObject } from "./model/objects";
export { describeRef, groupOf } from "./model/objects";
export type { UnknownValue } from "./model/unknown";
export { isSomeValue, isUnknown, someValue, unknownValue } from "./model/unknown";
export type { Problem, ProblemCode } from "./model/problems";
export type { ServiceEntry } from "./model/services";
export { isCiliumProxy } from "./model/services";
export type { Cni, EnforcerProfile } from "./model/profile";
export { isBeforeCalico } from "./model/calico-version";
export { inferProfile, profileFor, profileWithin } from "./model/profile";
export type { ClusterNode, Namespace, Snapshot, Workload, WorkloadPort } from "./model/snapshot";
export type { PolicyDialect, PolicySource } from "./model/policy-source";
export type { LabelSet, LabelValue } from "./model/selectors/labels";
export type { ReadYaml } from "./snapshot/documents";
export { readYaml } from "./snapshot/documents";
export type { HttpRule } from "./readers/http";
export { httpRules, readHttp } from "./readers/http";
export { isUnreadable } from "./readers/unread-policies";
export { lineOfPath } from "./readers/yaml";
export {
  blastRadius,
  buildSnapshot,
  closedEntrances,
  compile,
  diff,
  equivalent,
  exposure,
  hygiene,
} from "./reachability";
export type { BlastRadius, BlastRadiusOptions, ReachedWorkload } from "./questions/blast-radius";
export type { ClosedEntrance } from "./questions/closed-entrances";
export type { ChangedObject } from "./questions/changed-objects";
export { countPaths } from "./questions/diff";
export type { DiffCounts, DiffOptions, PathChange, PathDifference } from "./questions/diff";
export { describeEnd } from "./questions/ends";
export type { Difference, Equivalence, EquivalenceOptions } from "./questions/equivalence";
export type { Entrance, Exposure, ExposureOptions, FreshAccess, WorldAccess } from "./questions/exposure";
export type { EffectChange, Neighbourhood } from "./questions/narrowing";
export { effectOfChange, lostProtection } from "./questions/narrowing";
export { podMakers } from "./questions/sight";
export type { HygieneIssue } from "./questions/hygiene";
export { isAllRead, namespacesIn } from "./questions/sight";
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
export type { ClusterDns } from "./model/cluster-dns";
export { clusterDnsOf, kubeDns, nodeLocalDnsAddress, openShiftDns } from "./model/cluster-dns";
export { metadataEndpoints } from "./model/metadata-endpoints";
/** The policies in rule form, for rooms that judge policies themselves. */
export type { CompiledPolicy, DnsPattern, PeerTerm, Rule as PolicyRule } from "./model/rules";
export type { Condition, Lookup, Test } from "./model/selectors/conditions";
export { evaluate as evaluateCondition } from "./model/selectors/conditions";
export { labelOf } from "./model/selectors/labels";
/** What a kind is, for rooms that meet objects before the engine does. */
export { isClusterwide, isPolicy, isStagedKind, shapesPolicies } from "./snapshot/kinds";
export { nodeLocalDnsAddresses } from "./readers/node-local-dns";
export { identityOf } from "./snapshot/identity";
export type { Patched } from "./snapshot/patches";
export { applied as applyPatch, withPatches } from "./snapshot/patches";
export { isDryRun } from "./readers/dry-run";
export { meshBypassesOf, meshModeIn, meshModeOfWorkload } from "./readers/mesh-members";
export { proxyPorts } from "./readers/mesh-capture";
export type { Bypass, MeshMode } from "./model/mesh";
export type { Tri } from "./model/unknown";
