/**
 * What the mesh's own configuration changes: its root namespace and trust domain, from istiod's ConfigMap or from the values
 * of its installation. Source: istio/api mesh/v1alpha1 (MeshConfig).
 */
import type { SourcedObject } from "../model/objects";
import type { EnforcerProfile } from "../model/profile";
import { isUnknown } from "../model/unknown";
import { listOf, mapOf, type Fields } from "../model/plain";

/** The profile with what the snapshot's mesh configuration sets; a setting of the caller's own stays. */
export function withMeshConfig(profile: EnforcerProfile, objects: readonly SourcedObject[]): EnforcerProfile {
  let result = profile;
  for (const { object } of objects) {
    const config = configOf(object);
    if (config === undefined) continue;
    const root = textOf(config["rootNamespace"]);
    const domain = textOf(config["trustDomain"]);
    const aliases = listOf(config["trustDomainAliases"]).flatMap((each) => textOf(each) ?? []);
    result = {
      ...result,
      ...(root !== undefined && profile.meshRootNamespace === "istio-system" ? { meshRootNamespace: root } : {}),
      ...(domain !== undefined && profile.meshTrustDomain === "cluster.local" ? { meshTrustDomain: domain } : {}),
      ...(aliases.length > 0 && profile.meshTrustDomainAliases === undefined
        ? { meshTrustDomainAliases: aliases }
        : {}),
    };
  }
  return result;
}

const kindsWithConfig: ReadonlySet<string> = new Set([
  "ConfigMap",
  "IstioOperator",
  "Istio",
  "Release",
  "HelmRelease",
  "Chart",
]);

/** The MeshConfig in an object; nothing where it holds none. */
function configOf(object: SourcedObject["object"]): Fields | undefined {
  const { kind, apiVersion } = object;
  if (!kindsWithConfig.has(kind)) return undefined;
  const name = textOf(object.metadata?.name) ?? "";
  if (kind === "ConfigMap" && (name === "istio" || name.startsWith("istio-"))) {
    const text = textOf(mapOf(object["data"])["mesh"]);
    return text === undefined ? undefined : topLevel(text);
  }
  const spec = mapOf(object.spec);
  if (kind === "IstioOperator") return mapOf(spec["meshConfig"]);
  if (kind === "Istio" && apiVersion.startsWith("sailoperator.io/")) return mapOf(mapOf(spec["values"])["meshConfig"]);
  if (kind !== "Release" && kind !== "HelmRelease" && kind !== "Chart") return undefined;
  const chart = spec["chart"] ?? "";
  const chartName = typeof chart === "string" ? chart : mapOf(mapOf(chart)["spec"])["chart"];
  if (typeof chartName !== "string" || chartName.replace(/\/+$/, "").split("/").at(-1) !== "istiod") return undefined;
  return mapOf(mapOf(spec["values"])["meshConfig"]);
}

/** The top-level strings and lists of strings of a YAML map; all that is asked of a MeshConfig. */
function topLevel(text: string): Fields {
  const result: Record<string, unknown> = {};
  let list: string[] | undefined;
  for (const line of text.split("\n")) {
    const item = /^\s*-\s+["']?([^"'\s#]+)["']?\s*$/.exec(line);
    if (item !== null && list !== undefined) {
      list.push(item[1] ?? "");
      continue;
    }
    const entry = /^([A-Za-z]+):\s*(?:["']?([^"'\s#]+)["']?)?\s*$/.exec(line);
    if (entry !== null) result[entry[1] ?? ""] = entry[2] ?? (list = []);
    if (entry === null || entry[2] !== undefined) list = undefined;
  }
  return result;
}

function textOf(value: unknown): string | undefined {
  return typeof value === "string" && !isUnknown(value) && value !== "" ? value : undefined;
}
