import { isMap, isScalar } from "yaml";
import { lineAt, pairOf, renamed } from "./edits";
import type { Repairer } from "./types";
import { mapsAt, specsOf } from "./visit";

/** `namespaceSelector: {matchLabels: {name: kube-system}}`: the label that every namespace has is kubernetes.io/metadata.name. */
export const namespaceByName: Repairer = function* (each) {
  if (each.kind !== "NetworkPolicy") return;
  for (const spec of specsOf(each)) {
    const peers = [
      ...mapsAt(spec, "ingress").flatMap((rule) => mapsAt(rule, "from")),
      ...mapsAt(spec, "egress").flatMap((rule) => mapsAt(rule, "to")),
    ];
    for (const peer of peers) {
      const selector: unknown = peer.get("namespaceSelector", true);
      const labels: unknown = isMap(selector) ? selector.get("matchLabels", true) : undefined;
      if (!isMap(labels) || labels.has("kubernetes.io/metadata.name")) continue;
      const pair = pairOf(labels, "name");
      if (pair === undefined || !isScalar(pair.value)) continue;
      yield {
        line: lineAt(each.text, pair.key.range?.[0] ?? 0),
        rule: "selector-key-unknown",
        what: `names the namespace ${String((pair.value as { value: unknown }).value)} by kubernetes.io/metadata.name`,
        alone: true,
        edits: renamed(pair, "kubernetes.io/metadata.name"),
      };
    }
  }
};
