import { isMap, type Pair, type Scalar, type YAMLMap } from "yaml";
import { addedAfter, lineAt, pairOf } from "./edits";
import type { Repairer } from "./types";
import { specsOf } from "./visit";

/**
 * A CiliumClusterwideNetworkPolicy that does not state whether it isolates: what holds without being stated is written down,
 * so that nothing changes but that it can be read (Cilium: enableDefaultDeny defaults to true for each direction with rules).
 */
export const statedDefaultDeny: Repairer = function* (each) {
  if (each.kind !== "CiliumClusterwideNetworkPolicy") return;
  for (const spec of specsOf(each)) {
    const selector = pairOf(spec, "endpointSelector");
    const stated = pairOf(spec, "enableDefaultDeny");
    const map = stated?.value;
    if (selector === undefined || !isMap(selector.value) || (stated !== undefined && !isMap(map))) continue;
    const directions = (["ingress", "egress"] as const).filter(
      (direction) =>
        (pairOf(spec, direction) !== undefined || pairOf(spec, `${direction}Deny`) !== undefined) &&
        (!isMap(map) || pairOf(map, direction) === undefined),
    );
    const known = isMap(map) ? directions.flatMap((direction) => other(map, direction)) : [];
    if (directions.length === 0) continue;
    yield {
      line: lineAt(each.text, selector.key.range?.[0] ?? 0),
      rule: "explicit-default-deny",
      what: `states that it isolates for ${directions.join(" and ")}, as it does`,
      last: true,
      edits: isMap(map)
        ? known.flatMap(({ pair, direction }) => addedAfter(each.text, map, pair, direction, true))
        : addedAfter(
            each.text,
            spec,
            selector,
            "enableDefaultDeny",
            Object.fromEntries(directions.map((direction) => [direction, true])),
          ),
    };
  }
};

/** The direction that is stated, beside the one that is not. */
function other(
  map: YAMLMap,
  direction: "ingress" | "egress",
): { readonly pair: Pair<Scalar<string>>; readonly direction: string }[] {
  const pair = pairOf(map, direction === "ingress" ? "egress" : "ingress");
  return pair === undefined ? [] : [{ pair, direction }];
}
