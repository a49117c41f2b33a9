import type { DnsPattern } from "../model/rules";

/** Characters of one label, as Cilium's matchpattern package allows them. */
const label = "[-a-z0-9_]";

/** Zones where anybody can have a name of their own, or where a name spells the address it resolves to. */
const openZones: readonly string[] = [
  "nip.io",
  "sslip.io",
  "xip.io",
  "traefik.me",
  "localtest.me",
  "amazonaws.com",
  "cloudfront.net",
  "azurewebsites.net",
  "cloudapp.net",
  "cloudapp.azure.com",
  "core.windows.net",
  "trafficmanager.net",
  "googleusercontent.com",
  "run.app",
  "web.app",
  "appspot.com",
  "workers.dev",
  "pages.dev",
  "github.io",
  "herokuapp.com",
  "vercel.app",
  "netlify.app",
  "ngrok.io",
  "duckdns.org",
  "dyndns.org",
];

/** Names by which clouds publish their metadata service. */
export const metadataNames: readonly string[] = [
  "metadata",
  "metadata.google.internal",
  "metadata.goog",
  "instance-data",
  "instance-data.ec2.internal",
  "metadata.azure.internal",
  "metadata.azure.com",
  "metadata.tencentyun.com",
  "metadata.oraclecloud.com",
  "metadata.platformequinix.com",
];

function normalise(name: string): string {
  return name.toLowerCase().replace(/\.$/, "");
}

/** A name for exactly one host. */
export function dnsName(name: string): DnsPattern {
  const plain = normalise(name);
  const spellsAddress = openZones.slice(0, 5).some((zone) => plain.endsWith(`.${zone}`));
  return { text: name, expression: new RegExp(`^${escape(plain)}$`), broad: spellsAddress };
}

/**
 * A pattern as Cilium reads it: `*` alone is every name, `**.` at the start any number of labels, any other `*`
 * characters inside one label.
 */
export function ciliumPattern(pattern: string): DnsPattern {
  const plain = normalise(pattern);
  if (plain === "*" || plain === "**") return { text: pattern, expression: /^.*$/, broad: true };
  const anyDepth = plain.startsWith("**.");
  const rest = anyDepth ? plain.slice(3) : plain;
  const body = rest.split(/\*+/).map(escape).join(`${label}*`);
  const prefix = anyDepth ? `(${label}+\\.)+` : "";
  return { text: pattern, expression: new RegExp(`^${prefix}${body}$`), broad: isBroad(plain) };
}

/** `*.` at the start stands for one or more labels (ClusterNetworkPolicy); nothing else may be a wildcard. */
export function clusterNetworkPolicyPattern(pattern: string): DnsPattern {
  const plain = normalise(pattern);
  if (!plain.startsWith("*.")) return dnsName(pattern);
  const expression = new RegExp(`^(${label}+\\.)+${escape(plain.slice(2))}$`);
  return { text: pattern, expression, broad: isBroad(plain) };
}

function escape(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
}

/** Whether strangers can own a name that fits: nothing, or only a top-level domain or an open zone, is fixed at the end. */
function isBroad(pattern: string): boolean {
  if (!pattern.includes("*")) return openZones.slice(0, 5).some((zone) => pattern.endsWith(`.${zone}`));
  const fixed = pattern.slice(pattern.lastIndexOf("*") + 1);
  const cut = fixed.indexOf(".");
  const suffix = cut < 0 ? "" : fixed.slice(cut + 1);
  // "*x.example.com": what precedes the first dot belongs to a label with a wildcard in it
  return (
    !suffix.includes(".") ||
    openZones.some((zone) => suffix === zone || suffix.endsWith(`.${zone}`) || zone.endsWith(`.${suffix}`))
  );
}

/** Whether a name fits a pattern. */
export function matchesName(pattern: DnsPattern, name: string): boolean {
  return pattern.expression.test(normalise(name));
}
