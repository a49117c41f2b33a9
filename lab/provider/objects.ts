/** Kubernetes objects as plain data, and how Pulumi's type tokens, ids and annotations name them. */
import { isPlainMap, type Plain, type PlainMap } from "./properties";

/** An object as the API server takes it. */
export interface KubeObject extends PlainMap {
  apiVersion: string;
  kind: string;
}

export const annotations = {
  autonamed: "pulumi.com/autonamed",
  deletionPropagation: "pulumi.com/deletionPropagationPolicy",
  fieldManager: "pulumi.com/patchFieldManager",
  patchForce: "pulumi.com/patchForce",
  skipAwait: "pulumi.com/skipAwait",
  timeoutSeconds: "pulumi.com/timeoutSeconds",
  waitFor: "pulumi.com/waitFor",
  lastApplied: "kubectl.kubernetes.io/last-applied-configuration",
} as const;

/** The metadata that only the API server writes: never an input, never sent. */
const serverMetadata = [
  "creationTimestamp",
  "deletionGracePeriodSeconds",
  "deletionTimestamp",
  "generation",
  "managedFields",
  "resourceVersion",
  "selfLink",
  "uid",
];

export function metadataOf(object: PlainMap): PlainMap {
  const metadata = object["metadata"];
  return isPlainMap(metadata) ? metadata : {};
}

function text(value: Plain | undefined): string {
  return typeof value === "string" ? value : "";
}

export function nameOf(object: PlainMap): string {
  return text(metadataOf(object)["name"]);
}

export function namespaceOf(object: PlainMap): string {
  return text(metadataOf(object)["namespace"]);
}

export function annotationOf(object: PlainMap, name: string): string | undefined {
  const all = metadataOf(object)["annotations"];
  const value = isPlainMap(all) ? all[name] : undefined;
  return typeof value === "string" ? value : undefined;
}

export function annotationIsTrue(object: PlainMap, name: string): boolean {
  return annotationOf(object, name) === "true";
}

/** `shop/web` of a namespaced object, `shop` of one that is not. */
export function idOf(object: PlainMap): string {
  return [namespaceOf(object), nameOf(object)].filter((part) => part !== "").join("/");
}

export function parseId(id: string): { namespace: string; name: string } {
  const slash = id.indexOf("/");
  return slash < 0 ? { namespace: "", name: id } : { namespace: id.slice(0, slash), name: id.slice(slash + 1) };
}

/** `kubernetes:core/v1:Namespace` and the like: what a resource is, by its Pulumi type. */
export interface TypeToken {
  token: string;
  apiVersion: string;
  kind: string;
}

/** The type token of a URN (`urn:pulumi:stack::project::parent$type::name`). */
export function typeOfUrn(urn: string): string {
  return urn.split("::")[2]?.split("$").pop() ?? "";
}

export function nameOfUrn(urn: string): string {
  return urn.split("::").slice(3).join("::");
}

export function parseToken(token: string): TypeToken {
  const [, module = "", kind = ""] = token.split(":");
  const slash = module.indexOf("/");
  const [group, version] = slash < 0 ? ["", module] : [module.slice(0, slash), module.slice(slash + 1)];
  return { token, apiVersion: group === "" || group === "core" ? version : `${group}/${version}`, kind };
}

export const releaseToken = "kubernetes:helm.sh/v3:Release";

/** A `…Patch` resource manages some fields of an object that somebody else owns. */
export function isPatch(token: string, kind: string): boolean {
  const named = parseToken(token).kind;
  return named !== kind && named === `${kind}Patch`;
}

/** Pulumi's SDKs write `x_kubernetes_…` for the `x-kubernetes-…` fields of a CustomResourceDefinition's schema. */
function renameKeys(value: Plain, rename: (key: string) => string): Plain {
  if (Array.isArray(value)) return value.map((item) => renameKeys(item, rename));
  if (!isPlainMap(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [rename(key), renameKeys(item, rename)]));
}

const isDefinition = (object: PlainMap): boolean => object["kind"] === "CustomResourceDefinition";

export function toKubernetesKeys<T extends PlainMap>(object: T): T {
  if (!isDefinition(object)) return object;
  return renameKeys(object, (key) => (key.startsWith("x_kubernetes_") ? key.replaceAll("_", "-") : key)) as T;
}

export function toPulumiKeys<T extends PlainMap>(object: T): T {
  if (!isDefinition(object)) return object;
  return renameKeys(object, (key) => (key.startsWith("x-kubernetes-") ? key.replaceAll("-", "_") : key)) as T;
}

/** The object without what only the API server writes. */
export function withoutServerFields<T extends PlainMap>(object: T): T {
  const metadata = object["metadata"];
  if (!isPlainMap(metadata)) return object;
  const kept = Object.fromEntries(Object.entries(metadata).filter(([key]) => !serverMetadata.includes(key)));
  return { ...object, metadata: kept };
}

export function isSecretObject(object: PlainMap): boolean {
  return object["apiVersion"] === "v1" && object["kind"] === "Secret";
}

/**
 * `stringData` of a Secret as the `data` that the API server makes of it. Only so does server-side apply own each key
 * under the name that it is stored under, and a key that leaves the program leaves the cluster.
 */
export function withEncodedData<T extends PlainMap>(object: T): T {
  const stringData = object["stringData"];
  if (!isSecretObject(object) || stringData === undefined) return object;
  const { stringData: _, ...rest } = object;
  if (!isPlainMap(stringData)) return { ...rest, data: stringData } as unknown as T;
  const encoded = Object.fromEntries(
    Object.entries(stringData).map(([key, value]) => [
      key,
      typeof value === "string" ? Buffer.from(value, "utf8").toString("base64") : value,
    ]),
  );
  const data: PlainMap = isPlainMap(rest["data"]) ? rest["data"] : {};
  return { ...rest, data: { ...data, ...encoded } } as unknown as T;
}

/** The object as it is sent: real keys, nothing that only the server writes, Secrets encoded. */
export function toSend(object: PlainMap): KubeObject {
  return withEncodedData(withoutServerFields(toKubernetesKeys(object))) as KubeObject;
}

export function asObject(value: PlainMap): KubeObject {
  return { ...value, apiVersion: text(value["apiVersion"]), kind: text(value["kind"]) };
}
