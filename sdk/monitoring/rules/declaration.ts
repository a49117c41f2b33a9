/** What the declaration itself says has an end: bypasses, exceptions, reviews. And the canary, and metrics that are gone. */
import type { Plan } from "../../plan";
import { describePlannedPeer } from "../../plan";
import { MonitoredEnforcer } from "../settings";
import type { MonitoringSettings } from "../settings";
import type { Alert, Labels, RecordingRule, RuleSet } from "../types";

/** Seconds since 1970 at which something ends; labels say what. */
const ends = "cluster_security:ends_at_seconds";

/** The second after the last of a day. */
function endOf(day: string): number {
  return Date.parse(`${day}T00:00:00Z`) / 1000 + 86_400;
}

function ending(kind: string, day: string, labels: Labels): RecordingRule {
  return { record: ends, expr: `vector(${endOf(day)})`, labels: { kind, ...labels, until: day } };
}

/** The rules about what ends. Absent kinds have no rules. */
export function declarationRules(plan: Plan, { securityOwner }: MonitoringSettings): RuleSet {
  const bypasses = plan.bypasses.map(({ of, owner, expires }) => ending("bypass", expires, { subject: of, owner }));
  const exceptions = plan.exceptions
    .filter(({ state }) => state !== "closed")
    .map(({ from, to, owner, expires }) => ending("exception", expires, { subject: `${from} → ${to}`, owner }));
  const metadata = plan.metadataAccess.flatMap(({ workload, service, owner, expires }) =>
    expires === undefined ? [] : [ending("exception", expires, { subject: `${workload} → ${service}`, owner })],
  );
  const reviews = plan.flows.flatMap(({ id, from, to, owner, reviewBy }) =>
    reviewBy === undefined || reviewBy === plan.reviewBy
      ? []
      : [
          ending("review", reviewBy, {
            subject: `${describePlannedPeer(from)} → ${describePlannedPeer(to)}`,
            owner,
            flow: id,
          }),
        ],
  );
  const whole =
    plan.reviewBy === undefined
      ? []
      : [ending("review", plan.reviewBy, { subject: "all policies", owner: securityOwner })];
  const recordings = unique([...bypasses, ...exceptions, ...metadata, ...reviews, ...whole]);
  const has = (kind: string): boolean => recordings.some(({ labels }) => labels?.["kind"] === kind);
  const common = {
    scope: "flow",
    source: "declaration",
    rollBack: "Nothing was changed, so nothing goes back.",
  } as const satisfies Partial<Alert>;
  const posture = "pulumi stack output posture";
  return {
    name: "cluster-security-declaration",
    interval: "1m",
    recordings,
    alerts: [
      ...(has("bypass")
        ? ([
            {
              ...common,
              name: "BypassOpen",
              severity: "info",
              expr: `${ends}{kind="bypass"} > time()`,
              for: "1m",
              summary: "Policies of {{ $labels.subject }} may be lifted by a label until {{ $labels.until }}.",
              meaning: "The declaration has a bypass: pods that carry its label have no policies but explicit denies.",
              impact: "A labelled pod reaches everything, and is reached by everything.",
              commands: [
                "kubectl get pods --all-namespaces -l policy-bypass.pulumi-cluster-security/until",
                posture,
                "pulumi stack history",
              ] as const,
              confirm: "Pods carry the label.",
              mitigate: "Remove the label from the pods once they are debugged, and the bypass from the declaration.",
            },
            {
              ...common,
              name: "BypassOverdue",
              severity: "critical",
              expr: `${ends}{kind="bypass"} <= time()`,
              for: "1m",
              summary:
                "The bypass of {{ $labels.subject }} ended on {{ $labels.until }} and its policy may still be in place.",
              meaning: "The last day of a bypass is over. Its policy goes with the next `pulumi up`, not before.",
              impact: "Pods that still carry the label have no policies but explicit denies.",
              commands: [
                "kubectl get pods --all-namespaces -l policy-bypass.pulumi-cluster-security/until",
                "pulumi preview",
                posture,
              ] as const,
              confirm: "The policy of the bypass is still in the cluster.",
              mitigate: "Run `pulumi up`.",
            },
          ] satisfies Alert[])
        : []),
      ...(has("exception")
        ? ([
            {
              ...common,
              name: "ExceptionOverdue",
              severity: "warning",
              expr: `${ends}{kind="exception"} <= time()`,
              for: "1m",
              summary: "The exception {{ $labels.subject }} ended on {{ $labels.until }}.",
              meaning: "The last day of an exception is over, and it still lets traffic pass.",
              impact: "Something is open that was to be closed by now.",
              commands: [posture, "pulumi preview", "cluster-security check --context $context"] as const,
              confirm: "The exception is still in the declaration.",
              mitigate: "Renew it with its owner, or remove it and run `pulumi up`.",
            },
          ] satisfies Alert[])
        : []),
      ...(has("review")
        ? ([
            {
              ...common,
              name: "ReviewOverdue",
              severity: "warning",
              expr: `${ends}{kind="review"} <= time()`,
              for: "1m",
              summary: "The review of {{ $labels.subject }} was due on {{ $labels.until }}.",
              meaning: "The day by which somebody was to look at it again has passed.",
              impact: "What is open may no longer be needed.",
              commands: [posture, "cluster-security check --context $context", "pulumi preview"] as const,
              confirm: "The declaration still has that day.",
              mitigate: "Review it with its owner, and set the next day.",
            },
          ] satisfies Alert[])
        : []),
    ],
  };
}

