/** What differs by enforcer: the same policies mean different things to Cilium, to Calico and to the bare API text. */

import { localClusterByDefault } from "./cilium-version";
import type { SourcedObject } from "./objects";
import { mapOf } from "./plain";

/** The CNI that enforces policies; `kubernetes` stands for one that enforces NetworkPolicy as the API describes it. */
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
  /**
   * What a CIDR rule does with a pod whose address the snapshot does not state: leave it out, leave it out unless the ranges
   * cover every address that a pod can have (where the range of pods is not known either), or weigh it.
   */
  readonly unknownPodAddresses: "outside-cidrs" | "in-whole-ranges" | "possible";
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
  /**
   * Selectors of peers are about the own cluster's pods unless they name another (Cilium's `policy-default-local-cluster`,
   * on since 1.19). Without it a selector that only excludes also selects what has no labels: the world, nodes.
   */
  readonly localClusterOnly: boolean;
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
    unknownPodAddresses: "in-whole-ranges",
    localNodeAlwaysAllowed: true,
    enforcementMode: "default",
    auditMode: false,
    nonDefaultDenyPolicies: true,
    clusterNetworkPolicy: true,
    adminNetworkPolicy: true,
    hostFirewall: false,
    nodeSelectorLabels: false,
    namesNeedDnsRule: false,
    localClusterOnly: true,
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
    localClusterOnly: true,
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
    localClusterOnly: true,
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
  return atVersion(base, `${major}.${minor}`);
}

/** An enforcer's defaults in one of its versions. */
function atVersion(base: EnforcerProfile, version: string): EnforcerProfile {
  const [major = "0", minor = "0"] = version.split(".");
  const calicoBefore332 = base.cni === "calico" && (Number(major) < 3 || (Number(major) === 3 && Number(minor) < 32));
  return {
    ...base,
    version,
    localClusterOnly: localClusterByDefault({ cni: base.cni, version }),
    ...(calicoBefore332 ? { clusterNetworkPolicy: false, adminNetworkPolicy: true } : {}),
  };
}

/**
 * The profile of a named enforcer with what the objects say of its settings: its ConfigMap, the values of its release. The
 * version is the named one, or the one that the objects have.
 *
 * @throws RangeError for a name that is no enforcer's.
 */
export function profileWithin(spec: string, objects: Iterable<SourcedObject>): EnforcerProfile {
  const named = profileFor(spec);
  if (named.cni === "kubernetes") return named;
  const all = [...objects];
  const version = spec.includes("@") ? named.version : (versionIn(all, named.cni) ?? named.version);
  const base = version === undefined ? named : atVersion(profiles[named.cni], version);
  return named.cni === "cilium" ? (settingsOf(all, base.version ?? "") ?? base) : base;
}

/**
 * The profile that a set of objects suggests: Cilium's or Calico's kinds, a Cilium or Calico Helm release or DaemonSet,
 * Cilium's ConfigMap; in the version that the release, or the image of the agent, has. Without any of these: `kubernetes`.
 */
export function inferProfile(objects: Iterable<SourcedObject>): EnforcerProfile {
  const all = [...objects];
  const groups = new Set(all.map(({ object }) => groupOf(object)));
  const version = versionIn(all, "cilium");
  const cilium = settingsOf(all, version ?? profiles.cilium.version ?? "");
  if (cilium !== undefined) return cilium;
  if (version !== undefined) return atVersion(profiles.cilium, version);
  if (groups.has("cilium.io")) return profiles.cilium;
  const calico = versionIn(all, "calico");
  if (calico !== undefined) return atVersion(profiles.calico, calico);
  const hasCalico =
    ["crd.projectcalico.org", "projectcalico.org", "operator.tigera.io"].some((group) => groups.has(group)) ||
    all.some(({ object }) => releaseOf(object)?.chart === "tigera-operator");
  return hasCalico ? profiles.calico : profiles.kubernetes;
}

function groupOf(object: SourcedObject["object"]): string {
  return typeof object.apiVersion === "string" ? (object.apiVersion.split("/")[0] ?? "") : "";
}

/** What the agent's ConfigMap says, or else the values of a release of Cilium's chart; nothing where there is neither. */
function settingsOf(objects: Iterable<SourcedObject>, version: string): EnforcerProfile | undefined {
  const base = atVersion(profiles.cilium, version);
  let released: EnforcerProfile | undefined;
  for (const { object } of objects) {
    // what the running agent was told counts more than what a release asks for
    if (object.kind === "ConfigMap" && object.metadata?.name === "cilium-config") {
      return fromCiliumConfig(object["data"], base);
    }
    const release = releaseOf(object);
    if (release?.chart === "cilium") released = fromCiliumValues(release.values, base);
  }
  return released;
}

