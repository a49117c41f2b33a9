/**
 * NodeLocal DNSCache: a DNS cache on every node, at addresses that it gives to an interface of the node itself.
 * Source: kubernetes/dns cmd/node-cache (`-localip`) and the addon's manifest in kubernetes/kubernetes.
 */
import { nodeLocalDnsAddress } from "../model/cluster-dns";
import { isUnknown } from "../model/unknown";
import { parseAddress } from "../model/sets/addresses";
import type { Workload } from "../model/snapshot";
import { podTemplateOf } from "./workloads";
import { listOf, mapOf } from "../model/plain";

/** The addresses at which a workload's pods serve DNS on their node; none for other workloads. */
export function nodeLocalDnsAddresses(workload: Workload): readonly string[] {
  if (!workload.hostNetwork) return [];
  const spec = mapOf(podTemplateOf(workload.object)?.spec);
  const caches = listOf(spec["containers"]).map(mapOf).filter(isNodeCache);
  return caches.flatMap((container) => {
    const words = [...listOf(container["command"]), ...listOf(container["args"])].filter(
      (word): word is string => typeof word === "string" && !isUnknown(word),
    );
    const given = localAddresses(words.flatMap((word) => word.split(/\s+/)));
    // the addon's manifest has a placeholder there until it is filled in
    return given.length > 0 ? given : [nodeLocalDnsAddress];
  });
}

function isNodeCache(container: Readonly<Record<string, unknown>>): boolean {
  const image = container["image"];
  const words = [...listOf(container["command"]), ...listOf(container["args"])];
  return (
    (typeof image === "string" && image.includes("k8s-dns-node-cache")) ||
    words.some((word) => typeof word === "string" && /(^|\s)--?localip\b/.test(word))
  );
}

/** `-localip a,b`, `--localip=a,b`. */
function localAddresses(words: readonly string[]): string[] {
  const texts = words.flatMap((word, index) => {
    const [, own] = /^--?localip(?:=(.*))?$/.exec(word) ?? [undefined, undefined];
    if (!/^--?localip(=|$)/.test(word)) return [];
    return (own ?? words[index + 1] ?? "").split(",");
  });
  return texts.map((text) => text.trim()).filter((text) => parseAddress(text) !== undefined);
}
