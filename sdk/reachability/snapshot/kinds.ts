/**
 * The one answer to what a kind is: a policy and whose, clusterwide, staged, of the mesh, about admission, or a policy that
 * may decide about traffic and has no reader. Every other kind decides about no connection, however it is named.
 */
import { readCiliumPolicy } from "../readers/cilium";
import { readClusterNetworkPolicy } from "../readers/cluster-network-policy";
import type { PolicyReader } from "../readers/common";
import { readNetworkPolicy } from "../readers/network-policy";
import { readAdminNetworkPolicy, readBaselineAdminNetworkPolicy } from "../readers/admin-network-policy";
import { readCalicoPolicy } from "../readers/calico";
import { readAuthorizationPolicy } from "../readers/istio";
import { groupOf } from "../model/objects";
import type { EnforcerProfile } from "../model/profile";
import type { PolicyDialect } from "../model/policy-source";
import { unreadKindOf } from "../readers/unread-policies";

/** A kind of policy that the engine reads. */
export interface PolicyKind {
  readonly dialect: PolicyDialect;
  readonly namespaced: boolean;
  readonly read: PolicyReader;
  /** The policy is enforced by the mesh, not by the network. */
  readonly mesh?: boolean;
  /** The policy only reports what it would do. */
  readonly staged?: boolean;
  /** Why an enforcer does not look at policies of this kind; nothing where it does. */
  ignoredBy(profile: EnforcerProfile): string | undefined;
}

/** For the policy API that one enforcer has to itself. */
function ownerOnly(dialect: PolicyDialect, owner: string): PolicyKind["ignoredBy"] {
  return ({ policyApis, cni }) =>
    policyApis.includes(dialect) ? undefined : `${cni} does not enforce ${owner}'s policies`;
}

function needsClusterNetworkPolicy(profile: EnforcerProfile): string | undefined {
  if (profile.clusterNetworkPolicy) return undefined;
  const { cni, title, clusterNetworkPolicySetting } = profile;
  return clusterNetworkPolicySetting === undefined
    ? `this version of ${cni} does not enforce ClusterNetworkPolicy`
    : `${title} enforces ClusterNetworkPolicy only with ${clusterNetworkPolicySetting}`;
}

function needsAdminNetworkPolicy(profile: EnforcerProfile): string | undefined {
  return profile.adminNetworkPolicy ? undefined : `this version of ${profile.cni} does not enforce AdminNetworkPolicy`;
}

