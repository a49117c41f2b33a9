/** Whether Cilium enforces what it is told, in time, everywhere, and whether it still reports. */
import type { Plan } from "../../plan";
import { PolicyMode } from "../../plan";
import type { MonitoringSettings } from "../settings";
import type { Alert, RuleSet } from "../types";

const status = "cilium_policy_endpoint_enforcement_status";
const encryption = "cilium_feature_adv_connect_and_lb_transparent_encryption";
const agents = "kubectl get pods -n kube-system -l k8s-app=cilium -o wide";
const agentLogs = "kubectl logs -n kube-system -l k8s-app=cilium --tail 200";
const settingsOf = "kubectl get configmap cilium-config -n kube-system -o yaml";

/** The rules about Cilium's agents, each with whom it tells. */
export function ciliumRules(plan: Plan, settings: MonitoringSettings): RuleSet {
  const { platformOwner, securityOwner, encrypted } = settings;
  return {
    name: "cluster-security-cilium",
    recordings: [
      {
        record: "cluster_security:policy_delay:p99_10m",
        expr: "histogram_quantile(0.99, sum by (le) (rate(cilium_policy_implementation_delay_bucket[10m])))",
      },
    ],
    alerts: [
      ...enforcement(plan, securityOwner),
      importFailed(platformOwner),
      propagationSlow(platformOwner),
      mapPressure(platformOwner),
      flowEventsLost(platformOwner),
      unencryptedTrafficDropped(platformOwner),
      encryptionOff(securityOwner, encrypted),
    ],
  };
}

/** Where policies are to be enforced: whether they are. */
function enforcement({ mode, enforcerAudits }: Plan, owner: string): readonly Alert[] {
  if (mode !== PolicyMode.Enforce) return [];
  return enforcerAudits ? [enforcementOff(owner)] : [enforcementOff(owner), enforcementAudited(owner)];
}

const common = { source: "cilium", scope: "cluster" } as const satisfies Partial<Alert>;

const notEnforced = {
  ...common,
  severity: "critical",
  for: "2m",
  keepFiringFor: "5m",
  impact: "Every flow passes, declared or not, metadata endpoints included.",
  commands: [settingsOf, agents, "cluster-security verify --context $context"],
  rollBack: "Revert the change of the agent's settings.",
} as const satisfies Partial<Alert>;

function enforcementOff(owner: string): Alert {
  return {
    ...notEnforced,
    name: "EnforcementOff",
    owner,
    expr: `sum(${status}{enforcement!~"none|audit-.*"} or vector(0)) == 0\n  and on () sum(${status}) > 0`,
    summary: "Cilium enforces no policy on any endpoint.",
    meaning: "No agent enforces a policy on any of its endpoints, although policies are declared.",
    confirm: "`enable-policy` is `never` in the agents' settings, or the policies are gone.",
    mitigate:
      "Set `policyEnforcementMode` to `default` and restart the agents; apply the stack where policies are gone.",
  };
}

function enforcementAudited(owner: string): Alert {
  return {
    ...notEnforced,
    name: "EnforcementAudited",
    owner,
    expr: `sum by (instance) (${status}{enforcement=~"audit-.*"}) > 0`,
    summary: "The agent {{ $labels.instance }} only audits policies on {{ $value }} endpoints.",
    meaning: "Audit mode is on for some endpoints: their policies are evaluated and nothing is denied.",
    confirm: "`policy-audit-mode` is on in the agent's settings, or was set for single endpoints.",
    mitigate: "Turn audit mode off: `policyAuditMode: false` in the chart's values.",
  };
}

function importFailed(owner: string): Alert {
  return {
    ...common,
    name: "PolicyImportFailed",
    severity: "critical",
    owner,
    expr: 'sum by (instance) (increase(cilium_policy_change_total{outcome=~"fail|failure"}[15m])) > 0.5',
    keepFiringFor: "10m",
    summary: "The agent {{ $labels.instance }} could not take over a policy.",
    meaning: "An agent refused a policy. It goes on with what it had before.",
    impact: "What the policy was to close is open, or what it was to open is closed, on that node.",
    commands: ["kubectl get ciliumnetworkpolicies --all-namespaces -o wide", agentLogs, agents],
    confirm: "A policy has the condition `Valid: False`, or the agent's log names it.",
    mitigate: "Correct the policy; policies of this package are corrected in the declaration.",
    rollBack: "Revert the last change in the declaration and run `pulumi up`.",
  };
}

