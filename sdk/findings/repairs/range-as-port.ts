import { isScalar } from "yaml";
import { addedAfter, lineAt, pairOf, replaced } from "./edits";
import type { Repairer } from "./types";
import { mapsAt, specsOf, valueAt } from "./visit";

/** `port: "8000-8090"` in a NetworkPolicy is no port: a range is `port` and `endPort`. */
export const rangeAsPort: Repairer = function* (each) {
  if (each.kind !== "NetworkPolicy" || each.object["apiVersion"] !== "networking.k8s.io/v1") return;
  for (const spec of specsOf(each)) {
    for (const rule of [...mapsAt(spec, "ingress"), ...mapsAt(spec, "egress")]) {
      for (const port of mapsAt(rule, "ports")) {
        const pair = pairOf(port, "port");
        const [, from, to] = /^(\d{1,5})\s*[-:]\s*(\d{1,5})$/.exec(String(valueAt(port, "port"))) ?? [];
        if (pair === undefined || from === undefined || to === undefined || !isScalar(pair.value)) continue;
        if (pairOf(port, "endPort") !== undefined || Number(from) >= Number(to) || Number(to) > 65535) continue;
        yield {
          line: lineAt(each.text, pair.key.range?.[0] ?? 0),
          rule: "not-understood",
          what: `writes the ports ${from} to ${to} as port and endPort`,
          edits: [...replaced(pair.value, from), ...addedAfter(each.text, port, pair, "endPort", to)],
        };
      }
    }
  }
};
