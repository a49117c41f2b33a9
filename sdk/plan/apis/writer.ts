/** What a policy API has to bring for the planner to write it: one object, exported by the folder of the API. */
import type { DraftDocument, PlannedObject } from "../documents";
import type { Direction, Subject } from "../halves";
import type { Model, ModelBypass } from "../model";
import type { Shortfalls } from "../unsupported";
import type { PolicyApiLimits } from "./limits";

/** A part of a manifest. */
export type Plain = Readonly<Record<string, unknown>>;

/** Writes the policies of one API, of the network or of a mesh. */
export interface PolicyWriter {
  /** Group of the objects: `networking.k8s.io`. */
  readonly group: string;
  /** Kinds that lie in one namespace, so that a tenant may write them too; each with the plural name that RBAC asks for. */
  readonly tenantKinds: Readonly<Record<string, string>>;
  /** The policies of a declaration; what the API cannot express is reported in `shortfalls`. */
  policies(model: Model, shortfalls: Shortfalls): readonly DraftDocument[];
  /** A policy that allows everything to the pods that carry the label of a bypass, and leaves explicit denies in force. */
  bypass(model: Model, bypass: BypassRequest): BypassPolicy;
  /** The name of an object as the API accepts it. Absent: it accepts every name of a Kubernetes object. */
  objectName?(object: PlannedObject): string;
}

/** Whose policies are lifted, and by which label. */
export interface BypassRequest {
  readonly subject: ModelBypass["subject"];
  /** Key and value that a pod carries for its policies to be lifted. */
  readonly label: readonly [string, string];
}

/** The policy of a bypass; its labels and annotations are the same in every API. */
export interface BypassPolicy {
  readonly apiVersion: string;
  readonly kind: string;
  /** Plural name in the API. */
  readonly resource: string;
  /** What the API puts before the name, with its dot: a tier. Absent: nothing. */
  readonly namePrefix?: string;
  readonly spec: Plain;
  /** The policy isolates the pods that it selects, so every declared flow of their namespace comes first. */
  readonly isolates: boolean;
}

/** Writes the network's policies in one API. */
export interface NetworkPolicyWriter extends PolicyWriter {
  readonly limits: PolicyApiLimits;
  /** Everything about the pods of one subject, where nothing else is declared for the cluster. */
  guard(model: Model, shortfalls: Shortfalls, request: GuardRequest): readonly DraftDocument[];
  /** The policies of one tenant by itself. `isOwn` tells which are about the namespaces of the tenant and no other. */
  tenantPolicies(
    model: Model,
    shortfalls: Shortfalls,
    isOwn: (draft: DraftDocument) => boolean,
  ): readonly DraftDocument[];
}

/** What a guard is to hold. */
export interface GuardRequest {
  readonly subject: Subject;
  readonly name: string;
  /** Directions in which the pods are isolated. */
  readonly directions: readonly Direction[];
  readonly annotations: Readonly<Record<string, string>>;
  /** DNS is opened by another policy. */
  readonly hasOwnDns: boolean;
}
