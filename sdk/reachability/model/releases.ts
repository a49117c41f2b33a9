/** Versions of what runs in a cluster, from the objects that brought it. */
import type { KubeObject, SourcedObject } from "./objects";
import { mapOf } from "./plain";

/** The API group of an object; empty where the object does not state it. */
export function apiGroupOf({ apiVersion }: KubeObject): string {
  return typeof apiVersion === "string" ? (apiVersion.split("/")[0] ?? "") : "";
}

/**
 * The `major.minor` of the image of an agent, which a DaemonSet runs: `quay.io/cilium/cilium:v1.18.2@sha256:…`.
 *
 * @param image Fits the image's name, and `project` is a part of it; mirrors have other registries and paths.
 */
export function agentVersion(object: KubeObject, image: RegExp, project: string): string | undefined {
  if (object.kind !== "DaemonSet") return undefined;
  const pod = mapOf(mapOf(mapOf(object.spec)["template"])["spec"]);
  for (const container of Array.isArray(pod["containers"]) ? (pod["containers"] as unknown[]) : []) {
    const text = mapOf(container)["image"];
    const match = typeof text === "string" ? /^([^@]*):([^:@/]+)(@.*)?$/.exec(text) : null;
    if (match === null || !image.test(match[1] ?? "") || !(match[1] ?? "").includes(project)) continue;
    const version = majorMinor(match[2]);
    if (version !== undefined) return version;
  }
  return undefined;
}

/** `major.minor` of a version: `v1.18.2`, `1.20.0-rc.1`. */
export function majorMinor(text: unknown): string | undefined {
  const match = typeof text === "string" ? /^v?(\d+)\.(\d+)(\.|-|\+|$)/.exec(text) : null;
  return match === null ? undefined : `${match[1]}.${match[2]}`;
}

/**
 * The `major.minor` of an enforcer: what objects say that runs counts more than what a release of its chart asks for.
 *
 * @param running The version that an object says runs.
 */
export function versionIn(
  objects: readonly SourcedObject[],
  chart: string,
  running: (object: KubeObject) => string | undefined,
): string | undefined {
  let released: string | undefined;
  for (const { object } of objects) {
    const version = running(object);
    if (version !== undefined) return version;
    const release = releaseOf(object);
    if (release?.chart === chart) released ??= majorMinor(release.version);
  }
  return released;
}

interface HelmRelease {
  readonly chart: string;
  readonly version: unknown;
  readonly values: Readonly<Record<string, unknown>>;
}

/**
 * The chart, version and values of a Helm release, as Pulumi states and GitOps tools write them (Flux's HelmRelease, Argo
 * CD's Application, the HelmChart of k3s and RKE2, whose values are text and count as not stated); nothing for other objects.
 */
export function releaseOf(object: KubeObject): HelmRelease | undefined {
  const spec = mapOf(object.spec);
  if (object.kind === "Application" && apiGroupOf(object) === "argoproj.io") {
    const several = Array.isArray(spec["sources"]) ? (spec["sources"] as unknown[]) : [];
    const source = [spec["source"], ...several].map(mapOf).find(({ chart }) => typeof chart === "string");
    if (source === undefined) return undefined;
    return released(source["chart"], source["targetRevision"], mapOf(source["helm"])["valuesObject"]);
  }
  if (!["Release", "HelmRelease", "HelmChart", "Chart"].includes(object.kind)) return undefined;
  // HelmRelease: spec.chart.spec.chart; Release: spec.chart, perhaps as an address or a path
  const chart = spec["chart"] ?? "";
  const inner = mapOf(mapOf(chart)["spec"]);
  return typeof chart === "string"
    ? released(chart, spec["version"], spec["values"])
    : released(inner["chart"], inner["version"], spec["values"]);
}

function released(chart: unknown, version: unknown, values: unknown): HelmRelease | undefined {
  if (typeof chart !== "string") return undefined;
  return { chart: chart.replace(/\/+$/, "").split("/").at(-1) ?? "", version, values: mapOf(values) };
}