const calicoPolicy: Omit<PolicyKind, "namespaced"> = {
  dialect: "calico",
  read: readCalicoPolicy,
  ignoredBy: ownerOnly("calico", "Calico"),
};
const stagedPolicy: Omit<PolicyKind, "namespaced"> = {
  ...calicoPolicy,
  staged: true,
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
const policyKinds: Readonly<Record<string, PolicyKind>> = {
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
    ignoredBy: ownerOnly("cilium", "Cilium"),
  },
  "cilium.io/v2/CiliumClusterwideNetworkPolicy": {
    dialect: "cilium",
    namespaced: false,
    read: readCiliumPolicy,
    ignoredBy: ownerOnly("cilium", "Cilium"),
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

/**
 * Whether objects of a kind allow or deny connections: policies that the engine reads, PeerAuthentication, and those that
 * may do so and have no reader. Admission, rate limits, TLS of backends, process policies and the like do not.
 */
export function isPolicy(apiVersion: string, kind: string): boolean {
  return (
    policyKindOf(apiVersion, kind) !== undefined ||
    isPeerAuthentication(apiVersion, kind) ||
    unreadKindOf(apiVersion, kind) !== undefined
  );
}

/** Kinds that policies refer to or are ordered by. */
const referredTo = /^(Tier|NetworkSet|GlobalNetworkSet|HostEndpoint|Profile|CiliumCIDRGroup|ClusterGroup|Group)$/;

/** Whether an object that is missing may change what policies do: a policy, or what policies refer to. */
export function shapesPolicies(apiVersion: string, kind: string): boolean {
  if (isPolicy(apiVersion, kind)) return true;
  return referredTo.test(kind) && /(^|\.)(projectcalico\.org|cilium\.io|antrea\.io)$/.test(groupOf(apiVersion));
}

/** Whether a policy of a kind only reports what it would do: Calico's staged kinds. */
export function isStagedKind(apiVersion: string, kind: string): boolean {
  return policyKindOf(apiVersion, kind)?.staged === true;
}

/** Groups whose objects lie in no namespace. */
const clusterwideGroups: ReadonlySet<string> = new Set([
  "admissionregistration.k8s.io",
  "apiextensions.k8s.io",
  "apiregistration.k8s.io",
  "scheduling.k8s.io",
]);

/** Kinds that lie in no namespace, of those that manifests usually hold, besides policies. */
const clusterwideKinds: ReadonlySet<string> = new Set([
  "/Namespace",
  "/Node",
  "/PersistentVolume",
  "cilium.io/CiliumCIDRGroup",
  "cilium.io/CiliumEgressGatewayPolicy",
  "cilium.io/CiliumClusterwideEnvoyConfig",
  "cilium.io/CiliumGatewayClassConfig",
  "cilium.io/CiliumIdentity",
  "cilium.io/CiliumNode",
  "cilium.io/CiliumLoadBalancerIPPool",
  "cilium.io/CiliumL2AnnouncementPolicy",
  "cilium.io/CiliumBGPPeeringPolicy",
  "cilium.io/CiliumBGPClusterConfig",
  "cilium.io/CiliumBGPPeerConfig",
  "cilium.io/CiliumBGPAdvertisement",
  "cilium.io/CiliumBGPNodeConfigOverride",
  "cilium.io/TracingPolicy",
  ...["projectcalico.org", "crd.projectcalico.org"].flatMap((group) =>
    ["Tier", "GlobalNetworkSet", "HostEndpoint", "Profile", "IPPool", "BGPPeer", "BGPConfiguration"]
      .concat("FelixConfiguration", "KubeControllersConfiguration", "ClusterInformation", "IPReservation", "BGPFilter")
      .map((kind) => `${group}/${kind}`),
  ),
  "crd.antrea.io/Tier",
  "crd.antrea.io/ClusterGroup",
  "gateway.networking.k8s.io/GatewayClass",
  "networking.k8s.io/IngressClass",
  "networking.k8s.io/IPAddress",
  "networking.k8s.io/ServiceCIDR",
  "node.k8s.io/RuntimeClass",
  "operator.tigera.io/Installation",
  "operator.tigera.io/APIServer",
  "policy/PodSecurityPolicy",
  "extensions/PodSecurityPolicy",
  "rbac.authorization.k8s.io/ClusterRole",
  "rbac.authorization.k8s.io/ClusterRoleBinding",
  "storage.k8s.io/StorageClass",
  "storage.k8s.io/CSIDriver",
  "storage.k8s.io/CSINode",
  "storage.k8s.io/VolumeAttachment",
  "certificates.k8s.io/CertificateSigningRequest",
  "cert-manager.io/ClusterIssuer",
  "kyverno.io/ClusterPolicy",
  "security.openshift.io/SecurityContextConstraints",
  "project.openshift.io/Project",
]);

/** Kinds that are not known are named by whoever defines them: `ClusterSecretStore`, `GlobalRole`; not a `Cluster`. */
const namedClusterwide = /^(Cluster|Global)(?!ServiceVersion)[A-Z]/;

/** Whether objects of a kind lie in no namespace; of a kind that is not known, whether its name says so. */
export function isClusterwide(apiVersion: string, kind: string): boolean {
  const policy = policyKindOf(apiVersion, kind) ?? unreadKindOf(apiVersion, kind);
  if (policy !== undefined) return !policy.namespaced;
  const group = groupOf(apiVersion);
  return clusterwideGroups.has(group) || clusterwideKinds.has(`${group}/${kind}`) || namedClusterwide.test(kind);
}
