/** Walks over the rules of a policy document as YAML nodes. */
import { isMap, isScalar, isSeq, type YAMLMap } from "yaml";
import type { YamlObject } from "./types";

/** The maps that hold a policy's rules: `spec`, and in Cilium each of `specs`. */
export function specsOf({ document }: YamlObject): YAMLMap[] {
  const root: unknown = document.contents;
  if (!isMap(root)) return [];
  const [spec, specs] = [root.get("spec", true), root.get("specs", true)];
  return [spec, ...(isSeq(specs) ? specs.items : [])].filter((each) => isMap(each));
}

/** The maps of a list at a key; nothing where it is no list. */
export function mapsAt(map: YAMLMap, key: string): YAMLMap[] {
  const list: unknown = map.get(key, true);
  return isSeq(list) ? list.items.filter((each) => isMap(each)) : [];
}

/** The value of a scalar at a key. */
export function valueAt(map: YAMLMap, key: string): unknown {
  const node: unknown = map.get(key, true);
  return isScalar(node) ? node.value : undefined;
}
