import type { PolicyProviderResource } from "@pulumi/policy";
import type { Finding } from "../sdk/findings";
import type { KubeObject, Source, SourcedObject } from "../sdk/reachability";
import { applyPatch, isClusterwide, isUnknown } from "../sdk/reachability";
import { ciliumConfigOf } from "./cilium-release";
import type { ClusterIdentity } from "./clusters";
import { clusterOf } from "./clusters";
import type { HelmRelease, Reading } from "./kubernetes-objects";
import { readResource } from "./kubernetes-objects";
import type { ObjectPatch } from "./patches";
import type { Rendered } from "./rendered-releases";
import type { OutOfSight } from "./visibility";
import { describeOutOfSight, describeUnknownSetting } from "./visibility";

/** A Pulumi resource with what is known of it. */
export interface ObservedResource {
  readonly type: string;
  readonly name: string;
  readonly urn: string;
  /** Inputs or outputs; may be a proxy that throws on unknown values. */
  readonly props: unknown;
  /** Inputs as they were seen at registration. */
  readonly inputs?: unknown;
  readonly provider?: PolicyProviderResource | undefined;
  readonly parentUrn?: string | undefined;
  /** URNs of what is registered before it: what it depends on, its parent, its provider. Not known at registration. */
  readonly waitsFor?: readonly string[];
  /** URNs of the resources whose values a property takes, by property. Not known at registration. */
  readonly takes?: Readonly<Partial<Record<string, readonly string[]>>>;
}

/** What a stack puts into one cluster. */
export interface ClusterContents {
  readonly cluster: ClusterIdentity;
  readonly objects: SourcedObject[];
  /** Changes to objects of these or others. */
  readonly patches: ObjectPatch[];
  /** Findings about what could not be seen. */
  readonly findings: Finding[];
}

/** Says what a release will create; undefined where nobody asked for that. */
export type RenderRelease = (name: string, release: HelmRelease) => Rendered;

/** Sorts the Kubernetes objects of a stack by cluster. Never throws. */
export function contentsByCluster(
  resources: readonly ObservedResource[],
  render?: RenderRelease,
): Map<string, ClusterContents> {
  const parents = new Set(resources.map((resource) => resource.parentUrn));
  const clusters = new Map<string, ClusterContents>();
  for (const resource of resources) {
    const reading = readResource(resource);
    if (reading.is === "other") continue;
    const cluster = clusterOf(resource.provider);
    const contents = clusters.get(cluster.key) ?? { cluster, objects: [], patches: [], findings: [] };
    clusters.set(cluster.key, contents);
    addReading(contents, resource, reading, parents.has(resource.urn), render);
  }
  return clusters;
}

/** The objects of one resource, as {@link contentsByCluster} would add them. */
export function objectsOf(resource: ObservedResource, render?: RenderRelease): Omit<ClusterContents, "findings"> {
  const cluster = clusterOf(resource.provider);
  const contents: ClusterContents = { cluster, objects: [], patches: [], findings: [] };
  addReading(contents, resource, readResource(resource), false, render);
  return contents;
}

function addReading(
  contents: ClusterContents,
  resource: ObservedResource,
  reading: Reading,
  hasChildren: boolean,
  render: RenderRelease | undefined,
): void {
  const source: Source = { urn: resource.urn };
  const { urn, name } = resource;
  switch (reading.is) {
    case "other":
      return;
    case "objects":
      for (const object of reading.objects) {
        contents.objects.push({ object: withNamespace(object, contents.cluster), source });
      }
      return;
    case "patch":
      contents.patches.push({
        object: withNamespace(asApplied(resource, reading.object), contents.cluster),
        source,
        name,
      });
      return;
    case "opaque":
      if (reading.release !== undefined)
        addRelease(contents, source, { urn, name, what: reading.what }, reading.release, hasChildren);
      if (!hasChildren) addContents(contents, resource, reading, render);
  }
}

/** What a chart, a file or a folder holds, where it can be told. */
function addContents(
  contents: ClusterContents,
  { urn, name }: ObservedResource,
  { what, release }: Extract<Reading, { is: "opaque" }>,
  render: RenderRelease | undefined,
): void {
  const rendered = release?.kind === "Release" ? render?.(name, release) : undefined;
  if (rendered !== undefined && "objects" in rendered) {
    for (const object of rendered.objects) contents.objects.push({ object, source: { urn } });
    return;
  }
  contents.findings.push(describeOutOfSight({ urn, name, what }, rendered?.because));
}

/** What the API server returned for a patch, as an older one left it, and what the program says now. */
function asApplied({ inputs, ...resource }: ObservedResource, object: KubeObject): KubeObject {
  if (inputs === undefined) return object;
  const reading = readResource({ ...resource, props: inputs });
  return reading.is === "patch" ? applyPatch(object, reading.object) : object;
}

/** The release itself goes along, for what its values say about the enforcer. */
function addRelease(
  contents: ClusterContents,
  source: Source,
  item: OutOfSight,
  release: HelmRelease,
  hasChildren: boolean,
): void {
  const { kind, chart, version, namespace, values } = release;
  const metadata = {
    name: item.name,
    ...(typeof namespace === "string" && !isUnknown(namespace) ? { namespace } : {}),
  };
  contents.objects.push({
    object: {
      apiVersion: kind === "Release" ? "helm.sh/v3" : "helm.sh/v4",
      kind,
      metadata,
      spec: { chart, version, values },
    },
    source,
  });
  // what a chart renders is there itself, its ConfigMap among it
  const config = kind === "Chart" && hasChildren ? undefined : ciliumConfigOf(release);
  if (config === undefined) return;
  contents.objects.push({ object: config.object, source });
  for (const path of config.unknownPaths) contents.findings.push(describeUnknownSetting(item, path));
}

/** The provider's default namespace, where the object names none. The provider fills it in once it is configured. */
function withNamespace(object: KubeObject, cluster: ClusterIdentity): KubeObject {
  if (cluster.defaultNamespace === undefined || isClusterwide(object.apiVersion, object.kind)) return object;
  if (object.metadata?.namespace !== undefined) return object;
  // an unknown default namespace is handed on as it is: the engine asks isUnknown before it reads any field
  return { ...object, metadata: { ...object.metadata, namespace: cluster.defaultNamespace as string } };
}
