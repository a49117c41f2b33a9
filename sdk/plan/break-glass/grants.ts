/**
 * Grants as the cluster holds them: an annotation of the admission policy that guards the bypasses of a namespace. Whoever
 * opens a bypass reads there what it consists of, so it cannot differ from what the admission policy lets pass.
 */
import type { ModelBypass } from "../model";

/** Label of the admission policy that holds the grants of a namespace. */
export const grantsLabel = "pulumi-cluster-security/break-glass";

/** Its value. */
export const grantsLabelValue = "grants";

/** Annotation of the same policy: {@link NamespaceGrants} as JSON. */
export const grantsAnnotation = "pulumi-cluster-security/break-glass-grants";

/** Names of timers begin with it; then come the name of the grant and a random part. */
export const timerPrefix = "break-glass-";

/** Stands for the timer's name in {@link GrantedPolicy}. No name and no label holds such a text. */
export const timerPlaceholder = "{timer}";

/** Everything that is granted in a namespace. */
export interface NamespaceGrants {
  readonly namespace: string;
  readonly grants: readonly Grant[];
}

/** Who may open which bypasses, and for how long. */
export interface Grant {
  readonly name: string;
  readonly groups: readonly string[];
  /** Longest time that a bypass stays open. */
  readonly maxSeconds: number;
  readonly reason: string;
  readonly owner: string;
  readonly subjects: readonly GrantedSubject[];
}

/** Whose policies may be lifted. */
export interface GrantedSubject {
  /** Name of the workload; absent: any pod of the namespace. */
  readonly workload?: string;
  /** Labels of its pods; none for any pod of the namespace. */
  readonly labels: Readonly<Record<string, string>>;
  /** What opens: the network's policy, and in the mesh one of the mesh. */
  readonly policies: readonly GrantedPolicy[];
}

/** A policy that lifts others from pods with the timer's label, with {@link timerPlaceholder} where its name goes. */
export interface GrantedPolicy {
  readonly apiVersion: string;
  readonly kind: string;
  /** Plural name in the API. */
  readonly resource: string;
  /** What the API puts before the name, with its dot. Absent: nothing. */
  readonly namePrefix?: string;
  readonly spec: Readonly<Record<string, unknown>>;
}

/** The labels of a subject's pods. */
export function labelsOfSubject(subject: ModelBypass["subject"]): Readonly<Record<string, string>> {
  return subject.kind === "workload" ? subject.workload.labels : {};
}

/** How a subject is called: `shop/api`, or `namespace shop`. */
export function describeSubject(namespace: string, workload: string | undefined): string {
  return workload === undefined ? `namespace ${namespace}` : `${namespace}/${workload}`;
}

/**
 * The grants that an admission policy of the cluster holds; undefined where it holds none. Its author wrote it, not
 * whoever may open bypasses.
 *
 * @throws SyntaxError where the annotation is not what this package writes.
 */
export function readGrants(annotations: Readonly<Record<string, unknown>>): NamespaceGrants | undefined {
  const text = annotations[grantsAnnotation];
  if (typeof text !== "string") return undefined;
  const read = JSON.parse(text) as Partial<NamespaceGrants> | null;
  if (typeof read?.namespace === "string" && Array.isArray(read.grants)) return read as NamespaceGrants;
  throw new SyntaxError(`${grantsAnnotation} names no namespace and no grants`);
}
