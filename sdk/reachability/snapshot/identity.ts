/** What makes two objects the same one to the API server, whatever their versions. */
import { groupOf, type KubeObject } from "../model/objects";
import { isUnknown } from "../model/unknown";
import { isClusterwide } from "./kinds";

/** Group, kind, namespace and name; undefined for what has no name that is known. */
export function identityOf(object: KubeObject): string | undefined {
  if (isUnknown(object.metadata)) return undefined;
  const { name, namespace } = (object.metadata ?? {}) as Readonly<Record<string, unknown>>;
  if (typeof name !== "string" || name === "" || isUnknown(name) || isUnknown(namespace)) return undefined;
  // what could not be read has no name of its own
  if (object.apiVersion.startsWith("(")) return undefined;
  const stated = typeof namespace === "string" && namespace !== "" ? namespace : "default";
  const home = isClusterwide(object.apiVersion, object.kind) ? "" : stated;
  return `${groupOf(object.apiVersion)}|${object.kind}|${home}|${name}`;
}
