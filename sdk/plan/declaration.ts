/**
 * The declaration: who may talk to whom, and why.
 *
 * Plain data throughout (interfaces, string enums, no unions), so that the same shapes are the arguments of the Pulumi
 * components in every language that Pulumi speaks. `builders.ts` has functions that write it as sentences.
 */

/** The kind of policy that is written, chosen by what enforces it. */
export enum Dialect {
  /** `cilium.io/v2`: CiliumNetworkPolicy and CiliumClusterwideNetworkPolicy. */
  Cilium = "cilium",
  /** `networking.k8s.io/v1`: NetworkPolicy, which every enforcing CNI reads. */
  Kubernetes = "kubernetes",
  /** `projectcalico.org/v3`: Tier, GlobalNetworkPolicy and NetworkPolicy of Calico 3.30 and newer. */
  Calico = "calico",
}

/** How strictly a namespace is held. */
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

/** What happens to a part of the declaration that the dialect cannot say. */
export enum UnsupportedHandling {
  /** The flow is left out, or the selector loses the part, and the plan carries a warning. */
  Warn = "warn",
  /** The declaration is refused. */
  Refuse = "refuse",
}

/** Which pods the default deny of the Cilium and Calico dialects covers. */
export enum DenyScope {
  /** Every pod of the cluster outside tier 0, also those this declaration does not know. */
  Cluster = "cluster",
  /** Only pods in the declared namespaces of tiers 1 and 2. */
  DeclaredNamespaces = "declared-namespaces",
}

/** A port that a workload serves, or that a flow uses. */
export interface PortDeclaration {
  /** Port number, 1 to 65535. A flow may leave it out and give `name` instead. */
  port?: number;
  /** Last port of a range that begins at `port`, inclusive. */
  endPort?: number;
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
  labels?: { [key: string]: string };
  /** Service account of its pods. Where the dialect knows identities, it becomes part of every selector. */
  serviceAccount?: string;
  /** Ports it serves. Flows to ports that are not listed are refused; with no list any port may be named. */
  ports?: PortDeclaration[];
  /** Its pods run on the host network, where pod policies do not apply. Defaults to false. */
  hostNetwork?: boolean;
  /**
   * Nothing outside the cluster may open a connection to it, whatever else is allowed: policy `deny-external-to-<name>`.
   * An explicit deny where the dialect has one; NetworkPolicy can only isolate. Defaults to false.
   */
  denyExternal?: boolean;
}

/** One end of a flow. Exactly one of `workload`, `namespace`, `cidr`, `fqdn` and `entity` is given. */
export interface PeerDeclaration {
  /** A declared workload: `name`, or `namespace/name` where the name alone is ambiguous. */
  workload?: string;
  /** Every pod of a declared namespace. */
  namespace?: string;
  /** An address range outside the cluster, IPv4 or IPv6, such as `198.51.100.0/24`. */
  cidr?: string;
  /** Parts of `cidr` that stay closed. Metadata endpoints are always added. */
  except?: string[];
  /** A DNS name or a pattern of one (`api.example.com`, `*.example.com`); only as a destination. */
  fqdn?: string;
  /** A peer with a meaning of its own. */
  entity?: Entity;
}

/** One declared flow. Both halves (egress at the source, ingress at the destination) are derived from it. */
export interface FlowDeclaration {
  /** Who opens the connection. */
  from: PeerDeclaration;
  /** Who accepts it. */
  to: PeerDeclaration;
  /** At least one; only flows to the API server may leave them out (the cluster's API server ports then). */
  ports?: PortDeclaration[];
  /** Why the flow exists. Written into the policy. */
  reason: string;
  /** Who answers for it. Written into the policy. */
  owner: string;
}

/** A namespace that the declaration speaks about. */
export interface NamespaceDeclaration {
  /** Name of the namespace. */
  name: string;
  /** Defaults to `applications`. */
  tier?: Tier;
  /** The namespace is there already: it is not created, only labelled when `labels` are given. Defaults to false. */
  existing?: boolean;
  /** Labels to set on the namespace. */
  labels?: { [key: string]: string };
}

