import type { Exemption, Finding } from "../../findings";
import { describeControl, isViolation, severities } from "../../findings";
import type { Plan } from "../../plan";
import type { Problem, Reachability, Source } from "../../reachability";
import { collectEvidence, type EvidenceInput } from "../evidence/collect";
import { incompleteness } from "../evidence/computed";
import { disagreements } from "../evidence/disagreements";
import type { Observation } from "../evidence/observations";
import type { RuleDescription } from "../sarif";
import { describeSource, describeSubject, placeOfFinding } from "../source";
import { outside, summarise, type ReachabilitySummary } from "../summary";
import { compareReports } from "./compare";
import { reportFlows } from "./flows";
import {
  reportFormat,
  type ReportFinding,
  type ReportInputFile,
  type ReportModel,
  type ReportNamespace,
  type ReportPath,
  type ReportTenant,
} from "./model";
import { homeOf, reportPaths } from "./paths";
import { reportExceptions, reportReviews } from "./registers";

/** What {@link buildReport} is made of. */
export interface ReportSource {
  readonly title: string;
  readonly subject: string;
  /** Milliseconds since 1970. */
  readonly time: number;
  /** The version of this package. */
  readonly version: string;
  readonly reachability: Reachability;
  /** Exempt ones marked, sorted. */
  readonly findings: readonly Finding[];
  readonly rules: readonly RuleDescription[];
  readonly problems: readonly Problem[];
  /** Something was not read that may be a policy for anybody. */
  readonly holes: boolean;
  readonly exemptions: readonly Exemption[];
  readonly exemptNamespaces?: readonly string[];
  /** The tenant of each namespace that belongs to one. */
  readonly tenants: ReadonlyMap<string, string>;
  readonly plan?: Plan;
  readonly observations: readonly Observation[];
  readonly inputs: readonly ReportInputFile[];
  /** How a file is named: a report is handed on. Default: as it was read. */
  readonly fileName?: (file: string) => string;
  /** An earlier report. */
  readonly before?: ReportModel;
}

/** A report, and the findings in full for forms that are written from them (OSCAL). */
export interface BuiltReport {
  readonly model: ReportModel;
  readonly findings: readonly Finding[];
}

/** Everything that a report shows. What packets contradict is a finding, too. */
export function buildReport(source: ReportSource): BuiltReport {
  const { reachability, plan, observations, before } = source;
  const at = new Date(source.time).toISOString();
  const named = namedBy(source);
  const today = at.slice(0, "YYYY-MM-DD".length);
  const tenants = tenantsOfPlan(source);
  const flows = plan === undefined ? undefined : reportFlows(plan.flows, reachability, observations);
  const incomplete = incompleteness(reachability.snapshot, source.problems, source.holes);
  const asked: EvidenceInput = {
    findings: source.findings,
    rules: source.rules,
    ...(incomplete === undefined ? {} : { incomplete }),
    ...(plan === undefined ? {} : { plan }),
    observations,
    today,
    tenantOf: (end) => tenants.get(homeOf(end) ?? ""),
  };
  const controls = collectEvidence(asked);
  const denied = (flows ?? []).filter(({ computed }) => computed === "denied");
  const contradicted = disagreements(
    {
      ...asked,
      flows: {
        allowed: (flows ?? []).filter(({ computed }) => computed === "allowed").length,
        denied: denied.map(({ from, to, ports }) => `${from} to ${to} ${ports}`),
        open: (flows ?? []).filter(({ computed }) => computed === "unknown").length,
      },
    },
    controls,
  );
  const findings = [...contradicted, ...source.findings];
  const paths = reportPaths(reachability).map((path) => (source.holes ? { ...path, possible: true as const } : path));
  const summary = summarise(reachability, {
    findings: source.findings,
    ...(source.exemptNamespaces === undefined ? {} : { exemptNamespaces: source.exemptNamespaces }),
  });
  const model: Omit<ReportModel, "comparison"> = {
    format: reportFormat,
    title: source.title,
    subject: source.subject,
    at,
    versions: { tool: source.version, enforcer: summary.enforcer },
    inputs: source.inputs,
    complete: incomplete === undefined,
    problems: source.problems.map((problem) => describeProblem(problem, named)),
    posture: postureOf(summary, findings),
    namespaces: namespacesOf(summary, findings, tenants),
    findings: findings.map((finding) => inWords(finding, named)),
    exceptions: reportExceptions(plan, source.exemptions, today),
    reviews: reportReviews(plan, today),
    ...(flows === undefined ? {} : { flows }),
    controls,
    tenants: tenantRows(tenants, paths),
    workloads: reachability.snapshot.workloads.map(({ id }) => id).sort(),
    paths,
  };
  const comparison = before === undefined ? undefined : compareReports(before, model);
  return { model: { ...model, ...(comparison === undefined ? {} : { comparison }) }, findings };
}

