/**
 * Values of the Cilium chart, by version. Keys and defaults were read from the published charts 1.17 to 1.20
 * (`values.yaml`, `values.schema.json`); the tests check every key that is written against those schemas.
 */
import { IPv4 } from "ipaddr.js";
import semver from "semver";
import { absentKeyProblems } from "./absent-keys";
import { ciliumAbsentKeys } from "./cilium-keys";
import type { ChartProblem } from "./errors";
import { ChartValuesError, collectProblems } from "./errors";
import type { ChartValues } from "./values";
import { mergeValues, valueAt } from "./values";
import type { VersionSupport } from "./versions";
import { readVersion, versionProblems, versionWarnings } from "./versions";

/** How traffic between nodes is encrypted. */
export enum CiliumEncryption {
  WireGuard = "wireguard",
  IPsec = "ipsec",
  None = "none",
}

/** When Cilium isolates an endpoint. */
export enum CiliumEnforcementMode {
  /** As soon as a policy selects it. */
  Default = "default",
  /** Always. */
  Always = "always",
}

/** Hubble: flow visibility. */
export interface HubbleOptions {
  /** Defaults to true: flows have to be visible before policies are enforced, or nobody sees what they cut. */
  enabled?: boolean;
  /** Relay, the cluster-wide API. Defaults to true. */
  relay?: boolean;
  /** The user interface; needs the relay. Defaults to true. */
  ui?: boolean;
  /** Metrics to expose, such as `drop` and `policy:sourceContext=workload`. Defaults to verdicts, drops, flows, DNS and TCP. */
  metrics?: string[];
}

/** What the chart is asked for, and is known in preview. Every field has a secure default. */
export interface CiliumOptions {
  /** Chart version, 1.13.0 or newer. Defaults to 1.20.2. */
  version?: string;
  /** Defaults to WireGuard. */
  encryption?: CiliumEncryption;
  /** Encrypt traffic between the nodes themselves too (WireGuard only). Defaults to false. */
  nodeEncryption?: boolean;
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
  /**
   * Policies name what pods may ask DNS for: refused names are answered as ones that do not exist, so that resolvers go on
   * with their search list (Cilium's own default, REFUSED, ends it). Defaults to false; `ClusterSecurity` turns it on by
   * itself where its declaration limits names.
   */
  limitedDns?: boolean;
  /**
   * Share the node with Istio: leave its CNI plugin in place and load-balance in the host namespace only. Defaults to
   * false; `ClusterSecurity` turns it on by itself where its declaration has a mesh.
   */
  istio?: boolean;
}

/** What the chart is asked for. */
export interface CiliumChartOptions extends CiliumOptions {
  /** Drop unencrypted traffic between pods of this IPv4 range (strict mode, WireGuard only). Defaults to off. */
  strictEncryptionCidr?: string;
}

/** The Cilium version whose behaviour the reachability engine was measured against. */
const defaultCiliumVersion = "1.20.2";

/**
 * Cilium 1.13 is the oldest that is accepted, so that clusters that are behind can still be declared. The project maintains
 * three minors; the charts of 1.17 to 1.20 were read.
 */
export const ciliumSupport: VersionSupport = {
  product: "Cilium",
  recommended: defaultCiliumVersion,
  oldest: "1.13.0",
  oldestMaintained: "1.18.0",
  checkedFrom: "1.17",
  checkedTo: "1.20",
};

/**
 * Verdicts and drops by app, flows, DNS and TCP: what alerts and dashboards on policies need. `app` names both ends of a
 * connection; the name of a workload is known only to its own node. Ports, queried names, and by default pods and
 * addresses, are left out: what tries them all would make a series of each.
 *
 * @param podLabels Pods and addresses too.
 */
export function hubbleMetrics(podLabels = false): readonly string[] {
  const pods = podLabels ? ",source_pod,source_ip,destination_pod,destination_ip" : "";
  const context =
    "sourceContext=app|reserved-identity;destinationContext=app|reserved-identity;" +
    `labelsContext=source_namespace,destination_namespace${pods}`;
  return [
    "dns:ignoreAAAA",
    `drop:${context}`,
    "flow",
    "flows-to-world:any-drop;syn-only;labelsContext=source_namespace,source_app",
    `policy:${context}`,
    "tcp",
  ];
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
  const version = readVersion(ciliumSupport, options.version);
  const values = mergeValues(baseValues(options, version), userValues);
  const problems = [
    ...versionProblems(ciliumSupport, version),
    ...optionProblems(options, version),
    ...absentKeyProblems(ciliumAbsentKeys, userValues, version),
    ...(options.istio === true ? coexistenceProblems(values) : []),
  ];
  if (problems.length > 0) throw new ChartValuesError(`Cilium ${version}`, problems);
  return { version, values, warnings: warningsFor(version, options, values) };
}

