/** What namespaces with a limit of their own may ask DNS for. */
import { isPattern } from "./fqdn";
import type { Model } from "./model";
import type { Shortfalls } from "./unsupported";

/** Search domains that kubelet writes into every pod's resolv.conf: names below them are answered by the cluster itself. */
const clusterDomain = "cluster.local";

/** The name of the API server, which the cluster's DNS always answers. */
export const apiServerName = `kubernetes.default.svc.${clusterDomain}`;

/** Namespaces that may ask for some names only, sorted. */
export function namespacesWithLimitedDns(model: Model): readonly string[] {
  return [...model.dnsNames.keys()].sort();
}

/** Namespaces that may ask for nothing, sorted: none is named, or the policy API opens DNS as a whole or not at all. */
export function namespacesWithoutDns(model: Model): readonly string[] {
  const { limitsDnsNames } = model.limits;
  return namespacesWithLimitedDns(model).filter((name) => !limitsDnsNames || model.dnsNames.get(name)?.length === 0);
}

/**
 * What the pods of a namespace may ask for: every name, or the named ones. Resolvers try a name with each search domain
 * of the pod first (`ndots: 5`), so these forms are open, too; they end in the cluster's own domain, whose servers answer
 * them without asking anybody else.
 */
function askableNames(model: Model, namespace: string): readonly string[] {
  const names = model.dnsNames.get(namespace);
  if (names === undefined) return ["*"];
  const domains = ["", `.${namespace}.svc.${clusterDomain}`, `.svc.${clusterDomain}`, `.${clusterDomain}`];
  return [...new Set(names.flatMap((name) => domains.map((domain) => `${name.toLowerCase()}${domain}`)))];
}

/** The same as rules of Cilium's DNS proxy. */
export function dnsProxyRules(model: Model, namespace: string): readonly Readonly<Record<string, string>>[] {
  return askableNames(model, namespace).map((name): Record<string, string> => {
    return isPattern(name) ? { matchPattern: name } : { matchName: name };
  });
}

/** Says which namespaces lose their DNS to a dialect that cannot limit it. */
export function noteLimitedDns(model: Model, shortfalls: Shortfalls): void {
  for (const namespace of namespacesWithoutDns(model)) {
    if (model.dnsNames.get(namespace)?.length === 0) continue;
    shortfalls.lost(
      "dns-names-unsupported",
      ["namespaces", namespace],
      "The dialect cannot limit which DNS names are queried: DNS stays denied to the namespace.",
      "Use the cilium dialect, whose DNS proxy filters the names.",
    );
  }
}
