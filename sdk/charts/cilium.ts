/**
 * Values of the Cilium chart, by version. Keys and defaults were read from the published charts 1.17 to 1.20
 * (`values.yaml`, `values.schema.json`); the tests check every key that is written against those schemas.
 */
import semver from "semver";
import { ChartValuesError } from "./errors";
import type { ChartValues } from "./values";
import { hasKey, mergeValues } from "./values";

/** How traffic between nodes is encrypted. */
export enum CiliumEncryption {
  WireGuard = "wireguard",
  IPsec = "ipsec",
  None = "none",
}

/** When Cilium closes an endpoint by default. */
export enum CiliumEnforcementMode {
  /** As soon as a policy selects it. */
  Default = "default",
  /** Always. */
  Always = "always",
}

/** Hubble: flow visibility. */
export interface HubbleOptions {
  /** Defaults to true: flows must be visible before policies stand (requirement S3-11). */
  enabled?: boolean;
  /** Relay, the cluster-wide API. Defaults to true. */
  relay?: boolean;
  /** The user interface; needs the relay. Defaults to true. */
  ui?: boolean;
  /** Metrics to expose, such as `drop` and `policy:sourceContext=workload`. Defaults to verdicts, drops, flows, DNS and TCP. */
  metrics?: string[];
}

/** What the chart is asked for. Every field has a secure default. */
export interface CiliumChartOptions {
  /** Chart version, 1.13.0 or newer. Defaults to 1.20.2. */
  version?: string;
  /** Defaults to WireGuard. */
  encryption?: CiliumEncryption;
  /** Encrypt traffic between the nodes themselves too (WireGuard only). Defaults to false. */
  nodeEncryption?: boolean;
  /** Drop unencrypted traffic between pods of this IPv4 range (strict mode, WireGuard only). Defaults to off. */
  strictEncryptionCidr?: string;
  /** Flow visibility; on unless turned off. */
  hubble?: HubbleOptions;
  /** Defaults to `default`. */
  enforcementMode?: CiliumEnforcementMode;
  /** Report what policies would drop, and drop nothing, on every node. Defaults to false. */
  auditMode?: boolean;
  /** Enforce policies for the nodes themselves. Defaults to false. */
  hostFirewall?: boolean;
  /** Answer denied connections with ICMP instead of silence (1.19 and newer, IPv4). Defaults to false. */
  denyResponse?: boolean;
  /** Enforce ClusterNetworkPolicy (1.20 and newer, alpha). Defaults to false. */
  clusterNetworkPolicy?: boolean;
  /** Share the node with Istio: leave its CNI plugin in place and load-balance in the host namespace only. */
  istio?: boolean;
}

/** The Cilium version whose behaviour the reachability engine was measured against. */
export const defaultCiliumVersion = "1.20.2";
/** The oldest version that is accepted (seed S0: "Cilium 1.13 or newer"). */
export const oldestCiliumVersion = "1.13.0";
/** Older ones no longer get security fixes: the project maintains three minors. */
const oldestMaintained = "1.18.0";
/** The newest minor whose chart was read. */
const newestKnown = "1.20";

const context =
  "sourceContext=app|workload-name|pod|reserved-identity;destinationContext=app|workload-name|pod|dns|reserved-identity;" +
  "labelsContext=source_namespace,destination_namespace";

/** Verdicts, drops and flows by workload, DNS and TCP: what alerts and dashboards on policies need. */
export const defaultHubbleMetrics: readonly string[] = [
  "dns:query;ignoreAAAA",
  `drop:${context}`,
  `flow:${context}`,
  "flows-to-world:any-drop;port;syn-only;labelsContext=source_namespace,source_app",
  `policy:${context}`,
  "tcp",
];

/** A key that a version does not have (any more). */
interface AbsentKey {
  readonly key: string;
  /** Versions without the key. */
  readonly versions: string;
  readonly instead: string;
}

/** Keys that moved or went away, and what took their place. */
const absentKeys: readonly AbsentKey[] = [
  strictModeMoved("enabled"),
  strictModeMoved("cidr"),
  strictModeMoved("allowRemoteNodeIdentities"),
  { key: "encryption.strictMode.egress", versions: "<1.19.0", instead: "encryption.strictMode.enabled and .cidr" },
  { key: "encryption.strictMode.ingress", versions: "<1.19.0", instead: "Cilium 1.19 or newer" },
  { key: "encryption.wireguard.userspaceFallback", versions: ">=1.17.0", instead: "a kernel with WireGuard (5.6)" },
  { key: "hubble.export.fileMaxSizeMb", versions: ">=1.18.0", instead: "hubble.export.static.fileMaxSizeMb" },
  { key: "hubble.export.fileMaxBackups", versions: ">=1.18.0", instead: "hubble.export.static.fileMaxBackups" },
  { key: "hubble.networkPolicyCorrelation", versions: "<1.18.0", instead: "Cilium 1.18 or newer" },
  { key: "policyDenyResponse", versions: "<1.19.0", instead: "Cilium 1.19 or newer" },
  { key: "standaloneDnsProxy", versions: "<1.19.0", instead: "Cilium 1.19 or newer" },
  { key: "k8sClusterNetworkPolicy", versions: "<1.20.0", instead: "Cilium 1.20 or newer" },
];

function strictModeMoved(leaf: string): AbsentKey {
  return {
    key: `encryption.strictMode.${leaf}`,
    versions: ">=1.20.0",
    instead: `encryption.strictMode.egress.${leaf}`,
  };
}

/** Values for a Release of the chart, and what the user should know about them. */
export interface ChartPlan {
  readonly version: string;
  readonly values: ChartValues;
  readonly warnings: readonly string[];
}