function baseValues(options: CiliumChartOptions, version: string): ChartValues {
  const hubble = options.hubble ?? {};
  const hubbleEnabled = hubble.enabled ?? true;
  const values: ChartValues = {
    encryption: encryptionValues(options, version),
    policyEnforcementMode: options.enforcementMode ?? CiliumEnforcementMode.Default,
    // without it every allow policy would isolate what it selects; older charts were not read
    ...(semver.gte(version, "1.17.0") ? { enableNonDefaultDenyPolicies: true } : {}),
    // rules for DNS names and layer 7 need the proxy
    l7Proxy: true,
    hostFirewall: { enabled: options.hostFirewall ?? false },
    hubble: {
      enabled: hubbleEnabled,
      relay: { enabled: hubbleEnabled && (hubble.relay ?? true) },
      ui: { enabled: hubbleEnabled && (hubble.ui ?? true) },
      ...(hubbleEnabled ? { metrics: { enabled: hubble.metrics ?? [...hubbleMetrics()] } } : {}),
      ...(hubbleEnabled && semver.gte(version, "1.18.0") ? { networkPolicyCorrelation: { enabled: true } } : {}),
      // Certificates that renew themselves. Helm's own are drawn anew whenever the chart is rendered, which looks like a
      // change to every preview. Until 1.18 the job is a hook that comes after the pods which wait for it.
      ...(hubbleEnabled && semver.gte(version, "1.19.0") ? { tls: { auto: { method: "cronJob" } } } : {}),
    },
  };
  if (options.auditMode === true) values["policyAuditMode"] = true;
  if (options.denyResponse === true) values["policyDenyResponse"] = "icmp";
  if (options.clusterNetworkPolicy === true) values["k8sClusterNetworkPolicy"] = { enabled: true };
  if (options.limitedDns === true) values["dnsProxy"] = { dnsRejectResponseCode: "nameError" };
  if (options.istio === true) {
    values["cni"] = { exclusive: false };
    values["socketLB"] = { hostNamespaceOnly: true };
  }
  return values;
}

function encryptionValues(options: CiliumChartOptions, version: string): ChartValues {
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

function optionProblems(options: CiliumChartOptions, version: string): ChartProblem[] {
  const { problems, refuse } = collectProblems();
  const isWireGuard = (options.encryption ?? CiliumEncryption.WireGuard) === CiliumEncryption.WireGuard;
  const { hubble } = options;
  refuse(
    options.nodeEncryption === true && !isWireGuard,
    ["nodeEncryption"],
    "needs WireGuard. Set encryption to wireguard, or leave nodeEncryption out.",
  );
  refuse(
    options.strictEncryptionCidr !== undefined && (!isWireGuard || semver.lt(version, "1.16.0")),
    ["strictEncryptionCidr"],
    "needs WireGuard and Cilium 1.16 or newer.",
  );
  refuse(
    options.strictEncryptionCidr !== undefined && !IPv4.isValidCIDRFourPartDecimal(options.strictEncryptionCidr),
    ["strictEncryptionCidr"],
    "is no IPv4 range. Write it as 10.0.0.0/8.",
  );
  refuse(hubble?.ui === true && hubble.relay === false, ["hubble", "ui"], "needs the relay. Turn hubble.relay on.");
  refuse(
    hubble?.enabled === false && (hubble.relay === true || hubble.ui === true),
    ["hubble", "enabled"],
    "relay and UI need Hubble. Turn it on, or both of them off.",
  );
  refuse(
    options.denyResponse === true && semver.lt(version, "1.19.0"),
    ["denyResponse"],
    "needs Cilium 1.19 or newer.",
  );
  refuse(
    options.clusterNetworkPolicy === true && semver.lt(version, "1.20.0"),
    ["clusterNetworkPolicy"],
    "needs Cilium 1.20 or newer.",
  );
  return problems;
}

/**
 * Beside Istio (Cilium: network/servicemesh/istio; Istio: ambient/install/platform-prerequisites). Values that come as
 * Pulumi outputs cannot be looked into and count as wrong: the plugin that is removed takes the mesh's encryption along.
 */
function coexistenceProblems(values: ChartValues): ChartProblem[] {
  const problems: ChartProblem[] = [];
  const wrong = (key: string, message: string): void => {
    problems.push({ path: ["values", ...key.split(".")], message });
  };
  if (valueAt(values, "cni.exclusive") !== false) {
    wrong("cni.exclusive", "has to be false beside Istio, whose CNI plugin Cilium would remove.");
  }
  if (valueAt(values, "socketLB.hostNamespaceOnly") !== true) {
    wrong("socketLB.hostNamespaceOnly", "has to be true beside Istio, whose proxies Cilium's sockets would bypass.");
  }
  if (valueAt(values, "encryption.type") === "ztunnel") {
    wrong("encryption.type", "ztunnel is Cilium's own mesh. Use wireguard beside Istio.");
  }
  return problems;
}

function warningsFor(version: string, options: CiliumChartOptions, values: ChartValues): string[] {
  const warnings = versionWarnings(ciliumSupport, version);
  if (values["policyEnforcementMode"] === "never") {
    warnings.push("policyEnforcementMode is never: no policy is enforced on any endpoint.");
  }
  if (values["policyAuditMode"] === true) {
    warnings.push("policyAuditMode is on: policies only report, nothing is dropped.");
  }
  if (valueAt(values, "encryption.enabled") === false) {
    warnings.push("encryption is off: traffic between nodes can be read on the way.");
  }
  if (options.istio === true && valueAt(values, "bpf.masquerade") === true) {
    warnings.push("bpf.masquerade is on: in Istio's ambient mode the kubelet's health checks fail.");
  }
  return warnings;
}
