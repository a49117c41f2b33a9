import { isMap, isScalar, type Pair, type Scalar } from "yaml";
import type { Peer } from "../../reachability";
import { rightKeyIn } from "../rules/policies/selector-key-unknown";
import type { Finding } from "../types";
import { lineAt, pairOf, renamed, startOf } from "./edits";
import type { Repair, YamlObject } from "./types";
import { pairsBelow, specsOf } from "./visit";

/** A label that a selector asks for under a key that no object has: it gets the key that the finding names. */
export function* labelKey(each: YamlObject, findings: readonly Finding[]): Iterable<Omit<Repair, "file">> {
  const keys = findings.filter(({ id }) => id === "selector-key-unknown").flatMap(rightKeyIn);
  if (keys.length === 0) return;
  for (const spec of specsOf(each)) {
    for (const { pair } of pairsBelow(spec)) {
      if (pair.key.value !== "matchLabels" || !isMap(pair.value)) continue;
      for (const { wrong, right } of keys) {
        const label = pairOf(pair.value, wrong);
        if (label === undefined || pair.value.has(right)) continue;
        yield {
          line: lineAt(each.text, startOf(label)),
          rule: "selector-key-unknown",
          what: `asks for the label ${right}${valueOf(label)}, not ${wrong}`,
          alone: true,
          mayOpen: true,
          // pods that would have the wrong label: there are none
          mayClose: ({ source, destination }) => [source, destination].some((end) => isLabelled(end, wrong)),
          edits: renamed(each.text, label, right),
        };
      }
    }
  }
}

function isLabelled(end: Peer, key: string): boolean {
  return end.kind === "freshPod" && end.labels !== undefined && Object.hasOwn(end.labels, key);
}

function valueOf({ value }: Pair<Scalar<string>>): string {
  return isScalar(value) ? ` (${String((value as { value: unknown }).value)})` : "";
}
