/** Kubernetes objects as plain data, and where they came from. */

/** The part of `metadata` that the engine reads. Values may be unknown, hence the loose types. */
export interface ObjectMeta {
  readonly name?: string;
  readonly namespace?: string;
  readonly generateName?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly creationTimestamp?: string;
  readonly [key: string]: unknown;
}

/** A Kubernetes object as it stands in YAML, in a Pulumi state or on the API server. */
export interface KubeObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata?: ObjectMeta;
  readonly spec?: unknown;
  readonly [key: string]: unknown;
}

/**
 * Where an object was read: a file and the line its document begins on (1-based), the URN of a Pulumi resource,
 * or a cluster. */
export interface Source {
  readonly file?: string;
  readonly line?: number;
  readonly urn?: string;
  /** The kubeconfig context of the cluster it was read from. */
  readonly cluster?: string;
}

/** An object together with where it was read. */
export interface SourcedObject {
  readonly object: KubeObject;
  readonly source?: Source;
  /** Whether it is in the cluster is not known: a part that only some variants of an installation have. Default: it is. */
  readonly perhaps?: boolean;
  /** It is in one of several variants of an installation (overlays), of which one is applied. Default: in none. */
  readonly variant?: boolean;
  /** Files and folders with patches that change it; what they change is unknown in it. Default: none. */
  readonly patchedBy?: readonly string[];
}

/** Names one object. */
export interface ObjectRef {
  readonly apiVersion: string;
  readonly kind: string;
  readonly namespace?: string;
  readonly name: string;
}

/** `Kind namespace/name`, or `Kind name` for what lies in no namespace. */
export function describeRef(ref: ObjectRef): string {
  return ref.namespace === undefined ? `${ref.kind} ${ref.name}` : `${ref.kind} ${ref.namespace}/${ref.name}`;
}

/** Fields of `metadata` that the API server sets in every object, whatever was applied. */
export const serverFields = [
  "creationTimestamp",
  "generation",
  "managedFields",
  "resourceVersion",
  "selfLink",
  "uid",
] as const;

/** The API group of an apiVersion: `apps` of `apps/v1`; empty for the core group. */
export function groupOf(apiVersion: string): string {
  const slash = apiVersion.indexOf("/");
  return slash < 0 ? "" : apiVersion.slice(0, slash);
}