/** Two exceptions of the same ends and day are one series. */
function unique(rules: readonly RecordingRule[]): readonly RecordingRule[] {
  return [...new Map(rules.map((rule) => [JSON.stringify(rule.labels), rule])).values()];
}

/** Whether the metrics that the alerts stand on are there, and what the canary found. */
export function watchRules(
  plan: Plan,
  { enforcer, platformOwner, securityOwner }: MonitoringSettings,
  canaryNamespace: string,
): RuleSet {
  const metrics = [
    ...(enforcer === MonitoredEnforcer.Cilium
      ? [
          "hubble_policy_verdicts_total",
          "hubble_flows_processed_total",
          "cilium_policy_endpoint_enforcement_status",
          "cilium_policy_change_total",
          "cilium_forward_count_total",
        ]
      : []),
    ...(enforcer === MonitoredEnforcer.Calico ? ["felix_cluster_num_policies", "felix_active_local_endpoints"] : []),
    ...(plan.mesh === undefined ? [] : ["istio_tcp_connections_opened_total"]),
  ];
  const absent = metrics.map((metric): Alert => {
    return {
      name: "PolicyMetricsAbsent",
      severity: "critical",
      scope: "cluster",
      source: "declaration",
      owner: platformOwner,
      labels: { metric },
      expr: `absent(${metric})`,
      for: "10m",
      keepFiringFor: "5m",
      summary: `The metric ${metric} is gone: alerts that stand on it stay silent.`,
      meaning: "No series of a metric has been scraped for ten minutes.",
      impact: "Nobody hears of denials, nor of enforcement that is off.",
      commands: [
        "kubectl get servicemonitors,podmonitors --all-namespaces",
        "kubectl get pods -n kube-system -l k8s-app=cilium -o wide",
        "kubectl get networkpolicies --all-namespaces",
      ],
      confirm: "Prometheus lists the target as down or not at all.",
      mitigate: "Turn the metrics on again, and let Prometheus reach their port.",
      rollBack: "Revert the change of the chart's values or of the scrape configuration.",
    };
  });
  return {
    name: "cluster-security-watch",
    interval: "30s",
    recordings: [],
    alerts: [
      ...absent,
      {
        name: "CanaryFailed",
        severity: "critical",
        scope: "cluster",
        source: "kube-state-metrics",
        owner: securityOwner,
        expr: `max by (job_name) (kube_job_status_failed{namespace="${canaryNamespace}"}) > 0`,
        for: "1m",
        keepFiringFor: "10m",
        summary: "The enforcement canary failed: {{ $labels.job_name }}.",
        meaning:
          "A pod under a deny-all opened a connection, or was reached, or an allowed connection did not come about.",
        impact: "No policy protects anything until the CNI enforces them.",
        commands: [
          `kubectl get jobs,pods -n ${canaryNamespace}`,
          `kubectl get pods -n ${canaryNamespace} -o yaml`,
          "cluster-security verify --context $context",
        ],
        confirm: "The termination message of the failed pod says which check failed.",
        mitigate: "Treat every namespace as open. Repair the CNI, then run `pulumi up` with another `trigger`.",
        rollBack: "Go back to the version of the CNI that passed.",
      },
    ],
  };
}
