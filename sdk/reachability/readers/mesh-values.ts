/** Where a snapshot's objects hold the configuration of istiod: the values of its chart, and texts inside ConfigMaps. */
import { CORE_SCHEMA, load } from "js-yaml";
import type { SourcedObject } from "../model/objects";
import { mapOf, type Fields } from "../model/plain";
import { isUnknown } from "../model/unknown";

/** The values of istiod's chart that an object installs it with; nothing where it installs none. */
export function istiodValuesOf({ kind, apiVersion, spec: given }: SourcedObject["object"]): Fields | undefined {
  const spec = mapOf(given);
  if (kind === "IstioOperator") return mapOf(spec["values"]);
  if (kind === "Istio" && apiVersion.startsWith("sailoperator.io/")) return mapOf(spec["values"]);
  if (kind !== "Release" && kind !== "HelmRelease" && kind !== "Chart") return undefined;
  const chart = spec["chart"] ?? "";
  const chartName = typeof chart === "string" ? chart : mapOf(mapOf(chart)["spec"])["chart"];
  if (typeof chartName !== "string" || chartName.replace(/\/+$/, "").split("/").at(-1) !== "istiod") return undefined;
  return mapOf(spec["values"]);
}

/** The map in one of a ConfigMap's texts; nothing where that is not known, or no map. */
export function mapInConfigMap(
  { data }: SourcedObject["object"] & { data?: unknown },
  key: string,
): Fields | undefined {
  const text = mapOf(data)[key];
  if (typeof text !== "string" || isUnknown(text)) return undefined;
  try {
    const value = load(text, { schema: CORE_SCHEMA });
    return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Fields) : undefined;
  } catch {
    return undefined;
  }
}
