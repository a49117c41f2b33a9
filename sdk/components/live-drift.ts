/** Who made an object in the cluster, and what other resources hold it. Pure. */
import { isDeepStrictEqual } from "node:util";
import type { FieldOwner, LiveObject } from "../findings/live-drift";
import { isPulumi } from "../findings/live-drift";
import { isMap } from "../reachability/model/plain";
import { declaredByAnnotation } from "./declared-by";

/**
 * Whether an object was there before the resource that has just been created: an older provider takes over what exists,
 * and a destroy would then delete what this stack never made. A new object is as old as the fields that were applied to it.
 *
 * @returns The managers of those who made it; empty where it is new.
 */
export function makersBefore({ metadata }: LiveObject): readonly string[] {
  const entries = (metadata?.managedFields ?? []).filter(({ subresource }) => (subresource ?? "") === "");
  const [first] = ofThisResource(entries);
  const created = metadata?.creationTimestamp;
  if (first?.time === undefined || created === undefined) return [];
  const own = new Set(ofThisResource(entries));
  const others = entries.filter((entry) => !own.has(entry));
  if (created >= first.time && !others.some((entry) => isMaker(entry, created))) return [];
  const makers = others.map(({ manager }) => manager ?? "").filter((manager) => manager !== "");
  return makers.length > 0 ? [...new Set(makers)] : ["a manager that the object does not name"];
}

/** Sections that an object of a plan may have, besides its metadata. */
export const sections = ["spec", "specs", "rules", "subjects", "roleRef"] as const;

/**
 * Whether somebody created an object within the second in which it was applied, too: times have no fractions. Who creates it
 * owns the label with a namespace's name, and what of the object is not the applier's alone.
 */
function isMaker({ operation, time, fieldsV1 }: FieldOwner, created: string): boolean {
  if (operation !== "Update") return false;
  const text = JSON.stringify(fieldsV1 ?? {});
  if (text.includes('"f:kubernetes.io/metadata.name"') || text.includes('"f:podSelector"')) return true;
  return time === created && sections.some((section) => fieldAt(fieldsV1, `f:${section}`) !== undefined);
}

/**
 * Other resources of Pulumi that apply the fields of an object as well: the one under its former name, which a rename
 * without an alias leaves behind, or one of another stack. Whichever is deleted takes the object with it.
 */
export function otherResources({ metadata }: LiveObject): readonly string[] {
  const entries = metadata?.managedFields ?? [];
  const own = ofThisResource(entries);
  const spec = specOf(own.at(-1));
  if (spec === undefined) return [];
  return entries
    .filter((entry) => isPulumi(entry) && !own.includes(entry) && isDeepStrictEqual(specOf(entry), spec))
    .map(({ manager }) => manager ?? "");
}

/**
 * The entries of the resource that applied an object last, oldest first. An update that is killed while it creates an object
 * leaves an entry whose manager nobody remembers; the next update creates the object again, as another manager. Both own
 * the annotation that names the declaring component, which no two resources of different components can own together:
 * whoever applies another value takes it from the other.
 */
function ofThisResource(entries: readonly FieldOwner[]): readonly FieldOwner[] {
  const applied = entries.filter(isPulumi).sort((a, b) => (a.time ?? "").localeCompare(b.time ?? ""));
  const latest = applied.at(-1);
  if (latest === undefined) return [];
  return applied.filter((entry) => entry === latest || (ownsDeclaredBy(latest) && ownsDeclaredBy(entry)));
}

function ownsDeclaredBy({ fieldsV1 }: FieldOwner): boolean {
  const annotations = fieldAt(fieldAt(fieldsV1, "f:metadata"), "f:annotations");
  return fieldAt(annotations, `f:${declaredByAnnotation}`) !== undefined;
}

function fieldAt(fields: unknown, key: string): unknown {
  return isMap(fields) ? fields[key] : undefined;
}

function specOf(entry: FieldOwner | undefined): unknown {
  const fields = entry?.fieldsV1;
  return isMap(fields) ? fields["f:spec"] : undefined;
}