/** The `major.minor` of an enforcer: of the image that its agents run, else of its release. */
function versionIn(objects: readonly SourcedObject[], cni: "cilium" | "calico"): string | undefined {
  let released: string | undefined;
  for (const { object } of objects) {
    if (object.kind === "DaemonSet") {
      const version = imageVersion(object, cni === "cilium" ? /(^|\/)cilium$/ : /(^|\/)(calico-)?node$/, cni);
      if (version !== undefined) return version;
    }
    if (cni === "calico" && object.kind === "ClusterInformation") {
      const version = majorMinor(mapOf(object.spec)["calicoVersion"]);
      if (version !== undefined) return version;
    }
    const release = releaseOf(object);
    if (release?.chart === (cni === "cilium" ? "cilium" : "tigera-operator")) released ??= majorMinor(release.version);
  }
  return released;
}

/** The version of an agent's image: `quay.io/cilium/cilium:v1.18.2@sha256:…`. */
function imageVersion(object: SourcedObject["object"], image: RegExp, cni: string): string | undefined {
  const pod = mapOf(mapOf(mapOf(object.spec)["template"])["spec"]);
  for (const container of Array.isArray(pod["containers"]) ? (pod["containers"] as unknown[]) : []) {
    const text = mapOf(container)["image"];
    const match = typeof text === "string" ? /^([^@]*):([^:@/]+)(@.*)?$/.exec(text) : null;
    if (match === null || !image.test(match[1] ?? "") || !(match[1] ?? "").includes(cni)) continue;
    const version = majorMinor(match[2]);
    if (version !== undefined) return version;
  }
  return undefined;
}

function majorMinor(text: unknown): string | undefined {
  const match = typeof text === "string" ? /^v?(\d+)\.(\d+)(\.|-|\+|$)/.exec(text) : null;
  return match === null ? undefined : `${match[1]}.${match[2]}`;
}

interface HelmRelease {
  readonly chart: string;
  readonly version: unknown;
  readonly values: Readonly<Record<string, unknown>>;
}

/**
 * The chart, version and values of a Helm release, as Pulumi states and GitOps tools write them (Flux's HelmRelease, Argo
 * CD's Application, the HelmChart of k3s and RKE2, whose values are text and count as not stated); nothing for other objects.
 */
function releaseOf(object: SourcedObject["object"]): HelmRelease | undefined {
  const spec = mapOf(object.spec);
  if (object.kind === "Application" && groupOf(object) === "argoproj.io") {
    const several = Array.isArray(spec["sources"]) ? (spec["sources"] as unknown[]) : [];
    const source = [spec["source"], ...several].map(mapOf).find(({ chart }) => typeof chart === "string");
    if (source === undefined) return undefined;
    return released(source["chart"], source["targetRevision"], mapOf(source["helm"])["valuesObject"]);
  }
  if (!["Release", "HelmRelease", "HelmChart", "Chart"].includes(object.kind)) return undefined;
  // HelmRelease: spec.chart.spec.chart; Release: spec.chart, perhaps as an address or a path
  const chart = spec["chart"] ?? "";
  const inner = mapOf(mapOf(chart)["spec"]);
  return typeof chart === "string"
    ? released(chart, spec["version"], spec["values"])
    : released(inner["chart"], inner["version"], spec["values"]);
}

function released(chart: unknown, version: unknown, values: unknown): HelmRelease | undefined {
  if (typeof chart !== "string") return undefined;
  return { chart: chart.replace(/\/+$/, "").split("/").at(-1) ?? "", version, values: mapOf(values) };
}

/** What the values of Cilium's chart say; the chart's defaults for what they leave out. */
function fromCiliumValues(values: Readonly<Record<string, unknown>>, base: EnforcerProfile): EnforcerProfile {
  const mode = values["policyEnforcementMode"];
  const matchMode = values["policyCIDRMatchMode"];
  const modes: readonly unknown[] = Array.isArray(matchMode)
    ? matchMode
    : typeof matchMode === "string"
      ? matchMode.split(/[\s,]+/)
      : [];
  return {
    ...base,
    cidrMatchesPods: modes.includes("pods"),
    cidrMatchesNodes: modes.includes("nodes"),
    enforcementMode: mode === "always" || mode === "never" ? mode : "default",
    auditMode: values["policyAuditMode"] === true,
    clusterNetworkPolicy: mapOf(values["k8sClusterNetworkPolicy"])["enabled"] === true,
    hostFirewall: mapOf(values["hostFirewall"])["enabled"] === true,
    nodeSelectorLabels: values["nodeSelectorLabels"] === true,
    identityLabels: patternsOf(values["labels"]),
    localClusterOnly: booleanOf(mapOf(values["clustermesh"])["policyDefaultLocalCluster"]) ?? base.localClusterOnly,
    ...localRedirectsOf([mapOf(values["localRedirectPolicies"])["enabled"], values["localRedirectPolicy"]]),
    clusterName:
      typeof mapOf(values["cluster"])["name"] === "string" ? String(mapOf(values["cluster"])["name"]) : "default",
  };
}

function booleanOf(value: unknown): boolean | undefined {
  return typeof value === "boolean" ? value : undefined;
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
function fromCiliumConfig(data: unknown, base: EnforcerProfile): EnforcerProfile {
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
    ...base,
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
    localClusterOnly: flag("policy-default-local-cluster", base.localClusterOnly),
    localRedirects: flag("enable-local-redirect-policy", false),
    clusterName: text("cluster-name") ?? "default",
  };
}
