/** Versions of what runs in a cluster, from the objects that brought it. */
import type { KubeObject, SourcedObject } from "./objects";
import { mapInText } from "./map-in-text";
import { isMap, listOf, mapOf, type Fields } from "./plain";
import { isOlder } from "./versions";

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
 * The `major.minor` of an enforcer: what objects say that runs counts more than what a release of its chart asks for. Of several
 * versions the newest counts, whatever the order: older ones are what a cluster was made with, or another cluster's.
 *
 * @param running The version that an object says runs.
 */
export function versionIn(
  objects: readonly SourcedObject[],
  chart: string,
  running: (object: KubeObject) => string | undefined,
): string | undefined {
  const newest = (found: readonly (string | undefined)[]): string | undefined =>
    found.reduce((known, each) => (each === undefined || isOlder(each, known ?? "") ? known : each), undefined);
  const agents = newest(objects.map(({ object }) => running(object)));
  return agents ?? newest(objects.map(({ object }) => majorMinor(releaseOf(object, chart)?.version)));
}

interface HelmRelease {
  readonly chart: string;
  readonly version: unknown;
  readonly values: Fields;
}

/**
 * The version and values of a release of a chart, as Pulumi states and GitOps tools write them: Flux's HelmRelease, Argo CD's
 * Application, the HelmChart of k3s and RKE2. Nothing where an object installs another chart, or none.
 *
 * @param chart The chart's name, without the repository it comes from.
 */
export function releaseOf(object: KubeObject, chart: string): HelmRelease | undefined {
  return releasesOf(object).find((release) => release.chart === chart);
}

function releasesOf(object: KubeObject): readonly HelmRelease[] {
  const spec = mapOf(object.spec);
  if (object.kind === "Application" && apiGroupOf(object) === "argoproj.io") {
    return [spec["source"], ...listOf(spec["sources"])].map(mapOf).flatMap((source) => {
      return released(source["chart"], source["targetRevision"], argoValues(mapOf(source["helm"])));
    });
  }
  if (object.kind === "HelmChart") {
    const values = merged(mapOf(mapInText(spec["valuesContent"])), mapOf(spec["values"]));
    return released(spec["chart"], spec["version"], values);
  }
  if (!["Release", "HelmRelease", "Chart"].includes(object.kind)) return [];
  // HelmRelease: spec.chart.spec.chart; Release: spec.chart, perhaps as an address or a path
  const chart = spec["chart"] ?? "";
  const inner = mapOf(mapOf(chart)["spec"]);
  const values = mapOf(spec["values"]);
  return typeof chart === "string"
    ? released(chart, spec["version"], values)
    : released(inner["chart"], inner["version"], values);
}

function released(chart: unknown, version: unknown, values: Fields): HelmRelease[] {
  if (typeof chart !== "string") return [];
  return [{ chart: chart.replace(/\/+$/, "").split("/").at(-1) ?? "", version, values }];
}

/** The values of an Application: a text, over it an object, over both single parameters. */
function argoValues(helm: Fields): Fields {
  let values = merged(mapOf(mapInText(helm["values"])), mapOf(helm["valuesObject"]));
  for (const parameter of listOf(helm["parameters"]).map(mapOf)) {
    const { name, value } = parameter;
    if (typeof name === "string" && !name.includes("[")) values = merged(values, nested(name.split("."), value));
  }
  return values;
}

function nested(path: readonly string[], value: unknown): Fields {
  const [first = "", ...rest] = path;
  return { [first]: rest.length === 0 ? value : nested(rest, value) };
}

/** Values with others over them, map by map. */
function merged(under: Fields, over: Fields): Fields {
  const result: Record<string, unknown> = { ...under };
  for (const [key, value] of Object.entries(over)) {
    const own = result[key];
    result[key] = isMap(own) && isMap(value) ? merged(own, value) : value;
  }
  return result;
}
