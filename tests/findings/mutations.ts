/** Every way to put a value into a field of a fixture. */
import { loadAll } from "js-yaml";
import type { KubeObject } from "../../sdk/reachability";

type Path = readonly (string | number)[];

/** One field of one object of a document. */
export interface Site {
  /** The rule whose fixture it is. */
  readonly id: string;
  readonly objects: readonly KubeObject[];
  readonly index: number;
  readonly path: Path;
}

/** Every field of the objects of some documents: maps and lists as a whole, and what is in them. */
export function sitesOf(id: string, yaml: string): Site[] {
  const objects = (loadAll(yaml) as (KubeObject | null)[]).filter((object) => object !== null && object !== undefined);
  return objects.flatMap((object, index) => pathsIn(object).map((path) => ({ id, objects, index, path })));
}

/** The objects with a value at the site. */
export function withValue({ objects, index, path }: Site, value: unknown): KubeObject[] {
  return objects.map((object, at) => (at === index ? (replaced(object, path, value) as KubeObject) : object));
}

/** `NetworkPolicy.spec.podSelector`. */
export function describeSite({ objects, index, path }: Site): string {
  return [objects[index]?.kind ?? "", ...path].join(".");
}

function pathsIn(value: unknown, prefix: Path = []): Path[] {
  if (typeof value !== "object" || value === null) return [];
  const keys: (string | number)[] = Array.isArray(value) ? [...value.keys()] : Object.keys(value);
  return keys.flatMap((key) => {
    const path = [...prefix, key];
    return [path, ...pathsIn((value as Record<string | number, unknown>)[key], path)];
  });
}

function replaced(holder: unknown, path: Path, value: unknown): unknown {
  const [key, ...rest] = path;
  if (key === undefined) return value;
  const copy: Record<string | number, unknown> | unknown[] = Array.isArray(holder)
    ? [...(holder as unknown[])]
    : { ...(holder as Record<string, unknown>) };
  (copy as Record<string | number, unknown>)[key] = replaced(
    (holder as Record<string | number, unknown>)[key],
    rest,
    value,
  );
  return copy;
}
