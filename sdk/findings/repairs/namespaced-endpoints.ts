import { ciliumNamespaceLabel } from "../../reachability/model/namespace-labels";
import { isMap, isSeq } from "yaml";
import { addedAfter, appended, lineAt, pairOf, replaced, startOf } from "./edits";
import type { Repair, Repairer } from "./types";
import { specsOf } from "./visit";

const exists = { key: ciliumNamespaceLabel, operator: "Exists" };

/**
 * A clusterwide policy of Cilium whose selector also fits endpoints without a namespace (reserved:health, reserved:ingress):
 * it asks for the label that every pod has. The pods that it selects stay the same.
 */
export const namespacedEndpoints: Repairer = function* (each) {
  if (each.kind !== "CiliumClusterwideNetworkPolicy") return;
  for (const spec of specsOf(each)) {
    const pair = pairOf(spec, "endpointSelector");
    const selector: unknown = pair?.value;
    if (pair === undefined || !isMap(selector)) continue;
    const expressions: unknown = pairOf(selector, "matchExpressions")?.value;
    const labels = pairOf(selector, "matchLabels");
    const edits =
      isSeq(expressions) && expressions.items.length > 0
        ? appended(each.text, expressions, [exists])
        : selector.items.length === 0
          ? replaced(selector, inFlow(each.text, startOf(pair)))
          : labels !== undefined && expressions === undefined
            ? addedAfter(each.text, selector, labels, "matchExpressions", [exists])
            : [];
    const found: Omit<Repair, "file" | "rule"> = {
      line: lineAt(each.text, startOf(pair)),
      what: "selects pods alone, not Cilium's own endpoints, which have no namespace",
      edits,
    };
    yield { ...found, rule: "health-endpoint-cut" };
    yield { ...found, rule: "ingress-proxy-cut" };
  }
};

function inFlow(text: string, key: number): string {
  return text[key] === '"'
    ? `{"matchExpressions": [{"key": "${exists.key}", "operator": "Exists"}]}`
    : `{ matchExpressions: [{ key: "${exists.key}", operator: Exists }] }`;
}
