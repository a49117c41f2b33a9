import { namespaceNameLabel } from "../../reachability/model/namespace-labels";
import { isMap, isScalar, type YAMLMap } from "yaml";
import { lineAt, pairOf, renamed, startOf } from "./edits";
import type { Repair, Repairer, YamlObject } from "./types";
import { mapAt, mapsAt, specsOf } from "./visit";

/** `podSelector: {matchLabels: {kubernetes.io/metadata.name: shop}}`: it is a label of namespaces, and no pod has it. */
function* asNamespace(each: YamlObject, peer: YAMLMap): Iterable<Omit<Repair, "file">> {
  const [pods, labels] = [pairOf(peer, "podSelector"), mapAt(mapAt(peer, "podSelector"), "matchLabels")];
  if (pods === undefined || labels === undefined || peer.items.length !== 1) return;
  if (mapAt(peer, "podSelector")?.items.length !== 1 || labels.items.length !== 1 || !labels.has(namespaceNameLabel))
    return;
  yield {
    line: lineAt(each.text, startOf(pods)),
    rule: "selector-key-unknown",
    what: `names the namespace ${String(labels.get(namespaceNameLabel))} with namespaceSelector`,
    alone: true,
    mayOpen: true,
    mayClose: ({ source, destination }) =>
      [source, destination].some(
        (end) => end.kind === "freshPod" && Object.hasOwn(end.labels ?? {}, namespaceNameLabel),
      ),
    edits: renamed(each.text, pods, "namespaceSelector"),
  };
}

/** `namespaceSelector: {matchLabels: {name: kube-system}}`: the label that every namespace has is kubernetes.io/metadata.name. */
export const namespaceByName: Repairer = function* (each) {
  if (each.kind !== "NetworkPolicy") return;
  for (const spec of specsOf(each)) {
    const peers = [
      ...mapsAt(spec, "ingress").flatMap((rule) => mapsAt(rule, "from")),
      ...mapsAt(spec, "egress").flatMap((rule) => mapsAt(rule, "to")),
    ];
    for (const peer of peers) {
      yield* asNamespace(each, peer);
      const selector: unknown = peer.get("namespaceSelector", true);
      const labels: unknown = isMap(selector) ? selector.get("matchLabels", true) : undefined;
      if (!isMap(labels) || labels.has(namespaceNameLabel)) continue;
      const pair = pairOf(labels, "name");
      if (pair === undefined || !isScalar(pair.value)) continue;
      yield {
        line: lineAt(each.text, pair.key.range?.[0] ?? 0),
        rule: "selector-key-unknown",
        what: `names the namespace ${String((pair.value as { value: unknown }).value)} by kubernetes.io/metadata.name`,
        alone: true,
        mayOpen: true,
        edits: renamed(each.text, pair, namespaceNameLabel),
      };
    }
  }
};
