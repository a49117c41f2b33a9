import type { Finding, Severity } from "../findings";
import { describeControl, isViolation } from "../findings";
import { isDnsLabel } from "../plan/names";
import type { Problem } from "../reachability";
import type { RuleDescription } from "./sarif";
import { describeSource, placeOfFinding } from "./source";

/** What {@link policyReports} is made of. */
export interface PolicyReportInput {
  readonly findings: readonly Finding[];
  /** The rules that were asked: one without findings is a `pass` of the cluster's report. */
  readonly rules: readonly RuleDescription[];
  /** What of the input was not understood: an `error` each. */
  readonly problems: readonly Problem[];
  /** Whether a violation fails; others are a `warn`. */
  readonly fails: (finding: Finding) => boolean;
  /** The namespaces that were judged. Each gets a report, an empty one too: it takes the place of an older one. */
  readonly namespaces: readonly string[];
  /** When it was judged: milliseconds since 1970. */
  readonly time: number;
  /** Name of the reports: of two with one name in a namespace, the later takes the place of the other. Default `cluster-security`. */
  readonly name?: string;
  /** The API version of a finding's subject, where it is known. */
  readonly apiVersionOf?: (subject: Finding["subject"]) => string | undefined;
}

/** The five outcomes of the working group's API. */
const outcomes = ["pass", "fail", "warn", "error", "skip"] as const;
type Outcome = (typeof outcomes)[number];

/** One result of a report, as far as this package writes it. */
interface Result {
  readonly policy: string;
  readonly result: Outcome;
  readonly [field: string]: unknown;
}

/** What names the source in every report and result. */
const sourceName = "cluster-security";

/**
 * Findings as reports of the Policy Working Group (`wgpolicyk8s.io/v1alpha2`): a PolicyReport for each namespace and a
 * ClusterPolicyReport for the rest, which also holds what could not be understood. Exempt findings are skipped; a violation
 * that is only possible is a warning, never a pass.
 */
export function policyReports(input: PolicyReportInput): readonly object[] {
  const timestamp = { seconds: Math.floor(input.time / 1000), nanos: 0 };
  const known = new Set(input.namespaces.filter(isDnsLabel));
  const homeOf = ({ subject: { kind, namespace, name } }: Finding): string | undefined => {
    const home = namespace ?? (kind === "Namespace" ? name : undefined);
    return home !== undefined && known.has(home) ? home : undefined;
  };
  const results = input.findings.map((finding) => ({
    home: homeOf(finding),
    result: resultOf(finding, input, timestamp),
  }));
  const found = new Set(input.findings.map(({ id }) => id));
  const passed = input.rules.filter(({ id }) => !found.has(id)).map((rule) => passOf(rule, timestamp));
  const errors = input.problems.map((problem) => errorOf(problem, timestamp));
  const ofCluster = results.filter(({ home }) => home === undefined).map(({ result }) => result);
  return [
    report("ClusterPolicyReport", input.name, undefined, [...ofCluster, ...errors, ...passed]),
    ...[...known].sort().map((namespace) => {
      const own = results.filter(({ home }) => home === namespace).map(({ result }) => result);
      return report("PolicyReport", input.name, namespace, own);
    }),
  ];
}

function report(
  kind: string,
  name: string | undefined,
  namespace: string | undefined,
  results: readonly Result[],
): object {
  const count = (outcome: Outcome): number => results.filter(({ result }) => result === outcome).length;
  return {
    apiVersion: "wgpolicyk8s.io/v1alpha2",
    kind,
    metadata: {
      name: name ?? sourceName,
      ...(namespace === undefined ? {} : { namespace }),
      labels: { "app.kubernetes.io/managed-by": sourceName },
    },
    ...(namespace === undefined ? {} : { scope: { apiVersion: "v1", kind: "Namespace", name: namespace } }),
    summary: Object.fromEntries(outcomes.map((outcome) => [outcome, count(outcome)])),
    results,
  };
}

function resultOf(finding: Finding, { fails, apiVersionOf }: PolicyReportInput, timestamp: object): Result {
  const { id, severity, certainty, message, because, fix, controls, subject } = finding;
  const apiVersion = apiVersionOf?.(subject);
  const place = describeSource(placeOfFinding(finding));
  return {
    policy: id,
    source: sourceName,
    category: "Network security",
    severity: severity satisfies Severity,
    result: outcomeOf(finding, fails),
    scored: true,
    timestamp,
    message: [message, ...because.map((reason) => `because ${reason}`), `fix: ${fix}`].join("\n"),
    ...(subject.kind === "Cluster"
      ? {}
      : {
          resources: [
            {
              ...(apiVersion === undefined ? {} : { apiVersion }),
              kind: subject.kind,
              ...(subject.namespace === undefined ? {} : { namespace: subject.namespace }),
              name: subject.name,
            },
          ],
        }),
    properties: {
      certainty,
      controls: controls.map(describeControl).join("; "),
      ...(place === undefined ? {} : { place }),
    },
  };
}

function outcomeOf(finding: Finding, fails: (finding: Finding) => boolean): Outcome {
  if (finding.exempt === true) return "skip";
  if (!isViolation(finding)) return "pass";
  return finding.certainty === "definite" && fails(finding) ? "fail" : "warn";
}

function passOf({ id, title, severity, controls }: RuleDescription, timestamp: object): Result {
  return {
    policy: id,
    source: sourceName,
    category: "Network security",
    severity,
    result: "pass",
    scored: true,
    timestamp,
    message: `not found: ${title}`,
    properties: { controls: controls.map(describeControl).join("; ") },
  };
}

function errorOf({ code, message, source }: Problem, timestamp: object): Result {
  const place = describeSource(source);
  return {
    policy: "not-understood",
    rule: code,
    source: sourceName,
    category: "Network security",
    result: "error",
    scored: true,
    timestamp,
    message,
    ...(place === undefined ? {} : { properties: { place } }),
  };
}
