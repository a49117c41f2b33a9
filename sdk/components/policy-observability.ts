import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import type { MonitoringDeclaration, MonitoringPlan } from "../monitoring/index";
import { MonitoringError, planMonitoring, prometheusRule, readMonitoringDeclaration } from "../monitoring/index";
import type { ClusterSecurityDeclaration, Plan } from "../plan/index";
import { DeclarationError, plan } from "../plan/index";
import { kindOf } from "../plan/errors";
import type { ArgumentCheck } from "./arguments";
import { checkArguments, isAnything, isFlag, isNamespace } from "./arguments";
import { readArguments } from "./errors";
import { today } from "./exceptions";
import { lateFields, readPlan } from "./late-values";
import { typeToken } from "./type-tokens";

/** How a declaration is watched. */
export interface ObservabilityArgs extends MonitoringDeclaration {
  /** Namespace of the rules and the dashboards, which exists. Defaults to `monitoring`. */
  namespace?: string;
  /** Labels by which Prometheus finds its rules and monitors, such as `release: kube-prometheus-stack`. Defaults to none. */
  labels?: { [key: string]: string };
  /** The rules, as a PrometheusRule; needs Prometheus' operator, 0.65 or newer. Defaults to true. */
  rules?: boolean;
  /** What is scraped, as PodMonitors and, for Calico, a Service and its ServiceMonitor; needs Prometheus' operator. Defaults to true. */
  monitors?: boolean;
  /** The dashboards, as ConfigMaps with the label `grafana_dashboard: "1"`. Defaults to true. */
  dashboards?: boolean;
}

/** Arguments of `PolicyObservability`. */
export interface PolicyObservabilityArgs extends ObservabilityArgs {
  /** What is declared: the arguments of `ClusterSecurity`. */
  declaration: ClusterSecurityDeclaration;
}

/** Summary of a `PolicyObservability`. */
export interface ObservabilityPosture {
  /** Namespace of the rules and the dashboards. */
  namespace: string;
  /** Names of the alerts. */
  alerts: string[];
  /** Ids of the dashboards. */
  dashboards: string[];
  /** Owners whom alerts reach. */
  owners: string[];
  /** Declared pairs that denied connections are compared with. */
  declaredPairs: number;
  /** About how many series the metrics have. */
  series: number;
  /** What cannot be seen. */
  warnings: string[];
}

/** How the fields of `ObservabilityArgs` are checked; numbers and lists are checked where they are used. */
export const observabilityArguments: Readonly<Record<keyof ObservabilityArgs, ArgumentCheck>> = {
  appLabels: isAnything,
  dashboards: isFlag,
  encrypted: isFlag,
  enforcer: isAnything,
  flowLog: isAnything,
  labels: isAnything,
  leastTraffic: isAnything,
  maxSeries: isAnything,
  monitors: isFlag,
  mutes: isAnything,
  namespace: isNamespace,
  namespaceOwners: isAnything,
  objective: isAnything,
  platformOwner: isAnything,
  podLabels: isFlag,
  nodes: isAnything,
  rules: isFlag,
  runbookBase: isAnything,
  scrapeInterval: isAnything,
  securityOwner: isAnything,
  ztunnelNamespace: isNamespace,
};

/**
 * The plan of what watches a declaration.
 *
 * @throws DeclarationError for what is wrong with the settings.
 */
function observed(planned: Plan, args: ObservabilityArgs): MonitoringPlan {
  const { namespace: _namespace, labels: _labels, rules: _rules, monitors: _monitors, dashboards: _, ...rest } = args;
  const given = Object.fromEntries(Object.entries(rest).filter(([, value]) => value !== undefined));
  try {
    return planMonitoring(planned, readMonitoringDeclaration(given));
  } catch (error) {
    if (!(error instanceof MonitoringError)) throw error;
    throw new DeclarationError(error.problems);
  }
}

/** A plan, and what watches it. */
interface Observed {
  readonly planned: Plan;
  /** What watches the plan; made before anything is registered, so that wrong settings are refused. */
  readonly monitoring: MonitoringPlan;
  /** The same of the plan with other values of its outputs. */
  readonly monitoringOf: (plan: Plan) => MonitoringPlan;
}

/** Plans what watches a plan, so that wrong settings are refused before anything is registered. */
export function observe(planned: Plan, args: ObservabilityArgs): Observed {
  const monitoring = readArguments(() => observed(planned, args));
  return { planned, monitoring, monitoringOf: (one) => (one === planned ? monitoring : observed(one, args)) };
}

/**
 * Registers what watches a plan.
 *
 * @returns What it registered.
 */
