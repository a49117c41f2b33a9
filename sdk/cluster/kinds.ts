/** What of a cluster the engine needs: nothing that holds secrets, nothing that no verdict depends on. */

/** A kind to list, under the versions in which it may be served (best first). */
export interface KindToRead {
  /** API group; "" is the core group. */
  readonly group: string;
  readonly versions: readonly string[];
  /** The resource's name in URLs. */
  readonly plural: string;
  readonly kind: string;
  /**
   * What it means when the server forbids reading it. `verdicts`: policies or endpoints may be missing, so no verdict can
   * be trusted. `details`: only explanations and exposure lose detail.
   */
  readonly forbidden: "verdicts" | "details";
  /** Every Kubernetes API server has it. Default: others may lack it. */
  readonly isEverywhere?: true;
}

function kinds(
  group: string,
  versions: readonly string[],
  forbidden: KindToRead["forbidden"],
  names: Readonly<Record<string, string>>,
  more: Pick<KindToRead, "isEverywhere"> = {},
): KindToRead[] {
  return Object.entries(names).map(([plural, kind]) => ({ group, versions, plural, kind, forbidden, ...more }));
}

const isEverywhere = { isEverywhere: true } as const;

/**
 * Every kind that is listed. Sources: the API groups' own documentation; the dialects as the engine's readers name them.
 * Kinds of enforcers that the engine has no reader for are listed too: what is in the cluster and is not understood
 * must become a problem, not silence.
 */
export const kindsToRead: readonly KindToRead[] = [
  ...kinds("", ["v1"], "verdicts", { namespaces: "Namespace", pods: "Pod" }, isEverywhere),
  ...kinds("", ["v1"], "details", {
    nodes: "Node",
    services: "Service",
    serviceaccounts: "ServiceAccount",
    replicationcontrollers: "ReplicationController",
  }),
  ...kinds("apps", ["v1"], "details", {
    deployments: "Deployment",
    statefulsets: "StatefulSet",
    daemonsets: "DaemonSet",
    replicasets: "ReplicaSet",
  }),
  ...kinds("batch", ["v1"], "details", { jobs: "Job", cronjobs: "CronJob" }),
  ...kinds("discovery.k8s.io", ["v1"], "details", { endpointslices: "EndpointSlice" }),
  ...kinds("networking.k8s.io", ["v1"], "verdicts", { networkpolicies: "NetworkPolicy" }, isEverywhere),
  ...kinds("networking.k8s.io", ["v1"], "details", { ingresses: "Ingress", ingressclasses: "IngressClass" }),
  ...kinds("gateway.networking.k8s.io", ["v1", "v1beta1"], "details", {
    gateways: "Gateway",
    gatewayclasses: "GatewayClass",
    httproutes: "HTTPRoute",
    grpcroutes: "GRPCRoute",
  }),
  ...kinds("gateway.networking.k8s.io", ["v1", "v1alpha3", "v1alpha2"], "details", {
    tlsroutes: "TLSRoute",
    tcproutes: "TCPRoute",
    udproutes: "UDPRoute",
  }),
  ...kinds("policy.networking.k8s.io", ["v1alpha2"], "verdicts", { clusternetworkpolicies: "ClusterNetworkPolicy" }),
  ...kinds("policy.networking.k8s.io", ["v1alpha1"], "verdicts", {
    adminnetworkpolicies: "AdminNetworkPolicy",
    baselineadminnetworkpolicies: "BaselineAdminNetworkPolicy",
  }),
  ...kinds("cilium.io", ["v2"], "verdicts", {
    ciliumnetworkpolicies: "CiliumNetworkPolicy",
    ciliumclusterwidenetworkpolicies: "CiliumClusterwideNetworkPolicy",
  }),
  ...kinds("cilium.io", ["v2", "v2alpha1"], "verdicts", { ciliumcidrgroups: "CiliumCIDRGroup" }),
  ...kinds("projectcalico.org", ["v3"], "verdicts", calicoKinds()),
  ...kinds("crd.projectcalico.org", ["v1"], "verdicts", calicoKinds()),
  ...kinds("security.istio.io", ["v1", "v1beta1"], "verdicts", {
    authorizationpolicies: "AuthorizationPolicy",
    peerauthentications: "PeerAuthentication",
  }),
  // Enforcers without a reader: their presence is a problem.
  ...kinds("crd.antrea.io", ["v1beta1"], "verdicts", {
    networkpolicies: "NetworkPolicy",
    clusternetworkpolicies: "ClusterNetworkPolicy",
  }),
  ...kinds("k8s.ovn.org", ["v1"], "verdicts", { egressfirewalls: "EgressFirewall" }),
  ...kinds("networking.k8s.aws", ["v1alpha1"], "verdicts", {
    applicationnetworkpolicies: "ApplicationNetworkPolicy",
    clusternetworkpolicies: "ClusterNetworkPolicy",
  }),
  ...kinds("networking.gke.io", ["v1alpha1"], "verdicts", { fqdnnetworkpolicies: "FQDNNetworkPolicy" }),
];

/**
 * What an audit reads besides: guards of the API server, and who may change policies. No verdict depends on them, so no other
 * command asks for them.
 */
export const auditedKinds: readonly KindToRead[] = [
  ...kinds("admissionregistration.k8s.io", ["v1"], "details", {
    validatingadmissionpolicies: "ValidatingAdmissionPolicy",
    validatingadmissionpolicybindings: "ValidatingAdmissionPolicyBinding",
    validatingwebhookconfigurations: "ValidatingWebhookConfiguration",
    mutatingwebhookconfigurations: "MutatingWebhookConfiguration",
  }),
  ...kinds("rbac.authorization.k8s.io", ["v1"], "details", {
    clusterroles: "ClusterRole",
    clusterrolebindings: "ClusterRoleBinding",
    roles: "Role",
    rolebindings: "RoleBinding",
  }),
];

function calicoKinds(): Record<string, string> {
  return {
    networkpolicies: "NetworkPolicy",
    globalnetworkpolicies: "GlobalNetworkPolicy",
    stagednetworkpolicies: "StagedNetworkPolicy",
    stagedglobalnetworkpolicies: "StagedGlobalNetworkPolicy",
    stagedkubernetesnetworkpolicies: "StagedKubernetesNetworkPolicy",
    tiers: "Tier",
    networksets: "NetworkSet",
    globalnetworksets: "GlobalNetworkSet",
    hostendpoints: "HostEndpoint",
    profiles: "Profile",
  };
}

/** One ConfigMap is read by name: it says how Cilium's agents enforce. */
export const ciliumConfig = { namespace: "kube-system", name: "cilium-config" } as const;
