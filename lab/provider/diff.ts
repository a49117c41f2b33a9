/**
 * What an update would change, field by field: the program's inputs against what the cluster holds.
 *
 * Only fields under our management count. A field is ours when the program sets it, or set it last time; fields that
 * other managers add beside them are theirs. Where a list or map is owned whole (an atomic list such as the rules of a
 * NetworkPolicy, an atomic map such as a pod selector) everything in it counts, so an added rule shows as drift.
 *
 * The API server rewrites some values (defaults inside an atomic list, quantities, an empty map that it drops). What
 * it made of our inputs is remembered as {@link Rewrite}s at the time of the apply; such a difference is no drift.
 */
import { isAtomic, type OwnedFields } from "./ownership";
import {
  equal,
  hasSecret,
  isMap,
  isPlainMap,
  Secret,
  UnknownValue,
  unwrap,
  type Plain,
  type PlainMap,
  type Property,
  type PropertyMap,
} from "./properties";

export type FieldPath = readonly (string | number)[];

export interface Change {
  path: FieldPath;
  kind: "add" | "delete" | "update";
  /** The program changed it; otherwise the cluster did. */
  byInputs: boolean;
}

/** What the API server made of an input: `value` is absent where it dropped it. */
export interface Rewrite {
  path: FieldPath;
  value?: Plain;
}

/** Path as Pulumi writes it: `spec.ingress[0].ports`, `metadata.labels["app.kubernetes.io/name"]`. */
export function pathText(path: FieldPath): string {
  let text = "";
  for (const part of path) {
    if (typeof part === "number") text += `[${part}]`;
    else if (/[."[\]]/.test(part)) text += `["${part.replaceAll('"', '\\"')}"]`;
    else text += text === "" ? part : `.${part}`;
  }
  return text;
}

/** Reads a path as Pulumi writes it, also with `*`; the inverse of {@link pathText}. */
export function parsePath(text: string): FieldPath {
  const path: (string | number)[] = [];
  const pattern = /\["((?:[^"\\]|\\.)*)"\]|\[(\d+)\]|\[(\*)\]|([^.[\]]+)/g;
  for (const match of text.matchAll(pattern)) {
    if (match[1] !== undefined) path.push(match[1].replaceAll('\\"', '"'));
    else if (match[2] !== undefined) path.push(Number(match[2]));
    else path.push((match[3] ?? match[4]) as string);
  }
  return path;
}

/** Whether `path` lies at or below `prefix`; `*` in the prefix stands for any part. */
export function isBelow(path: FieldPath, prefix: FieldPath): boolean {
  return prefix.length <= path.length && prefix.every((part, index) => part === "*" || part === path[index]);
}

export function valueAt(root: Plain | undefined, path: FieldPath): Plain | undefined {
  let value = root;
  for (const part of path) {
    if (typeof part === "number") value = Array.isArray(value) ? value[part] : undefined;
    else value = isPlainMap(value) ? value[part] : undefined;
  }
  return value;
}

/** The element of `live` that has the same keys as `element`, by the keys that the owners use. */
function counterpart(element: Plain, live: readonly Plain[], owned: OwnedFields | undefined): [number, OwnedFields?] {
  const keyNames = Object.keys(owned?.elements[0]?.keys ?? {});
  if (!isPlainMap(element) || keyNames.length === 0) return [live.findIndex((item) => equal(item, element))];
  // a key that the program leaves out has its default in the live element
  const set = keyNames.filter((name) => element[name] !== undefined);
  const index = live.findIndex((item) => isPlainMap(item) && set.every((name) => equal(item[name], element[name])));
  const found = live[index];
  const entry = owned?.elements.find(
    ({ keys }) => isPlainMap(found) && keyNames.every((name) => equal(keys[name], found[name])),
  );
  return [index, entry?.owned];
}

class Comparison {
  readonly changes: Change[] = [];

  constructor(private readonly rewrites: readonly Rewrite[]) {}

  private add(path: FieldPath, kind: Change["kind"], byInputs: boolean): void {
    this.changes.push({ path, kind, byInputs });
  }

  /** The value that the API server made of this unchanged input when it was applied. */
  private wasRewrittenTo(path: FieldPath, live: Plain | undefined): boolean {
    return this.rewrites.some((rewrite) => samePath(rewrite.path, path) && equal(rewrite.value, live));
  }

  compare(
    path: FieldPath,
    live: Plain | undefined,
    old: Plain | undefined,
    next: Plain,
    owned: OwnedFields | undefined,
    byHand: OwnedFields | undefined,
  ): void {
    const byInputs = !equal(old, next);
    if (!byInputs && (equal(live, next) || this.wasRewrittenTo(path, live))) return;
    if (live === undefined) return this.add(path, "add", byInputs);
    if (next instanceof UnknownValue) return this.add(path, "update", true);
    if (isPlainMap(next) && isPlainMap(live)) return this.compareMaps(path, live, old, next, owned, byHand);
    if (Array.isArray(next) && Array.isArray(live)) return this.compareLists(path, live, old, next, owned, byHand);
    if (!equal(live, next)) this.add(path, "update", byInputs);
  }