/** What the declaration states counts before labels of namespaces. */
function tenantsOfPlan({ tenants, plan }: ReportSource): ReadonlyMap<string, string> {
  const declared = (plan?.tenants ?? []).flatMap(({ name, namespaces }) =>
    namespaces.map((namespace) => [namespace, name] as const),
  );
  return new Map([...tenants, ...declared]);
}

type Named = (source: Source | undefined) => Source | undefined;

/** A place with its file as the report calls it. */
function namedBy({ fileName = (file) => file }: ReportSource): Named {
  return (source) => (source?.file === undefined ? source : { ...source, file: fileName(source.file) });
}

function describeProblem({ message, source }: Problem, named: Named): string {
  const place = describeSource(named(source));
  return place === undefined ? message : `${place}: ${message}`;
}

function postureOf(summary: ReachabilitySummary, findings: readonly Finding[]): ReportModel["posture"] {
  const violations = findings.filter(isViolation);
  const { workloads, policies, pairs, metadataAddresses } = summary;
  return {
    workloads,
    policies,
    pairs,
    violations: Object.fromEntries(
      severities
        .filter((severity) => severity !== "info")
        .map((severity) => [severity, violations.filter((finding) => finding.severity === severity).length]),
    ),
    possible: violations.filter(({ certainty }) => certainty === "possible").length,
    exempt: findings.filter(({ exempt }) => exempt === true).length,
    metadataAddresses,
  };
}

function namespacesOf(
  summary: ReachabilitySummary,
  findings: readonly Finding[],
  tenants: ReadonlyMap<string, string>,
): ReportNamespace[] {
  const counts = new Map<string, number>();
  for (const finding of findings.filter(isViolation)) {
    const home = namespaceOf(finding);
    if (home !== undefined) counts.set(home, (counts.get(home) ?? 0) + 1);
  }
  return summary.namespaces.map((namespace) => {
    const tenant = tenants.get(namespace.name);
    return {
      ...namespace,
      ...(tenant === undefined ? {} : { tenant }),
      violations: counts.get(namespace.name) ?? 0,
    };
  });
}

function namespaceOf({ subject: { kind, namespace, name } }: Finding): string | undefined {
  return namespace ?? (kind === "Namespace" ? name : undefined);
}

function inWords(finding: Finding, named: Named): ReportFinding {
  const { id, severity, certainty, message, because, fix, controls } = finding;
  const [place, namespace] = [describeSource(named(placeOfFinding(finding))), namespaceOf(finding)];
  const state = !isViolation(finding) ? "info" : certainty === "possible" ? "possible" : "violation";
  return {
    rule: id,
    severity,
    state: finding.exempt === true ? "exempt" : state,
    subject: describeSubject(finding),
    ...(namespace === undefined ? {} : { namespace }),
    message,
    because,
    fix,
    controls: controls.map(describeControl),
    ...(place === undefined ? {} : { place }),
  };
}

function tenantRows(tenants: ReadonlyMap<string, string>, paths: readonly ReportPath[]): ReportTenant[] {
  const names = [...new Set(tenants.values())].sort();
  const tenantOf = (end: string): string | undefined => (end === outside ? undefined : tenants.get(homeOf(end) ?? ""));
  const crossing = paths
    .map(({ from, to }) => [tenantOf(from), tenantOf(to)] as const)
    .filter(([from, to]) => from !== undefined && to !== undefined && from !== to);
  return names.map((name) => ({
    name,
    namespaces: [...tenants].flatMap(([namespace, tenant]) => (tenant === name ? [namespace] : [])).sort(),
    outgoing: crossing.filter(([from]) => from === name).length,
    incoming: crossing.filter(([, to]) => to === name).length,
  }));
}
