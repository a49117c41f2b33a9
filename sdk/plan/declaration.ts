/**
 * The declaration: who may talk to whom, and why.
 *
 * Plain data throughout (interfaces, string enums, no unions), so that the same shapes are the arguments of the Pulumi
 * components in every language that Pulumi speaks. `builders.ts` has functions that write it as sentences.
 */

import type { Input } from "./inputs";
import type {
  ApplicationPresets,
  ArgoCdService,
  CiliumGatewayService,
  ConnectivityTestService,
  CoreDnsService,
  EnvoyGatewayService,
  FluxService,
  IngressNginxService,
  PrometheusService,
  TraefikService,
  VictoriaMetricsService,
} from "./presets/declarations";

/** The kind of policy that is written, chosen by what enforces it. */
export enum Dialect {
  /** `cilium.io/v2`: CiliumNetworkPolicy and CiliumClusterwideNetworkPolicy. */
  Cilium = "cilium",
  /** `networking.k8s.io/v1`: NetworkPolicy, which every enforcing CNI reads. */
  Kubernetes = "kubernetes",
  /** `projectcalico.org/v3`: Tier, GlobalNetworkPolicy and NetworkPolicy of Calico 3.30 and newer. */
  Calico = "calico",
  /**
   * `policy.networking.k8s.io/v1alpha2`: ClusterNetworkPolicy (Calico 3.32, Cilium 1.20), with NetworkPolicy for what it
   * cannot say: addresses outside the cluster, and the default deny of what comes from there.
   */
  ClusterNetworkPolicy = "cluster-network-policy",
}

/** Whether policies are enforced, or only prepared. */
export enum PolicyMode {
  /** Policies hold. */
  Enforce = "enforce",
  /**
   * Nothing is denied that was not denied before, and what would be is told: Calico's staged kinds and Istio's dry run;
   * for Cilium all policies and `audit-allow-all`, where flows that they would deny have Hubble's match type "all", while
   * metadata endpoints are closed and other explicit denies are left out. Kubernetes and ClusterNetworkPolicy have nothing of the kind: it is
   * `observe` there, and the plan says so.
   */
  Audit = "audit",
  /** Nothing is denied or isolated; flows are recorded, and replayed against the policies. Calico's and Istio's stay staged. */
  Observe = "observe",
}

/** What `cluster-security replay --record` found of one namespace. */
export interface ReplayRecord {
  /** The first day of the recording, `2026-11-20`. */
  from: string;
  /** Its last day. */
  to: string;
  /** Attempts of flows with an end in the namespace. */
  attempts: number;
  /** Those that passed and that the policies would deny. */
  wouldBeDenied: number;
  /** Those of which nobody can say. */
  unknown: number;
  /** Records of the whole recording that were lost or not understood. */
  lost: number;
}

/**
 * A namespace goes from `observe` to `audit` to `enforce`, its `mode`; each of the last two needs a replay of what was
 * recorded in the one before. It is written onto the namespace.
 */
export interface RolloutDeclaration {
  /** Days that the recording spans at least. Defaults to 7. */
  minDays?: number;
  /** The replay that stands for the step to the namespace's mode. Needed for `audit` and `enforce`. */
  replay?: ReplayRecord;
}

/** How allow rules are split into NetworkPolicies. Both layouts are equivalent once applied; they differ during a roll-out. */
export enum PolicyLayout {
  /** `per-workload` in namespaces that exist already, `per-flow` in those that the stack creates. */
  Auto = "auto",
  /**
   * `allow-<from>-to-<to>` and `allow-<from>-egress`. The first policy that selects a pod isolates it, so pods that run
   * already lose their other flows until the last policy is in place; right where the workloads come after the policies.
   */
  PerFlow = "per-flow",
  /** One policy for each workload, `allow-<workload>`, with everything it may do: at no moment is a declared flow cut. */
  PerWorkload = "per-workload",
}

