/** What a plan consists of. */
import type { Dialect, Entity, MeshMode, MetadataService, PolicyMode, Tier } from "./declaration";
import type { ClusterDns } from "../reachability";
import type { PortRange } from "./model";

/** Steps of registration, in order; destroying runs them backwards. */
export const stages = ["metadata-deny", "dns", "platform", "flows", "mesh", "default-deny"] as const;
/** A step of registration: one of {@link stages}. */
export type Stage = (typeof stages)[number];

/** A Kubernetes object as plain data. */
export interface PlannedObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly labels: Readonly<Record<string, string>>;
    readonly annotations?: Readonly<Record<string, string>>;
  };
  readonly [section: string]: unknown;
}

/** One policy to register. */
export interface PolicyDocument {
  /** Stable and unique in the plan: `name`, or `namespace/name` for a namespaced policy. */
  readonly logicalName: string;
  readonly stage: Stage;
  readonly object: PlannedObject;
  /** The namespace whose pods it is for; missing where it is for pods of several. */
  readonly home?: string;
  /** Logical names of documents that must stand before this one; they come earlier in the plan. */
  readonly dependsOn: readonly string[];
  /**
   * Those of them without which it would cut or open something, or be refused, whatever their stages are. Empty where it would
   * have some if more were declared.
   */
  readonly after?: readonly string[];
  /** See {@link DraftDocument.step}. */
  readonly step?: number;
}

/** Something that the policy API cannot express, or a decision that the user should know about. */
export interface PlanWarning {
  readonly code: WarningCode;
  readonly message: string;
  /** Where in the declaration. */
  readonly paths: readonly string[];
}

/** What a warning of a plan is about; stable, for programs that handle warnings by kind. */
export type WarningCode =
  /** The dialect has no DNS names: the flow stays closed. */
  | "fqdn-unsupported"
  /** The dialect has no explicit deny: metadata endpoints are closed only as long as no other policy opens them. */
  | "metadata-deny-not-final"
  /** The dialect has no explicit deny: what one policy leaves closed, another can open. */
  | "deny-not-final"
  /** The policy API does not know service accounts: workloads are identified by labels only. */
  | "service-account-unsupported"
  /** The dialect knows nodes and the API server by address only, and none is declared. */
  | "address-missing"
  /** The dialect has no such peer. */
  | "entity-unsupported"
  /** The default deny covers the declared namespaces only. */
  | "undeclared-namespaces-uncovered"
  /** No policy applies to this end of the flow: it is on the host network. */
  | "host-network-not-enforced"
  /** The enforcer may match pods by address, and the pods' range is not declared. */
  | "pod-range-unknown"
  /** The enforcer is too old for what the policies are made of. */
  | "enforcer-too-old"
  /** Strict mutual TLS closes what a source outside the mesh is to reach. */
  | "mesh-plaintext-to-namespace"
  /** Istio names ports one by one. */
  | "mesh-range-too-wide"
  /** Pods that run already have no proxy yet. */
  | "mesh-needs-restart"
  /** A source has no mesh identity of its own. */
  | "mesh-identity-shared"
  /** The pattern needs a newer enforcer. */
  | "pattern-needs-newer-enforcer"
  /** The dialect has no staged form: what isolates or denies is left out while the mode is `audit`. */
  | "audit-unsupported"
  /** A namespace is audited: everything passes there but what an explicit deny stops. */
  | "audit-open"
  /** Pods that run already are cut off from a part of their declared flows for a while. */
  | "first-allow-isolates"
  /** A workload may reach a credential service of the cloud. */
  | "metadata-exception"
  /** The enforcer knows the service as its node: the port is open on the whole node. */
  | "metadata-service-on-node"
  /** Nodes are named by address, which not every enforcer matches. */
  | "node-address-match"
  /** A range holds nodes, or may: by address the flow is opened to them too. */
  | "range-covers-nodes"
  /** Something from outside the cluster cannot be named where pods accept connections. */
  | "outside-not-nameable"
  /** The dialect opens DNS as a whole or not at all: what is to ask for some names only asks for none. */
  | "dns-names-unsupported"
  /** The last day of an exception between tenants is over. */
  | "exception-ended"
  /** The policies of labelled pods are lifted for a time. */
  | "bypass-open"
  /** The last day of a bypass is over: it no longer has an effect. */
  | "bypass-ended"
  /** The day by which something was to be reviewed has passed. */
  | "review-overdue"
  /** Namespaces have no default deny until a day. */
  | "namespaces-open"
  /** The last day of namespaces without a default deny is over: they are held like any other. */
  | "namespaces-closed";

