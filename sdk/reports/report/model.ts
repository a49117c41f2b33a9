/** What a report holds, as data: its JSON form, and what every other form is written from. */
import type { ControlEvidence, EvidenceState } from "../evidence/types";
import type { Status } from "../summary";

/** The first key of the JSON form, with the version of its shape. */
export const reportFormat = "cluster-security-report/1";

/** A file, a cluster or standard input that the report was made from. */
export interface ReportInputFile {
  /** What it is for. */
  readonly role: "policies" | "declaration" | "exemptions" | "verify" | "replay" | "compare";
  readonly name: string;
  /** In hex: of the bytes of a file, else of the objects as they were read. */
  readonly sha256: string;
}

/** A finding in words. */
export interface ReportFinding {
  readonly rule: string;
  readonly severity: string;
  readonly state: "violation" | "possible" | "exempt" | "info";
  readonly subject: string;
  /** The namespace that it is about, where it is about one. */
  readonly namespace?: string;
  readonly message: string;
  readonly because: readonly string[];
  readonly fix: string;
  readonly controls: readonly string[];
  /** `file:line`, a URN, a cluster. */
  readonly place?: string;
}

/** A namespace, and what holds for it. */
export interface ReportNamespace {
  readonly name: string;
  readonly workloads: number;
  readonly tenant?: string;
  readonly defaultDeny: Status;
  readonly metadata: Status;
  /** Violations about it or about something in it. */
  readonly violations: number;
}

/** Something between two ends that may pass. An end is `ns/name[Kind]`, or `outside the cluster`. */
export interface ReportPath {
  readonly from: string;
  readonly to: string;
  /** What passes for certain and what may, in words: `TCP 8080`. */
  readonly traffic: string;
  /** It passes only if something that is not known turns out so. */
  readonly possible?: true;
}

/** A declared flow, and what became of it. */
export interface ReportFlow {
  readonly from: string;
  readonly to: string;
  readonly ports: string;
  readonly reason: string;
  readonly owner: string;
  readonly critical?: true;
  readonly reviewBy?: string;
  readonly expires?: string;
  /** What the policies say; `not asked` where an end has no counterpart in what was read. */
  readonly computed: "allowed" | "denied" | "unknown" | "not asked";
  /** What probes or recorded flows showed. */
  readonly observed?: { readonly state: "passed" | "blocked" | "unproved"; readonly at: string };
}

/** Something that is open, or accepted, by exception. */
export interface ReportException {
  readonly kind: "tenant exception" | "bypass" | "no default deny" | "metadata access" | "exemption";
  readonly what: string;
  readonly owner: string;
  readonly reason: string;
  /** Its last day. */
  readonly expires?: string;
  readonly state: "open" | "overdue" | "closed" | "no end";
}

/** Something that is to be reviewed by a day. */
export interface ReportReview {
  readonly what: string;
  readonly owner: string;
  readonly due: string;
  readonly state: "overdue" | "due" | "later";
}

/** A tenant, and what crosses its boundary. */
export interface ReportTenant {
  readonly name: string;
  readonly namespaces: readonly string[];
  /** Paths to workloads of other tenants. */
  readonly outgoing: number;
  /** Paths from workloads of other tenants. */
  readonly incoming: number;
}

/** What changed against an earlier report. */
export interface ReportComparison {
  readonly with: { readonly at: string; readonly subject: string };
  readonly newFindings: readonly ReportFinding[];
  readonly goneFindings: readonly ReportFinding[];
  readonly openedPaths: readonly ReportPath[];
  readonly closedPaths: readonly ReportPath[];
  readonly changedControls: readonly {
    readonly control: string;
    readonly before: EvidenceState;
    readonly after: EvidenceState;
  }[];
  readonly flows: { readonly added: readonly string[]; readonly removed: readonly string[] };
}

/** Everything that a report shows. Plain data; the same input at the same time gives the same model. */
export interface ReportModel {
  readonly format: typeof reportFormat;
  readonly title: string;
  /** What was looked at. */
  readonly subject: string;
  /** When, RFC 3339. */
  readonly at: string;
  readonly versions: { readonly tool: string; readonly enforcer: string };
  readonly inputs: readonly ReportInputFile[];
  /** False where something could not be understood that may change an answer. */
  readonly complete: boolean;
  /** What was not understood, a line each. */
  readonly problems: readonly string[];
  readonly posture: {
    readonly workloads: number;
    readonly policies: number;
    readonly pairs: { readonly total: number; readonly allowed: number; readonly possible: number };
    /** Violations by severity. */
    readonly violations: Readonly<Record<string, number>>;
    /** Of them, those that are only possible. */
    readonly possible: number;
    readonly exempt: number;
    /** Cloud metadata addresses that were asked about. */
    readonly metadataAddresses: number;
  };
  readonly namespaces: readonly ReportNamespace[];
  readonly findings: readonly ReportFinding[];
  readonly exceptions: readonly ReportException[];
  readonly reviews: readonly ReportReview[];
  /** Absent without a declaration. */
  readonly flows?: readonly ReportFlow[];
  readonly controls: readonly ControlEvidence[];
  readonly tenants: readonly ReportTenant[];
  /** Ids of the workloads, sorted. */
  readonly workloads: readonly string[];
  readonly paths: readonly ReportPath[];
  readonly comparison?: ReportComparison;
}
