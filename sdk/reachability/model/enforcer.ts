/** What an enforcer is to the engine. Each has one file in `enforcers/`; a difference between two is a property here. */
import type { SourcedObject } from "./objects";
import type { PolicyDialect } from "./policy-source";

/** How an enforcer reads policies, by its settings and by its version. */
export interface EnforcerSettings extends EnforcerTraits {
  /** `major.minor` of the enforcer, when it is known. */
  readonly version?: string;
  /** A CIDR rule also matches the addresses of pods. Cilium: `policy-cidr-match-mode` contains `pods`. */
  readonly cidrMatchesPods: boolean;
  /** A CIDR rule also matches the addresses of nodes. Cilium: `policy-cidr-match-mode` contains `nodes`. */
  readonly cidrMatchesNodes: boolean;
  /**
   * What a CIDR rule does with a pod whose address the snapshot does not state (where the range of pods is not known
   * either): leave it out, leave it out unless the ranges hold a block that could be the range of pods, or weigh it.
   */
  readonly unknownPodAddresses: "outside-cidrs" | "in-wide-ranges" | "possible";
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
  /** Clients in the mesh send mutual TLS without being told to (MeshConfig `enableAutoMtls`). Default: they do. */
  readonly meshAutoMtls?: boolean;
}

/** Settings that every enforcer begins with; those that only one of them has are as if that one left them alone. */
export const ordinarySettings = {
  localNodeAlwaysAllowed: true,
  enforcementMode: "default",
  auditMode: false,
  nonDefaultDenyPolicies: true,
  hostFirewall: false,
  nodeSelectorLabels: false,
  localClusterOnly: true,
  clusterName: "default",
  meshRootNamespace: "istio-system",
  meshTrustDomain: "cluster.local",
} as const satisfies Partial<EnforcerSettings>;

/** What an enforcer does whatever its settings are. */
export interface EnforcerTraits {
  /** Its name in texts. */
  readonly title: string;
  /** Policy APIs of its own. Those that others read too are settings, or read by all. */
  readonly policyApis: readonly PolicyDialect[];
  /** The oldest version whose behaviour is modelled. Absent: all are. */
  readonly oldestModelled?: string;
  /**
   * Pods and nodes are known by identity, whichever of their addresses a packet has: one address in a range stands for all.
   * Otherwise the address of the packet counts.
   */
  readonly matchesByIdentity: boolean;
  /** Traffic from a pod's own node arrives before any policy is asked. Otherwise an explicit deny stops it. */
  readonly ownNodeBypassesDenies: boolean;
  /**
   * The kubelet's probes of pods in an ambient mesh come from istio-cni's address, which is outside the cluster (istio.io,
   * "Ambient and Kubernetes NetworkPolicy").
   */
  readonly probesComeFromMeshAddress: boolean;
  /** The default deny of isolated pods comes after all tiers. Otherwise the tier that isolates ends the evaluation. */
  readonly isolatesAfterAllTiers: boolean;
  /**
   * Rules of policies of one priority that disagree: `open` leaves it to the implementation (the API's text), `denyFirst`
   * takes the rule of the lower index first and then Deny before Accept before Pass, `byName` the policy of the lower name.
   */
  readonly equalPriorities: "open" | "denyFirst" | "byName";
  /** Tiers have names and an order of their own (Calico's Tier). Otherwise there are those of the Kubernetes APIs. */
  readonly namedTiers: boolean;
  /** It serves Ingresses and Gateways itself, under an identity of its own: to policies their Services have no pods. */
  readonly servesIngress: boolean;
  /** A pod on every node that answers health checks, and that policies select (`reserved:health`). */
  readonly healthEndpoints: boolean;
  /** What arrives at a node under `externalTrafficPolicy: Cluster` may keep the client's address. */
  readonly mayKeepClientAddress: boolean;
  /** The ClusterIP of a Service is translated before anything on the node sees the packet. */
  readonly translatesServicesFirst: boolean;
  /** Rules of a NetworkPolicy count also in a direction that its `policyTypes` leaves out. */
  readonly rulesBeyondPolicyTypes: boolean;
  /**
   * Pod selectors of Kubernetes' own policies are read against identity labels: the enforcer's names for the namespace, the
   * service account and the cluster are labels of every pod.
   */
  readonly selectsIdentityLabels: boolean;
  /** `namedPort` of AdminNetworkPolicy is dropped from its rule, which then is about every protocol and port. */
  readonly dropsAdminPortNames: boolean;
  /** The peers `nodes` and `domainNames` of ClusterNetworkPolicy are read. */
  readonly readsExperimentalPeers: boolean;
  /** Names that a ClusterNetworkPolicy accepts come with a DNS rule for them. */
  readonly addsDnsRules: boolean;
  /** Namespaces chosen by negative conditions alone are every peer: pods, nodes, the world. */
  readonly negativeNamespacesAreEverything: boolean;
  /** Namespaces as a peer of ClusterNetworkPolicy include the network sets that lie in them. */
  readonly namespacesHoldNetworkSets: boolean;
  /** A Pass rule denies pods and addresses that the agents learn of later. */
  readonly passDropsNewcomers: boolean;
  /** What has to be set for ClusterNetworkPolicy to be enforced. Absent: it depends on the version only. */
  readonly clusterNetworkPolicySetting?: string;
  /** The tool that shows single flows. Absent: there is none. */
  readonly flowLog?: "hubble";
}

/** An enforcer: its defaults, and how objects of a cluster tell that it is there. */
export interface Enforcer {
  /** In the newest version that is modelled. */
  readonly defaults: EnforcerSettings;
  /** What differs from the defaults in a version. Absent: nothing. */
  inVersion?(version: string): Partial<EnforcerSettings>;
  /** The `major.minor` that its agents run, else that of its release. Absent: objects never tell. */
  versionIn?(objects: readonly SourcedObject[]): string | undefined;
  /** What the objects state about its settings, over `base`; nothing where they state none. */
  settingsIn?(objects: readonly SourcedObject[], base: EnforcerSettings): EnforcerSettings | undefined;
  /** Whether objects exist that only a cluster with this enforcer has. */
  isSeenIn?(objects: readonly SourcedObject[]): boolean;
}
