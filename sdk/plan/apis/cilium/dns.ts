/** Who may ask the cluster's DNS, in Cilium's policies: with the DNS proxy, and without it. */
import { ciliumNamespaceLabel } from "../../../reachability/model/namespace-labels";
import { dnsProxyRules, namespacesWithLimitedDns, namespacesWithoutDns } from "../../dns-limits";
import type { DraftDocument } from "../../documents";
import { coverage, halvesOf, namespaceOf } from "../../halves";
import type { Model } from "../../model";
import type { Plain } from "../writer";
import { clusterwide, namespaced } from "./objects";
import { allows, bothProtocols, covered, prefixed } from "./rules";

/** DNS through Cilium's proxy, in namespaces that have rules for DNS names. */
const proxiedDnsName = "allow-dns-egress-proxied";

/** DNS in both directions, UDP and TCP; host-network clients are no endpoints and are named. */
export function dnsDocuments(model: Model): readonly DraftDocument[] {
  const { dns } = model;
  const toPorts = [{ ports: bothProtocols(dns.port) }];
  const servers = { matchLabels: { [ciliumNamespaceLabel]: dns.namespace, ...prefixed(dns.labels) } };
  const ingress = {
    description: "DNS servers answer every pod and every node",
    endpointSelector: servers,
    enableDefaultDeny: allows,
    ingress: [
      { fromEndpoints: [{}], toPorts },
      { fromEntities: ["host", "remote-node"], toPorts },
    ],
  };
  const egress = (rules?: Plain): readonly Plain[] => {
    const proxied = rules === undefined ? toPorts : toPorts.map((entry) => ({ ...entry, rules }));
    const cache = dns.nodeLocalCache === undefined ? [] : [nodeLocalRule(rules)];
    return [{ toEndpoints: [servers], toPorts: proxied }, ...cache];
  };
  const documents = [clusterwide("dns", "allow-dns-ingress", ingress)];

  // rules for DNS names only work where Cilium's DNS proxy sees the answers; other namespaces do without the proxy
  const silent = namespacesWithoutDns(model);
  const proxied = namespacesWithNames(model).filter((name) => !silent.includes(name));
  const plain = coverage(model, undefined, [...proxied, ...silent]);
  if (plain !== undefined) {
    const draft = clusterwide("dns", "allow-dns-egress", {
      description: "Every pod outside tier 0 may ask the DNS servers",
      endpointSelector: covered(plain),
      enableDefaultDeny: allows,
      egress: egress(),
    });
    // a namespace that changes over to the proxy has its new policy before this one lets go of it
    documents.push({ ...draft, after: proxied.map((namespace) => `${namespace}/${proxiedDnsName}`) });
  }
  for (const namespace of proxied) {
    const spec = {
      description: "Asks through the DNS proxy, from which rules for DNS names learn the addresses",
      endpointSelector: {},
      enableDefaultDeny: allows,
      egress: egress({ dns: dnsProxyRules(model, namespace) }),
    };
    documents.push({ ...namespaced("dns", namespace, proxiedDnsName, {}, spec), servesFlows: true });
  }
  return documents;
}

/**
 * Opens the DNS proxy to names that a namespace may not ask for, where its names are limited: the proxy refuses them
 * otherwise, whatever else is allowed.
 */
export function everyName(model: Model, namespace: string): readonly Plain[] {
  const { dns } = model;
  if (!namespacesWithLimitedDns(model).includes(namespace)) return [];
  const rules = { dns: [{ matchPattern: "*" }] };
  const servers = { matchLabels: { [ciliumNamespaceLabel]: dns.namespace, ...prefixed(dns.labels) } };
  const cache = dns.nodeLocalCache === undefined ? [] : [nodeLocalRule(rules)];
  return [{ toEndpoints: [servers], toPorts: [{ ports: bothProtocols(dns.port), rules }] }, ...cache];
}

/** NodeLocal DNSCache listens on the node itself, which no CIDR rule reaches; its port there is always 53. */
function nodeLocalRule(rules: Plain | undefined): Plain {
  const entry = { ports: bothProtocols(53) };
  return { toEntities: ["host"], toPorts: [rules === undefined ? entry : { ...entry, rules }] };
}

function namespacesWithNames(model: Model): readonly string[] {
  const names = new Set<string>(namespacesWithLimitedDns(model));
  for (const half of halvesOf(model.flows)) {
    if (half.direction === "egress" && half.peer.kind === "fqdn") names.add(namespaceOf(half.subject));
  }
  return [...names].sort();
}
