/** Whether the metrics that the alerts read are there, and what the canary found. */
import type { Plan } from "../../plan";
import { MonitoredEnforcer } from "../settings";
import type { MonitoringSettings } from "../settings";
import type { Alert, RuleSet } from "../types";

/** What the alerts read, by what enforces. */
const metricsOf: Readonly<Record<MonitoredEnforcer, readonly string[]>> = {
  [MonitoredEnforcer.Cilium]: [
    "hubble_policy_verdicts_total",
    "hubble_flows_processed_total",
    "cilium_policy_endpoint_enforcement_status",
    "cilium_policy_change_total",
    "cilium_forward_count_total",
  ],
  [MonitoredEnforcer.Calico]: ["felix_cluster_num_policies", "felix_active_local_endpoints"],
};

/** The rules about what the other rules need. */
export function watchRules({ mesh }: Plan, settings: MonitoringSettings, canaryNamespace: string): RuleSet {
  const { enforcer, platformOwner, securityOwner } = settings;
  const metrics = [
    ...(enforcer === undefined ? [] : metricsOf[enforcer]),
    ...(mesh === undefined ? [] : ["istio_tcp_connections_opened_total"]),
  ];
  return {
    name: "cluster-security-watch",
    interval: "30s",
    recordings: [],
    alerts: [
      ...metrics.map((metric) => metricAbsent(platformOwner, metric)),
      canaryFailed(securityOwner, canaryNamespace),
    ],
  };
}

function metricAbsent(owner: string, metric: string): Alert {
  return {
    name: "PolicyMetricsAbsent",
    severity: "critical",
    scope: "cluster",
    source: "declaration",
    owner,
    labels: { metric },
    expr: `absent(${metric})`,
    for: "10m",
    keepFiringFor: "5m",
    summary: `The metric ${metric} is gone: alerts that stand on it stay silent.`,
    meaning: "No series of a metric has been scraped for ten minutes.",
    impact: "Nobody hears of denials, nor of enforcement that is off.",
    commands: [
      "kubectl get servicemonitors,podmonitors --all-namespaces",
      podsBehind(metric),
      "kubectl get networkpolicies --all-namespaces",
    ],
    confirm: "Prometheus lists the target as down or not at all.",
    mitigate: "Turn the metrics on again, and let Prometheus reach their port.",
    rollBack: "Revert the change of the chart's values or of the scrape configuration.",
  };
}

/** The pods that export a metric. */
function podsBehind(metric: string): string {
  if (metric.startsWith("felix_")) return "kubectl get pods -n calico-system -l k8s-app=calico-node -o wide";
  if (metric.startsWith("istio_")) return "kubectl get pods -n istio-system -o wide";
  return "kubectl get pods -n kube-system -l k8s-app=cilium -o wide";
}

function canaryFailed(owner: string, namespace: string): Alert {
  return {
    name: "CanaryFailed",
    severity: "critical",
    scope: "cluster",
    source: "kube-state-metrics",
    owner,
    expr: `max by (job_name) (kube_job_status_failed{namespace="${namespace}"}) > 0`,
    for: "1m",
    keepFiringFor: "10m",
    summary: "The enforcement canary failed: {{ $labels.job_name }}.",
    meaning: "A pod under a deny-all opened a connection, or was reached, or an allowed connection did not come about.",
    impact: "No policy protects anything until the CNI enforces them.",
    commands: [
      `kubectl get jobs,pods -n ${namespace}`,
      `kubectl get pods -n ${namespace} -o yaml`,
      "cluster-security verify --context $context",
    ],
    confirm: "The termination message of the failed pod says which check failed.",
    mitigate: "Treat every namespace as open. Repair the CNI, then run `pulumi up` with another `trigger`.",
    rollBack: "Go back to the version of the CNI that passed.",
  };
}
