import type { Finding } from "../sdk/findings";
import { applyAnnotations, evaluate, notUnderstood, sortFindings } from "../sdk/findings";
import type { EnforcerProfile, Reachability, SourcedObject } from "../sdk/reachability";
import { buildSnapshot, compile, identityOf, inferProfile, profileFor } from "../sdk/reachability";
import { clusterOf } from "./clusters";
import { readResource } from "./kubernetes-objects";
import { laidOver, readClusterSnapshot, readPreviousState, without } from "./known-world";
import { describeDropped } from "./dropped";
import { describeEmptyComponents } from "./empty-components";
import { describeLeftOut, mindingLeftOut } from "./left-out";
import { describeDrift, mindingDrift } from "./live-drift";
import { applyPatches } from "./patches";
import { renderRelease } from "./rendered-releases";
import { describeChange } from "./reachability-change";
import { tenantExceptionsOf, type GuardSettings } from "./settings";
import type { ClusterContents, ObservedResource } from "./snapshot-from-resources";
import { contentsByCluster } from "./snapshot-from-resources";

/** What the judgement of a stack depends on besides its resources. */
export interface StackCircumstances {
  /** `YYYY-MM-DD` (UTC). */
  readonly today: string;
  readonly operation: "preview" | "update";
  /** The URN of the stack, for what is about no single resource. */
  readonly rootUrn: string;
  /** Resources of the program that the operation leaves out. */
  readonly leftOut?: readonly ObservedResource[];
}

/** Everything that is to be said about a stack, sorted. Never throws on malformed input. */
export function judgeStack(
  resources: readonly ObservedResource[],
  settings: GuardSettings,
  circumstances: StackCircumstances,
): Finding[] {
  // the engine sends resources in no particular order
  const ordered = [...withoutReads(resources)].sort((a, b) => (a.urn < b.urn ? -1 : a.urn > b.urn ? 1 : 0));
  const clusters = [...contentsByCluster(ordered, settings.renderReleases ? renderRelease : undefined).values()];
  const dependencies = dependenciesOf(ordered);
  const byUrn = new Map(ordered.map((resource) => [resource.urn, resource]));
  const { leftOut = [], operation, rootUrn } = circumstances;
  const findings = clusters.flatMap((contents) => {
    const known = isDescribed(contents, clusters.length, settings);
    const judged = known
      ? judgeWithin(contents, settings, circumstances, dependencies)
      : judgePatched(contents, settings, circumstances, dependencies);
    const drifted = describeDrift(contents, byUrn);
    const dropped = operation === "preview" ? describeDropped(contents.objects, byUrn) : [];
    const beside = mindingDrift(mindingLeftOut([...contents.findings, ...judged], leftOut), drifted);
    const found = [...beside, ...drifted, ...dropped];
    return clusters.length > 1 ? found.map((finding) => withCluster(finding, contents)) : found;
  });
  return sortFindings([
    ...findings,
    ...describeLeftOut(leftOut, rootUrn),
    ...describeEmptyComponents(ordered),
    ...unclearCluster(clusters, settings, circumstances),
  ]);
}

/**
 * Without what is only read: an object that another resource of the stack declares, and that is read after it (the check
 * at the end of an update does that). A preview and an update show no reads; `pulumi policy analyze` shows all of a state.
 */
function withoutReads(resources: readonly ObservedResource[]): ObservedResource[] {
  const byKey = new Map<string, ObservedResource[]>();
  for (const resource of resources) {
    const reading = readResource(resource);
    const [object] = reading.is === "objects" ? reading.objects : [];
    const identity = object === undefined ? undefined : identityOf(object);
    if (identity === undefined) continue;
    const key = `${clusterOf(resource.provider).key} ${identity}`;
    byKey.set(key, [...(byKey.get(key) ?? []), resource]);
  }
  const reads = new Set<ObservedResource>();
  for (const same of byKey.values()) {
    const urns = new Set(same.map(({ urn }) => urn));
    for (const each of same)
      if (same.length > 1 && each.waitsFor?.some((urn) => urn !== each.urn && urns.has(urn))) reads.add(each);
  }
  return resources.filter((resource) => !reads.has(resource));
}