/** The cluster's DNS, as distributions set it up. */
export enum DnsProvider {
  /** CoreDNS or kube-dns behind the Service `kube-dns`: pods `k8s-app: kube-dns` in kube-system, port 53. */
  KubeDns = "kube-dns",
  /** The same, with NodeLocal DNSCache on every node, on the host network at 169.254.20.10. */
  NodeLocalDns = "node-local-dns",
  /** OpenShift: pods `dns.operator.openshift.io/daemonset-dns: default` in openshift-dns, port 5353. */
  OpenShift = "openshift",
}

/** A credential service on the node that a workload may need although metadata endpoints are closed. */
export enum MetadataService {
  /** EKS Pod Identity Agent: 169.254.170.23 and fd00:ec2::23, TCP 80, on the host network of every node. */
  EksPodIdentity = "eks-pod-identity",
  /** GKE metadata server (Workload Identity): 169.254.169.252, TCP 987 and 988, on the host network of every node. */
  GkeMetadataServer = "gke-metadata-server",
  /** GKE metadata server under Dataplane V2, where policies see the address that pods call: 169.254.169.254, TCP 80. */
  GkeMetadataServerV2 = "gke-metadata-server-dataplane-v2",
}

/** How strictly a namespace is treated. */
export enum Tier {
  /** Tier 0: the platform itself (kube-system and the like). Exempt from the default deny, and reported as exempt. */
  Platform = "platform",
  /** Tier 1: shared services such as cert-manager. Default deny; presets open what the service needs. */
  SharedServices = "shared-services",
  /** Tier 2: applications. Default deny; only declared flows pass. */
  Applications = "applications",
}

/** Transport protocol of a port. */
export enum Protocol {
  TCP = "TCP",
  UDP = "UDP",
  SCTP = "SCTP",
}

/** A peer that is neither a workload nor an address range. */
export enum Entity {
  /**
   * The public internet: 0.0.0.0/0 and 2000::/3 without private, link-local, carrier-grade-NAT, documentation, transition,
   * multicast and metadata ranges. The same addresses in every dialect.
   */
  Internet = "internet",
  /** The Kubernetes API server; as a source also the nodes it runs on (admission webhooks). */
  KubeApiserver = "kube-apiserver",
  /** The cluster's nodes and everything on their host network. */
  Nodes = "nodes",
  /** Cilium's own Ingress and Gateway API proxies. */
  Ingress = "ingress",
}

/** How Istio's proxies sit beside the workloads. */
export enum MeshMode {
  /** A proxy in every pod. */
  Sidecar = "sidecar",
  /** A proxy on every node (ztunnel). */
  Ambient = "ambient",
}

/** What to do with a part of the declaration that the policy API cannot express. */
export enum UnsupportedHandling {
  /** The flow is left out, or the selector loses the part, and the plan carries a warning. */
  Warn = "warn",
  /** The declaration is refused. */
  Refuse = "refuse",
}

/** Which pods the default deny covers, where the dialect has a clusterwide form (all but `kubernetes`). */
export enum DenyScope {
  /** Every pod of the cluster outside tier 0, also those this declaration does not know. */
  Cluster = "cluster",
  /** Only pods in the declared namespaces of tiers 1 and 2. */
  DeclaredNamespaces = "declared-namespaces",
}

/** A port that a workload serves, or that a flow uses. */
export interface PortDeclaration {
  /** Port number, 1 to 65535. A flow may leave it out and give `name` instead. */
  port?: Input<number>;
  /** Last port of a range that begins at `port`, inclusive. */
  endPort?: Input<number>;
  /** Defaults to TCP. */
  protocol?: Protocol;
  /** Name of the port on the workload, as in the pod template. In a flow: the port of that name at the destination. */
  name?: string;
  /** On a workload: this port serves Prometheus metrics, and the declared scrapers may reach it. Defaults to false. */
  metrics?: boolean;
}

