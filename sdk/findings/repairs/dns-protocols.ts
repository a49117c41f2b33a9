import { isScalar, isSeq, type YAMLMap } from "yaml";
import { appended, lineAt } from "./edits";
import type { Repairer } from "./types";
import { mapsAt, specsOf, valueAt } from "./visit";

/** An egress rule for DNS over one of UDP and TCP: answers that do not fit into UDP are asked for again over TCP, at the same servers. */
export const dnsProtocols: Repairer = function* (each) {
  const cilium = /^Cilium(Clusterwide)?NetworkPolicy$/.test(each.kind);
  if (!cilium && each.kind !== "NetworkPolicy") return;
  for (const spec of specsOf(each)) {
    for (const rule of mapsAt(spec, "egress")) {
      for (const holder of cilium ? mapsAt(rule, "toPorts") : [rule]) {
        // what a rule of layer 7 allows is about the protocols that stand there
        const list: unknown = holder.get("ports", true);
        const ports = mapsAt(holder, "ports").filter(isDns);
        const like = ports[0];
        const has = new Set(ports.map((port) => protocolOf(port, cilium)));
        const missing = (["UDP", "TCP"] as const).filter((protocol) => !has.has(protocol));
        const [protocol] = missing;
        if (!isSeq(list) || like === undefined || has.has("ANY") || protocol === undefined || missing.length > 1)
          continue;
        const number: unknown = like.get("port", true);
        yield {
          line: lineAt(each.text, list.range?.[0] ?? 0),
          rule: "dns-cut",
          what: `allows ${protocol} 53 beside ${protocol === "TCP" ? "UDP" : "TCP"} 53`,
          alone: true,
          mayOpen: true,
          edits: appended(each.text, list, [{ protocol, port: isScalar(number) ? number.value : 53 }]),
        };
      }
    }
  }
};

function isDns(port: YAMLMap): boolean {
  return String(valueAt(port, "port")) === "53" && valueAt(port, "endPort") === undefined;
}

/** Cilium takes a port without a protocol for any; Kubernetes for TCP. */
function protocolOf(port: YAMLMap, cilium: boolean): unknown {
  return valueAt(port, "protocol") ?? (cilium ? "ANY" : "TCP");
}