  compareMaps(
    path: FieldPath,
    live: PlainMap,
    old: Plain | undefined,
    next: PlainMap,
    owned: OwnedFields | undefined,
    byHand: OwnedFields | undefined,
  ): void {
    const before = isPlainMap(old) ? old : {};
    const whole = path.length > 0 && isAtomic(owned, live);
    const known = [...Object.keys(next), ...Object.keys(before), ...(byHand?.fields.keys() ?? [])];
    for (const key of new Set([...known, ...(whole ? Object.keys(live) : [])])) {
      if (path.length === 0 && typeKeys.has(key)) continue;
      const below = [...path, key];
      const value = next[key];
      if (value !== undefined) {
        this.compare(below, live[key], before[key], value, owned?.fields.get(key), byHand?.fields.get(key));
      } else if (live[key] === undefined) continue;
      else if (before[key] !== undefined) this.add(below, "delete", true);
      else if (byHand?.fields.has(key)) this.add(below, "delete", false);
      // the whole map was not rewritten to this, so somebody added the key
      else if (whole && equal(old, next)) this.add(below, "delete", false);
    }
  }

  private compareLists(
    path: FieldPath,
    live: Plain[],
    old: Plain | undefined,
    next: Plain[],
    owned: OwnedFields | undefined,
    byHand: OwnedFields | undefined,
  ): void {
    const before = Array.isArray(old) ? old : [];
    if (!isAtomic(owned, live)) return this.compareElements(path, live, before, next, owned, byHand);
    const unchanged = equal(old, next);
    const expected = unchanged ? this.rewrites.find((rewrite) => samePath(rewrite.path, path))?.value : undefined;
    const wanted = Array.isArray(expected) ? expected : next;
    for (let index = 0; index < Math.max(wanted.length, live.length); index++) {
      const below = [...path, index];
      if (index >= wanted.length) this.add(below, "delete", index < before.length && !unchanged);
      else if (index >= live.length) this.add(below, "add", !unchanged);
      else if (unchanged) this.compareWhole(below, live[index] as Plain, wanted[index] as Plain);
      else this.compare(below, live[index], before[index], wanted[index] as Plain, undefined, undefined);
    }
  }

  /** Inside something that is owned whole and that the program did not change: every difference is drift. */
  private compareWhole(path: FieldPath, live: Plain, wanted: Plain): void {
    if (equal(live, wanted)) return;
    if (isPlainMap(live) && isPlainMap(wanted)) {
      for (const key of new Set([...Object.keys(live), ...Object.keys(wanted)])) {
        const [is, should] = [live[key], wanted[key]];
        if (is === undefined) this.add([...path, key], "add", false);
        else if (should === undefined) this.add([...path, key], "delete", false);
        else this.compareWhole([...path, key], is, should);
      }
    } else if (Array.isArray(live) && Array.isArray(wanted)) {
      for (let index = 0; index < Math.max(live.length, wanted.length); index++) {
        const [is, should] = [live[index], wanted[index]];
        if (is === undefined) this.add([...path, index], "add", false);
        else if (should === undefined) this.add([...path, index], "delete", false);
        else this.compareWhole([...path, index], is, should);
      }
    } else this.add(path, "update", false);
  }

  private compareElements(
    path: FieldPath,
    live: Plain[],
    before: Plain[],
    next: Plain[],
    owned: OwnedFields | undefined,
    byHand: OwnedFields | undefined,
  ): void {
    const taken = new Set<number>();
    next.forEach((element, index) => {
      const [found, ownedBelow] = counterpart(element, live, owned);
      const [previous] = counterpart(element, before, owned);
      if (found >= 0) taken.add(found);
      const handBelow = byHand ? counterpart(element, live, byHand)[1] : undefined;
      this.compare([...path, index], live[found], before[previous], element, ownedBelow, handBelow);
    });
    before.forEach((element, index) => {
      const [found] = counterpart(element, live, owned);
      if (found < 0 || taken.has(found)) return;
      taken.add(found);
      this.add([...path, index], "delete", true);
    });
    // elements that were added by hand: they stand behind those of the program
    const extra = live.filter(
      (element, index) =>
        !taken.has(index) &&
        byHand?.elements.some(
          ({ keys }) => isPlainMap(element) && Object.entries(keys).every(([key, value]) => equal(element[key], value)),
        ),
    );
    extra.forEach((_, index) => this.add([...path, next.length + index], "delete", false));
  }
}

function samePath(left: FieldPath, right: FieldPath): boolean {
  return left.length === right.length && left.every((part, index) => part === right[index]);
}

// kind and version are the resource's type; status is the cluster's to write
const typeKeys: ReadonlySet<string> = new Set(["apiVersion", "kind", "status"]);

