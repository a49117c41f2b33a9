import type { KubeObject } from "../sdk/reachability";
import { isUnknown } from "../sdk/reachability";
import type { HelmRelease } from "./kubernetes-objects";

/** The agent's settings, and the paths below `values` that are not known yet. */
export interface CiliumConfig {
  readonly object: KubeObject;
  readonly unknownPaths: readonly string[];
}

/**
 * What a release of Cilium's chart says about enforcement, in the form that the agent reads: the ConfigMap
 * `cilium-config` that the chart renders (templates/cilium-configmap.yaml of the chart). Other settings of the chart do
 * not change what a policy means.
 */
export function ciliumConfigOf(release: HelmRelease): CiliumConfig | undefined {
  if (!isCiliumChart(release.chart) && !mayBeCilium(release)) return undefined;
  const unknownPaths: string[] = [];
  const at = (path: string): unknown => {
    const value = path
      .split(".")
      .reduce<unknown>((holder, key) => (isUnknown(holder) ? holder : objectOf(holder)[key]), release.values);
    if (isUnknown(value) || (Array.isArray(value) && value.some(isUnknown))) unknownPaths.push(path);
    return value;
  };
  const data: Record<string, string> = {};
  const copy = (path: string, key: string): void => {
    const value = at(path);
    if (isUnknown(value)) return;
    if (typeof value === "string" || typeof value === "boolean") data[key] = String(value);
    if (Array.isArray(value)) data[key] = value.filter((item) => typeof item === "string").join(",");
  };
  copy("policyEnforcementMode", "enable-policy");
  copy("policyAuditMode", "policy-audit-mode");
  copy("policyCIDRMatchMode", "policy-cidr-match-mode");
  copy("hostFirewall.enabled", "enable-host-firewall");
  copy("nodeSelectorLabels", "enable-node-selector-labels");
  copy("k8sClusterNetworkPolicy.enabled", "enable-k8s-cluster-network-policy");
  copy("enableNonDefaultDenyPolicies", "enable-non-default-deny-policies");
  copy("cluster.name", "cluster-name");
  Object.assign(data, extraConfig(at("extraConfig")));
  const metadata = { name: "cilium-config", namespace: "kube-system" };
  return { object: { apiVersion: "v1", kind: "ConfigMap", metadata, data }, unknownPaths };
}

/** `cilium`, `cilium/cilium`, `oci://quay.io/cilium/charts/cilium`, a path that ends so; not `cilium-operator`. */
function isCiliumChart(chart: unknown): boolean {
  return typeof chart === "string" && !isUnknown(chart) && /(^|\/)cilium(-v?\d[\w.+-]*\.tgz)?\/?$/.test(chart);
}

/** A chart whose name is not known yet, with values that only Cilium's has. */
function mayBeCilium({ chart, values }: HelmRelease): boolean {
  const given = objectOf(values);
  return isUnknown(chart) && ("policyEnforcementMode" in given || "policyAuditMode" in given);
}

/** The chart's `extraConfig` goes into the ConfigMap as it is. */
function extraConfig(value: unknown): Record<string, string> {
  return Object.fromEntries(
    Object.entries(objectOf(value)).filter(
      (entry): entry is [string, string] => typeof entry[1] === "string" && !isUnknown(entry[1]),
    ),
  );
}

function objectOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !isUnknown(value)
    ? (value as Readonly<Record<string, unknown>>)
    : {};
}