/** A set of pods that act as one: what a Deployment, StatefulSet, DaemonSet or Job runs. */
export interface WorkloadDeclaration {
  /** Name, unique in its namespace; policies are named after it. A DNS label. */
  name: string;
  /** Namespace, one of the declared ones. */
  namespace: string;
  /** Labels that select its pods, and no pods of another workload. Defaults to `app: <name>`. */
  labels?: Input<{ [key: string]: Input<string> }>;
  /** Service account of its pods. Where the dialect knows identities, it becomes part of every selector. */
  serviceAccount?: Input<string>;
  /** Ports it serves. Flows to ports that are not listed are refused; with no list any port may be named. */
  ports?: PortDeclaration[];
  /** Its pods run on the host network, where pod policies do not apply. Defaults to false. */
  hostNetwork?: boolean;
  /**
   * Nothing outside the cluster may open a connection to it, whatever else is allowed: policy `deny-external-to-<name>`.
   * An explicit deny where the dialect has one; NetworkPolicy can only isolate. Defaults to false.
   */
  denyExternal?: boolean;
  /**
   * Credential services of the cloud that its pods may reach, each with a reason and an owner. Every other metadata
   * endpoint stays closed to them. Defaults to none.
   */
  metadataAccess?: MetadataAccessDeclaration[];
}

/** One workload's exception from the closed metadata endpoints. */
export interface MetadataAccessDeclaration {
  /** The service, with its addresses and ports. */
  service: MetadataService;
  /** Why the workload needs it. Written into the policy. */
  reason: Input<string>;
  /** Who answers for it. Written into the policy. */
  owner: Input<string>;
  /**
   * Last day, `2027-03-31`. Written into the policy and the plan; defaults to none. With it the policy also carries the
   * annotation by which the policy pack accepts the open endpoint until that day (where the enforcer knows it by address).
   */
  expires?: string;
}

/**
 * A pod's policies are lifted for a time, so that it can be debugged. Exactly one of `workload` and
 * `namespace` is given. Nothing is lifted before the pod carries the label
 * `policy-bypass.pulumi-cluster-security/until: <expires>`, which only the groups of `grantedTo` may put there; the label
 * without a bypass in the declaration lifts nothing either.
 *
 * The pod may then send and accept as if no policy selected it, except for explicit denies, which are final: metadata
 * endpoints, `denyExternal`, and the boundaries of tenants. The other ends of its connections keep their policies.
 */
export interface BypassDeclaration {
  /** A declared workload, any pod of which may be labelled: `name`, or `namespace/name` where the name is ambiguous. */
  workload?: string;
  /** A declared namespace, any pod of which may be labelled. */
  namespace?: string;
  /** Why it is needed. Written into the policy. */
  reason: Input<string>;
  /** Who answers for it. Written into the policy. */
  owner: Input<string>;
  /** Its last day, `2027-03-31`, and the label's value. After it the policy is no longer written. */
  expires: string;
  /**
   * Groups whose members may put the label on a pod, at least one; the same for all bypasses of a namespace. An admission
   * policy (Kubernetes 1.30 and newer) keeps all others from it, including controllers that start pods from templates.
   */
  grantedTo: string[];
}

/**
 * Who may open a bypass in an emergency, without a change of the declaration: a grant. `cluster-security bypass open` opens
 * one and the cluster itself ends it: a Job whose deadline it is owns the policy. Admission policies (Kubernetes 1.30 and
 * newer) refuse every other bypass, and every timer that would not end in time.
 *
 * An open bypass lifts the policies of pods as {@link BypassDeclaration} does: metadata endpoints, `denyExternal` and the
 * boundaries of tenants stay closed.
 */
export interface BreakGlassDeclaration {
  /** Name of the grant, unique: a DNS label of at most 32 characters. Timers are named after it. */
  name: string;
  /**
   * Groups whose members may open a bypass, at least one. In the granted namespaces they write no policies but bypasses,
   * unless they may change admission policies or edit the policies of the tenant.
   */
  grantedTo: string[];
  /** Declared workloads whose pods may be opened: `name`, or `namespace/name` where the name is ambiguous. */
  workloads?: string[];
  /** Declared namespaces, any pod of which may be opened. */
  namespaces?: string[];
  /** Longest time that a bypass stays open: `30m`, `8h`, at most `168h`. Defaults to `8h`. */
  maxDuration?: string;
  /** Why there is such a grant. */
  reason: Input<string>;
  /** Who answers for it. */
  owner: Input<string>;
}