/** A namespace that the stack creates, or whose labels it sets. */
export interface PlannedNamespace {
  readonly name: string;
  readonly tier: Tier;
  readonly existing: boolean;
  readonly mode: PolicyMode;
  readonly labels: Readonly<Record<string, string>>;
  /** What is written onto it beside labels: the step of its roll-out. */
  readonly annotations: Readonly<Record<string, string>>;
}

/** A source or destination of a planned flow. */
export type PlannedPeer =
  | { readonly kind: "workload"; readonly namespace: string; readonly name: string }
  | { readonly kind: "namespace"; readonly namespace: string }
  | { readonly kind: "cidr"; readonly cidr: string; readonly except: readonly string[] }
  | { readonly kind: "fqdn"; readonly name: string }
  | { readonly kind: "metadata"; readonly service: MetadataService }
  | { readonly kind: "entity"; readonly entity: Entity };

/** A flow as it was understood; the same for every policy API. */
export interface PlannedFlow {
  /** Its short name: the same as long as source, destination and ports are. */
  readonly id: string;
  readonly from: PlannedPeer;
  readonly to: PlannedPeer;
  readonly ports: readonly PortRange[];
  readonly reason: string;
  readonly owner: string;
  /** For an exception: its last day. */
  readonly expires?: string;
  /** Must not be cut: present where it holds. */
  readonly critical?: true;
  /** The day by which it is reviewed. */
  readonly reviewBy?: string;
}

/** A declared workload, those of presets included. */
export interface PlannedWorkload {
  readonly name: string;
  readonly namespace: string;
  readonly tier: Tier;
  /** Labels that select its pods. */
  readonly labels: Readonly<Record<string, string>>;
  readonly hostNetwork: boolean;
  /** Nothing outside the cluster may reach it. */
  readonly denyExternal: boolean;
}

/** DNS servers that the pods of every namespace with a default deny may ask, with two exceptions. */
export interface PlannedDns extends ClusterDns {
  /** Namespaces whose pods may not ask at all, sorted. */
  readonly closedTo: readonly string[];
  /** Namespaces whose pods may not even ask for the name of the API server, but for others; sorted. */
  readonly limitedFor: readonly string[];
}

/** A workload's exception from the closed metadata endpoints; what a finding about it is exempted with. */
export interface PlannedMetadataAccess {
  /** `namespace/name`. */
  readonly workload: string;
  readonly service: MetadataService;
  readonly addresses: readonly string[];
  readonly ports: readonly PortRange[];
  readonly reason: string;
  readonly owner: string;
  /** Last day, if it ends. */
  readonly expires?: string;
}

/** A tenant, and the namespaces whose policies are in the plan for it. */
export interface PlannedTenant {
  readonly name: string;
  readonly namespaces: readonly string[];
  readonly policyEditors: readonly string[];
}

/** Whether an exception between tenants still counts. */
export type ExceptionState =
  /** Its last day is not over, or the current day is not known. */
  | "open"
  /** Its last day is over, and it still lets traffic pass. */
  | "overdue"
  /** Its last day is over, and it no longer lets anything pass. */
  | "closed";

/** One line of the register of exceptions. */
export interface PlannedException {
  /** The tenant that granted it. */
  readonly tenant: string;
  /** The tenant that it was granted to. */
  readonly grantedTo: string;
  readonly from: string;
  readonly to: string;
  readonly ports: readonly PortRange[];
  readonly reason: string;
  readonly owner: string;
  /** Its last day. */
  readonly expires: string;
  readonly state: ExceptionState;
}

/** Pods whose policies are lifted for a time. */
export interface PlannedBypass {
  /** `namespace/name` of a workload, or `namespace shop`. */
  readonly of: string;
  /** What a pod carries for its policies to be lifted: `key=value`. */
  readonly label: string;
  /** Groups that may put it there. */
  readonly grantedTo: readonly string[];
  readonly reason: string;
  readonly owner: string;
  /** Its last day. */
  readonly expires: string;
  /** `closed` when its last day is over. */
  readonly state: Exclude<ExceptionState, "overdue">;
}

/** Namespaces without a default deny until a day; explicit denies stay in force there. */
export interface PlannedUndenied {
  readonly namespaces: readonly string[];
  readonly reason: string;
  readonly owner: string;
  /** Last day. */
  readonly expires: string;
  /** `closed` when its last day is over: the default deny holds them. */
  readonly state: Exclude<ExceptionState, "overdue">;
}

/** Who may open bypasses in an emergency. */
export interface PlannedBreakGlass {
  readonly name: string;
  /** `namespace/name` of workloads, or `namespace shop`. */
  readonly of: readonly string[];
  readonly grantedTo: readonly string[];
  /** Longest time that a bypass stays open, in seconds. */
  readonly maxSeconds: number;
  readonly reason: string;
  readonly owner: string;
}

