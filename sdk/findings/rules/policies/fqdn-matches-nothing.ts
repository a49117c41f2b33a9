import { describeRef } from "../../../reachability";
import { controls } from "../../controls";
import { listOf, mapOf, nameOf, textOf } from "../../plain";
import { policyObjects } from "../../policy-rules";
import { aboutPolicy } from "../../report";
import { list } from "../../subjects";
import type { Finding, Rule, RuleContext } from "../../types";

/** `*.letsencrypt.org` looks right and matches no host that is asked for. */
export const fqdnMatchesNothing: Rule = {
  id: "fqdn-matches-nothing",
  title: "A rule for DNS names matches no host that is meant",
  severity: "medium",
  why: "In Cilium `*` stands for characters of one label, so a pattern that looks generous may match no host there is.",
  description:
    "No matchName holds a wildcard, an address, a scheme, a port or a path; no name is one of the cluster's own Services; `**.` is used with Cilium 1.19 or newer only; and " +
    "no one-label pattern is used for a domain whose hosts are known to lie deeper.",
  remediation:
    "Write the host itself as matchName, or `**.` before the domain (Cilium 1.19 or newer). For a Service of the cluster use " +
    "toEndpoints or toServices.",
  controls: [controls.nistExternalServices, controls.pciRuleSets],
  check: checkNames,
};

/** Domains whose service hosts lie below a further label, with one such host. */
const deeperHosts: Readonly<Record<string, string>> = {
  "letsencrypt.org": "acme-v02.api.letsencrypt.org",
  "pki.goog": "dv.acme-v02.api.pki.goog",
};

function* checkNames(context: RuleContext): Iterable<Finding> {
  const { snapshot } = context.reachability;
  const anyDepth = supportsAnyDepth(snapshot.profile.version);
  for (const { origin } of policyObjects(snapshot)) {
    if (origin.dialect !== "cilium") continue;
    const specs = [origin.object.spec, ...listOf(origin.object["specs"])];
    const because = specs.flatMap((spec, which) => {
      const base = which === 0 ? "spec" : `specs[${which - 1}]`;
      return listOf(mapOf(spec)["egress"]).flatMap((rule, index) =>
        listOf(mapOf(rule)["toFQDNs"]).flatMap((entry, place) => {
          const path = `${base}.egress[${index}].toFQDNs[${place}]`;
          const fault = faultOf(textOf(mapOf(entry)["matchName"]), textOf(mapOf(entry)["matchPattern"]), anyDepth);
          return fault === undefined ? [] : [`${path}${fault}`];
        }),
      );
    });
    if (because.length === 0) continue;
    yield aboutPolicy(fqdnMatchesNothing, origin, {
      message: `${describeRef(origin)} allows names that match no host that is meant: ${list(because.map(pathOf))}`,
      because,
    });
  }
}

function pathOf(reason: string): string {
  return reason.slice(0, reason.indexOf(" "));
}

function supportsAnyDepth(version: string | undefined): boolean {
  const minor = /^1\.(\d+)/.exec(version ?? "")?.[1];
  return minor === undefined || Number(minor) >= 19;
}

/** Names that the cluster's DNS answers with Services and pods (Kubernetes, DNS for Services and Pods). */
function isOfCluster(text: string): boolean {
  return /(^|\.)(svc|pod)(\.cluster\.local)?\.?$|(^|\.)cluster\.local\.?$/i.test(text);
}

/** What is wrong with a name or pattern; of the text itself only names of the cluster are repeated. */
function faultOf(name: string | undefined, pattern: string | undefined, anyDepth: boolean): string | undefined {
  const inside = [name, pattern].find((text) => text !== undefined && isOfCluster(text));
  if (inside !== undefined) {
    const shown = nameOf(inside.toLowerCase().replaceAll("*", "x")) === undefined ? "a name" : inside;
    return `.${inside === name ? "matchName" : "matchPattern"} is ${shown}, a name of the cluster's own; toFQDNs is for hosts outside it and opens no pod`;
  }
  if (name !== undefined) {
    if (name.includes("*")) return ".matchName holds a wildcard, which only matchPattern knows";
    if (/^[a-z]+:\/\/|[/:\s]/i.test(name)) return ".matchName holds a scheme, a port or a path; it must be a host name";
    if (/^\d+(\.\d+){3}$/.test(name)) return ".matchName is an address; addresses belong into toCIDR";
    if (!name.replace(/\.$/, "").includes(".")) return ".matchName is a single label; names are compared in full";
  }
  if (pattern === undefined) return undefined;
  if (pattern.startsWith("**.") && !anyDepth) {
    return ".matchPattern begins with `**.`, which this version of Cilium reads as a single label";
  }
  const deeper = /^\*\.(.+?)\.?$/.exec(pattern.toLowerCase())?.[1];
  return deeper !== undefined && Object.hasOwn(deeperHosts, deeper)
    ? `.matchPattern stands for one label only, and does not match ${String(deeperHosts[deeper])}`
    : undefined;
}
