/** A declaration after it was checked: names resolved, defaults filled in. What the dialects write policies from. */
import type { DenyScope, Dialect, Entity, MeshMode, Protocol, Tier, UnsupportedHandling } from "./declaration";
import type { CidrRange } from "./addresses";

export interface ModelNamespace {
  readonly name: string;
  readonly tier: Tier;
  readonly existing: boolean;
  readonly labels: Readonly<Record<string, string>>;
}

/** Ports of one protocol, both ends included. */
export interface PortRange {
  readonly protocol: Protocol;
  readonly from: number;
  readonly to: number;
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
}

export interface ModelPort extends PortRange {
  readonly name?: string;
  readonly metrics: boolean;
}

export type ModelPeer =
  | { readonly kind: "workload"; readonly workload: ModelWorkload }
  | { readonly kind: "namespace"; readonly namespace: ModelNamespace }
  | { readonly kind: "cidr"; readonly range: CidrRange }
  | { readonly kind: "fqdn"; readonly name: string }
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
  readonly path: string;
  /** For an exception between tenants: its last day. */
  readonly expires?: string;
}

export interface ModelService {
  readonly name: string;
  readonly dependsOn: readonly string[];
}

export interface ModelTenant {
  readonly name: string;
  readonly namespaces: readonly string[];
  readonly policyEditors: readonly string[];
}

export interface ModelMesh {
  readonly mode: MeshMode;
  /** Sorted. */
  readonly namespaces: readonly string[];
  readonly trustDomain: string;
  readonly controlPlane: string;
}

export interface ModelDns {
  readonly namespace: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly port: number;
  readonly nodeLocalCache?: string;
}

export interface Model {
  readonly dialect: Dialect;
  readonly denyScope: DenyScope;
  readonly unsupported: UnsupportedHandling;
  readonly dns: ModelDns;
  readonly apiServer: { readonly cidrs: readonly string[]; readonly ports: readonly number[] };
  readonly nodeCidrs: readonly string[];
  readonly podCidrs: readonly string[];
  readonly enforcerVersion?: string;
  /** Tier 0, sorted: the exempt namespaces and those declared as platform. */
  readonly exempt: readonly string[];
  /** Declared namespaces by name. */
  readonly namespaces: ReadonlyMap<string, ModelNamespace>;
  /** By `namespace/name`. */
  readonly workloads: ReadonlyMap<string, ModelWorkload>;
  readonly flows: readonly ModelFlow[];
  readonly tenants: readonly ModelTenant[];
  readonly mesh?: ModelMesh;
  /** Derived name of a policy → the name it gets. */
  readonly policyNames: ReadonlyMap<string, string>;
  /** In the order in which their policies are registered. */
  readonly services: readonly ModelService[];
}
