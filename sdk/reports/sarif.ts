import type { Finding, Rule, Severity } from "../findings";
import { describeControl } from "../findings";
import type { Problem } from "../reachability";
import { describeSubject, placeOfFinding } from "./source";

/** A rule as a report lists it; exemptions that are overdue have no check of their own. */
export type RuleDescription = Omit<Rule, "check">;

export interface SarifInput {
  readonly findings: readonly Finding[];
  /** The rules that were asked, found or not. */
  readonly rules: readonly RuleDescription[];
  /** What of the input was not understood. */
  readonly problems: readonly Problem[];
  /** The version of this package. */
  readonly version: string;
  /** How a file is named in the log: relative to the repository where it lies in it. Default: as it was read. */
  readonly uriOf?: (file: string) => string;
}

/**
 * Findings as a SARIF 2.1.0 log (OASIS standard), for code scanning. Exempt findings are there, suppressed, with who
 * accepted them; what was not understood is a notification of the run.
 */
export function sarifLog(input: SarifInput): unknown {
  const { findings, rules, problems, version } = input;
  const ids = rules.map(({ id }) => id);
  return {
    $schema: "https://json.schemastore.org/sarif-2.1.0.json",
    version: "2.1.0",
    runs: [
      {
        tool: {
          driver: {
            name: "cluster-security",
            semanticVersion: version,
            informationUri: packageUri(version),
            rules: rules.map(ruleOf),
          },
        },
        columnKind: "utf16CodeUnits",
        invocations: [
          {
            executionSuccessful: true,
            toolExecutionNotifications: problems.map((problem) => ({
              level: problem.affectsVerdicts ? "error" : "warning",
              message: { text: problem.message },
              ...locations(problem.source, undefined, input),
            })),
          },
        ],
        results: findings.map((finding) => resultOf(finding, ids, input)),
      },
    ],
  };
}

/** Where the tool comes from: the URL of a package (purl), which names it and needs no page. */
function packageUri(version: string): string {
  return `pkg:npm/pulumi-cluster-security@${encodeURIComponent(version)}`;
}

const levels: Readonly<Record<Severity, "error" | "warning" | "note">> = {
  critical: "error",
  high: "error",
  medium: "warning",
  low: "note",
  info: "note",
};

/** GitHub reads this property as a CVSS-like number. */
const scores: Readonly<Record<Severity, string>> = {
  critical: "9.5",
  high: "8.0",
  medium: "5.5",
  low: "2.5",
  info: "0.0",
};

function ruleOf({ id, title, description, remediation, severity, controls }: RuleDescription): unknown {
  return {
    id,
    name: id.replace(/(^|-)([a-z0-9])/g, (_all, _dash, letter: string) => letter.toUpperCase()),
    shortDescription: { text: title },
    fullDescription: { text: description },
    help: { text: remediation },
    defaultConfiguration: { level: levels[severity] },
    properties: {
      "security-severity": scores[severity],
      tags: ["security", "kubernetes", ...controls.map(describeControl)],
    },
  };
}

function resultOf(finding: Finding, ids: readonly string[], input: SarifInput): unknown {
  const { id, severity, certainty, message, because, fix } = finding;
  const index = ids.indexOf(id);
  const doubt = certainty === "possible" ? " (possibly: something is not known)" : "";
  const text = [`${message}${doubt}.`, ...because.map((reason) => `Because ${reason}.`), `Fix: ${fix}`].join("\n");
  return {
    ruleId: id,
    ...(index < 0 ? {} : { ruleIndex: index }),
    level: levels[severity],
    kind: severity === "info" ? "informational" : "fail",
    message: { text },
    ...locations(placeOfFinding(finding), describeSubject(finding), input),
    // the same finding in the next run: by what it is about, not by the line it stands in
    partialFingerprints: { "clusterSecurity/v1": `${id}|${describeSubject(finding)}` },
    ...(finding.exempt === true ? { suppressions: [{ kind: "external", justification: message }] } : {}),
    properties: { severity, certainty, controls: finding.controls.map(describeControl) },
  };
}

function locations(
  source: Finding["subject"]["source"],
  subject: string | undefined,
  { uriOf = (file) => file }: SarifInput,
): { locations?: unknown[] } {
  const names = [subject, source?.urn, source?.cluster === undefined ? undefined : `cluster ${source.cluster}`];
  const logical = names.filter((name) => name !== undefined).map((name) => ({ fullyQualifiedName: name }));
  const file = source?.file;
  const physical =
    file === undefined
      ? {}
      : {
          physicalLocation: {
            artifactLocation: { uri: uriOf(file).split("/").map(encodeURIComponent).join("/") },
            region: { startLine: source?.line ?? 1 },
          },
        };
  if (file === undefined && logical.length === 0) return {};
  return { locations: [{ ...physical, ...(logical.length === 0 ? {} : { logicalLocations: logical }) }] };
}
