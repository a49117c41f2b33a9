/** Where a snapshot's objects hold the configuration of istiod: the values of its chart, and texts inside ConfigMaps. */
import { mapInText } from "../model/map-in-text";
import type { SourcedObject } from "../model/objects";
import { mapOf, type Fields } from "../model/plain";
import { releaseOf } from "../model/releases";
import { isUnknown } from "../model/unknown";

/** The values of istiod's chart that an object installs it with; nothing where it installs none. */
export function istiodValuesOf(object: SourcedObject["object"]): Fields | undefined {
  const { kind, apiVersion } = object;
  if (kind === "IstioOperator" || (kind === "Istio" && apiVersion.startsWith("sailoperator.io/"))) {
    return mapOf(mapOf(object.spec)["values"]);
  }
  return releaseOf(object, "istiod")?.values;
}

/** The map in one of a ConfigMap's texts; nothing where that is not known, or no map. */
export function mapInConfigMap(
  { data }: SourcedObject["object"] & { data?: unknown },
  key: string,
): Fields | undefined {
  const text = mapOf(data)[key];
  return isUnknown(text) ? undefined : mapInText(text);
}
