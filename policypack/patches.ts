import type { Finding } from "../sdk/findings";
import type { KubeObject, SourcedObject } from "../sdk/reachability";
import { isWorkloadKind, shapesPolicies, withPatches } from "../sdk/reachability";
import { isWhole } from "./kubernetes-objects";
import { describePatch } from "./visibility";

/** A change to an object that another resource, another stack or nobody's program defines. */
export interface ObjectPatch extends SourcedObject {
  /** The logical name of the resource. */
  readonly name: string;
}

/** A stack's objects as they are once its patches are applied. */
export interface PatchedObjects {
  readonly objects: readonly SourcedObject[];
  /** About patches of what is not there to be judged. */
  readonly findings: readonly Finding[];
  /** By the URN of a resource, those of the patches of its object. */
  readonly patchesOf: ReadonlyMap<string, readonly string[]>;
}

/**
 * Applies a stack's patches to its objects, and to what the cluster is known to hold beside it.
 *
 * An object that decides traffic is said to come from the patch that came last: what it opens after that is judged and
 * shown there.
 *
 * @param known Objects outside the stack, as far as they were given.
 */
export function applyPatches(
  objects: readonly SourcedObject[],
  patches: readonly ObjectPatch[],
  known: readonly SourcedObject[] = [],
): PatchedObjects {
  if (patches.length === 0) return { objects, findings: [], patchesOf: new Map() };
  const own = withPatches(objects, patches);
  const outside = withPatches(known, own.unmatched);
  const patchesOf = new Map<string, readonly string[]>();
  const changed = own.objects.map((each) => {
    const by = own.patchesOf.get(each);
    if (by === undefined) return each;
    const urns = by.flatMap(({ source }) => source?.urn ?? []);
    if (each.source?.urn !== undefined) patchesOf.set(each.source.urn, urns);
    return fromPatches(each, by);
  });
  const added = [...outside.patchesOf].map(([each, by]) => fromPatches(each, by, true));
  const left = outside.unmatched as readonly ObjectPatch[];
  const standing = left.filter(({ object }) => standsAlone(object) || isWhole(object));
  const findings = left
    .filter((patch) => !standing.includes(patch) && decidesTraffic(patch.object))
    .map(({ name, object, source }) => describePatch({ name, object, urn: source?.urn ?? "" }));
  return { objects: [...changed, ...added, ...standing], findings, patchesOf };
}

/** An object that patches changed, with the source that it is judged under. */
export function fromPatches(changed: SourcedObject, by: readonly SourcedObject[], isOutside = false): SourcedObject {
  const source = by.at(-1)?.source;
  if (source === undefined || (!isOutside && !decidesTraffic(changed.object))) return changed;
  return { ...changed, source };
}

/** Whether any part of an object says something: labels of a namespace, settings of an enforcer. */
export function standsAlone({ kind }: KubeObject): boolean {
  return /^(Namespace|ConfigMap|FelixConfiguration)$/.test(kind);
}

/** Whether an object allows or denies traffic, is referred to by what does, or runs pods. */
export function decidesTraffic({ apiVersion, kind }: KubeObject): boolean {
  return shapesPolicies(apiVersion, kind) || isWorkloadKind(kind);
}
