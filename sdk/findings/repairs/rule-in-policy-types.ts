import { isMap, isSeq, type YAMLMap } from "yaml";
import { addedLineBefore, lineAt, pairOf, startOf } from "./edits";
import type { Repairer } from "./types";
import { specsOf } from "./visit";

/** A rule that is indented under `policyTypes`, because the line with `egress:` or `ingress:` is missing: the line is put in. */
export const ruleInPolicyTypes: Repairer = function* (each) {
  if (each.kind !== "NetworkPolicy") return;
  for (const spec of specsOf(each)) {
    const types = pairOf(spec, "policyTypes");
    const list: unknown = types?.value;
    if (types === undefined || !isSeq(list) || list.flow === true) continue;
    const first = list.items.findIndex((item) => isMap(item));
    const rules = list.items.slice(first);
    if (first < 0 || !rules.every((item) => isMap(item))) continue;
    const [direction, ...others] = [...new Set(rules.map(directionOf))];
    if (direction === undefined || others.length > 0 || pairOf(spec, direction) !== undefined) continue;
    const begin = (rules[0] as { range?: readonly number[] | null }).range?.[0] ?? 0;
    const indent = " ".repeat(startOf(types) - (each.text.lastIndexOf("\n", startOf(types) - 1) + 1));
    yield {
      line: lineAt(each.text, begin),
      rule: "not-understood",
      what: `puts the rules that stand in policyTypes under ${direction}`,
      mayOpen: true,
      mayClose: true,
      edits: addedLineBefore(each.text, begin, `${indent}${direction}:`),
    };
  }
};

function directionOf(rule: YAMLMap): "ingress" | "egress" | undefined {
  const keys = rule.items.map(({ key }) => String((key as { value?: unknown }).value));
  if (!keys.every((key) => ["to", "from", "ports"].includes(key)) || keys.includes("to") === keys.includes("from")) {
    return undefined;
  }
  return keys.includes("to") ? "egress" : "ingress";
}
