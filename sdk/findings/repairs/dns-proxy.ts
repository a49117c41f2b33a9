import { ciliumNamespaceLabel } from "../../reachability/model/namespace-labels";
import { isMap, isSeq, type YAMLMap } from "yaml";
import { addedAfter, appended, lineAt, pairOf, startOf } from "./edits";
import type { Repairer } from "./types";
import { mapsAt, specsOf, valueAt } from "./visit";

const everyName = { dns: [{ matchPattern: "*" }] };
const dnsRule = {
  toEndpoints: [{ matchLabels: { [ciliumNamespaceLabel]: "kube-system", "k8s:k8s-app": "kube-dns" } }],
  toPorts: [{ ports: [{ port: "53", protocol: "ANY" }], rules: everyName }],
};

/**
 * A policy of Cilium with names whose pods do not ask through the DNS proxy, so that no address is learned: its own rule for
 * DNS sends the questions through the proxy, which lets every name pass; without one it gets one.
 */
export const dnsProxy: Repairer = function* (each) {
  if (!/^Cilium(Clusterwide)?NetworkPolicy$/.test(each.kind)) return;
  for (const spec of specsOf(each)) {
    const pair = pairOf(spec, "egress");
    const list: unknown = pair?.value;
    if (pair === undefined || !isSeq(list) || !mapsAt(spec, "egress").some((rule) => hasNames(rule))) continue;
    const ports = mapsAt(spec, "egress").flatMap((rule) => mapsAt(rule, "toPorts"));
    const own = ports.find((holder) => isForDns(holder) && pairOf(holder, "rules") === undefined);
    const at = own === undefined ? undefined : pairOf(own, "ports");
    yield {
      line: lineAt(each.text, at === undefined ? startOf(pair) : startOf(at)),
      rule: "fqdn-without-dns-proxy",
      what:
        at === undefined
          ? "lets its pods ask the cluster's DNS through Cilium's proxy, which learns the addresses of the names"
          : "sends the questions of its pods through Cilium's DNS proxy, which learns the addresses of the names",
      alone: true,
      mayOpen: true,
      edits:
        own === undefined || at === undefined
          ? appended(each.text, list, [dnsRule])
          : addedAfter(each.text, own, at, "rules", everyName),
    };
  }
};

function hasNames(rule: YAMLMap): boolean {
  const names: unknown = rule.get("toFQDNs", true);
  return isSeq(names) && names.items.some((each) => isMap(each));
}

function isForDns(holder: YAMLMap): boolean {
  const ports = mapsAt(holder, "ports");
  return ports.length > 0 && ports.every((port) => String(valueAt(port, "port")) === "53");
}