export interface DiffInputs {
  /** The object in the cluster, as last seen. */
  live: PlainMap;
  oldInputs: PlainMap;
  newInputs: PlainMap;
  /** What each manager of the live object owns, together. */
  owned: OwnedFields;
  /** What was written by hand (kubectl) to an object of ours: fields beside the program's are drift there. */
  byHand?: OwnedFields | undefined;
  rewrites: readonly Rewrite[];
}

/** The changes between what the cluster holds and what the program wants. */
export function diffObject(inputs: DiffInputs): Change[] {
  const comparison = new Comparison(inputs.rewrites);
  comparison.compareMaps([], inputs.live, inputs.oldInputs, inputs.newInputs, inputs.owned, inputs.byHand);
  return comparison.changes;
}

/** The changes between two sets of inputs, for what has no live object to compare with (a Helm Release). */
export function diffInputs(old: PlainMap, next: PlainMap): Change[] {
  const changes: Change[] = [];
  const visit = (path: FieldPath, before: Plain | undefined, after: Plain | undefined): void => {
    if (equal(before, after)) return;
    if (isPlainMap(before) && isPlainMap(after)) {
      for (const key of new Set([...Object.keys(before), ...Object.keys(after)]))
        visit([...path, key], before[key], after[key]);
    } else if (Array.isArray(before) && Array.isArray(after)) {
      for (let index = 0; index < Math.max(before.length, after.length); index++)
        visit([...path, index], before[index], after[index]);
    } else {
      const kind = before === undefined ? "add" : after === undefined ? "delete" : "update";
      changes.push({ path, kind, byInputs: true });
    }
  };
  visit([], old, next);
  return changes;
}

/**
 * The inputs as the cluster holds them now, for `refresh`: what is as the program set it stays as it is written there
 * (with its secrets), what differs takes the live value, what is gone is left out.
 */
export function observeInputs(
  inputs: PropertyMap,
  live: PlainMap,
  owned: OwnedFields,
  rewrites: readonly Rewrite[],
): PropertyMap {
  const visit = (
    path: FieldPath,
    input: Property,
    current: Plain | undefined,
    below: OwnedFields | undefined,
  ): Property | undefined => {
    const plain = unwrap(input);
    const rewritten = rewrites.some((rewrite) => samePath(rewrite.path, path) && equal(rewrite.value, current));
    if (equal(plain, current) || rewritten) return input;
    if (current === undefined) return undefined;
    if (input instanceof Secret) {
      const inner = visit(path, input.value, current, below);
      return inner === undefined || inner instanceof Secret ? inner : new Secret(inner);
    }
    const whole = isAtomic(below, current);
    if (isMap(input) && isPlainMap(current) && !whole) {
      const result: PropertyMap = {};
      for (const [key, value] of Object.entries(input as PropertyMap)) {
        const seen = visit([...path, key], value, current[key], below?.fields.get(key));
        if (seen !== undefined) result[key] = seen;
      }
      return result;
    }
    if (Array.isArray(input) && Array.isArray(current) && !whole) {
      return input.flatMap((element, index) => {
        const [found, ownedBelow] = counterpart(unwrap(element), current, below);
        const seen = visit([...path, index], element, current[found], ownedBelow);
        return seen === undefined ? [] : [seen];
      });
    }
    return hasSecret(input) ? new Secret(current) : current;
  };
  const result: PropertyMap = {};
  for (const [key, value] of Object.entries(inputs)) {
    const seen = typeKeys.has(key) ? value : visit([key], value, live[key], owned.fields.get(key));
    if (seen !== undefined) result[key] = seen;
  }
  return result;
}

/** What the API server made of the inputs: compares them with its answer to the apply. */
export function findRewrites(inputs: PlainMap, answer: PlainMap, owned: OwnedFields): Rewrite[] {
  const rewrites: Rewrite[] = [];
  const note = (path: FieldPath, value: Plain | undefined): void => {
    rewrites.push(value === undefined ? { path } : { path, value });
  };
  const visit = (path: FieldPath, input: Plain, live: Plain | undefined, below: OwnedFields | undefined): void => {
    if (equal(input, live)) return;
    const atomic = isAtomic(below, live);
    if (isPlainMap(input) && isPlainMap(live) && !atomic) {
      for (const [key, value] of Object.entries(input)) visit([...path, key], value, live[key], below?.fields.get(key));
    } else if (Array.isArray(input) && Array.isArray(live) && !atomic) {
      input.forEach((element, index) => {
        const [found, ownedBelow] = counterpart(element, live, below);
        visit([...path, index], element, live[found], ownedBelow);
      });
    } else note(path, live);
  };
  for (const [key, value] of Object.entries(inputs)) {
    if (!typeKeys.has(key)) visit([key], value, answer[key], owned.fields.get(key));
  }
  return rewrites;
}