/** Everything to register, in a safe order. */
export interface Plan {
  readonly dialect: Dialect;
  /** Of the declaration; single namespaces may differ. */
  readonly mode: PolicyMode;
  readonly documents: readonly PolicyDocument[];
  readonly warnings: readonly PlanWarning[];
  /** Declared namespaces; those of tier 0 that were not declared are left out. */
  readonly namespaces: readonly PlannedNamespace[];
  /** Tier 0: namespaces without a default deny, sorted. */
  readonly exemptNamespaces: readonly string[];
  readonly flows: readonly PlannedFlow[];
  readonly workloads: readonly PlannedWorkload[];
  /** The day by which every policy is reviewed that no flow gives another one. */
  readonly reviewBy?: string;
  /** The enforcer itself only reports, by declaration. */
  readonly enforcerAudits: boolean;
  /** The mesh, where one is declared. */
  readonly mesh?: MeshMode;
  /** The cluster's DNS, and who may ask it. */
  readonly dns: PlannedDns;
  readonly tenants: readonly PlannedTenant[];
  /** The register of exceptions between tenants, those that ended included. */
  readonly exceptions: readonly PlannedException[];
  /** Who may reach which credential service of the cloud, and why. */
  readonly metadataAccess: readonly PlannedMetadataAccess[];
  /** Whose policies are lifted for a time, those that ended included. */
  readonly bypasses: readonly PlannedBypass[];
  /** Who may open bypasses in an emergency, of whom, and for how long. */
  readonly breakGlass: readonly PlannedBreakGlass[];
  /** Namespaces without a default deny until a day, those that ended included. */
  readonly undenied: readonly PlannedUndenied[];
}

/** A document before its dependencies are known. */
export interface DraftDocument {
  readonly stage: Stage;
  readonly object: PlannedObject;
  /**
   * What the name is derived from the declaration, without what the policy API asks for before it: a tier, a namespace, the
   * mark of a staged policy. Defaults to the name.
   */
  readonly derivedName?: string;
  /** It is written for the declared flows, and not for the namespace as a whole. Defaults to whether its stage is `flows`. */
  readonly servesFlows?: boolean;
  /** For a clusterwide object about the pods of one namespace: that namespace. */
  readonly home?: string;
  /** For a platform service's document: the service. */
  readonly service?: string;
  /** Logical names of documents of the same or an earlier stage that stand first. */
  readonly after?: readonly string[];
  /**
   * Its place among the documents of its stage, the same whatever else is declared: GitOps tools apply it in a group, and
   * would delete it on its way into another. Defaults to 0, and to 1 where it has `after`.
   */
  readonly step?: number;
}

/** How a source or destination is called in words: `shop/web`, `namespace shop`, `10.0.0.0/8`, `api.example.com`, `internet`. */
export function describePlannedPeer(peer: PlannedPeer): string {
  switch (peer.kind) {
    case "workload":
      return `${peer.namespace}/${peer.name}`;
    case "namespace":
      return `namespace ${peer.namespace}`;
    case "cidr":
      return peer.cidr;
    case "fqdn":
      return peer.name;
    case "entity":
      return peer.entity;
    case "metadata":
      return `metadata service ${peer.service}`;
  }
}

/** `name`, or `namespace/name`: neither part can hold a slash, so two objects never share one. */
export function logicalNameOf(draft: DraftDocument): string {
  const { name, namespace } = draft.object.metadata;
  return namespace === undefined ? name : `${namespace}/${name}`;
}

/**
 * Begins the name of a staged policy beside which an enforced one of the same name may stand. Without a dot: to Calico
 * what comes before the first dot of a name is its tier.
 */
export const stagedPrefix = "staged-";

/** Marks every object that this package writes. */
export const managedByLabel: Readonly<Record<string, string>> = {
  "app.kubernetes.io/managed-by": "pulumi-cluster-security",
};

/** Annotations that document why a policy exists. */
export const flowsAnnotation = "pulumi-cluster-security/flows";
export const ownersAnnotation = "pulumi-cluster-security/owners";

/** Accepts, on the policy that opens it, that a metadata endpoint is open; the pack reads it. */
export const metadataExemption = "exempt.pulumi-cluster-security/metadata-endpoints-closed";

/** Accepts, on a namespace, that it has no default deny; the pack reads it. */
export const undeniedExemption = "exempt.pulumi-cluster-security/namespace-default-deny";

/** The step of a namespace's roll-out, and the replay that allows it. */
export const rolloutAnnotation = "pulumi-cluster-security/rollout";

/** On the policy that lets everything pass while a namespace is audited: the mode that it stands for. */
export const modeAnnotation = "pulumi-cluster-security/mode";

/** The date by which its owner reviews the policy; the pack's rule `review-overdue` reads it. */
export const reviewAnnotation = "pulumi-cluster-security/review-by";
