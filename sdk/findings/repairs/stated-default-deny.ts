import { isMap } from "yaml";
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
    if (selector === undefined || !isMap(selector.value) || pairOf(spec, "enableDefaultDeny") !== undefined) continue;
    const directions = (["ingress", "egress"] as const).filter(
      (direction) => pairOf(spec, direction) !== undefined || pairOf(spec, `${direction}Deny`) !== undefined,
    );
    if (directions.length === 0) continue;
    yield {
      line: lineAt(each.text, selector.key.range?.[0] ?? 0),
      rule: "explicit-default-deny",
      what: `states that it isolates for ${directions.join(" and ")}, as it does`,
      edits: addedAfter(
        each.text,
        spec,
        selector,
        "enableDefaultDeny",
        `{ ${directions.map((direction) => `${direction}: true`).join(", ")} }`,
      ),
    };
  }
};
