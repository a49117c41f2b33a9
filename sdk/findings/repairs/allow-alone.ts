import { isMap } from "yaml";
import { defaultTiers } from "../types";
import { addedAfter, lineAt, pairOf, startOf } from "./edits";
import type { ChangedPath, Repairer } from "./types";
import { mapsAt, specsOf } from "./visit";

/**
 * A clusterwide policy of Cilium that is named for what it allows and isolates the pods of tier 0 by selecting them: it only
 * allows (`enableDefaultDeny: false`). Kept only where nothing outside of tier 0 opens, because other policies isolate it.
 */
export const allowAlone: Repairer = function* (each) {
  const { name } = (each.object["metadata"] ?? {}) as { name?: unknown };
  if (each.kind !== "CiliumClusterwideNetworkPolicy" || !/^allow(-|$)/.test(String(name))) return;
  for (const spec of specsOf(each)) {
    const selector = pairOf(spec, "endpointSelector");
    if (selector === undefined || !isMap(selector.value) || pairOf(spec, "enableDefaultDeny") !== undefined) continue;
    // a deny keeps working without isolating; beside one it is less plain what is meant
    if (pairOf(spec, "ingressDeny") !== undefined || pairOf(spec, "egressDeny") !== undefined) continue;
    const directions = (["ingress", "egress"] as const).filter((direction) => mapsAt(spec, direction).length > 0);
    if (directions.length === 0) continue;
    yield {
      line: lineAt(each.text, startOf(selector)),
      rule: "tier0-restricted",
      what: `only allows: it no longer isolates the pods that it selects for ${directions.join(" and ")}`,
      mayOpen: isTier0,
      edits: addedAfter(
        each.text,
        spec,
        selector,
        "enableDefaultDeny",
        Object.fromEntries(directions.map((direction) => [direction, false])),
      ),
    };
  }
};

function isTier0({ source, destination, ...path }: ChangedPath): boolean {
  const homes = [source, destination].map((peer, index) =>
    peer.kind === "freshPod"
      ? peer.namespace
      : ((index === 0 ? path.sourceId : path.destinationId) ?? "").split("/")[0],
  );
  return homes.some((home) => home !== undefined && defaultTiers.exemptNamespaces.includes(home));
}