/** One end of a flow. Exactly one of `workload`, `namespace`, `cidr`, `fqdn` and `entity` is given. */
export interface PeerDeclaration {
  /** A declared workload: `name`, or `namespace/name` where the name alone is ambiguous. */
  workload?: string;
  /** Every pod of a declared namespace. */
  namespace?: string;
  /** An address range outside the cluster, IPv4 or IPv6, such as `198.51.100.0/24`. */
  cidr?: Input<string>;
  /** Parts of `cidr` that stay closed. Metadata endpoints are always added. */
  except?: Input<Input<string>[]>;
  /** A DNS name or a pattern of one (`api.example.com`, `*.example.com`); only as a destination. */
  fqdn?: Input<string>;
  /** A peer with a meaning of its own. */
  entity?: Entity;
}

/** One declared flow. Both sides (egress at the source, ingress at the destination) are derived from it. */
export interface FlowDeclaration {
  /** Who opens the connection. */
  from: PeerDeclaration;
  /** Who accepts it. */
  to: PeerDeclaration;
  /** At least one; only flows to the API server may leave them out (the cluster's API server ports then). */
  ports?: PortDeclaration[];
  /** Why the flow exists. Written into the policy. */
  reason: Input<string>;
  /** Who answers for it. Written into the policy. */
  owner: Input<string>;
  /**
   * Others depend on it: where the policy API cannot express the flow, the declaration is refused,
   * whatever the value of `unsupported`. Webhooks and the paths of shared services to the API server always are. Defaults to false.
   */
  critical?: boolean;
  /**
   * The date by which its owner reviews whether it is still needed, `2027-05-01`; at the latest in six months by PCI DSS
   * 1.2.7. Written onto the policies that hold the flow, the earliest of each, where the policy pack sees that it has
   * passed. Defaults to the declaration's `reviewBy`.
   */
  reviewBy?: string;
}

/** A namespace that the declaration speaks about. */
export interface NamespaceDeclaration {
  /** Name of the namespace. */
  name: string;
  /** Defaults to `applications`. */
  tier?: Tier;
  /** The namespace is there already: it is not created, only labelled when `labels` are given. Defaults to false. */
  existing?: boolean;
  /** Whether policies for its pods are enforced. Defaults to the declaration's `mode`. */
  mode?: PolicyMode;
  /** The way to its mode, step by step. Without it the mode needs no replay. */
  rollout?: RolloutDeclaration;
  /** Labels to set on the namespace. */
  labels?: Input<{ [key: string]: Input<string> }>;
}

/** Where the cluster's DNS servers are. */
export interface DnsDeclaration {
  /** What the other fields default to. Defaults to `kube-dns`. */
  provider?: DnsProvider;
  /** Namespace of the DNS pods, always of tier 0. Defaults to the provider's. */
  namespace?: string;
  /** Labels of the DNS pods. Defaults to the provider's. */
  labels?: Input<{ [key: string]: Input<string> }>;
  /** Port on which the pods listen, UDP and TCP. Defaults to the provider's. */
  port?: Input<number>;
  /** Address of NodeLocal DNSCache on every node. Defaults to the provider's, or none. */
  nodeLocalCache?: Input<string>;
  /**
   * ClusterIP of the DNS Service. NodeLocal DNSCache answers there too, on the node, when kube-proxy uses iptables; the
   * traffic then has this address when policies see it. Defaults to none.
   */
  serviceAddress?: Input<string>;
}

