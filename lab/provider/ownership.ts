/**
 * Who owns which field: `metadata.managedFields` as a tree. It also tells what the schema would: whether a list is
 * owned whole (atomic) or by element, and whether a map is.
 * Source: Kubernetes "Server-Side Apply", structured-merge-diff's FieldsV1 (`f:` field, `k:` element by key,
 * `v:` element by value, `.` the item itself).
 */
import { isMap, isPlainMap, type Plain, type PlainMap } from "./properties";
import { metadataOf } from "./objects";

export interface OwnedFields {
  fields: Map<string, OwnedFields>;
  /** Elements of a list that are told apart by keys: the key values and what is owned below. */
  elements: { keys: PlainMap; owned: OwnedFields }[];
  /** Elements of a list that is a set. */
  values: boolean;
}

function empty(): OwnedFields {
  return { fields: new Map(), elements: [], values: false };
}

function merge(into: OwnedFields, entry: Record<string, unknown>): void {
  for (const [key, child] of Object.entries(entry)) {
    const below = isMap(child) ? child : {};
    if (key.startsWith("f:")) {
      const name = key.slice(2);
      const owned = into.fields.get(name) ?? empty();
      into.fields.set(name, owned);
      merge(owned, below);
    } else if (key.startsWith("k:")) {
      const keys = JSON.parse(key.slice(2)) as PlainMap;
      const known = into.elements.find((element) => JSON.stringify(element.keys) === JSON.stringify(keys));
      const element = known ?? { keys, owned: empty() };
      if (!known) into.elements.push(element);
      merge(element.owned, below);
    } else if (key.startsWith("v:")) {
      into.values = true;
    }
  }
}

export interface ManagedEntry {
  manager: string;
  operation: string;
  apiVersion?: string;
  subresource?: string;
  fieldsV1?: Record<string, unknown>;
}

export function managedEntries(object: PlainMap): ManagedEntry[] {
  const list = metadataOf(object)["managedFields"];
  return Array.isArray(list) ? (list.filter(isPlainMap) as unknown as ManagedEntry[]) : [];
}

/** The fields that the chosen managers own together (all of them when `choose` is absent). */
export function ownedFields(object: PlainMap, choose: (entry: ManagedEntry) => boolean = () => true): OwnedFields {
  const tree = empty();
  for (const entry of managedEntries(object)) {
    if (entry.fieldsV1 && choose(entry)) merge(tree, entry.fieldsV1);
  }
  return tree;
}

/** Whether the field manager has applied this object (server-side apply, not another kind of write). */
export function isAppliedBy(object: PlainMap, manager: string): boolean {
  return managedEntries(object).some((entry) => entry.manager === manager && entry.operation === "Apply");
}

export function ownsPath(owned: OwnedFields | undefined, path: readonly string[]): boolean {
  let node = owned;
  for (const part of path) node = node?.fields.get(part);
  return node !== undefined;
}

/** Owned whole: nothing is owned below it although it has content. A list that nobody owns counts as whole. */
export function isAtomic(owned: OwnedFields | undefined, live: Plain | undefined): boolean {
  if (Array.isArray(live)) return !owned || (owned.elements.length === 0 && !owned.values);
  if (!isPlainMap(live) || Object.keys(live).length === 0 || !owned) return false;
  return owned.fields.size === 0 && owned.elements.length === 0 && !owned.values;
}

/** Names under which earlier versions of the provider wrote without server-side apply. */
const clientSideNames: ReadonlySet<string> = new Set([
  "before-first-apply",
  "pulumi-kubernetes",
  "pulumi-kubernetes.exe",
  "pulumi-resource-kubernetes",
]);

/**
 * Managers whose writes to our object count as interference by hand: an update takes their fields over and sets them
 * as the program says (the released provider does so too). Other managers are controllers; they keep their fields, and
 * where they disagree with the program the API server reports a conflict.
 */
export function isHandWritten(entry: Pick<ManagedEntry, "manager" | "operation" | "subresource">): boolean {
  if (entry.subresource) return false;
  if (entry.operation === "Update" && clientSideNames.has(entry.manager)) return true;
  return entry.manager.startsWith("kubectl");
}

function mergeFieldSets(left: Record<string, unknown>, right: Record<string, unknown>): Record<string, unknown> {
  const merged = { ...left };
  for (const [key, value] of Object.entries(right)) {
    const known = merged[key];
    merged[key] = isMap(known) && isMap(value) ? mergeFieldSets(known, value) : value;
  }
  return merged;
}

/**
 * The managed fields with everything that was written by hand booked to our field manager, or undefined where there
 * is nothing to take over. The next apply then removes what the program does not contain.
 */
export function takeOver(object: PlainMap, manager: string): ManagedEntry[] | undefined {
  const entries = managedEntries(object);
  const own = entries.find((entry) => entry.manager === manager && entry.operation === "Apply");
  const apiVersion = own?.apiVersion ?? String(object["apiVersion"]);
  const taken = entries.filter((entry) => entry !== own && isHandWritten(entry) && entry.apiVersion === apiVersion);
  const first = taken[0];
  if (!first) return undefined;
  const fieldsV1 = taken.reduce((all, entry) => mergeFieldSets(all, entry.fieldsV1 ?? {}), own?.fieldsV1 ?? {});
  const merged: ManagedEntry = { ...(own ?? first), manager, operation: "Apply", fieldsV1 };
  return [...entries.filter((entry) => entry !== own && !taken.includes(entry)), merged];
}