function propagationSlow(owner: string): Alert {
  return {
    ...common,
    name: "PolicyPropagationSlow",
    severity: "warning",
    owner,
    expr:
      "cluster_security:policy_delay:p99_10m > 5\n" +
      "  and on () sum(rate(cilium_policy_implementation_delay_count[10m])) > 0.01",
    for: "10m",
    keepFiringFor: "10m",
    summary: "Policies take {{ $value | humanizeDuration }} to reach the datapath (99th percentile).",
    meaning: "The time from a change of a policy to its effect is above five seconds for one change in a hundred.",
    impact: "New pods wait for their flows, and what was closed stays open for that long.",
    commands: [agents, "kubectl top pods -n kube-system -l k8s-app=cilium", agentLogs],
    confirm: "The dashboard of propagation shows which part of the time grew.",
    mitigate: "Give the agents more CPU; reduce how often labels of pods change.",
    rollBack: "Revert the change of the agent's resources or settings.",
  };
}

function mapPressure(owner: string): Alert {
  return {
    ...common,
    name: "PolicyMapPressure",
    severity: "warning",
    owner,
    expr: 'max by (instance, map_name) (cilium_bpf_map_pressure{map_name=~".*policy.*"}) > 0.9',
    for: "5m",
    keepFiringFor: "15m",
    summary: "The policy map on {{ $labels.instance }} is {{ $value | humanizePercentage }} full.",
    meaning: "An endpoint has almost as many policy entries as its map can hold.",
    impact: "Entries beyond the limit are lost: what they allow is denied.",
    commands: [agents, "kubectl get ciliumendpoints --all-namespaces", "kubectl get ciliumidentities"],
    confirm: "The number of identities or of ranges that a rule selects grew.",
    mitigate: "Raise `bpf.policyMapMax`, or select fewer identities with the rule.",
    rollBack: "Revert the rule that selects too much.",
  };
}

function flowEventsLost(owner: string): Alert {
  return {
    ...common,
    name: "FlowEventsLost",
    severity: "warning",
    source: "hubble",
    owner,
    expr: [
      "sum by (instance) (rate(hubble_lost_events_total[10m]))",
      "  > 0.01 * sum by (instance) (rate(hubble_flows_processed_total[10m]))",
      "  and sum by (instance) (rate(hubble_lost_events_total[2m])) > 1",
    ].join("\n"),
    for: "5m",
    keepFiringFor: "10m",
    summary: "Hubble on {{ $labels.instance }} loses more than one event in a hundred.",
    meaning: "The agent records more than Hubble can read: events are overwritten.",
    impact: "Denials may be among what is lost. Counters and recordings of flows are too low.",
    commands: [agents, "hubble status", settingsOf],
    confirm: "`hubble status` shows fewer flows a second than the agent's counters.",
    mitigate: "Raise `hubble.eventQueueSize` and `hubble.eventBufferCapacity`, or raise the monitor's aggregation.",
    rollBack: "Revert the change that made the agents report more.",
  };
}

function unencryptedTrafficDropped(owner: string): Alert {
  return {
    ...common,
    name: "UnencryptedTrafficDropped",
    severity: "warning",
    owner,
    expr: [
      'sum by (instance) (rate(cilium_drop_count_total{reason="Traffic is unencrypted"}[10m])) > 0.1',
      '  and sum by (instance) (rate(cilium_drop_count_total{reason="Traffic is unencrypted"}[2m])) > 0.1',
    ].join("\n"),
    for: "5m",
    keepFiringFor: "10m",
    summary: "The agent {{ $labels.instance }} drops traffic between pods because it is not encrypted.",
    meaning: "Strict encryption is on, and traffic that is to be encrypted leaves or arrives in the clear.",
    impact: "Connections between some nodes do not work.",
    commands: [agents, "kubectl get ciliumnodes -o wide", agentLogs],
    confirm: "The nodes at both ends know each other's keys: CiliumNode carries the annotation of the public key.",
    mitigate: "Restart the agent of the node whose key is missing.",
    rollBack: "Revert the change of `encryption` in the chart's values.",
  };
}

function encryptionOff(owner: string, isRequired: boolean): Alert {
  return {
    ...common,
    name: "EncryptionOff",
    severity: "critical",
    owner,
    expr: isRequired
      ? `max by (instance) (${encryption}) == 0`
      : `max by (instance) (${encryption}) == 0\n  and on () max(${encryption}) == 1`,
    for: "10m",
    keepFiringFor: "10m",
    summary: "The agent {{ $labels.instance }} does not encrypt traffic to other nodes.",
    meaning: "An agent runs without transparent encryption although the cluster is to have it.",
    impact: "What its pods send to other nodes can be read on the way.",
    commands: [settingsOf, agents, agentLogs],
    confirm: "The agent started before the setting changed, or its node lacks WireGuard.",
    mitigate: "Restart the agent; move its pods to other nodes until it encrypts.",
    rollBack: "Revert the change of `encryption` in the chart's values.",
  };
}
