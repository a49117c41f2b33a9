/** Walks over the rules of a policy as YAML nodes. */
import { isMap, isPair, isScalar, isSeq, type Pair, type Scalar, type YAMLMap } from "yaml";
import type { YamlObject } from "./types";

/** The maps that hold a policy's rules: `spec`, and in Cilium each of `specs`. */
export function specsOf({ root }: Pick<YamlObject, "root">): YAMLMap[] {
  const [spec, specs] = [root.get("spec", true), root.get("specs", true)];
  return [spec, ...(isSeq(specs) ? specs.items : [])].filter((each) => isMap(each));
}

/** The maps of a list at a key; nothing where it is no list. */
export function mapsAt(map: YAMLMap, key: string): YAMLMap[] {
  const list: unknown = map.get(key, true);
  return isSeq(list) ? list.items.filter((each) => isMap(each)) : [];
}

/** The map at a key; nothing where it is none. */
export function mapAt(map: YAMLMap | undefined, key: string): YAMLMap | undefined {
  const value: unknown = map?.get(key, true);
  return isMap(value) ? value : undefined;
}

/** The value of a scalar at a key. */
export function valueAt(map: YAMLMap, key: string): unknown {
  const node: unknown = map.get(key, true);
  return isScalar(node) ? node.value : undefined;
}

/** A scalar of a policy, and the field that it is the value of, or an item of whose list it is. */
export interface FieldValue {
  readonly field: string;
  readonly scalar: Scalar;
}

/** Labels and annotations are free: what stands there is no field and no value of one. */
const free: ReadonlySet<string> = new Set(["matchLabels", "labels", "annotations", "matchPattern", "description"]);

/** Every pair of a map and of the maps below it, without labels. */
export function* pairsBelow(map: YAMLMap): Iterable<{ readonly map: YAMLMap; readonly pair: Pair<Scalar<string>> }> {
  for (const pair of map.items) {
    if (!isPair(pair) || !isScalar(pair.key) || typeof pair.key.value !== "string") continue;
    yield { map, pair: pair as Pair<Scalar<string>> };
    if (free.has(pair.key.value)) continue;
    const values: readonly unknown[] = isSeq(pair.value) ? pair.value.items : [pair.value];
    for (const value of values) if (isMap(value)) yield* pairsBelow(value);
  }
}

/** Every scalar below a map with its field, without labels. */
export function* valuesBelow(map: YAMLMap): Iterable<FieldValue> {
  for (const { pair } of pairsBelow(map)) {
    const field = pair.key.value;
    if (free.has(field)) continue;
    const values: readonly unknown[] = isSeq(pair.value) ? pair.value.items : [pair.value];
    for (const value of values) if (isScalar(value)) yield { field, scalar: value };
  }
}
