/** Six dashboards at most, however many namespaces there are. */
import type { Plan } from "../../plan";
import { MonitoredEnforcer } from "../settings";
import type { MonitoringSettings } from "../settings";
import { declaredFlow, namespaceOwner } from "../table";
import type { Alert } from "../types";
import type { Dashboard, DashboardDraft, PanelDraft } from "./panels";
import { dashboardOf } from "./panels";

const pair = "source_namespace, source, destination_namespace, destination";
const pairLegend = "{{source_namespace}}/{{source}} → {{destination_namespace}}/{{destination}}";

/** The dashboards of a declaration. Those that nothing would be seen on are left out. */
export function dashboards(plan: Plan, settings: MonitoringSettings, alerts: readonly Alert[]): readonly Dashboard[] {
  const { enforcer } = settings;
  const onCilium = enforcer === MonitoredEnforcer.Cilium;
  const drafts: (Omit<DashboardDraft, "alerts"> | undefined)[] = [
    onCilium ? violations : undefined,
    onCilium ? traffic : undefined,
    onCilium ? ciliumCost : enforcer === MonitoredEnforcer.Calico ? calicoCost : undefined,
    onCilium ? tenants : undefined,
    encryption(plan, enforcer),
    rollout(enforcer),
  ];
  return drafts
    .filter((draft) => draft !== undefined)
    .map((draft) =>
      dashboardOf(
        { ...draft, alerts: (runbooksOf[draft.id] ?? []).filter((name) => isAmong(name, alerts)) },
        settings.runbookBase,
      ),
    );
}

function isAmong(name: string, alerts: readonly Alert[]): boolean {
  return alerts.some((alert) => alert.name === name);
}

/** Which runbooks a dashboard is for. */
const runbooksOf: Readonly<Record<string, readonly string[]>> = {
  violations: [
    "DeclaredFlowCut",
    "DeclaredFlowDenied",
    "UndeclaredFlowDenied",
    "DeclaredPairPartlyDenied",
    "MetadataEndpointTried",
    "ClosedWorkloadTried",
    "OtherTenantTried",
    "ClosedPathTried",
    "ViolationBudgetBurnsFast",
    "ViolationBudgetBurnsSlowly",
  ],
  traffic: ["DeclaredFlowDenied", "MeshConnectionDenied", "MeshRequestForbidden"],
  cost: ["PolicyPropagationSlow", "PolicyMapPressure", "FlowEventsLost", "PolicyImportFailed", "FelixDataplaneFailing"],
  tenants: ["OtherTenantTried", "ExceptionOverdue"],
  encryption: [
    "EncryptionOff",
    "UnencryptedTrafficDropped",
    "WireGuardStale",
    "PlaintextAccepted",
    "MeshTunnelBlocked",
  ],
  rollout: [
    "EnforcementOff",
    "EnforcementAudited",
    "PolicyMetricsAbsent",
    "CanaryFailed",
    "BypassOpen",
    "BypassOverdue",
    "BreakGlassOpen",
    "BreakGlassLong",
    "BreakGlassOverdue",
  ],
};

const violations: Omit<DashboardDraft, "alerts"> = {
  id: "violations",
  title: "violations",
  about:
    "Denied connections, by what they are: a declared flow that is cut, something undeclared, something that must stay closed.",
  panels: [
    {
      title: "Share of verdicts that are denials",
      about: "Held against the objective. Both windows above it burn the budget.",
      unit: "percentunit",
      queries: {
        "5 minutes": "cluster_security:violation_ratio:rate5m",
        "1 hour": "cluster_security:violation_ratio:rate1h",
      },
    },
    {
      title: "Denials by class",
      about: "Events a second. `POLICY_DENIED`: nothing allows it. `POLICY_DENY`: an explicit deny.",
      queries: { "{{reason}}": "sum by (reason) (cluster_security:drops:rate5m)" },
    },
    {
      title: "Declared flows that are cut",
      about: "Denied while nothing of it passes, with owner and id of the flow.",
      queries: {
        [`${pairLegend} ({{owner}}, {{flow}})`]: `${declaredFlow} * on (${pair}) group_left (namespace) cluster_security:cut:rate5m`,
      },
    },
    {
      title: "Undeclared, by namespace",
      about: "Denied again and again, and not declared.",
      queries: { "{{namespace}}": "sum by (namespace) (cluster_security:undeclared_denied:rate5m)" },
    },
    {
      title: "What must stay closed and was tried",
      about: "Explicit denies of the last ten minutes.",
      queries: { [pairLegend]: "cluster_security:tried:increase10m > 0" },
    },
    {
      title: "The twenty pairs that are denied most",
      about: "Events a second, declared or not.",
      queries: { [pairLegend]: "topk(20, cluster_security:denied:rate5m)" },
    },
  ],
};

