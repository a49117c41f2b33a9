/** Which kinds are policies, who reads them, and which kinds only look like policies. */
import { readCiliumPolicy } from "../readers/cilium";
import { readClusterNetworkPolicy } from "../readers/cluster-network-policy";
import type { PolicyReader } from "../readers/common";
import { readNetworkPolicy } from "../readers/network-policy";
import { readAdminNetworkPolicy, readBaselineAdminNetworkPolicy } from "../readers/admin-network-policy";
import { readCalicoPolicy } from "../readers/calico";
import { readAuthorizationPolicy } from "../readers/istio";
import type { EnforcerProfile } from "../model/profile";
import type { PolicyDialect } from "../model/policy-source";

/** A kind of policy that the engine reads. */
export interface PolicyKind {
  readonly dialect: PolicyDialect;
  readonly namespaced: boolean;
  readonly read: PolicyReader;
  /** The policy is enforced by the mesh, not by the network. */
  readonly mesh?: boolean;
  /** Why an enforcer does not look at policies of this kind; nothing where it does. */
  ignoredBy(profile: EnforcerProfile): string | undefined;
}

function ciliumOnly(profile: EnforcerProfile): string | undefined {
  return profile.cni === "cilium" ? undefined : `${profile.cni} does not enforce Cilium's policies`;
}

function needsClusterNetworkPolicy(profile: EnforcerProfile): string | undefined {
  if (profile.clusterNetworkPolicy) return undefined;
  return profile.cni === "cilium"
    ? "Cilium enforces ClusterNetworkPolicy only with k8sClusterNetworkPolicy.enabled (1.20 or later)"
    : `this version of ${profile.cni} does not enforce ClusterNetworkPolicy`;
}

function needsAdminNetworkPolicy(profile: EnforcerProfile): string | undefined {
  return profile.adminNetworkPolicy ? undefined : `this version of ${profile.cni} does not enforce AdminNetworkPolicy`;
}

function calicoOnly(profile: EnforcerProfile): string | undefined {
  return profile.cni === "calico" ? undefined : `${profile.cni} does not enforce Calico's policies`;
}

const calicoPolicy: Omit<PolicyKind, "namespaced"> = {
  dialect: "calico",
  read: readCalicoPolicy,
  ignoredBy: calicoOnly,
};
const stagedPolicy: Omit<PolicyKind, "namespaced"> = {
  ...calicoPolicy,
  ignoredBy: () => "a staged policy is never enforced",
};
const authorizationPolicy: PolicyKind = {
  dialect: "istio",
  namespaced: true,
  mesh: true,
  read: readAuthorizationPolicy,
  ignoredBy: () => undefined,
};

/** Policies by `apiVersion/kind`. */
export const policyKinds: Readonly<Record<string, PolicyKind>> = {
  "networking.k8s.io/v1/NetworkPolicy": {
    dialect: "kubernetes",
    namespaced: true,
    read: readNetworkPolicy,
    ignoredBy: () => undefined,
  },
  "cilium.io/v2/CiliumNetworkPolicy": {
    dialect: "cilium",
    namespaced: true,
    read: readCiliumPolicy,
    ignoredBy: ciliumOnly,
  },
  "cilium.io/v2/CiliumClusterwideNetworkPolicy": {
    dialect: "cilium",
    namespaced: false,
    read: readCiliumPolicy,
    ignoredBy: ciliumOnly,
  },
  "policy.networking.k8s.io/v1alpha2/ClusterNetworkPolicy": {
    dialect: "cluster-network-policy",
    namespaced: false,
    read: readClusterNetworkPolicy,
    ignoredBy: needsClusterNetworkPolicy,
  },
  "policy.networking.k8s.io/v1alpha1/AdminNetworkPolicy": {
    dialect: "admin-network-policy",
    namespaced: false,
    read: readAdminNetworkPolicy,
    ignoredBy: needsAdminNetworkPolicy,
  },
  "policy.networking.k8s.io/v1alpha1/BaselineAdminNetworkPolicy": {
    dialect: "admin-network-policy",
    namespaced: false,
    read: readBaselineAdminNetworkPolicy,
    ignoredBy: needsAdminNetworkPolicy,
  },
  ...Object.fromEntries(
    ["projectcalico.org/v3", "crd.projectcalico.org/v1"].flatMap((version): [string, PolicyKind][] => [
      [`${version}/NetworkPolicy`, { ...calicoPolicy, namespaced: true }],
      [`${version}/GlobalNetworkPolicy`, { ...calicoPolicy, namespaced: false }],
      [`${version}/StagedNetworkPolicy`, { ...stagedPolicy, namespaced: true }],
      [`${version}/StagedGlobalNetworkPolicy`, { ...stagedPolicy, namespaced: false }],
      [`${version}/StagedKubernetesNetworkPolicy`, { ...stagedPolicy, namespaced: true }],
    ]),
  ),
  "security.istio.io/v1/AuthorizationPolicy": authorizationPolicy,
  "security.istio.io/v1beta1/AuthorizationPolicy": authorizationPolicy,
};

/** Whether an object is a PeerAuthentication, which are read together: of several only the oldest counts. */
export function isPeerAuthentication(apiVersion: string, kind: string): boolean {
  return kind === "PeerAuthentication" && /^security\.istio\.io\/v1(beta1)?$/.test(apiVersion);
}

export function policyKindOf(apiVersion: string, kind: string): PolicyKind | undefined {
  const key = `${apiVersion}/${kind}`;
  return Object.hasOwn(policyKinds, key) ? policyKinds[key] : undefined;
}

/** API groups whose kinds decide about traffic. */
const networkGroups =
  /(^|\.)(cilium\.io|projectcalico\.org|networking\.k8s\.io|antrea\.io|k8s\.ovn\.org|kubeovn\.io|istio\.io|linkerd\.io|kuma\.io|consul\.hashicorp\.com|weave\.works|nuage\.io)$|^extensions$/;

/** Whether an object of a kind that the engine does not read may allow or deny traffic. */
export function mayBePolicy(apiVersion: string, kind: string): boolean {
  const group = apiVersion.includes("/") ? (apiVersion.split("/")[0] as string) : "";
  return (
    (networkGroups.test(group) && /Polic(y|ies)$|Firewall$/.test(kind) && !harmless.has(kind)) ||
    /NetworkPolic(y|ies)$/.test(kind)
  );
}

/** Kinds named like policies that neither allow nor deny a connection between two ends. */
const harmless: ReadonlySet<string> = new Set([
  "CiliumEgressGatewayPolicy",
  "CiliumLocalRedirectPolicy",
  "CiliumBGPPeeringPolicy",
  "CiliumL2AnnouncementPolicy",
  "BackendTLSPolicy",
  "BackendTrafficPolicy",
  "IPPool",
]);