/** How the Kubernetes API server is reached. */
export interface ApiServerDeclaration {
  /** Addresses of the API server, as CIDRs. Needed by dialects that have no name for it (`kubernetes`). */
  cidrs?: Input<Input<string>[]>;
  /** Ports on which it listens behind its Service. Defaults to 443 and 6443. */
  ports?: Input<Input<number>[]>;
}

/** Facts about the cluster that policies depend on. */
export interface ClusterFacts {
  /** The cluster's DNS. Defaults to kube-dns in kube-system. */
  dns?: DnsDeclaration;
  /** The API server. */
  apiServer?: ApiServerDeclaration;
  /** Addresses of the nodes. Needed where the dialect knows nodes only by address (`kubernetes`). */
  nodeCidrs?: Input<Input<string>[]>;
  /** Version of the enforcer, such as `1.18.5` for Cilium. Defaults to the newest that is known. */
  enforcerVersion?: string;
  /** Addresses of the pods, kept out of address ranges where the enforcer matches pods by address. */
  podCidrs?: Input<Input<string>[]>;
  /**
   * The enforcer itself only reports (Cilium's `policyAuditMode`): in mode `audit` policies are written in full, and
   * the enforcer reports what they would deny. Defaults to false.
   */
  enforcerAudits?: boolean;
  /**
   * Each rule of a declared flow carries the flow's id (`log.value`, Cilium 1.18 and newer), which Hubble repeats on every
   * flow that the rule decides (`policy_log`). Defaults to true where `enforcerVersion` is stated and has it.
   */
  flowIds?: boolean;
  /**
   * ClusterNetworkPolicy of the experimental channel, read by the enforcer: DNS names can be said (Cilium 1.20; not
   * Calico). Defaults to false.
   */
  experimentalPeers?: boolean;
}

/** cert-manager, with its issuers. */
export interface CertManagerService {
  /** Defaults to `cert-manager`. */
  namespace?: string;
  /** ACME directories. Defaults to Let's Encrypt production and staging. */
  acmeServers?: Input<string>[];
  /** API hosts of the DNS-01 providers, such as `api.cloudflare.com`. Defaults to none. */
  dnsProviders?: Input<string>[];
  /** DNS-01: let the controller ask public DNS servers itself (its self-check). Defaults to true with `dnsProviders`. */
  dnsSelfCheck?: boolean;
  /** HTTP-01: namespaces in which solver pods run. Defaults to none. */
  http01Namespaces?: string[];
  /** HTTP-01: the ingress controller, a workload, that forwards challenges to the solvers. */
  http01From?: string;
  /** Other platform services (by their policy name, such as `external-secrets`) whose policies come first. */
  dependsOn?: string[];
}

/** The External Secrets Operator with 1Password Connect. */
export interface ExternalSecretsService {
  /** Defaults to `external-secrets`. */
  namespace?: string;
  /** Namespace of 1Password Connect. Defaults to the operator's. */
  connectNamespace?: string;
  /** 1Password servers that Connect synchronises with. Defaults to `*.1password.com`. */
  accountHosts?: Input<string>[];
  /** Other platform services whose policies come first. */
  dependsOn?: string[];
}

/** A scraper and its storage: VMAgent or Prometheus, and VictoriaMetrics. */
export interface ObservabilityService {
  /** Defaults to `observability`. */
  namespace?: string;
  /** The scraper. Defaults to a workload `vmagent` with `app.kubernetes.io/name: vmagent`. */
  scraper?: WorkloadDeclaration;
  /** Where it writes. Defaults to a workload `victoria-metrics`, TCP 8428. */
  storage?: WorkloadDeclaration;
  /** Hosts outside the cluster that it writes to. Defaults to none. */
  remoteWriteHosts?: Input<string>[];
  /** Ports scraped on the nodes themselves. Defaults to 9100 (node-exporter) and 10250 (kubelet). */
  nodePorts?: Input<number>[];
  /** Other platform services whose policies come first. */
  dependsOn?: string[];
}