/** A set of objects, judged: what is found in it, and its reachability. */
interface Judged {
  readonly reachability: Reachability;
  readonly findings: Finding[];
}

function judgeAlone(
  objects: readonly SourcedObject[],
  settings: GuardSettings,
  { today }: StackCircumstances,
  dependencies: ReadonlyMap<string, readonly string[]>,
): Judged {
  const reachability = reachabilityOf(objects, settings);
  const { exemptNamespaces, platformNamespaces } = settings;
  const tiers = { exemptNamespaces, platformNamespaces, today };
  const found = evaluate(reachability, { ...tiers, dependencies, tenantExceptions: tenantExceptionsOf(settings) });
  const permitted = settings.exemptionAnnotations;
  const applied = applyAnnotations(found, reachability.snapshot, { ...tiers, permitted });
  return { reachability, findings: [...applied.overdue, ...applied.findings] };
}

function judgePatched(
  contents: ClusterContents,
  settings: GuardSettings,
  circumstances: StackCircumstances,
  dependencies: ReadonlyMap<string, readonly string[]>,
): Finding[] {
  const { objects, findings, patchesOf } = applyPatches(contents.objects, contents.patches);
  const order = withPatchesBehind(dependencies, patchesOf);
  return [...findings, ...judgeAlone(objects, settings, circumstances, order).findings];
}

/** A patched object stands for its patches: who waits for it waits for them, and they wait for what it waits for. */
function withPatchesBehind(
  dependencies: ReadonlyMap<string, readonly string[]>,
  patchesOf: ReadonlyMap<string, readonly string[]>,
): ReadonlyMap<string, readonly string[]> {
  if (patchesOf.size === 0) return dependencies;
  const result = new Map<string, readonly string[]>();
  for (const [urn, before] of dependencies) {
    result.set(urn, [...new Set(before.flatMap((each) => [each, ...(patchesOf.get(each) ?? [])]))]);
  }
  for (const [urn, patches] of patchesOf) {
    for (const patch of patches) {
      const others = [...(result.get(patch) ?? []), ...(result.get(urn) ?? [])];
      result.set(
        patch,
        others.filter((each) => each !== patch),
      );
    }
  }
  return result;
}

/** The stack together with what its cluster holds already: what is found is about what the stack holds or changes. */
function judgeWithin(
  contents: ClusterContents,
  settings: GuardSettings,
  circumstances: StackCircumstances,
  dependencies: ReadonlyMap<string, readonly string[]>,
): Finding[] {
  const cluster = readClusterSnapshot(settings.clusterSnapshot);
  const previous = readPreviousState(settings.previousState);
  const before = laidOver(previous.objects, cluster.objects);
  const others = without(before, previous.objects);
  const patched = applyPatches(contents.objects, contents.patches, without(others, contents.objects));
  const after = laidOver(others, patched.objects);
  const judged = judgeAlone(after, settings, circumstances, withPatchesBehind(dependencies, patched.patchesOf));
  const findings = [
    ...patched.findings,
    ...[...cluster.findings, ...previous.findings].map((finding) => atUrn(finding, circumstances.rootUrn)),
    ...(settings.clusterSnapshot === undefined
      ? judged.findings
      : aboutStack(
          judged.findings,
          judgeAlone(before, settings, circumstances, dependencies).findings,
          patched.objects,
        )),
  ];
  // an update is judged when its objects exist already
  if (circumstances.operation === "update" || settings.levels["reachability-change"] === "disabled") return findings;
  const versus = settings.previousState === undefined ? "the cluster snapshot" : "the previous state";
  const was = reachabilityOf(before, settings, after);
  return [...findings, ...describeChange(was, judged.reachability, versus, circumstances.rootUrn)];
}

