/** From a plan to everything that watches it. */
import type { Plan } from "../plan";
import { PolicyMode } from "../plan";
import { alertmanagerFragment } from "./alertmanager";
import type { AlertmanagerFragment } from "./alertmanager";
import { MonitoringError } from "./errors";
import type { MonitorDraft } from "./monitors";
import { monitorsFor } from "./monitors";
import { budgetRules } from "./rules/budget";
import { calicoRules } from "./rules/calico";
import { ciliumRules } from "./rules/cilium";
import { breakGlassRules } from "./rules/break-glass";
import { declarationRules } from "./rules/declaration";
import { denialRules } from "./rules/denials";
import { istioRules } from "./rules/istio";
import { watchRules } from "./rules/watch";
import type { SeriesEstimate } from "./series";
import { estimateSeries, refuseTooMany } from "./series";
import { ciliumSupport } from "../charts";
import { checkSettings } from "./check";
import { dashboards } from "./dashboards/dashboards";
import type { Dashboard } from "./dashboards/panels";
import { procedures } from "./documents/procedures";
import type { MonitoringDocument } from "./documents/runbooks";
import { runbooks } from "./documents/runbooks";
import type { MonitoringValues } from "./values";
import { monitoringValues } from "./values";
import type { MonitoringDeclaration, MonitoringSettings } from "./settings";
import { MonitoredEnforcer, monitoringSettings } from "./settings";
import type { DeclaredPair } from "./table";
import { declaredPairs, namespaceOwners, tableRules, withoutAppLabel } from "./table";
import type { Alert, AlertingRule, RuleFile, RuleGroup, RuleSet } from "./types";

/** Namespace of the canary, unless its component says another one. */
const canaryNamespace = "cluster-security-canary";

/** Everything that watches a declaration. */
export interface MonitoringPlan {
  readonly settings: MonitoringSettings;
  /** The declared pairs, as the rules join them with denials. */
  readonly pairs: readonly DeclaredPair[];
  /** Owner of each namespace. */
  readonly owners: ReadonlyMap<string, string>;
  readonly alerts: readonly Alert[];
  readonly rules: RuleFile;
  readonly alertmanager: AlertmanagerFragment;
  readonly series: SeriesEstimate;
  readonly dashboards: readonly Dashboard[];
  /** Runbooks and procedures. */
  readonly documents: readonly MonitoringDocument[];
  /** What is scraped, for Prometheus' operator. */
  readonly monitors: readonly MonitorDraft[];
  /** What charts and scrapers have to be told. */
  readonly values: readonly MonitoringValues[];
  /** What cannot be seen, and what somebody should look at. */
  readonly warnings: readonly string[];
}

/**
 * Plans what watches a declaration: rules, routes and the series that they need.
 *
 * @throws MonitoringError where a setting is wrong, or the metrics would have more series than `maxSeries`.
 */
export function planMonitoring(plan: Plan, declared: MonitoringDeclaration = {}): MonitoringPlan {
  const settings = monitoringSettings(declared, plan);
  const problems = checkSettings(settings, plan);
  if (problems.length > 0) throw new MonitoringError(problems);
  const pairs = settings.enforcer === MonitoredEnforcer.Cilium ? declaredPairs(plan, settings) : [];
  const owners = namespaceOwners(plan, settings);
  const table: RuleSet = {
    name: "cluster-security-table",
    interval: "1m",
    recordings: tableRules(pairs, owners, plan),
    alerts: [],
  };
  const sets = [table, ...ruleSets(plan, settings)];
  const series = estimateSeries(plan, settings, pairs);
  refuseTooMany(series, settings);
  const alerts = sets.flatMap((set) => set.alerts);
  return {
    settings,
    pairs,
    owners,
    alerts,
    rules: { groups: sets.flatMap((set) => groupOf(set, settings)) },
    alertmanager: alertmanagerFragment(alerts, [...ownersOf(plan, settings, owners)], settings),
    series,
    dashboards: dashboards(plan, settings, alerts),
    documents: [...runbooks(plan, alerts, pairs), ...procedures(plan, settings, owners, alerts)],
    monitors: monitorsFor(plan, settings),
    values: monitoringValues(plan, settings, ciliumSupport.recommended),
    warnings: warningsOf(plan, settings),
  };
}

function ruleSets(plan: Plan, settings: MonitoringSettings): readonly RuleSet[] {
  const sets: RuleSet[] = [];
  if (settings.enforcer === MonitoredEnforcer.Cilium) {
    sets.push(denialRules(plan, settings), budgetRules(settings), ciliumRules(plan, settings));
  }
  if (settings.enforcer === MonitoredEnforcer.Calico) sets.push(calicoRules(settings));
  if (plan.mesh !== undefined) sets.push(istioRules(plan, settings));
  return [
    ...sets,
    declarationRules(plan, settings),
    breakGlassRules(plan),
    watchRules(plan, settings, canaryNamespace),
  ];
}

function groupOf({ name, interval, recordings, alerts }: RuleSet, settings: MonitoringSettings): RuleGroup[] {
  const rules = [...recordings, ...alerts.map((alert) => ruleOf(alert, settings))];
  return rules.length === 0 ? [] : [{ name, ...(interval === undefined ? {} : { interval }), rules }];
}

function ruleOf(alert: Alert, { runbookBase }: MonitoringSettings): AlertingRule {
  const { name, expr, severity, scope, owner, labels, summary } = alert;
  return {
    alert: name,
    expr,
    ...(alert.for === undefined ? {} : { for: alert.for }),
    ...(alert.keepFiringFor === undefined ? {} : { keep_firing_for: alert.keepFiringFor }),
    labels: { severity, scope, ...(owner === undefined ? {} : { owner }), ...labels },
    annotations: { summary, description: alert.meaning, runbook_url: `${runbookBase}/${name}.md` },
  };
}

/** Everybody whom an alert can name, sorted. */
function ownersOf(
  plan: Plan,
  { securityOwner, platformOwner }: MonitoringSettings,
  namespaces: ReadonlyMap<string, string>,
): ReadonlySet<string> {
  const flows = [...plan.flows, ...plan.exceptions, ...plan.bypasses, ...plan.breakGlass, ...plan.metadataAccess];
  return new Set([securityOwner, platformOwner, ...namespaces.values(), ...flows.map(({ owner }) => owner)].sort());
}

function warningsOf(plan: Plan, settings: MonitoringSettings): readonly string[] {
  const warnings: string[] = [];
  if (settings.enforcer === undefined) {
    warnings.push(
      `Policies of the dialect ${plan.dialect} are read by several CNIs and none is named: there are no rules about denials and enforcement. Set \`enforcer\`.`,
    );
  }
  if (settings.enforcer === MonitoredEnforcer.Calico) {
    warnings.push(
      "Calico counts no denied connections: no alert tells a declared flow that is cut from an attempt. Goldmane shows denials; record its flows and replay them.",
    );
  }
  if (settings.enforcer === MonitoredEnforcer.Cilium) {
    const unnamed = withoutAppLabel(plan, settings);
    if (unnamed.length > 0) {
      warnings.push(
        `Hubble's metrics name pods by app.kubernetes.io/name, app or k8s-app. These workloads are declared with none of them and share one series for each namespace: ${unnamed.join(", ")}. Label them, or state the label in \`appLabels\`.`,
      );
    }
    if (plan.mode === PolicyMode.Audit) {
      warnings.push("The policies only prepare (mode `audit`): the alerts about enforcement that is off are left out.");
    }
  }
  return warnings;
}