/** A shared service for which there is no preset. */
export interface PlatformServiceDeclaration {
  /** Its policies are named `tier1-<name>`. */
  name: string;
  /** Its workloads, in declared namespaces. */
  workloads?: WorkloadDeclaration[];
  /** Its flows, in both directions. */
  flows?: FlowDeclaration[];
  /** Workloads whose admission webhook the API server calls, with the port they listen on. */
  webhooks?: WebhookDeclaration[];
  /** Other platform services whose policies come first. */
  dependsOn?: string[];
}

/** An admission or conversion webhook. */
export interface WebhookDeclaration {
  /** The workload that serves it. */
  workload: string;
  /** The port of the pod (not of its Service). */
  port: Input<number>;
}

/** Istio: identity and encryption beside the network's policies. */
export interface MeshDeclaration {
  /** Defaults to `sidecar`. */
  mode?: MeshMode;
  /** Namespaces of the mesh. Defaults to every declared namespace of tier 2. */
  namespaces?: string[];
  /** Defaults to `cluster.local`. */
  trustDomain?: string;
  /** Namespace of istiod. Defaults to `istio-system`. */
  controlPlaneNamespace?: string;
}

/** A flow between tenants, for a time. */
export interface TenantException {
  /** The flow, with its reason and its owner. */
  flow: FlowDeclaration;
  /** Its last day, `2027-03-31`. Written into the policy and the register of exceptions. */
  expires: string;
}

/** A tenant of a shared cluster: a boundary that only exceptions cross. */
export interface TenantDeclaration {
  /** Name, a DNS label. */
  name: string;
  /** Declared namespaces of this tenant alone. */
  namespaces: string[];
  /** Flows of other tenants into this one. Every other flow between tenants is refused. */
  exceptions?: TenantException[];
  /** Groups that may edit policies in these namespaces. Defaults to none: no role is made. */
  policyEditors?: string[];
  /**
   * Policies that the tenant wrote for its own namespaces, as YAML or JSON. They are refused where they open more across
   * its boundary than the declaration does: computed, not read off their text. Defaults to none.
   */
  policies?: string[];
  /** The most that its flows may open to the outside. Defaults to whatever they declare. */
  egress?: TenantEgress;
  /** The most that its flows may let in from the outside. Defaults to whatever they declare. */
  ingress?: TenantIngress;
  /** Limits the names that its pods may ask DNS for. Defaults to every name. */
  dns?: TenantDns;
  /** Exceptions end with their last day: they are closed after it. Defaults to false: they stay, with a warning. */
  closeExpired?: boolean;
}

/** What a tenant may reach outside the cluster. */
export interface TenantEgress {
  /** DNS names, and patterns that names may fit. Defaults to none. */
  hosts?: Input<Input<string>[]>;
  /** Address ranges. Defaults to none. */
  cidrs?: Input<Input<string>[]>;
  /** The public internet as a whole. Defaults to false. */
  internet?: boolean;
}

/** What may reach a tenant from outside the cluster. */
export interface TenantIngress {
  /** Address ranges. Defaults to none. */
  cidrs?: Input<Input<string>[]>;
  /** The public internet as a whole. Defaults to false. */
  internet?: boolean;
  /** Cilium's Ingress and Gateway API proxies. Defaults to false. */
  gateway?: boolean;
}

/**
 * Names that a tenant's pods may ask for: their own Services, those that their flows lead to, the hosts of their flows,
 * the API server, and the ones listed here. Cilium; other dialects cannot look at names and close DNS to the tenant.
 */
export interface TenantDns {
  /** Further names and patterns. Defaults to none. */
  names?: Input<Input<string>[]>;
}

