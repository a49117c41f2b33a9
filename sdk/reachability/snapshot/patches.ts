/**
 * Partial objects that change objects which are defined elsewhere (Pulumi's `NetworkPolicyPatch` and its siblings), as the
 * API server's server-side apply merges them. Fields that a patch does not name stay as they are; it cannot remove any.
 *
 * Source: kubernetes.io/docs/reference/using-api/server-side-apply (merge strategy); the `x-kubernetes-list-type`,
 * `x-kubernetes-list-map-keys` and `x-kubernetes-map-type` of the kinds' schemas.
 */
import { groupOf, type KubeObject, type SourcedObject } from "../model/objects";
import { isUnknown } from "../model/unknown";
import { identityOf } from "./identity";
import { isMap } from "../model/plain";

/** Objects with the patches of them laid over, and patches of none of them. */
export interface Patched {
  /** In their order; one that is patched keeps its source. */
  readonly objects: readonly SourcedObject[];
  /** The patches of each object that has any, by the object as it stands in {@link objects}. */
  readonly patchesOf: ReadonlyMap<SourcedObject, readonly SourcedObject[]>;
  /** Patches of objects that are not among these, and of objects whose name is not known. */
  readonly unmatched: readonly SourcedObject[];
}

/** Lays patches over the objects that they change, in their order. */
export function withPatches(objects: readonly SourcedObject[], patches: readonly SourcedObject[]): Patched {
  const byIdentity = new Map<string, SourcedObject[]>();
  const names = new Set(objects.map(({ object }) => identityOf(object)));
  const unmatched: SourcedObject[] = [];
  for (const patch of patches) {
    const key = identityOf(patch.object);
    if (key === undefined || !names.has(key)) unmatched.push(patch);
    else byIdentity.set(key, [...(byIdentity.get(key) ?? []), patch]);
  }
  const patchesOf = new Map<SourcedObject, readonly SourcedObject[]>();
  const changed = objects.map((each) => {
    const key = identityOf(each.object);
    const own = key === undefined ? undefined : byIdentity.get(key);
    if (own === undefined) return each;
    const merged = { ...each, object: own.reduce((object, patch) => applied(object, patch.object), each.object) };
    patchesOf.set(merged, own);
    return merged;
  });
  return { objects: changed, patchesOf, unmatched };
}

/** An object after a patch of it was applied. */
export function applied(object: KubeObject, patch: KubeObject): KubeObject {
  const { apiVersion, kind, metadata, ...sections } = patch;
  const { name: _name, namespace: _namespace, ...more } = { ...metadata };
  const place = { group: groupOf(apiVersion), kind, path: [] };
  const merged = merge(object, { ...sections, metadata: more }, place) as KubeObject;
  return { ...merged, apiVersion: object.apiVersion, kind: object.kind };
}

/** Where in which object a value lies; items of lists are `[]`. */
interface Place {
  readonly group: string;
  readonly kind: string;
  readonly path: readonly string[];
}

function merge(below: unknown, above: unknown, place: Place): unknown {
  if (above === undefined) return below;
  if (isUnknown(above)) return above;
  if (Array.isArray(below) && Array.isArray(above)) return mergeLists(below, above, place);
  if (!isMap(below) || !isMap(above) || isAtomic(place)) return above;
  const merged: Record<string, unknown> = { ...below };
  for (const [key, value] of Object.entries(above)) {
    merged[key] = merge(below[key], value, { ...place, path: [...place.path, key] });
  }
  return merged;
}

function mergeLists(below: readonly unknown[], above: readonly unknown[], place: Place): unknown {
  const keys = keysOf(place);
  if (keys === undefined) return above;
  const result = [...below];
  const inner = { ...place, path: [...place.path, "[]"] };
  for (const item of above) {
    const index = result.findIndex((each) => isSame(each, item, keys));
    if (index < 0) result.push(item);
    else result[index] = merge(result[index], item, inner);
  }
  return result;
}

/** Whether two items of a list are one to server-side apply: by their keys, or as a whole in a set. */
function isSame(a: unknown, b: unknown, keys: readonly string[]): boolean {
  if (keys.length === 0) return a === b;
  if (!isMap(a) || !isMap(b)) return false;
  return keys.every((key) => keyOf(a, key) === keyOf(b, key));
}

/** `protocol` has a default (Kubernetes API, ContainerPort and ServicePort). */
function keyOf(item: Readonly<Record<string, unknown>>, key: string): unknown {
  return item[key] ?? (key === "protocol" ? "TCP" : undefined);
}

/** Selectors, which are replaced as a whole: `x-kubernetes-map-type: atomic`. */
const atomicMaps: ReadonlySet<string> = new Set([
  ...["podSelector", "namespaceSelector", "endpointSelector", "nodeSelector", "localEndpointSelector", "namespaces"],
  ...["roleRef", "labelSelector"],
]);

function isAtomic({ group, path }: Place): boolean {
  const field = path.at(-1) ?? "";
  // the selector of a Service or a workload; in Istio's kinds it is an ordinary object
  return atomicMaps.has(field) || (field === "selector" && !group.endsWith("istio.io"));
}

/** The keys by which the items of a list merge; empty for a set, undefined for a list that is replaced as a whole. */
function keysOf({ group, kind, path }: Place): readonly string[] | undefined {
  const [field = "", holder = "", item = ""] = path.toReversed();
  if (group.endsWith("projectcalico.org")) return isCalicoSet(path) ? [] : undefined;
  if (field === "finalizers" && holder === "metadata") return [];
  if (field === "ownerReferences" && holder === "metadata") return ["uid"];
  if (kind === "Service" && path.join(".") === "spec.ports") return ["port", "protocol"];
  if (kind === "ServiceEntry" && path.join(".") === "spec.ports") return ["name"];
  if (kind === "ServiceAccount") return field === "secrets" || field === "imagePullSecrets" ? ["name"] : undefined;
  if (!path.includes("template") && kind !== "Pod") return undefined;
  const inContainer = holder === "[]" && /^(c|initC|ephemeralC)ontainers$/.test(item);
  if (inContainer) return keysInContainer[field];
  return holder === "spec" ? keysInPod[field] : undefined;
}

const keysInContainer: Readonly<Partial<Record<string, readonly string[]>>> = {
  ports: ["containerPort", "protocol"],
  env: ["name"],
  volumeMounts: ["mountPath"],
  volumeDevices: ["devicePath"],
};

const keysInPod: Readonly<Partial<Record<string, readonly string[]>>> = {
  containers: ["name"],
  initContainers: ["name"],
  ephemeralContainers: ["name"],
  volumes: ["name"],
  imagePullSecrets: ["name"],
  hostAliases: ["ip"],
  topologySpreadConstraints: ["topologyKey", "whenUnsatisfiable"],
};

/** Sets of Calico's kinds that do not lie in a rule; rules are replaced as a whole. */
function isCalicoSet(path: readonly string[]): boolean {
  return ["spec.types", "spec.nets", "spec.policyTypes"].includes(path.join("."));
}