/** Where the cluster's DNS servers are. */
export interface DnsDeclaration {
  /** Namespace of the DNS pods, always of tier 0. Defaults to `kube-system`. */
  namespace?: string;
  /** Labels of the DNS pods. Defaults to `k8s-app: kube-dns`. */
  labels?: { [key: string]: string };
  /** Port on which the pods listen, UDP and TCP. Defaults to 53 (OpenShift: 5353). */
  port?: number;
  /** Address of NodeLocal DNSCache on every node, such as `169.254.20.10`. Defaults to none. */
  nodeLocalCache?: string;
}

/** How the Kubernetes API server is reached. */
export interface ApiServerDeclaration {
  /** Addresses of the API server, as CIDRs. Needed by dialects that have no name for it (`kubernetes`). */
  cidrs?: string[];
  /** Ports on which it listens behind its Service. Defaults to 443 and 6443. */
  ports?: number[];
}

/** Facts about the cluster that policies depend on. */
export interface ClusterFacts {
  /** The cluster's DNS. Defaults to kube-dns in kube-system. */
  dns?: DnsDeclaration;
  /** The API server. */
  apiServer?: ApiServerDeclaration;
  /** Addresses of the nodes. Needed where the dialect knows nodes only by address (`kubernetes`). */
  nodeCidrs?: string[];
  /** Version of the enforcer, such as `1.18.5` for Cilium. Defaults to the newest that is known. */
  enforcerVersion?: string;
  /** Addresses of the pods, kept out of address ranges where the enforcer matches pods by address. */
  podCidrs?: string[];
}

/** cert-manager, with its issuers. */
export interface CertManagerService {
  /** Defaults to `cert-manager`. */
  namespace?: string;
  /** ACME directories. Defaults to Let's Encrypt production and staging. */
  acmeServers?: string[];
  /** API hosts of the DNS-01 providers, such as `api.cloudflare.com`. Defaults to none. */
  dnsProviders?: string[];
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
  accountHosts?: string[];
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
  remoteWriteHosts?: string[];
  /** Ports scraped on the nodes themselves. Defaults to 9100 (node-exporter) and 10250 (kubelet). */
  nodePorts?: number[];
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
  port: number;
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

/** Somebody who shares the cluster: a boundary that only exceptions cross. */
export interface TenantDeclaration {
  /** Name, a DNS label. */
  name: string;
  /** Declared namespaces that are this tenant's, and nobody else's. */
  namespaces: string[];
  /** Flows of other tenants into this one. Every other flow between tenants is refused. */
  exceptions?: TenantException[];
  /** Groups that may edit policies in these namespaces. Defaults to none: no role is made. */
  policyEditors?: string[];
}

/** The shared services of tier 1. */
export interface PlatformDeclaration {
  /** cert-manager: policies `tier1-cert-manager`. */
  certManager?: CertManagerService;
  /** External Secrets with 1Password Connect: policies `tier1-external-secrets`. */
  externalSecrets?: ExternalSecretsService;
  /** Scraping and its storage: policies `tier1-observability` and `allow-metrics-scraping`. */
  observability?: ObservabilityService;
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
  /** Who shares the cluster; flows between tenants are exceptions with an end. */
  tenants?: TenantDeclaration[];
  /** Istio, if workloads have mesh identities: strict mutual TLS, and who may call whom by service account. */
  mesh?: MeshDeclaration;
  /** Names of policies that are to differ from the derived ones: derived name → wanted name. */
  policyNames?: { [derived: string]: string };
  /** What happens to what the dialect cannot say. Defaults to `warn`. */
  unsupported?: UnsupportedHandling;
  /** Which pods the default deny covers. Cilium and Calico; defaults to `cluster`. */
  denyScope?: DenyScope;
}

/** Tier 0 unless the declaration says otherwise (requirement S3-01). */
export const defaultExemptNamespaces: readonly string[] = ["kube-system", "flux-system", "cilium", "cilium-secrets"];
