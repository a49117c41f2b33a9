/**
 * What the mesh's own configuration changes: its root namespace and trust domain, from istiod's ConfigMap or from the values
 * of its installation. Source: istio/api mesh/v1alpha1 (MeshConfig).
 */
import type { SourcedObject } from "../model/objects";
import type { EnforcerProfile } from "../model/profile";
import { isUnknown } from "../model/unknown";

type Fields = Readonly<Record<string, unknown>>;

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

/** The MeshConfig in an object; nothing where it holds none. */
function configOf(object: SourcedObject["object"]): Fields | undefined {
  const { kind, apiVersion } = object;
  const name = textOf(object.metadata?.name) ?? "";
  if (kind === "ConfigMap" && (name === "istio" || name.startsWith("istio-"))) {
    const text = textOf(fieldsOf(object["data"])["mesh"]);
    return text === undefined ? undefined : topLevel(text);
  }
  const spec = fieldsOf(object.spec);
  if (kind === "IstioOperator") return fieldsOf(spec["meshConfig"]);
  if (kind === "Istio" && apiVersion.startsWith("sailoperator.io/"))
    return fieldsOf(fieldsOf(spec["values"])["meshConfig"]);
  if (kind !== "Release" && kind !== "HelmRelease" && kind !== "Chart") return undefined;
  const chart = spec["chart"] ?? "";
  const chartName = typeof chart === "string" ? chart : fieldsOf(fieldsOf(chart)["spec"])["chart"];
  if (typeof chartName !== "string" || chartName.replace(/\/+$/, "").split("/").at(-1) !== "istiod") return undefined;
  return fieldsOf(fieldsOf(spec["values"])["meshConfig"]);
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

function fieldsOf(value: unknown): Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !isUnknown(value)
    ? (value as Fields)
    : {};
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? (value as unknown[]) : [];
}

function textOf(value: unknown): string | undefined {
  return typeof value === "string" && !isUnknown(value) && value !== "" ? value : undefined;
}
