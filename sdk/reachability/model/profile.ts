/** What differs by enforcer: the same policies mean different things to Cilium, to Calico and to the bare API text. */

import type { SourcedObject } from "./objects";

export type Cni = "kubernetes" | "cilium" | "calico";

/** How an enforcer reads policies. Every field has the enforcer's own default in {@link profileFor}. */
export interface EnforcerProfile {
  readonly cni: Cni;
  /** `major.minor` of the enforcer, when it is known. */
  readonly version?: string;
  /** A CIDR rule also matches the addresses of pods. Cilium: `policy-cidr-match-mode` contains `pods`. */
  readonly cidrMatchesPods: boolean;
  /** A CIDR rule also matches the addresses of nodes. Cilium: `policy-cidr-match-mode` contains `nodes`. */
  readonly cidrMatchesNodes: boolean;
  /** What a CIDR rule does with a pod whose address the snapshot does not state: leave it out, or weigh it. */
  readonly unknownPodAddresses: "outside-cidrs" | "possible";
  /** Traffic from a pod's own node always arrives (kubelet probes). Cilium: an explicit deny still stops it. */
  readonly localNodeAlwaysAllowed: boolean;
  /** Cilium's `policyEnforcementMode`. */
  readonly enforcementMode: "default" | "always" | "never";
  /** Cilium's `policyAuditMode`: drops are only reported, so nothing is enforced. */
  readonly auditMode: boolean;
  /** Cilium's `enable-non-default-deny-policies` (default true): `enableDefaultDeny: false` is honoured. */
  readonly nonDefaultDenyPolicies: boolean;
  /** The enforcer implements ClusterNetworkPolicy (policy.networking.k8s.io/v1alpha2). */
  readonly clusterNetworkPolicy: boolean;
  /** The enforcer implements AdminNetworkPolicy and BaselineAdminNetworkPolicy (v1alpha1). */
  readonly adminNetworkPolicy: boolean;
  /** Cilium's host firewall: policies with a `nodeSelector` are enforced. */
  readonly hostFirewall: boolean;
  /** Cilium's `enable-node-selector-labels`: `fromNodes` / `toNodes` are honoured. */
  readonly nodeSelectorLabels: boolean;
  /**
   * Rules for names work only where the enforcer sees the DNS answers: a DNS rule lets the subject ask for the name through
   * its proxy. Not with Cilium's `fqdn-policy-dns-server-*` (1.20 or later, off by default), by which it asks itself.
   */
  readonly namesNeedDnsRule: boolean;
  /** A port of a sidecar (an init container with `restartPolicy: Always`) can be named by policies. Not with Cilium. */
  readonly sidecarPorts: boolean;
  /** Cilium's `enable-local-redirect-policy`: CiliumLocalRedirectPolicy has an effect. Absent: not known. */
  readonly localRedirects?: boolean;
  /**
   * What the agent's `labels` option adds to its own list of labels that make identities (`app`, `!team`, `k8s:env`); a label
   * that is left out cannot be selected by any policy. Absent: all labels count.
   */
  readonly identityLabels?: readonly string[];
  /** The cluster's name for the label `io.cilium.k8s.policy.cluster`. */
  readonly clusterName: string;
  /** Istio's root namespace, whose policies are about the whole mesh. */
  readonly meshRootNamespace: string;
  /** Istio's trust domain. */
  readonly meshTrustDomain: string;
  /** Other names of it in policies (`trustDomainAliases` of the mesh's configuration). Absent: none. */
  readonly meshTrustDomainAliases?: readonly string[];
}

