/** What an audit tells: every way in which a cluster differs from its baseline, with what that opens and closes. */
import type { Severity } from "../findings/types";
import type { KubeObject, ObjectRef, Source, SourcedObject } from "../reachability";

/** What has become of an object of the baseline, or what has come beside it. */
export type DriftKind =
  /** In the baseline, and not in the cluster. */
  | "missing"
  /** In both, and not the same. */
  | "changed"
  /** In the cluster, and not in the baseline. */
  | "extra"
  /** Stored by the API server, and not enforced: refused by the agents, or replaced by a kind that only reports. */
  | "not-enforced"
  /** The agents enforce no policy, or only report: Cilium's enforcement mode `never` and its audit mode. */
  | "enforcement-off"
  /** Labels of a namespace that policies go by. */
  | "namespace-changed"
  /** A namespace that the baseline does not know, without a default deny. */
  | "namespace-open"
  /** Someone whom the baseline does not name may change policies, or what guards them. */
  | "edit-rights"
  /** A bypass, exception or exemption counts past its last day. */
  | "overdue";

/** A connection that passes in one of the two and not in the other. */
export interface AuditPath {
  /** `shop/web[Deployment]`, or `a.b.c.d-e.f.g.h[External]`. */
  readonly source: string;
  readonly destination: string;
  /** What passes now and did not, or what passed and does not: `TCP 5432`. */
  readonly connections: string;
  /** Whether it is only possible, because something is not known. */
  readonly possible: boolean;
  /** One of the ends stands for pods that nobody runs yet. */
  readonly future: boolean;
}

/** The paths of one drift; only the worst are listed. */
export interface AuditPaths {
  /** How many there are. */
  readonly count: number;
  /** At most {@link AuditInput.examples}, worst first. */
  readonly examples: readonly AuditPath[];
}

/** An entry of `metadata.managedFields`. A manager is a program's name for itself, and no person. */
export interface FieldManager {
  readonly manager: string;
  /** `Apply` for server-side apply, `Update` for everything else. */
  readonly operation?: string;
  /** When it wrote last. */
  readonly time?: string;
}

/** A request out of the API server's audit log that wrote the object. */
export interface AuditedRequest {
  readonly user: string;
  /** Whom the user acted as, if impersonating. */
  readonly as?: string;
  /** `create`, `update`, `patch`, `delete`, `deletecollection`. */
  readonly verb: string;
  readonly time: string;
  readonly addresses: readonly string[];
  readonly userAgent?: string;
}

/** One difference between baseline and cluster. */
export interface AuditDrift {
  readonly kind: DriftKind;
  readonly severity: Severity;
  readonly object: ObjectRef;
  /** What is different, in one sentence. */
  readonly message: string;
  /** What it does beyond paths, one sentence each. Empty where the paths say everything. */
  readonly effects: readonly string[];
  readonly opens: AuditPaths;
  readonly closes: AuditPaths;
  /** Who wrote what differs, latest first. Empty where the object is gone. */
  readonly managers: readonly FieldManager[];
  /** Who sent the requests, latest first; empty without an audit log. */
  readonly requests: readonly AuditedRequest[];
  /** What to do about it. */
  readonly fix: string;
  /** Where it stands: in the cluster, or in the baseline where it is gone. */
  readonly source?: Source;
}

/**
 * What came of it. `inconclusive`: no drift was found, and not everything could be compared, so that there may be some.
 */
export type AuditVerdict = "clean" | "drift" | "inconclusive";

/** A policy of the cluster, or a rule of one, that does nothing: it selects nothing, matches nothing, or others do it all. */
export interface Ineffective {
  readonly kind: "unused" | "dead" | "shadowed" | "duplicate";
  readonly object: ObjectRef;
  /** What does nothing, and why, in one sentence. */
  readonly message: string;
  /** Not all pods were read that it may be about: it may have an effect after all. */
  readonly possible: boolean;
}

/** The answer of an audit. */
export interface AuditResult {
  readonly verdict: AuditVerdict;
  /** Worst first. */
  readonly drifts: readonly AuditDrift[];
  /** What could not be compared, one sentence each. */
  readonly gaps: readonly string[];
  /** Policies and rules without effect, in the baseline or not: no drift. Absent unless asked for. */
  readonly ineffective?: readonly Ineffective[];
  /** How much was compared. */
  readonly compared: { readonly policies: number; readonly namespaces: number; readonly workloads: number };
}

/** An object of the baseline. */
export interface BaselineObject extends SourcedObject {
  /** It states some labels of a namespace that is someone else's; the others are not compared. Default: all. */
  readonly partial?: boolean;
}

/** What is compared. */
export interface AuditInput {
  /** What should be: policies, namespaces, guards and roles; workloads are taken from the cluster. */
  readonly baseline: readonly BaselineObject[];
  /** What is, one workload for each controller and its pods. */
  readonly live: readonly SourcedObject[];
  /** The day, `YYYY-MM-DD` (UTC), for what has an end. */
  readonly today: string;
  /** The moment, RFC 3339 in UTC, for bypasses of break glass. Default: a moment of today is not over. */
  readonly now?: string;
  /** Who enforces, with settings as `--cni` names them. Default: inferred from both. */
  readonly cni?: string;
  /** The declaration lets the enforcer only report. Default false. */
  readonly mayAudit?: boolean;
  /** Namespaces that need no default deny, besides those that the cluster itself runs. */
  readonly exemptNamespaces?: readonly string[];
  /** Who may change policies besides those that the baseline names: `User alice`, `ServiceAccount flux-system/flux`. */
  readonly policyEditors?: readonly string[];
  /** Kinds that could not be listed: nothing is said about what is missing of them. */
  readonly unlisted?: readonly Pick<KubeObject, "apiVersion" | "kind">[];
  /** What else could not be read, one sentence each. */
  readonly gaps?: readonly string[];
  /** A part of the baseline or of the cluster could not be read: nothing passes for certain there. */
  readonly holes?: { readonly baseline?: boolean; readonly live?: boolean };
  /** Write requests out of an audit log, by what they wrote. */
  readonly requests?: RequestIndex;
  /** Whether policies and rules without effect are looked for. Default false. */
  readonly effect?: boolean;
  /** So many paths of a drift are listed. Default 10. */
  readonly examples?: number;
}

/** Finds the requests that wrote an object, latest first. */
export interface RequestIndex {
  of(object: ObjectRef): readonly AuditedRequest[];
}
