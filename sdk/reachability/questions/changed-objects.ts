/** Which objects differ between two snapshots. */
import type { KubeObject, ObjectRef, Source, SourcedObject } from "../model/objects";
import { serverFields } from "../model/objects";
import type { Snapshot } from "../model/snapshot";
import { isUnknown } from "../model/unknown";

/** An object that differs between two snapshots. */
export interface ChangedObject extends ObjectRef {
  readonly change: "added" | "removed" | "changed";
  /** Where it is: in the later snapshot, or in the earlier one where it is gone. */
  readonly source?: Source;
}

/** What the server keeps for itself in an object, and what says nothing about traffic. */
const bookkeeping: ReadonlySet<string> = new Set([...serverFields, "deletionTimestamp"]);

/** The objects that differ between two snapshots, each under the name by which a flow or an explanation knows it. */
export class ChangedObjects {
  readonly #policies: ReadonlyMap<string, ChangedObject>;
  /** Workloads by id, namespaces by name. */
  readonly #workloads: ReadonlyMap<string, ChangedObject>;
  readonly #namespaces = new Map<string, ChangedObject>();
  /** Services, network sets, namespaces and what else is neither policy nor workload. */
  readonly others: readonly ChangedObject[];

  constructor(before: Snapshot, after: Snapshot) {
    this.#policies = differing(before.policies, after.policies, keyOfObject);
    this.#workloads = differing(before.workloads, after.workloads, ({ id }) => id);
    for (const name of new Set([...before.namespaces.keys(), ...after.namespaces.keys()])) {
      const [was, is] = [before.namespaces.get(name), after.namespaces.get(name)];
      if (JSON.stringify(sorted(was?.labels)) === JSON.stringify(sorted(is?.labels))) continue;
      const change = was === undefined ? "added" : is === undefined ? "removed" : "changed";
      const source = (is ?? was)?.source;
      this.#namespaces.set(name, { apiVersion: "v1", kind: "Namespace", name, change, ...(source ? { source } : {}) });
    }
    this.others = [...differing(before.others, after.others, keyOfObject).values(), ...this.#namespaces.values()];
  }

  /** Those of the workloads that are in one of the snapshots only. */
  appearedOrGone(ids: readonly string[]): ChangedObject[] {
    return this.#of(this.#workloads, ids).filter(({ change }) => change !== "changed");
  }

  /** Those of these policies that differ, each once. */
  of(refs: readonly ObjectRef[]): ChangedObject[] {
    return this.#of(this.#policies, refs.map(keyOf));
  }

  /** Those of these ends, and of their namespaces, that differ. */
  ofEnds(ids: readonly string[]): ChangedObject[] {
    const namespaces = ids.map((id) => id.split("/")[0] ?? "");
    return [...this.#of(this.#workloads, ids), ...this.#of(this.#namespaces, namespaces)];
  }

  #of(objects: ReadonlyMap<string, ChangedObject>, keys: readonly string[]): ChangedObject[] {
    return [...new Set(keys.flatMap((key) => objects.get(key) ?? []))];
  }
}

function differing<T extends SourcedObject>(
  before: readonly T[],
  after: readonly T[],
  keyOfOne: (each: T) => string,
): Map<string, ChangedObject> {
  const old = new Map(before.map((each) => [keyOfOne(each), each]));
  const now = new Map(after.map((each) => [keyOfOne(each), each]));
  const changed = new Map<string, ChangedObject>();
  for (const key of new Set([...old.keys(), ...now.keys()])) {
    const [was, is] = [old.get(key), now.get(key)];
    const each = is ?? was;
    if (each === undefined) continue;
    if (was !== undefined && is !== undefined && textOf(was.object) === textOf(is.object)) continue;
    const change = was === undefined ? "added" : is === undefined ? "removed" : "changed";
    changed.set(key, { ...refOf(each.object), change, ...(each.source === undefined ? {} : { source: each.source }) });
  }
  return changed;
}

function keyOfObject({ object }: SourcedObject): string {
  return keyOf(refOf(object));
}

function refOf(object: KubeObject): ObjectRef {
  const { name, namespace } = object.metadata ?? {};
  return {
    apiVersion: object.apiVersion,
    kind: object.kind,
    name: typeof name === "string" ? name : "(unknown)",
    ...(typeof namespace === "string" ? { namespace } : {}),
  };
}

/** Without the version, and with the namespace that is meant where none is written. */
function keyOf({ apiVersion, kind, namespace, name }: ObjectRef): string {
  const group = apiVersion.includes("/") ? apiVersion.split("/")[0] : "";
  return `${group}|${kind}|${namespace ?? "default"}|${name}`;
}

/** An object as text, independent of the order of its keys, without its status and the server's bookkeeping. */
function textOf(object: KubeObject): string {
  const { status: _, metadata, ...rest } = object;
  const kept = Object.fromEntries(Object.entries(metadata ?? {}).filter(([key]) => !bookkeeping.has(key)));
  return JSON.stringify(sorted({ ...rest, metadata: kept }));
}

function sorted(value: unknown): unknown {
  // as JSON it would be an empty object, which selects everything
  if (isUnknown(value)) return "\u0000unknown";
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
  return Object.fromEntries(entries.map(([key, item]) => [key, sorted(item)]));
}