const profiles: Readonly<Record<Cni, EnforcerProfile>> = {
  kubernetes: {
    cni: "kubernetes",
    cidrMatchesPods: true,
    cidrMatchesNodes: true,
    unknownPodAddresses: "outside-cidrs",
    localNodeAlwaysAllowed: true,
    enforcementMode: "default",
    auditMode: false,
    nonDefaultDenyPolicies: true,
    clusterNetworkPolicy: true,
    adminNetworkPolicy: true,
    hostFirewall: false,
    nodeSelectorLabels: false,
    namesNeedDnsRule: false,
    sidecarPorts: true,
    clusterName: "default",
    meshRootNamespace: "istio-system",
    meshTrustDomain: "cluster.local",
  },
  cilium: {
    cni: "cilium",
    version: "1.20",
    cidrMatchesPods: false,
    cidrMatchesNodes: false,
    unknownPodAddresses: "possible",
    localNodeAlwaysAllowed: true,
    enforcementMode: "default",
    auditMode: false,
    nonDefaultDenyPolicies: true,
    clusterNetworkPolicy: false,
    adminNetworkPolicy: false,
    hostFirewall: false,
    nodeSelectorLabels: false,
    namesNeedDnsRule: true,
    sidecarPorts: false,
    identityLabels: [],
    clusterName: "default",
    meshRootNamespace: "istio-system",
    meshTrustDomain: "cluster.local",
  },
  calico: {
    cni: "calico",
    version: "3.32",
    cidrMatchesPods: true,
    cidrMatchesNodes: true,
    unknownPodAddresses: "possible",
    localNodeAlwaysAllowed: true,
    enforcementMode: "default",
    auditMode: false,
    nonDefaultDenyPolicies: true,
    clusterNetworkPolicy: true,
    adminNetworkPolicy: false,
    hostFirewall: false,
    nodeSelectorLabels: false,
    namesNeedDnsRule: false,
    sidecarPorts: true,
    clusterName: "default",
    meshRootNamespace: "istio-system",
    meshTrustDomain: "cluster.local",
  },
};

/**
 * The profile of an enforcer: `cilium`, `cilium@1.20`, `calico@3.32`, `kubernetes` (the API's own text).
 *
 * @throws RangeError for a name that is not one of these.
 */
export function profileFor(spec: string): EnforcerProfile {
  const [name = "", version] = spec.split("@", 2);
  const base = (profiles as Readonly<Record<string, EnforcerProfile | undefined>>)[name];
  if (base === undefined || !Object.hasOwn(profiles, name)) {
    throw new RangeError(
      `unknown enforcer "${spec}": use kubernetes, cilium or calico, with a version if wanted (cilium@1.20)`,
    );
  }
  if (version === undefined) return base;
  if (!/^v?\d+(\.\d+){0,2}$/.test(version)) {
    throw new RangeError(`"${version}" is not a version of ${name}: write it as ${name}@1.20`);
  }
  const [major = "0", minor = "0"] = version.replace(/^v/, "").split(".");
  // AdminNetworkPolicy was read by Calico up to 3.31 only; ClusterNetworkPolicy came with 3.32.
  const calicoBefore332 = base.cni === "calico" && (Number(major) < 3 || (Number(major) === 3 && Number(minor) < 32));
  return {
    ...base,
    version: `${major}.${minor}`,
    ...(calicoBefore332 ? { clusterNetworkPolicy: false, adminNetworkPolicy: true } : {}),
  };
}

/**
 * The profile that a set of objects suggests: Cilium's or Calico's kinds, a Cilium or Calico Helm release or DaemonSet,
 * Cilium's ConfigMap. Without any of these: `kubernetes`.
 */
export function inferProfile(objects: Iterable<SourcedObject>): EnforcerProfile {
  let cilium: EnforcerProfile | undefined;
  let calico = false;
  // what the running agent was told counts more than what a Release asks for
  let configured = false;
  for (const { object } of objects) {
    const group = typeof object.apiVersion === "string" ? (object.apiVersion.split("/")[0] ?? "") : "";
    if (group === "cilium.io") cilium ??= profiles.cilium;
    if (group === "crd.projectcalico.org" || group === "projectcalico.org" || group === "operator.tigera.io")
      calico = true;
    if (object.kind === "ConfigMap" && object.metadata?.name === "cilium-config") {
      cilium = fromCiliumConfig(object["data"]);
      configured = true;
    }
    const release = releaseOf(object);
    if (release?.chart === "cilium" && !configured) cilium = fromCiliumValues(release.values);
    if (release?.chart === "tigera-operator") calico = true;
  }
  if (cilium !== undefined) return cilium;
  return calico ? profiles.calico : profiles.kubernetes;
}

