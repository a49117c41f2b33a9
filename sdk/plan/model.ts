/** A declaration after it was checked: names resolved, defaults filled in. What the dialects write policies from. */
import type { PropertyPath } from "../property-path";
import type {
  DenyScope,
  Dialect,
  Entity,
  MeshMode,
  MetadataService,
  PolicyLayout,
  PolicyMode,
  Protocol,
  Tier,
  UnsupportedHandling,
} from "./declaration";
import type { ClusterDns, KubeObject } from "../reachability/index";
import type { CidrRange } from "./addresses";
import type { PolicyApiLimits } from "./apis/limits";
import type { Origin } from "./deferred";

export interface ModelNamespace {
  readonly name: string;
  readonly tier: Tier;
  readonly existing: boolean;
  readonly mode: PolicyMode;
  /** The step of its roll-out and the replay that allows it, in words. */
  readonly rollout?: string;
  readonly labels: Readonly<Record<string, string>>;
}

/** Ports of one protocol, both ends included. */
export interface PortRange {
  readonly protocol: Protocol;
  readonly from: number;
  readonly to: number;
  /** Where one of the numbers comes from an output. */
  readonly origin?: Origin;
}

export interface ModelWorkload {
  /** `namespace/name`. */
  readonly id: string;
  readonly name: string;
  readonly namespace: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly serviceAccount?: string;
  readonly ports: readonly ModelPort[];
  readonly hostNetwork: boolean;
  readonly denyExternal: boolean;
  readonly tier: Tier;
  /** The platform service that brings it, if one does. */
  readonly service?: string;
  readonly metadataAccess: readonly ModelMetadataAccess[];
}

/** An exception from the closed metadata endpoints. */
export interface ModelMetadataAccess {
  readonly service: MetadataService;
  readonly reason: string;
  readonly owner: string;
  readonly expires?: string;
  readonly path: PropertyPath;
}

export interface ModelPort extends PortRange {
  readonly name?: string;
  readonly metrics: boolean;
}

export type ModelPeer =
  | { readonly kind: "workload"; readonly workload: ModelWorkload }
  | { readonly kind: "namespace"; readonly namespace: ModelNamespace }
  | { readonly kind: "cidr"; readonly range: CidrRange }
  | { readonly kind: "fqdn"; readonly name: string; readonly origin?: Origin }
  /** A credential service of the cloud, on the node: only as a destination. */
  | { readonly kind: "metadata"; readonly service: MetadataService }
  | { readonly kind: "entity"; readonly entity: Entity };

/** Which policy a flow is written into. */
export type FlowGroup =
  /** `allow-<from>-to-<to>` and `allow-<from>-egress`. */
  | { readonly kind: "application" }
  /** Ingress in `allow-metrics-scraping`, egress with the scraper's service. */
  | { readonly kind: "metrics"; readonly service: string }
  /** `tier1-<service>`. */
  | { readonly kind: "service"; readonly service: string };

export interface ModelFlow {
  readonly from: ModelPeer;
  readonly to: ModelPeer;
  readonly ports: readonly PortRange[];
  readonly reason: string;
  readonly owner: string;
  readonly group: FlowGroup;
  /** Where it was declared. */
  readonly path: PropertyPath;
  /** The preset that brings it, by its place in the declaration; nothing for a flow that the declaration lists. */
  readonly preset?: string;
  /** For an exception: its last day. */
  readonly expires?: string;
  /** Must not be cut: a dialect that cannot say it refuses the declaration. */
  readonly critical: boolean;
  /** The day by which it is reviewed. */
  readonly reviewBy?: string;
}

/** An exception between tenants whose last day is over. */
export interface EndedException {
  readonly flow: ModelFlow;
  readonly isClosed: boolean;
}

/** Policies that are lifted from labelled pods of a workload or a namespace. */
export interface ModelBypass {
  readonly subject: Extract<ModelPeer, { kind: "workload" } | { kind: "namespace" }>;
  readonly reason: string;
  readonly owner: string;
  /** Its last day, and the value of the label. */
  readonly expires: string;
  /** Groups that may put the label on a pod; sorted. */
  readonly grantedTo: readonly string[];
  readonly path: PropertyPath;
  /** Its last day is over: nothing is lifted any more. */
  readonly isEnded: boolean;
}