export function registerObservability(
  name: string,
  { planned, monitoring, monitoringOf }: Observed,
  args: ObservabilityArgs,
  options: pulumi.CustomResourceOptions,
): pulumi.Resource[] {
  const namespace = args.namespace ?? defaultNamespace;
  const labels = { "app.kubernetes.io/managed-by": "pulumi-cluster-security", ...args.labels };
  const resources: pulumi.Resource[] = [];
  for (const warning of monitoring.warnings) void pulumi.log.warn(warning, options.parent);
  if (args.rules ?? true) {
    const { apiVersion, kind, metadata } = prometheusRule(monitoring.rules, {
      name: "cluster-security",
      namespace,
      labels,
    });
    // the table has owners and reasons, which may be outputs
    const { spec } = lateFields(planned, (one) => ({ spec: monitoringOf(one).rules }), true);
    resources.push(
      new k8s.apiextensions.CustomResource(
        `${name}-rules`,
        { apiVersion, kind, metadata: { ...metadata }, spec },
        options,
      ),
    );
  }
  if (args.monitors ?? true) {
    for (const { apiVersion, kind, name: own, spec, ...place } of monitoring.monitors) {
      const metadata = { name: own, namespace: place.namespace ?? namespace, labels: { ...labels, ...place.labels } };
      resources.push(
        kind === "Service"
          ? new k8s.core.v1.Service(`${name}-${own}`, { metadata, spec: { ...spec } }, options)
          : new k8s.apiextensions.CustomResource(`${name}-${own}`, { apiVersion, kind, metadata, spec }, options),
      );
    }
  }
  if (args.dashboards ?? true) {
    for (const dashboard of monitoring.dashboards) {
      const metadata = { name: dashboard.uid, namespace, labels: { ...labels, grafana_dashboard: "1" } };
      const data = { [`${dashboard.uid}.json`]: JSON.stringify(dashboard, null, 2) };
      resources.push(new k8s.core.v1.ConfigMap(`${name}-${dashboard.uid}`, { metadata, data }, options));
    }
  }
  return resources;
}

const defaultNamespace = "monitoring";

/** What is in it is checked by the planner. */
const isDeclaration: ArgumentCheck = (_reader, path, value, problems) => {
  if (kindOf(value) !== "object") {
    problems.add(
      path,
      value,
      "is no declaration",
      "Pass the arguments of ClusterSecurity: namespaces, workloads, flows.",
    );
  }
};

function postureOf(monitoring: MonitoringPlan, args: ObservabilityArgs): ObservabilityPosture {
  return {
    namespace: args.namespace ?? defaultNamespace,
    alerts: [...new Set(monitoring.alerts.map(({ name }) => name))].sort(),
    dashboards: monitoring.dashboards.map(({ uid }) => uid),
    owners: monitoring.alertmanager.receivers.map(({ name }) => name.replace(/^owner-/, "")),
    declaredPairs: monitoring.pairs.length,
    series: monitoring.series.total,
    warnings: [...monitoring.warnings],
  };
}

/**
 * Watches what is declared: rules that tell a declared flow that is cut from an attempt, what is scraped for them, and
 * dashboards. Routes for Alertmanager, runbooks and values of charts are files, which `cluster-security monitoring` writes.
 *
 * @throws DeclarationError with everything that is wrong with the declaration or the settings.
 */
export class PolicyObservability extends pulumi.ComponentResource {
  /** Names of the alerts. */
  public readonly alerts: pulumi.Output<string[]>;
  /** Ids of the dashboards. */
  public readonly dashboards: pulumi.Output<string[]>;
  /** What cannot be seen. */
  public readonly warnings: pulumi.Output<string[]>;
  /** All of it in one object. */
  public readonly posture: pulumi.Output<ObservabilityPosture>;

  constructor(name: string, args: PolicyObservabilityArgs, opts?: pulumi.ComponentResourceOptions) {
    checkArguments(args, opts, { ...observabilityArguments, declaration: isDeclaration }, true);
    const { declaration, ...settings } = args;
    const planned = readPlan(declaration, (declared) => plan({ ...declared, asOf: declared.asOf ?? today() }));
    const watched = observe(planned, settings);
    super(typeToken("PolicyObservability"), name, args, opts);
    registerObservability(name, watched, settings, { parent: this });
    const posture = lateFields(planned, (one) => postureOf(watched.monitoringOf(one), settings), true);
    const whole = pulumi.output(posture) as unknown as pulumi.Output<ObservabilityPosture>;
    this.posture = whole;
    this.alerts = whole.alerts;
    this.dashboards = whole.dashboards;
    this.warnings = whole.warnings;
    this.registerOutputs({ alerts: this.alerts, dashboards: this.dashboards, warnings: this.warnings, posture: whole });
  }
}
