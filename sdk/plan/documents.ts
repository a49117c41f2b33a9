/** What a plan consists of. */
import type { Dialect, Tier } from "./declaration";
import type { PortRange } from "./model";

/** Steps of registration, in order; destroying runs them backwards. */
export const stages = ["metadata-deny", "dns", "platform", "flows", "mesh", "default-deny"] as const;
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
  /** Logical names of documents that must stand before this one; they come earlier in the plan. */
  readonly dependsOn: readonly string[];
}

/** Something that the dialect cannot say, or a decision that the user should know about. */
export interface PlanWarning {
  readonly code: WarningCode;
  readonly message: string;
  /** Where in the declaration. */
  readonly paths: readonly string[];
}

export type WarningCode =
  /** The dialect has no DNS names: the flow stays closed. */
  | "fqdn-unsupported"
  /** The dialect has no explicit deny: metadata endpoints are closed only as long as no other policy opens them. */
  | "metadata-deny-not-final"
  /** The dialect has no explicit deny: what one policy leaves closed, another can open. */
  | "deny-not-final"
  /** The dialect does not know service accounts: workloads are told apart by labels only. */
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
  /** A source has no mesh identity of its own. */
  | "mesh-identity-shared"
  /** The pattern needs a newer enforcer. */
  | "pattern-needs-newer-enforcer";

/** A namespace that the stack creates, or whose labels it sets. */
export interface PlannedNamespace {
  readonly name: string;
  readonly tier: Tier;
  readonly existing: boolean;
  readonly labels: Readonly<Record<string, string>>;
}

/** A flow as it was understood, in words; the same for every dialect. */
export interface PlannedFlow {
  readonly from: string;
  readonly to: string;
  readonly ports: readonly PortRange[];
  readonly reason: string;
  readonly owner: string;
  /** For an exception between tenants: its last day. */
  readonly expires?: string;
}

/** Everything to register, in a safe order. */
export interface Plan {
  readonly dialect: Dialect;
  readonly documents: readonly PolicyDocument[];
  readonly warnings: readonly PlanWarning[];
  /** Declared namespaces; those of tier 0 that were not declared are left out. */
  readonly namespaces: readonly PlannedNamespace[];
  /** Tier 0: namespaces without a default deny, sorted. */
  readonly exemptNamespaces: readonly string[];
  readonly flows: readonly PlannedFlow[];
}

/** A document before its dependencies are known. */
export interface DraftDocument {
  readonly stage: Stage;
  readonly object: PlannedObject;
  /** For a platform service's document: the service. */
  readonly service?: string;
  /** Logical names of documents of the same stage that stand first. */
  readonly after?: readonly string[];
}

/** Marks every object that this package writes. */
export const managedByLabel: Readonly<Record<string, string>> = {
  "app.kubernetes.io/managed-by": "pulumi-cluster-security",
};

/** Annotations that say why a policy exists. */
export const flowsAnnotation = "pulumi-cluster-security/flows";
export const ownersAnnotation = "pulumi-cluster-security/owners";
