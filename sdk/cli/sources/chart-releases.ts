/**
 * Releases of charts that lie in the same repository: a chart is rendered as Flux's HelmRelease or Argo CD's Application says,
 * and not with its defaults. Sources: Flux's HelmRelease API (`chart.spec.chart` is a path for a GitRepository), Argo CD's
 * Application (`source.path`, `source.helm`).
 */
import * as path from "node:path";
import { readYaml, type KubeObject } from "../../reachability";
import { mapInText } from "../../reachability/model/map-in-text";
import { listOf, mapOf, type Fields } from "../../reachability/model/plain";

/** How a chart is installed. */
export interface ChartRelease {
  readonly name?: string;
  readonly namespace?: string;
  /** Files of values, in the order in which they count. */
  readonly files: readonly string[];
  /** Values over those of the files. */
  readonly values: Fields;
}

/** The releases of charts of these folders that the files hold, by the folder. */
export function chartReleases(
  files: readonly string[],
  textOf: (file: string) => string,
  charts: ReadonlySet<string>,
): ReadonlyMap<string, readonly ChartRelease[]> {
  const found = new Map<string, ChartRelease[]>();
  if (charts.size === 0) return found;
  for (const file of files) {
    const text = textOf(file);
    if (!/kind["']?:\s*["']?(HelmRelease|Application)\b/.test(text)) continue;
    for (const { object } of readYaml(text).objects) {
      for (const { place, release } of releasesIn(object)) {
        const chart = folderOf(place, file, charts);
        if (chart === undefined) continue;
        const files = release.files.map((each) => path.join(chart, each)).filter((each) => isInside(each, chart));
        found.set(chart, [...(found.get(chart) ?? []), { ...release, files }]);
      }
    }
  }
  return found;
}

interface Found {
  readonly place: string;
  readonly release: ChartRelease;
}

function releasesIn(object: KubeObject): readonly Found[] {
  const group = String(object.apiVersion).split("/")[0];
  const spec = mapOf(object.spec);
  const { name, namespace } = mapOf(object.metadata);
  if (group === "helm.toolkit.fluxcd.io" && object.kind === "HelmRelease") {
    const { chart, valuesFiles, sourceRef } = mapOf(mapOf(spec["chart"])["spec"]);
    if (typeof chart !== "string" || mapOf(sourceRef)["kind"] === "HelmRepository") return [];
    const release = named(spec["releaseName"] ?? name, spec["targetNamespace"] ?? namespace);
    // paths of files of values begin where that of the chart does
    const files = textsOf(valuesFiles).map((each) => path.relative(chart, each));
    return [{ place: chart, release: { ...release, files, values: mapOf(spec["values"]) } }];
  }
  if (group !== "argoproj.io" || object.kind !== "Application") return [];
  return [spec["source"], ...listOf(spec["sources"])].map(mapOf).flatMap((source): Found[] => {
    const helm = mapOf(source["helm"]);
    if (typeof source["path"] !== "string") return [];
    const release = named(helm["releaseName"] ?? name, mapOf(spec["destination"])["namespace"]);
    const values = { ...mapInText(helm["values"]), ...mapOf(helm["valuesObject"]) };
    return [{ place: source["path"], release: { ...release, files: textsOf(helm["valueFiles"]), values } }];
  });
}

const label = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/;

function named(name: unknown, namespace: unknown): Pick<ChartRelease, "name" | "namespace"> {
  return {
    ...(typeof name === "string" && label.test(name) ? { name } : {}),
    ...(typeof namespace === "string" && label.test(namespace) ? { namespace } : {}),
  };
}

function textsOf(value: unknown): readonly string[] {
  return listOf(value).filter((each) => typeof each === "string");
}

/** The folder of a path that begins at the root of the repository, which is some folder above the file. */
function folderOf(place: string, file: string, charts: ReadonlySet<string>): string | undefined {
  const wanted = place.replace(/^(\.?\/)+/, "").replace(/\/+$/, "");
  if (wanted === "" || wanted.startsWith("..")) return undefined;
  for (let root = path.dirname(file); ; root = path.dirname(root)) {
    const folder = path.join(root, wanted);
    if (charts.has(folder)) return folder;
    if (root === path.dirname(root)) return undefined;
  }
}

function isInside(file: string, folder: string): boolean {
  return !path.relative(folder, file).startsWith("..");
}
