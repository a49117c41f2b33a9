/** A policy object, and the policy API that it belongs to. */
import type { KubeObject, ObjectRef, Source } from "./objects";

/**
 * A policy API: what reads its objects, and how its rules combine. `other` stands for those that may decide about traffic and
 * have no reader.
 */
export type PolicyDialect =
  "kubernetes" | "cluster-network-policy" | "admin-network-policy" | "cilium" | "calico" | "istio" | "other";

/** A policy object of any dialect, as read. */
export interface PolicySource extends ObjectRef {
  readonly dialect: PolicyDialect;
  readonly object: KubeObject;
  readonly source?: Source;
}