const traffic: Omit<DashboardDraft, "alerts"> = {
  id: "traffic",
  title: "declared traffic",
  about: "What passes, how much of it comes about, and what of the declaration is used.",
  panels: [
    {
      title: "Connections that come about",
      about: "Of all that are tried, in the whole cluster.",
      unit: "percentunit",
      queries: { success: "cluster_security:connection_success:ratio5m" },
    },
    {
      title: "Connections that come about, by namespace",
      about: "Of all that are tried, by the namespace of the source.",
      unit: "percentunit",
      queries: { "{{namespace}}": "cluster_security:connection_success:by_namespace:ratio5m" },
    },
    {
      title: "The twenty busiest pairs",
      about: "Connections a second that pass.",
      queries: { [pairLegend]: "topk(20, cluster_security:passed:rate5m)" },
    },
    {
      title: "Declared pairs in use",
      about: "How many declared pairs had a connection within five minutes, and how many there are.",
      queries: {
        "in use": `count(${declaredFlow} and on (${pair}) cluster_security:passed:rate5m > 0)`,
        declared: `count(${declaredFlow})`,
      },
    },
    {
      title: "DNS answers by code",
      about: "Answers a second. `Refused` is what names that are closed to a pod are answered with.",
      queries: { "{{rcode}}": "sum by (rcode) (rate(hubble_dns_responses_total[5m]))" },
    },
    {
      title: "TCP flags",
      about: "Connections that are opened, ended and reset.",
      queries: { "{{flag}}": "sum by (flag) (rate(hubble_tcp_flags_total[5m]))" },
    },
  ],
};

const ciliumCost: Omit<DashboardDraft, "alerts"> = {
  id: "cost",
  title: "propagation and cost",
  about: "How long policies take to have an effect, and what policies and monitoring cost.",
  panels: [
    {
      title: "Time from a policy to the datapath",
      about: "99th percentile of ten minutes.",
      unit: "s",
      queries: { "99 %": "cluster_security:policy_delay:p99_10m" },
    },
    {
      title: "Changes of policies",
      about: "Per minute, by outcome.",
      queries: { "{{outcome}}": "sum by (outcome) (rate(cilium_policy_change_total[5m])) * 60" },
    },
    {
      title: "Policies and their revision",
      about: "The lowest revision lags behind where an agent does not keep up.",
      queries: {
        policies: "max(cilium_policy)",
        "newest revision": "max(cilium_policy_max_revision)",
        "oldest revision": "min(cilium_policy_max_revision)",
      },
    },
    {
      title: "Fullest policy map",
      about: "Of each agent; above the threshold of `bpf.policyMapPressureMetricsThreshold`.",
      unit: "percentunit",
      queries: { "{{instance}}": 'max by (instance) (cilium_bpf_map_pressure{map_name=~".*policy.*"})' },
    },
    {
      title: "Cost of monitoring: events and losses",
      about: "Flows a second that Hubble processes, and events that it lost.",
      queries: {
        flows: "sum(rate(hubble_flows_processed_total[5m]))",
        lost: "sum(rate(hubble_lost_events_total[5m]))",
      },
    },
    {
      title: "Cost of monitoring: series",
      about: "Series of the metrics that the rules read.",
      queries: {
        verdicts: "count(hubble_policy_verdicts_total)",
        drops: "count(hubble_drop_total)",
        flows: "count(hubble_flows_processed_total)",
        table: `count(${declaredFlow})`,
      },
    },
  ],
};

const calicoCost: Omit<DashboardDraft, "alerts"> = {
  id: "cost",
  title: "propagation and cost",
  about: "How long policies take to have an effect, and what they cost.",
  panels: [
    {
      title: "Time to apply an update",
      about: "99th percentile of each node.",
      unit: "s",
      queries: { "{{instance}}": 'max by (instance) (felix_int_dataplane_apply_time_seconds{quantile="0.99"})' },
    },
    {
      title: "Failures of the dataplane",
      about: "In ten minutes, by node.",
      queries: { "{{instance}}": "sum by (instance) (increase(felix_int_dataplane_failures[10m]))" },
    },
    {
      title: "Policies",
      about: "In the cluster, and in use on a node.",
      queries: {
        cluster: "max(felix_cluster_num_policies)",
        "{{instance}}": "max by (instance) (felix_active_local_policies)",
      },
    },
    {
      title: "Flows that Goldmane receives and loses",
      about: "A second.",
      queries: {
        received: "sum(rate(goldmane_aggr_received_flows_total[5m]))",
        lost: "sum(rate(goldmane_aggr_dropped_flows_total[5m]))",
      },
    },
  ],
};

