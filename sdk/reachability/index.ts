/**
 * The reachability engine: reads policies of every policy API into normalized rules and answers who can reach whom.
 * Pure: no file system, no cluster, no Pulumi.
 */
export * from "./public";
/** What only the rooms of this package need. */
export { isInRange } from "./model/sets/addresses";
export { groupOf, serverFields } from "./model/objects";
export { holdsUnknown, isSomeValue, someValue } from "./model/unknown";
export type { ServiceEntry } from "./model/services";
export { isCiliumProxy } from "./model/services";
export { isBeforeCalico } from "./model/calico-version";
export { isUnmodelled, profileWithin, readersOf } from "./model/profile";
export type { HttpRule } from "./readers/http";
export { httpRules, readHttp } from "./readers/http";
export { isPortName } from "./readers/names";
export { isUnreadable } from "./readers/unread-policies";
export { lineOfPath } from "./readers/yaml";
export { closedEntrances, compileLike, passing, trafficAtEnd } from "./reachability";
export type { Ends, Passing } from "./questions/passing";
export type { ClosedEntrance } from "./questions/closed-entrances";
export { countPaths } from "./questions/diff";
export type { DiffCounts } from "./questions/diff";
export { unknownNamespace } from "./model/snapshot";
export { describeEnd } from "./questions/ends";
export type { EffectChange, Neighbourhood } from "./questions/narrowing";
export { effectOfChange, lostProtection } from "./questions/narrowing";
export type { PodDraft } from "./questions/fitting-pods";
export { podsFitting } from "./questions/fitting-pods";
export { namesInRules } from "./questions/named-peers";
export { podMakers } from "./questions/sight";
export { isAllRead, namespacesIn } from "./questions/sight";
export type { ClusterDns } from "./model/cluster-dns";
export { clusterDnsOf, kubeDns, nodeLocalDnsAddress, openShiftDns } from "./model/cluster-dns";
/** The policies as normalized rules, for rooms that judge policies themselves. */
export type { CompiledPolicy, DnsPattern, PeerTerm, Rule as PolicyRule } from "./model/rules";
export type { Condition, Lookup, Test } from "./model/selectors/conditions";
export { evaluate as evaluateCondition, isAboutNamespaceName } from "./model/selectors/conditions";
export { labelOf } from "./model/selectors/labels";
/** What a kind is, for rooms that meet objects before the engine does. */
export { isClusterwide, isPolicy, isStagedKind, policyKindOf, shapesPolicies } from "./snapshot/kinds";
export { nodeLocalDnsAddresses } from "./readers/node-local-dns";
export { identityOf } from "./snapshot/identity";
export { PolicyVariants } from "./snapshot/policy-variants";
export type { Patched } from "./snapshot/patches";
export { applied as applyPatch, withPatches } from "./snapshot/patches";
export { withoutControllerLabels } from "./readers/controller-labels";
export { isDryRun } from "./readers/dry-run";
export { meshBypassesOf, meshModeIn, meshModeOfWorkload } from "./readers/mesh-members";
export { proxyPorts } from "./readers/mesh-capture";
export type { Bypass, MeshMode } from "./model/mesh";
export type { Tri } from "./model/unknown";
export { isWorkloadKind, podTemplateOf } from "./readers/workloads";
