/**
 * What the mesh's own configuration changes: its root namespace and trust domain, from istiod's ConfigMap or from the values
 * of its installation. Source: istio/api mesh/v1alpha1 (MeshConfig).
 */
import type { SourcedObject } from "../model/objects";
import type { EnforcerProfile } from "../model/profile";
import { isUnknown } from "../model/unknown";
import { listOf, mapOf, type Fields } from "../model/plain";
import { istiodValuesOf, mapInConfigMap } from "./mesh-values";

/** The profile with what the snapshot's mesh configuration sets; a setting of the caller's own stays. */
export function withMeshConfig(profile: EnforcerProfile, objects: readonly SourcedObject[]): EnforcerProfile {
  let result = profile;
  for (const { object } of objects) {
    const config = meshConfigOf(object);
    if (config === undefined) continue;
    const root = textOf(config["rootNamespace"]);
    const domain = textOf(config["trustDomain"]);
    const aliases = listOf(config["trustDomainAliases"]).flatMap((each) => textOf(each) ?? []);
    result = {
      ...result,
      ...(root !== undefined && profile.meshRootNamespace === "istio-system" ? { meshRootNamespace: root } : {}),
      ...(domain !== undefined && profile.meshTrustDomain === "cluster.local" ? { meshTrustDomain: domain } : {}),
      ...(config["enableAutoMtls"] === false && profile.meshAutoMtls === undefined ? { meshAutoMtls: false } : {}),
      ...(aliases.length > 0 && profile.meshTrustDomainAliases === undefined
        ? { meshTrustDomainAliases: aliases }
        : {}),
    };
  }
  return result;
}

/** The MeshConfig in an object; nothing where it holds none. */
export function meshConfigOf(object: SourcedObject["object"]): Fields | undefined {
  const name = textOf(object.metadata?.name) ?? "";
  if (object.kind === "ConfigMap") {
    return name === "istio" || name.startsWith("istio-") ? mapInConfigMap(object, "mesh") : undefined;
  }
  const values = istiodValuesOf(object);
  if (values === undefined) return undefined;
  const own = object.kind === "IstioOperator" ? mapOf(object.spec)["meshConfig"] : undefined;
  return { ...mapOf(values["meshConfig"]), ...mapOf(own) };
}

function textOf(value: unknown): string | undefined {
  return typeof value === "string" && !isUnknown(value) && value !== "" ? value : undefined;
}
