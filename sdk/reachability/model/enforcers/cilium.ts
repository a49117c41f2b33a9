/** Cilium: its behaviour by version and by the agent's settings, and the objects by which it is known. */
import { localClusterByDefault } from "../cilium-version";
import type { Enforcer, EnforcerSettings } from "../enforcer";
import { ordinarySettings } from "../enforcer";
import { mapOf } from "../plain";
import { agentVersion, apiGroupOf, releaseOf, versionIn } from "../releases";

export const cilium: Enforcer = {
  defaults: {
    ...ordinarySettings,
    title: "Cilium",
    version: "1.20",
    cidrMatchesPods: false,
    cidrMatchesNodes: false,
    unknownPodAddresses: "possible",
    clusterNetworkPolicy: false,
    adminNetworkPolicy: false,
    namesNeedDnsRule: true,
    sidecarPorts: false,
    identityLabels: [],
    policyApis: ["cilium"],
    // the oldest version that the project maintained with 1.20
    oldestModelled: "1.18",
    matchesByIdentity: true,
    ownNodeBypassesDenies: false,
    probesComeFromMeshAddress: true,
    isolatesAfterAllTiers: true,
    equalPriorities: "denyFirst",
    namedTiers: false,
    servesIngress: true,
    healthEndpoints: true,
    mayKeepClientAddress: true,
    translatesServicesFirst: true,
    rulesBeyondPolicyTypes: true,
    selectsIdentityLabels: true,
    dropsAdminPortNames: false,
    readsExperimentalPeers: true,
    addsDnsRules: true,
    negativeNamespacesAreEverything: true,
    namespacesHoldNetworkSets: false,
    passDropsNewcomers: true,
    clusterNetworkPolicySetting: "k8sClusterNetworkPolicy.enabled (1.20 or later)",
    flowLog: "hubble",
  },
  inVersion: (version) => ({ localClusterOnly: localClusterByDefault({ cni: "cilium", version }) }),
  versionIn: (objects) => versionIn(objects, "cilium", (object) => agentVersion(object, /(^|\/)cilium$/, "cilium")),
  settingsIn: (objects, base) => {
    let released: EnforcerSettings | undefined;
    for (const { object } of objects) {
      // what the running agent was told counts more than what a release asks for
      if (object.kind === "ConfigMap" && object.metadata?.name === "cilium-config") {
        return fromConfig(object["data"], base);
      }
      const release = releaseOf(object, "cilium");
      if (release !== undefined) released = fromValues(release.values, base);
    }
    return released;
  },
  isSeenIn: (objects) => objects.some(({ object }) => apiGroupOf(object) === "cilium.io"),
};

/** What the values of Cilium's chart say; the chart's defaults for what they leave out. */
function fromValues(values: Readonly<Record<string, unknown>>, base: EnforcerSettings): EnforcerSettings {
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
function fromConfig(data: unknown, base: EnforcerSettings): EnforcerSettings {
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