/** The chart and values of a Helm release, as Pulumi states and GitOps tools write them; nothing for other objects. */
function releaseOf(
  object: SourcedObject["object"],
): { chart: string; values: Readonly<Record<string, unknown>> } | undefined {
  if (object.kind !== "Release" && object.kind !== "HelmRelease" && object.kind !== "Chart") return undefined;
  const spec = mapOf(object.spec);
  // HelmRelease: spec.chart.spec.chart; Release: spec.chart, perhaps as an address or a path
  const chart = spec["chart"] ?? "";
  const name = typeof chart === "string" ? chart : mapOf(mapOf(chart)["spec"])["chart"];
  if (typeof name !== "string") return undefined;
  return { chart: name.replace(/\/+$/, "").split("/").at(-1) ?? "", values: mapOf(spec["values"]) };
}

function mapOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : {};
}

/** What the values of Cilium's chart say; the chart's defaults for what they leave out. */
function fromCiliumValues(values: Readonly<Record<string, unknown>>): EnforcerProfile {
  const mode = values["policyEnforcementMode"];
  const matchMode = values["policyCIDRMatchMode"];
  const modes: readonly unknown[] = Array.isArray(matchMode)
    ? matchMode
    : typeof matchMode === "string"
      ? matchMode.split(/[\s,]+/)
      : [];
  return {
    ...profiles.cilium,
    cidrMatchesPods: modes.includes("pods"),
    cidrMatchesNodes: modes.includes("nodes"),
    enforcementMode: mode === "always" || mode === "never" ? mode : "default",
    auditMode: values["policyAuditMode"] === true,
    clusterNetworkPolicy: mapOf(values["k8sClusterNetworkPolicy"])["enabled"] === true,
    hostFirewall: mapOf(values["hostFirewall"])["enabled"] === true,
    nodeSelectorLabels: values["nodeSelectorLabels"] === true,
    identityLabels: patternsOf(values["labels"]),
    ...localRedirectsOf([mapOf(values["localRedirectPolicies"])["enabled"], values["localRedirectPolicy"]]),
    clusterName:
      typeof mapOf(values["cluster"])["name"] === "string" ? String(mapOf(values["cluster"])["name"]) : "default",
  };
}

/** On where one of the chart's values says so, off where the chart's defaults hold. */
function localRedirectsOf(values: readonly unknown[]): { localRedirects: boolean } {
  return { localRedirects: values.includes(true) };
}

/** The patterns of the agent's `labels` option, which are separated by spaces. */
function patternsOf(value: unknown): string[] {
  return typeof value === "string" ? value.split(/\s+/).filter((pattern) => pattern !== "") : [];
}

/** What the agent's ConfigMap `cilium-config` says; the agent's defaults for what it leaves out. */
function fromCiliumConfig(data: unknown): EnforcerProfile {
  const settings: Record<string, unknown> = typeof data === "object" && data !== null ? { ...data } : {};
  const text = (key: string): string | undefined => {
    const value = settings[key];
    return typeof value === "string" ? value : undefined;
  };
  const flag = (key: string, otherwise: boolean): boolean => {
    const value = text(key);
    return value === undefined ? otherwise : value === "true";
  };
  const mode = text("enable-policy");
  const matchMode = (text("policy-cidr-match-mode") ?? "").split(/[\s,]+/);
  return {
    ...profiles.cilium,
    cidrMatchesPods: matchMode.includes("pods"),
    cidrMatchesNodes: matchMode.includes("nodes"),
    enforcementMode: mode === "always" || mode === "never" ? mode : "default",
    localNodeAlwaysAllowed: text("allow-localhost") !== "policy",
    auditMode: flag("policy-audit-mode", false),
    nonDefaultDenyPolicies: flag("enable-non-default-deny-policies", true),
    clusterNetworkPolicy: flag("enable-k8s-cluster-network-policy", false),
    hostFirewall: flag("enable-host-firewall", false),
    nodeSelectorLabels: flag("enable-node-selector-labels", false),
    namesNeedDnsRule: !Object.keys(settings).some(
      (key) => key.startsWith("fqdn-policy-dns-server-") && text(key) !== "",
    ),
    identityLabels: patternsOf(settings["labels"]),
    localRedirects: flag("enable-local-redirect-policy", false),
    clusterName: text("cluster-name") ?? "default",
  };
}