/** The shared services of tier 1. */
export interface PlatformDeclaration {
  /** cert-manager: policies `tier1-cert-manager`. */
  certManager?: CertManagerService;
  /** External Secrets with 1Password Connect: policies `tier1-external-secrets`. */
  externalSecrets?: ExternalSecretsService;
  /** Scraping and its storage: policies `tier1-observability` and `allow-metrics-scraping`. */
  observability?: ObservabilityService;
  /** CoreDNS as a target of scraping. */
  coreDns?: CoreDnsService;
  /** ingress-nginx: policies `tier1-ingress-nginx`. */
  ingressNginx?: IngressNginxService;
  /** Traefik: policies `tier1-traefik`. */
  traefik?: TraefikService;
  /** Gateway API by Envoy Gateway: policies `tier1-envoy-gateway`. */
  envoyGateway?: EnvoyGatewayService;
  /** Gateway API and Ingress by Cilium: policies `tier1-cilium-gateway`. */
  ciliumGateway?: CiliumGatewayService;
  /** kube-prometheus-stack: policies `tier1-prometheus` and `allow-metrics-scraping`. */
  prometheus?: PrometheusService;
  /** victoria-metrics-k8s-stack: policies `tier1-victoria-metrics` and `allow-metrics-scraping`. */
  victoriaMetrics?: VictoriaMetricsService;
  /** Flux: policies `tier1-flux`, where its namespace is not tier 0. */
  flux?: FluxService;
  /** Argo CD: policies `tier1-argo-cd`. */
  argoCd?: ArgoCdService;
  /** The namespaces of `cilium connectivity test`, without a default deny until a day. */
  connectivityTest?: ConnectivityTestService;
  /** Services without a preset. */
  services?: PlatformServiceDeclaration[];
}

/** Everything that is declared about a cluster's network. */
export interface ClusterSecurityDeclaration {
  /** Defaults to `cilium`. */
  dialect?: Dialect;
  /** Facts about the cluster; every one has a default. */
  cluster?: ClusterFacts;
  /**
   * Namespaces that are always tier 0, whether declared or not.
   * Defaults to kube-system, flux-system, cilium and cilium-secrets.
   */
  exemptNamespaces?: string[];
  /** Namespaces, with their tiers. */
  namespaces?: NamespaceDeclaration[];
  /** Workloads: what flows connect. */
  workloads?: WorkloadDeclaration[];
  /** Who may talk to whom; everything else is denied. */
  flows?: FlowDeclaration[];
  /** Shared services of tier 1. */
  platform?: PlatformDeclaration;
  /** Databases, queues and the like that applications bring with them, and namespaces for agents. */
  applications?: ApplicationPresets;
  /** Who shares the cluster; flows between tenants are exceptions with an end. */
  tenants?: TenantDeclaration[];
  /** Pods whose policies may be lifted for a time. Defaults to none. */
  bypasses?: BypassDeclaration[];
  /** Who may open bypasses in an emergency, which the cluster itself ends. Defaults to none. */
  breakGlass?: BreakGlassDeclaration[];
  /** Istio, if workloads have mesh identities: strict mutual TLS, and who may call whom by service account. */
  mesh?: MeshDeclaration;
  /** Names of policies that are to differ from the derived ones: derived name → wanted name. */
  policyNames?: { [derived: string]: string };
  /** What to do with parts of the declaration that the policy API cannot express. Defaults to `warn`. */
  unsupported?: UnsupportedHandling;
  /** Which pods the default deny covers, in dialects with a clusterwide form. Defaults to `cluster`. */
  denyScope?: DenyScope;
  /**
   * The day it is, `2027-03-31`: exceptions between tenants that ended before it are reported, and closed where the tenant
   * says so; bypasses that ended before it are closed. Components take the current day; without it nothing counts as ended.
   */
  asOf?: string;
  /** The day by which the policies are looked at again, `2027-05-01`; written onto each. A flow may name its own. Defaults to none. */
  reviewBy?: string;
  /** Whether policies are enforced. Defaults to `enforce`; a namespace may differ. */
  mode?: PolicyMode;
  /** How NetworkPolicies are cut, where the dialect writes any. Defaults to `auto`. */
  layout?: PolicyLayout;
}

/** Tier 0 unless the declaration names others: what the cluster and its CNI cannot run without. */
export const defaultExemptNamespaces: readonly string[] = ["kube-system", "flux-system", "cilium", "cilium-secrets"];
