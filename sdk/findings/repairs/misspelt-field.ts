import { isMisspelling } from "../spelling";
import { lineAt, pairOf, renamed, startOf } from "./edits";
import type { Repairer } from "./types";
import { pairsBelow, specsOf } from "./visit";

const selectors = ["matchLabels", "matchExpressions", "key", "operator", "values"];

/** The fields of each policy API, wherever they stand: whether one may stand there is what the engine's readers know. */
const fields: Readonly<Record<string, readonly string[]>> = {
  // kubectl explain networkpolicy.spec --recursive
  "networking.k8s.io": [
    ...["podSelector", "policyTypes", "ingress", "egress", "from", "to", "ports", "protocol", "port", "endPort"],
    ...["namespaceSelector", "ipBlock", "cidr", "except", ...selectors],
  ],
  // pkg/policy/api of Cilium
  "cilium.io": [
    ...["endpointSelector", "nodeSelector", "ingress", "ingressDeny", "egress", "egressDeny", "enableDefaultDeny"],
    ...["fromEndpoints", "fromCIDR", "fromCIDRSet", "fromEntities", "fromNodes", "fromGroups", "authentication"],
    ...["toEndpoints", "toCIDR", "toCIDRSet", "toEntities", "toNodes", "toGroups", "toServices", "toFQDNs", "toPorts"],
    ...["icmps", "fields", "family", "type", "ports", "port", "endPort", "protocol", "rules", "http", "dns", "kafka"],
    ...["matchName", "matchPattern", "cidr", "except", "k8sService", "serviceName", "namespace", "description"],
    ...["labels", "method", "path", "host", "headers", ...selectors],
  ],
  // api/pkg/apis/projectcalico/v3 of Calico
  "projectcalico.org": [
    ...["selector", "types", "order", "tier", "ingress", "egress", "action", "protocol", "notProtocol", "source"],
    ...["destination", "nets", "notNets", "notSelector", "namespaceSelector", "ports", "notPorts", "domains", "icmp"],
    ...["notICMP", "type", "code", "ipVersion", "serviceAccounts", "names", "services", "serviceAccountSelector"],
    ...["applyOnForward", "doNotTrack", "preDNAT", "metadata", "annotations", "http", "methods", "paths", "name"],
  ],
  // security/v1 of Istio's API
  "security.istio.io": [
    ...["selector", "targetRef", "targetRefs", "action", "rules", "provider", "from", "to", "when", "source"],
    ...["operation", "principals", "notPrincipals", "requestPrincipals", "notRequestPrincipals", "namespaces"],
    ...["notNamespaces", "serviceAccounts", "notServiceAccounts", "ipBlocks", "notIpBlocks", "remoteIpBlocks"],
    ...["notRemoteIpBlocks", "hosts", "notHosts", "ports", "notPorts", "methods", "notMethods", "paths", "notPaths"],
    ...["key", "values", "notValues", "mtls", "mode", "portLevelMtls", "matchLabels", "name", "kind", "group"],
  ],
};

/**
 * A field of a policy that differs from one known field in case, a dash or an underscore, or by a slip of the fingers, where
 * that field is not there as well.
 */
export const misspeltField: Repairer = function* (each) {
  const known = fields[each.apiVersion.split("/")[0] ?? ""];
  if (known === undefined) return;
  for (const spec of specsOf(each)) {
    for (const { map, pair } of pairsBelow(spec)) {
      const key = pair.key.value;
      if (known.includes(key)) continue;
      const [right, ...others] = nearestOf(key, known);
      if (right === undefined || others.length > 0 || pairOf(map, right) !== undefined) continue;
      yield {
        line: lineAt(each.text, startOf(pair)),
        rule: "not-understood",
        what: `writes the field ${key} as ${right}`,
        mayOpen: true,
        mayClose: true,
        edits: renamed(each.text, pair, right),
      };
    }
  }
};

/** The same but for case and dashes goes before a slip. */
function nearestOf(key: string, known: readonly string[]): readonly string[] {
  const alike = known.filter((field) => plain(key) === plain(field));
  return alike.length > 0 ? alike : known.filter((field) => isMisspelling(key, field));
}

function plain(text: string): string {
  return text.toLowerCase().replace(/[-_]/g, "");
}
