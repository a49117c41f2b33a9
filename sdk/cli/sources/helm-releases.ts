/**
 * What Flux's HelmReleases leave to other objects: the chart that `chartRef` names (OCIRepository, HelmChart), and values of
 * ConfigMaps that `valuesFrom` names, also of those that a kustomization generates from files. Source: Flux's HelmRelease API.
 */
import { unknownValue, type KubeObject, type SourcedObject } from "../../reachability";
import { mapInText } from "../../reachability/model/map-in-text";
import { isMap, listOf, mapOf, type Fields } from "../../reachability/model/plain";
import type { Kustomization } from "./kustomize";

/** HelmReleases with the chart and the values that other objects and files hold; values that are not found are unknown. */
export function withReleases(
  objects: readonly SourcedObject[],
  kustomizations: readonly Kustomization[],
  textOf: (file: string) => string | undefined,
): readonly SourcedObject[] {
  return objects.map((each) => {
    const { object } = each;
    if (object.kind !== "HelmRelease" || !String(object.apiVersion).startsWith("helm.toolkit.fluxcd.io/")) return each;
    const spec = mapOf(object.spec);
    const chart = chartOf(spec, object, objects);
    const values = valuesOf(spec, object, objects, kustomizations, textOf);
    if (chart === undefined && values === undefined) return each;
    const changed = { ...spec, ...(chart === undefined ? {} : { chart }), ...(values === undefined ? {} : { values }) };
    return { ...each, object: { ...object, spec: changed } };
  });
}

function chartOf(spec: Fields, release: KubeObject, objects: readonly SourcedObject[]): unknown {
  const ref = mapOf(spec["chartRef"]);
  const found = objects.find(({ object }) => object.kind === ref["kind"] && isNamed(object, ref, release))?.object;
  if (found === undefined) return undefined;
  const { url, chart, version, ref: stated } = mapOf(found.spec);
  if (found.kind === "HelmChart") return { spec: { chart, version } };
  if (typeof url !== "string") return undefined;
  return { spec: { chart: url.replace(/\/+$/, "").split("/").at(-1), version: mapOf(stated)["tag"] } };
}

/** A namespace that neither names does not tell objects apart. */
function isNamed({ metadata }: KubeObject, { name, namespace }: Fields, { metadata: own }: KubeObject): boolean {
  const home = namespace ?? own?.namespace;
  return metadata?.name === name && (home === undefined || (metadata?.namespace ?? home) === home);
}

function valuesOf(
  spec: Fields,
  release: KubeObject,
  objects: readonly SourcedObject[],
  kustomizations: readonly Kustomization[],
  textOf: (file: string) => string | undefined,
): unknown {
  const sources = listOf(spec["valuesFrom"]).map(mapOf);
  if (sources.length === 0) return undefined;
  const own = mapOf(spec["values"]);
  const found = sources.map((source): Fields | undefined => {
    if (source["kind"] !== "ConfigMap" || source["targetPath"] !== undefined) return undefined;
    const key = typeof source["valuesKey"] === "string" ? source["valuesKey"] : "values.yaml";
    const read = objects.find(({ object }) => object.kind === "ConfigMap" && isNamed(object, source, release))?.object;
    const generated = kustomizations
      .flatMap(({ configMaps }) => configMaps ?? [])
      .find(({ name }) => name === source["name"]);
    const file = generated?.files.get(key);
    const text = read === undefined ? (file === undefined ? undefined : textOf(file)) : mapOf(read["data"])[key];
    const map = mapInText(text);
    return isMap(map) ? map : undefined;
  });
  if (found.includes(undefined)) return Object.keys(own).length === 0 ? unknownValue : undefined;
  return [...(found as Fields[]), own].reduce(merged, {});
}

function merged(under: Fields, over: Fields): Fields {
  const both = Object.entries(over).map(([key, value]): [string, unknown] => {
    const known = under[key];
    return [key, isMap(known) && isMap(value) ? merged(known, value) : value];
  });
  return { ...under, ...Object.fromEntries(both) };
}
