import { isSeq } from "yaml";
import { appended, lineAt, pairOf, startOf } from "./edits";
import type { Repairer } from "./types";
import { specsOf } from "./visit";

const types = { ingress: "Ingress", egress: "Egress" } as const;

/**
 * Rules for a direction that `policyTypes` leaves out: it is named. Where that closes a path or opens one, it is a decision
 * and no repair.
 */
export const namedDirection: Repairer = function* (each) {
  const calico = each.apiVersion.startsWith("projectcalico.org/");
  if (!calico && each.kind !== "NetworkPolicy") return;
  for (const spec of specsOf(each)) {
    const pair = pairOf(spec, calico ? "types" : "policyTypes");
    const list: unknown = pair?.value;
    if (pair === undefined || !isSeq(list) || list.items.length === 0) continue;
    for (const direction of ["ingress", "egress"] as const) {
      const rules: unknown = pairOf(spec, direction)?.value;
      const isNamed = list.items.some(
        (item) => String((item as { value?: unknown }).value).toLowerCase() === direction,
      );
      if (isNamed || !isSeq(rules) || rules.items.length === 0) continue;
      yield {
        line: lineAt(each.text, startOf(pair)),
        rule: "section-without-effect",
        what: `names ${types[direction]} in ${pair.key.value}, for the rules that stand there`,
        edits: appended(each.text, list, [types[direction]]),
      };
    }
  }
};