/** Namespaces without a default deny until a day. */
export interface ModelUndenied {
  readonly namespaces: readonly string[];
  readonly existing: boolean;
  readonly reason: string;
  readonly owner: string;
  /** Last day. */
  readonly expires: string;
  /** Its last day is over: the namespaces are held like any other. */
  readonly isEnded: boolean;
  readonly path: PropertyPath;
}

/** Who may open bypasses in an emergency. */
export interface ModelBreakGlass {
  readonly name: string;
  /** Sorted. */
  readonly grantedTo: readonly string[];
  readonly subjects: readonly ModelBypass["subject"][];
  readonly maxSeconds: number;
  readonly reason: string;
  readonly owner: string;
}

export interface ModelService {
  readonly name: string;
  readonly dependsOn: readonly string[];
}

export interface ModelTenant {
  readonly name: string;
  readonly namespaces: readonly string[];
  readonly policyEditors: readonly string[];
  /** Policies that the tenant wrote: for its own namespaces, and nothing across its boundary that is not declared. */
  readonly policies: readonly TenantPolicy[];
}

/** A policy of a tenant's own, with its place in the declaration. */
export interface TenantPolicy {
  readonly path: PropertyPath;
  readonly object: KubeObject;
}

export interface ModelMesh {
  readonly mode: MeshMode;
  /** Sorted. */
  readonly namespaces: readonly string[];
  readonly trustDomain: string;
  readonly controlPlane: string;
}

/** The cluster's DNS servers, and where their answers come from instead on a node with a cache. */
export interface ModelDns extends ClusterDns {
  readonly nodeLocalCache?: string;
  readonly serviceAddress?: string;
}

export interface Model {
  readonly dialect: Dialect;
  /** What the policy API can express. */
  readonly limits: PolicyApiLimits;
  readonly denyScope: DenyScope;
  readonly mode: PolicyMode;
  readonly layout: PolicyLayout;
  readonly unsupported: UnsupportedHandling;
  /** The day by which every policy is reviewed that no flow gives another one. */
  readonly reviewBy?: string;
  /** The day it is, where somebody said so. */
  readonly asOf?: string;
  readonly dns: ModelDns;
  readonly apiServer: { readonly cidrs: readonly string[]; readonly ports: readonly number[] };
  readonly nodeCidrs: readonly string[];
  readonly podCidrs: readonly string[];
  readonly enforcerVersion?: string;
  readonly enforcerAudits: boolean;
  /** Rules carry the ids of their flows. */
  readonly flowIds: boolean;
  readonly experimentalPeers: boolean;
  /** Tier 0, sorted: the exempt namespaces and those declared as platform. */
  readonly exempt: readonly string[];
  /** Declared namespaces by name. */
  readonly namespaces: ReadonlyMap<string, ModelNamespace>;
  /** By `namespace/name`. */
  readonly workloads: ReadonlyMap<string, ModelWorkload>;
  readonly flows: readonly ModelFlow[];
  /** Namespaces whose pods may ask DNS for these names and patterns only; none: they may not ask at all. */
  readonly dnsNames: ReadonlyMap<string, readonly string[]>;
  readonly tenants: readonly ModelTenant[];
  /** Exceptions whose last day is over; those of tenants that close them are not among the flows. */
  readonly endedExceptions: readonly EndedException[];
  /** Bypasses, those that ended included. */
  readonly bypasses: readonly ModelBypass[];
  readonly breakGlass: readonly ModelBreakGlass[];
  /** Those that ended included. */
  readonly undenied: readonly ModelUndenied[];
  readonly mesh?: ModelMesh;
  /** Derived name of a policy → the name it gets. */
  readonly policyNames: ReadonlyMap<string, string>;
  /** In the order in which their policies are registered. */
  readonly services: readonly ModelService[];
}