/**
 * Writes the values of the Cilium chart.
 *
 * @param userValues Merged last, over everything else.
 * @throws ChartValuesError for a version that is too old or none, options that exclude each other, and keys that the
 *   version does not have.
 */
export function ciliumValues(options: CiliumChartOptions, userValues: ChartValues = {}): ChartPlan {
  const version = semver.parse(options.version ?? defaultCiliumVersion);
  if (version === null) {
    throw new ChartValuesError("Cilium", ["version: is not a version. Write it as 1.20.2."]);
  }
  const problems = [...optionProblems(options, version), ...absentKeyProblems(userValues, version)];
  if (problems.length > 0) throw new ChartValuesError(`Cilium ${version.version}`, problems);
  return {
    version: version.version,
    values: mergeValues(baseValues(options, version), userValues),
    warnings: warningsFor(version, userValues),
  };
}

function baseValues(options: CiliumChartOptions, version: semver.SemVer): ChartValues {
  const hubble = options.hubble ?? {};
  const hubbleEnabled = hubble.enabled ?? true;
  const values: ChartValues = {
    encryption: encryptionValues(options, version),
    policyEnforcementMode: options.enforcementMode ?? CiliumEnforcementMode.Default,
    // without it every allow policy would isolate what it selects
    enableNonDefaultDenyPolicies: true,
    // rules for DNS names and layer 7 need the proxy
    l7Proxy: true,
    hostFirewall: { enabled: options.hostFirewall ?? false },
    hubble: {
      enabled: hubbleEnabled,
      relay: { enabled: hubbleEnabled && (hubble.relay ?? true) },
      ui: { enabled: hubbleEnabled && (hubble.ui ?? true) },
      ...(hubbleEnabled ? { metrics: { enabled: hubble.metrics ?? [...defaultHubbleMetrics] } } : {}),
      ...(hubbleEnabled && semver.gte(version, "1.18.0") ? { networkPolicyCorrelation: { enabled: true } } : {}),
    },
  };
  if (options.auditMode === true) values["policyAuditMode"] = true;
  if (options.denyResponse === true) values["policyDenyResponse"] = "icmp";
  if (options.clusterNetworkPolicy === true) values["k8sClusterNetworkPolicy"] = { enabled: true };
  if (options.istio === true) {
    values["cni"] = { exclusive: false };
    values["socketLB"] = { hostNamespaceOnly: true };
  }
  return values;
}

function encryptionValues(options: CiliumChartOptions, version: semver.SemVer): ChartValues {
  const type = options.encryption ?? CiliumEncryption.WireGuard;
  if (type === CiliumEncryption.None) return { enabled: false };
  const values: ChartValues = { enabled: true, type };
  if (options.nodeEncryption === true) values["nodeEncryption"] = true;
  if (options.strictEncryptionCidr !== undefined) {
    const strict = { enabled: true, cidr: options.strictEncryptionCidr };
    values["strictMode"] = semver.gte(version, "1.19.0") ? { egress: strict } : strict;
  }
  return values;
}

function optionProblems(options: CiliumChartOptions, version: semver.SemVer): string[] {
  const problems: string[] = [];
  const refuse = (condition: boolean, text: string): void => {
    if (condition) problems.push(text);
  };
  const isWireGuard = (options.encryption ?? CiliumEncryption.WireGuard) === CiliumEncryption.WireGuard;
  const { hubble } = options;
  refuse(
    semver.lt(version, oldestCiliumVersion),
    `version: is older than ${oldestCiliumVersion}. Use a maintained version, such as ${defaultCiliumVersion}.`,
  );
  refuse(
    options.nodeEncryption === true && !isWireGuard,
    "nodeEncryption: needs WireGuard. Set encryption to wireguard, or leave nodeEncryption out.",
  );
  refuse(
    options.strictEncryptionCidr !== undefined && (!isWireGuard || semver.lt(version, "1.16.0")),
    "strictEncryptionCidr: needs WireGuard and Cilium 1.16 or newer.",
  );
  refuse(hubble?.ui === true && hubble.relay === false, "hubble.ui: needs the relay. Turn hubble.relay on.");
  refuse(
    hubble?.enabled === false && (hubble.relay === true || hubble.ui === true),
    "hubble.enabled: relay and UI need Hubble. Turn it on, or both of them off.",
  );
  refuse(options.denyResponse === true && semver.lt(version, "1.19.0"), "denyResponse: needs Cilium 1.19 or newer.");
  refuse(
    options.clusterNetworkPolicy === true && semver.lt(version, "1.20.0"),
    "clusterNetworkPolicy: needs Cilium 1.20 or newer.",
  );
  return problems;
}

function absentKeyProblems(values: ChartValues, version: semver.SemVer): string[] {
  return absentKeys
    .filter(
      ({ key, versions }) => hasKey(values, key) && semver.satisfies(version, versions, { includePrerelease: true }),
    )
    .map(({ key, instead }) => `values.${key}: does not exist in this version. Use ${instead}.`);
}

function warningsFor(version: semver.SemVer, userValues: ChartValues): string[] {
  const warnings: string[] = [];
  if (semver.lt(version, oldestMaintained)) {
    warnings.push(`Cilium ${version.version} gets no security fixes any more; use ${defaultCiliumVersion}.`);
  }
  if (semver.gt(`${version.major}.${version.minor}.0`, `${newestKnown}.0`)) {
    warnings.push(`Cilium ${version.version} is newer than the charts this package knows (up to ${newestKnown}).`);
  }
  if (userValues["policyEnforcementMode"] === "never") {
    warnings.push("policyEnforcementMode is never: no policy is enforced on any endpoint.");
  }
  if (userValues["policyAuditMode"] === true) {
    warnings.push("policyAuditMode is on: policies only report, nothing is dropped.");
  }
  return warnings;
}
