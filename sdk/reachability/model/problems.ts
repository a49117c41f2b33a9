import type { ObjectRef, Source } from "./objects";

/** What kind of thing was not understood. */
export type ProblemCode =
  /** A field holds a value of the wrong type or outside its range. */
  | "invalid-value"
  /** A field, kind or version that the engine does not know. */
  | "unsupported"
  /** The API server or the enforcing agent refuses the object: nothing of it is enforced. */
  | "not-enforced"
  /** It names an object that is not in the snapshot: a Service, a group of ranges, a tier. */
  | "not-read"
  /** The value is not known yet (a Pulumi output in preview). */
  | "unknown-value"
  /** The text is not YAML or JSON, or not a Kubernetes object. */
  | "unreadable"
  /** A map that is no Kubernetes object at all (`values.yaml` in a folder of manifests). */
  | "not-an-object"
  /** The same object appears twice. */
  | "duplicate"
  /** The object is in several overlays that differ, or a patch changes it: variants of which one is applied. */
  | "variants"
  /** The API leaves the outcome undefined (for example equal priorities in a tier). */
  | "ambiguous";

/**
 * Something that was not understood. Nothing that matters is dropped silently: either the problem has no influence on
 * any verdict (`affectsVerdicts` false), or the verdicts that depend on it are "unknown".
 */
export interface Problem {
  readonly code: ProblemCode;
  readonly message: string;
  /** Of what is not enforced: why, in words that quote no value of the object, so that any log may hold them. */
  readonly reason?: string;
  readonly object?: ObjectRef;
  readonly source?: Source;
  /** The field's path inside the object, `spec.ingress[0].from`. */
  readonly path?: string;
  readonly affectsVerdicts: boolean;
  /** Of variants: where they are, or the patches that make them. */
  readonly variants?: readonly Source[];
}
