import { isScalar, isSeq, type YAMLMap } from "yaml";
import { appended, lineAt } from "./edits";
import type { Repairer } from "./types";
import { mapsAt, specsOf, valueAt } from "./visit";

/** An egress rule for DNS over UDP alone: answers that do not fit are asked for again over TCP, at the same servers. */
export const dnsOverTcp: Repairer = function* (each) {
  const cilium = /^Cilium(Clusterwide)?NetworkPolicy$/.test(each.kind);
  if (!cilium && each.kind !== "NetworkPolicy") return;
  for (const spec of specsOf(each)) {
    for (const rule of mapsAt(spec, "egress")) {
      for (const holder of cilium ? mapsAt(rule, "toPorts") : [rule]) {
        // what a rule of layer 7 allows is about the protocols that stand there
        const list: unknown = holder.get("ports", true);
        const ports = mapsAt(holder, "ports");
        if (!isSeq(list) || !ports.some((port) => isDns(port, "UDP"))) continue;
        if (ports.some((port) => isDns(port, "TCP") || isDns(port, "ANY"))) continue;
        const like = ports.find((port) => isDns(port, "UDP"));
        const number = like?.get("port", true);
        const written = isScalar(number) && typeof number.value === "string" ? '"53"' : "53";
        yield {
          line: lineAt(each.text, list.range?.[0] ?? 0),
          rule: "dns-cut",
          what: "allows TCP 53 beside UDP 53",
          alone: true,
          edits: appended(each.text, list, [`{ protocol: TCP, port: ${written} }`]),
        };
      }
    }
  }
};

function isDns(port: YAMLMap, protocol: string): boolean {
  return String(valueAt(port, "port")) === "53" && (valueAt(port, "protocol") ?? "TCP") === protocol;
}