/**
 * Findings about what the stack holds, those it causes, those about namespaces that it puts something into, and those that
 * were not there before it. What was wrong already and has nothing to do with the stack is its owner's affair.
 */
function aboutStack(
  after: readonly Finding[],
  before: readonly Finding[],
  objects: readonly SourcedObject[],
): Finding[] {
  const already = new Set(before.map(fingerprint));
  const urns = new Set(objects.map(({ source }) => source?.urn));
  const homes = new Map<string, string | undefined>();
  for (const { object, source } of objects) {
    const home = object.metadata?.namespace;
    if (typeof home === "string" && !homes.has(home)) homes.set(home, source?.urn);
  }
  return after.flatMap((finding) => {
    const { subject, causes = [] } = finding;
    if ([subject.source, ...causes].some((source) => source?.urn !== undefined && urns.has(source.urn))) return finding;
    // a namespace of the cluster into which the stack puts something: the stack is there to point at
    if (subject.kind === "Namespace" && homes.has(subject.name)) return atUrn(finding, homes.get(subject.name));
    return already.has(fingerprint(finding)) ? [] : finding;
  });
}

function fingerprint({ id, certainty, exempt, subject, message }: Finding): string {
  return JSON.stringify([id, certainty, exempt === true, subject.kind, subject.namespace, subject.name, message]);
}

function atUrn(finding: Finding, urn: string | undefined): Finding {
  return urn === undefined ? finding : { ...finding, subject: { ...finding.subject, source: { urn } } };
}

/** @param context further objects from which the enforcer may be inferred; both sides of a comparison have the same. */
function reachabilityOf(
  objects: readonly SourcedObject[],
  settings: GuardSettings,
  context: readonly SourcedObject[] = objects,
): Reachability {
  const profile: EnforcerProfile =
    settings.enforcer === undefined
      ? inferProfile(objects.length === 0 ? context : objects)
      : profileFor(settings.enforcer);
  return compile(buildSnapshot(objects, { profile }));
}

/** Whether the snapshot or the previous state describes this cluster. */
function isDescribed({ cluster }: ClusterContents, count: number, settings: GuardSettings): boolean {
  if (settings.clusterSnapshot === undefined && settings.previousState === undefined) return false;
  if (settings.clusterSnapshotProvider !== undefined) return cluster.providerName === settings.clusterSnapshotProvider;
  return count === 1;
}

/** A snapshot that cannot be told to be of one of the stack's clusters is not used, and that is said. */
function unclearCluster(
  clusters: readonly ClusterContents[],
  settings: GuardSettings,
  { rootUrn }: StackCircumstances,
): Finding[] {
  if (settings.clusterSnapshot === undefined && settings.previousState === undefined) return [];
  if (clusters.length === 0 || clusters.some((contents) => isDescribed(contents, clusters.length, settings))) return [];
  return [
    {
      id: notUnderstood.id,
      severity: notUnderstood.severity,
      certainty: "definite",
      subject: { kind: "Cluster snapshot", name: "cluster", source: { urn: rootUrn } },
      message: "Which of the stack's clusters the cluster snapshot or the previous state describes is not known",
      because: [
        settings.clusterSnapshotProvider === undefined
          ? "the stack speaks to more than one cluster, and clusterSnapshotProvider is not set"
          : "the stack has no Kubernetes object under the provider that clusterSnapshotProvider names",
      ],
      fix: "Set clusterSnapshotProvider to the logical name of the provider whose cluster it is.",
      controls: notUnderstood.controls,
    },
  ];
}

function dependenciesOf(resources: readonly ObservedResource[]): Map<string, readonly string[]> {
  return new Map(resources.map(({ urn, waitsFor }) => [urn, waitsFor ?? []]));
}

/** With more than one cluster in a stack, messages say which one is meant. */
function withCluster(finding: Finding, contents: ClusterContents): Finding {
  const name = contents.cluster.providerName ?? "the default provider";
  return { ...finding, message: `[${name}] ${finding.message}` };
}
