import { compile, type Reachability } from "../reachability";
import { rules as allRules } from "./rules";
import { tenantsOf } from "./tenants";
import { defaultPolicyNames, defaultTiers, severities } from "./types";
import type { Finding, FindingOptions, RuleContext } from "./types";

/**
 * Everything the rules find in a snapshot, sorted: violations before what is only possible before what is exempt, then
 * by severity, rule, subject and message. The order does not depend on the order of the objects.
 */
export function evaluate(judged: Reachability, options: FindingOptions = {}): Finding[] {
  const reachability = withoutMeshEgress(judged);
  const context: RuleContext = {
    reachability,
    tiers: {
      exemptNamespaces: options.exemptNamespaces ?? defaultTiers.exemptNamespaces,
      platformNamespaces: options.platformNamespaces ?? defaultTiers.platformNamespaces,
    },
    standIns: options.standIns ?? new Map(),
    tenants: tenantsOf(reachability.snapshot, options),
    tenantExceptions: options.tenantExceptions ?? "each-side",
    policyNames: options.policyNames ?? defaultPolicyNames,
    ...(options.today === undefined ? {} : { today: options.today }),
    ...(options.dependencies === undefined ? {} : { dependencies: options.dependencies }),
  };
  const findings: Finding[] = [];
  for (const rule of options.rules ?? allRules) findings.push(...rule.check(context));
  return sortFindings(once(findings));
}

/**
 * The network and the mesh at the destinations alone: what sidecars keep in is no protection, since whoever has a pod gets
 * past its proxy (Istio's security best practices, "Understand traffic capture limitations").
 */
function withoutMeshEgress(reachability: Reachability): Reachability {
  const { snapshot } = reachability;
  const { meshEgress, ...rules } = snapshot.rules;
  return meshEgress === undefined ? reachability : compile({ ...snapshot, rules });
}

/** Findings that say the same are one, with the causes of all: the same object may lie in several files. */
function once(findings: readonly Finding[]): Finding[] {
  const kept = new Map<string, Finding>();
  for (const finding of findings) {
    const { id, certainty, exempt, subject, message, because } = finding;
    const urn = subject.source?.urn;
    const key = JSON.stringify([
      id,
      certainty,
      exempt === true,
      urn,
      subject.kind,
      subject.namespace,
      subject.name,
      message,
      because,
    ]);
    const first = kept.get(key);
    const causes = [...(first?.causes ?? []), ...(finding.causes ?? [])];
    kept.set(key, causes.length === 0 ? (first ?? finding) : { ...(first ?? finding), causes });
  }
  return [...kept.values()];
}

/** The order of {@link evaluate}, for findings from more than one snapshot. */
export function sortFindings(findings: readonly Finding[]): Finding[] {
  return findings
    .map((finding) => ({ finding, key: sortKey(finding) }))
    .sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0))
    .map((item) => item.finding);
}

function sortKey(finding: Finding): string {
  const { subject } = finding;
  return JSON.stringify([
    finding.exempt === true ? 2 : finding.certainty === "definite" ? 0 : 1,
    severities.indexOf(finding.severity),
    finding.id,
    subject.namespace ?? "",
    subject.kind,
    subject.name,
    finding.message,
  ]);
}

/** Whether a finding says that something is wrong (or may be), and not merely that something is exempt. */
export function isViolation(finding: Finding): boolean {
  return finding.exempt !== true && finding.severity !== "info";
}
