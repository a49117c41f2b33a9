import { isScalar } from "yaml";
import { isMisspelling } from "../spelling";
import { lineAt, pairOf, rewritten, startOf } from "./edits";
import type { Repairer, TextEdit } from "./types";

/** Policy kinds, the version that the API server takes, and versions that it took once or that never were. */
const kinds: readonly {
  readonly kind: string;
  readonly group: string;
  readonly version: string;
  readonly gone: RegExp;
}[] = [
  // extensions/v1beta1 is the same schema, and is no longer served since Kubernetes 1.16
  { kind: "NetworkPolicy", group: "networking.k8s.io", version: "v1", gone: /^(v1|extensions\/v1beta1)$/ },
  { kind: "CiliumNetworkPolicy", group: "cilium.io", version: "v2", gone: /^v2$/ },
  { kind: "CiliumClusterwideNetworkPolicy", group: "cilium.io", version: "v2", gone: /^v2$/ },
  { kind: "GlobalNetworkPolicy", group: "projectcalico.org", version: "v3", gone: /^v3$/ },
  { kind: "AuthorizationPolicy", group: "security.istio.io", version: "v1", gone: /^v1$/ },
  { kind: "PeerAuthentication", group: "security.istio.io", version: "v1", gone: /^v1$/ },
];
/** NetworkPolicy is a kind of Calico, too. */
const calico = { kind: "NetworkPolicy", group: "projectcalico.org", version: "v3", gone: /^v3$/ };

/** `apiVersion` or `kind` of a policy that no API server knows, and of which only one can be meant. */
export const misspeltHeader: Repairer = function* (each) {
  const [kindPair, versionPair] = [pairOf(each.root, "kind"), pairOf(each.root, "apiVersion")];
  if (!isScalar(kindPair?.value) || !isScalar(versionPair?.value)) return;
  const right = [...kinds, calico].filter((one) => isMeant(each.kind, each.apiVersion, one));
  const [meant, ...others] = right;
  if (meant === undefined || others.length > 0) return;
  const apiVersion = isVersionOf(each.apiVersion, meant.group) ? each.apiVersion : `${meant.group}/${meant.version}`;
  const edits: TextEdit[] = [
    ...(meant.kind === each.kind ? [] : rewritten(each.text, kindPair.value, meant.kind)),
    ...(apiVersion === each.apiVersion ? [] : rewritten(each.text, versionPair.value, apiVersion)),
  ];
  if (edits.length === 0) return;
  yield {
    line: lineAt(each.text, startOf(apiVersion === each.apiVersion ? kindPair : versionPair)),
    rule: "not-understood",
    what: `is the ${meant.kind} of ${apiVersion}, not ${each.kind} of ${each.apiVersion}`,
    mayOpen: true,
    mayClose: true,
    edits,
  };
};

/** Versions that an API server takes and that have the same schema are left as they are. */
const versions: Readonly<Record<string, readonly string[]>> = {
  "networking.k8s.io": ["v1"],
  "cilium.io": ["v2"],
  "projectcalico.org": ["v3"],
  "security.istio.io": ["v1", "v1beta1"],
};

function isVersionOf(apiVersion: string, group: string): boolean {
  return (versions[group] ?? []).some((version) => apiVersion === `${group}/${version}`);
}

function isMeant(kind: string, apiVersion: string, { kind: right, group, gone }: (typeof kinds)[number]): boolean {
  const [written = "", version = ""] = apiVersion.toLowerCase().split("/");
  const isGroup =
    gone.test(apiVersion.toLowerCase()) ||
    ((written === group || isMisspelling(written, group)) && isNear(version, group));
  const singular = kind.toLowerCase().replace(/policies$/, "policy");
  return isGroup && (singular === right.toLowerCase() || isMisspelling(kind, right));
}

/** A version that the group never had or no longer serves. Older APIs of Calico and Istio have other schemas. */
function isNear(version: string, group: string): boolean {
  const served = versions[group] ?? [];
  if (served.includes(version)) return true;
  return group === "networking.k8s.io" || group === "cilium.io" ? /^v\d+((alpha|beta)\d+)?$/.test(version) : false;
}