const tenants: Omit<DashboardDraft, "alerts"> = {
  id: "tenants",
  title: "namespaces and tenants",
  about: "The same for each namespace, with its owner and tenant.",
  panels: [
    {
      title: "Denied, by namespace and owner",
      about: "Events a second.",
      queries: {
        "{{namespace}} ({{owner}})": `sum by (namespace) (cluster_security:denied:rate5m) * on (namespace) group_left (owner, tenant) ${namespaceOwner}`,
      },
    },
    {
      title: "Passing, by namespace and owner",
      about: "Connections a second.",
      queries: {
        "{{namespace}} ({{owner}})": `sum by (namespace) (cluster_security:passed:rate5m) * on (namespace) group_left (owner, tenant) ${namespaceOwner}`,
      },
    },
    {
      title: "Between namespaces",
      about: "Connections a second that pass from one namespace into another.",
      queries: {
        "{{source_namespace}} → {{destination_namespace}}":
          'sum by (source_namespace, destination_namespace) (cluster_security:passed:rate5m{source_namespace!="",destination_namespace!=""})',
      },
    },
    {
      title: "Out of the cluster",
      about: "Connections a second that leave, by namespace and app.",
      queries: {
        "{{source_namespace}}/{{source}}":
          'topk(20, sum by (source_namespace, source) (cluster_security:passed:rate5m{destination="reserved:world"}))',
      },
    },
  ],
};

function encryption(
  { mesh }: Plan,
  enforcer: MonitoringSettings["enforcer"],
): Omit<DashboardDraft, "alerts"> | undefined {
  const panels: PanelDraft[] = [];
  if (enforcer === MonitoredEnforcer.Cilium) {
    panels.push(
      {
        title: "Agents that encrypt",
        about: "By mode; 0 where an agent does not.",
        queries: {
          "{{mode}}": "sum by (mode) (cilium_feature_adv_connect_and_lb_transparent_encryption)",
        },
      },
      {
        title: "Dropped because it is not encrypted",
        about: "Packets a second.",
        queries: {
          dropped: 'sum(rate(cilium_drop_count_total{reason="Traffic is unencrypted"}[5m])) or vector(0)',
        },
      },
    );
  }
  if (enforcer === MonitoredEnforcer.Calico) {
    panels.push(
      {
        title: "Age of the last handshake",
        about: "Of each WireGuard peer; above 300 s while there is traffic it is stale.",
        unit: "s",
        queries: { "{{instance}}": "time() - max by (instance, peer_key) (wireguard_latest_handshake_seconds)" },
      },
      {
        title: "Encrypted bytes",
        about: "Sent a second, by node.",
        unit: "Bps",
        queries: { "{{instance}}": "sum by (instance) (rate(wireguard_bytes_sent[5m]))" },
      },
    );
  }
  if (mesh !== undefined) {
    panels.push({
      title: "Connections of the mesh by security",
      about: "A second; everything but `mutual_tls` can be read on the way.",
      queries: {
        "{{connection_security_policy}}":
          'sum by (connection_security_policy) (rate(istio_tcp_connections_opened_total{reporter="destination"}[5m]))',
      },
    });
  }
  return panels.length === 0
    ? undefined
    : {
        id: "encryption",
        title: "encryption",
        about: "What is encrypted between nodes and between workloads.",
        panels,
      };
}

function rollout(enforcer: MonitoringSettings["enforcer"]): Omit<DashboardDraft, "alerts"> {
  const panels: PanelDraft[] = [];
  if (enforcer === MonitoredEnforcer.Cilium) {
    panels.push(
      {
        title: "Endpoints by enforcement",
        about: "`audit-…` denies nothing; `none` is right in tier 0 alone.",
        queries: { "{{enforcement}}": "sum by (enforcement) (cilium_policy_endpoint_enforcement_status)" },
      },
      {
        title: "Verdicts by action",
        about: "A second; `audit` is what would be denied.",
        queries: { "{{action}}": "sum by (action) (rate(hubble_policy_verdicts_total[5m]))" },
      },
      {
        title: "Changes that succeed",
        about: "Share of changes of policies within an hour.",
        unit: "percentunit",
        queries: { success: "cluster_security:policy_change_success:ratio1h" },
      },
    );
  }
  if (enforcer === MonitoredEnforcer.Calico) {
    panels.push({
      title: "Endpoints with policies",
      about: "By node.",
      queries: { "{{instance}}": "max by (instance) (felix_active_local_endpoints)" },
    });
  }
  panels.push({
    title: "Alerts",
    about: "Firing now, by name and owner.",
    type: "table",
    queries: {
      "{{alertname}} ({{owner}})": 'count by (alertname, owner, severity) (ALERTS{alertstate="firing"}) or vector(0)',
    },
  });
  return { id: "rollout", title: "roll-out", about: "How far enforcement has come, and what fires.", panels };
}
