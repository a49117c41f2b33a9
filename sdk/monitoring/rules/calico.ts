/** Whether Felix enforces what it is told. Calico counts no denied connections, so there is no rule about single flows. */
import type { MonitoringSettings } from "../settings";
import type { Alert, RuleSet } from "../types";

const nodes = "kubectl get pods -n calico-system -l k8s-app=calico-node -o wide";
const logs = "kubectl logs -n calico-system -l k8s-app=calico-node --tail 200";
const felix = "kubectl get felixconfigurations default -o yaml";

/** The rules about Felix, WireGuard and Goldmane, each with whom it tells. */
export function calicoRules({ platformOwner, securityOwner }: MonitoringSettings): RuleSet {
  return {
    name: "cluster-security-calico",
    recordings: [],
    alerts: [
      enforcementOff(securityOwner),
      dataplaneFailing(platformOwner),
      propagationSlow(platformOwner),
      wireGuardStale(securityOwner),
      flowEventsLost(platformOwner),
    ],
  };
}

const common = {
  source: "calico",
  scope: "cluster",
  commands: [nodes, logs, felix],
} as const satisfies Partial<Alert>;

function enforcementOff(owner: string): Alert {
  return {
    ...common,
    name: "EnforcementOff",
    severity: "critical",
    owner,
    expr: "max(felix_cluster_num_policies) == 0\n  and on () sum(felix_active_local_endpoints) > 0",
    for: "2m",
    keepFiringFor: "5m",
    summary: "Felix knows no policy, although policies are declared.",
    meaning: "No agent has a policy to enforce: they are gone, or the agents cannot read them.",
    impact: "Every flow passes, declared or not, metadata endpoints included.",
    confirm:
      "`kubectl get globalnetworkpolicies.projectcalico.org` lists nothing, or Felix cannot reach its datastore.",
    mitigate: "Apply the stack where policies are gone; restart the agents where they are there.",
    rollBack: "Revert the change that removed the policies.",
  };
}

function dataplaneFailing(owner: string): Alert {
  return {
    ...common,
    name: "FelixDataplaneFailing",
    severity: "critical",
    owner,
    expr:
      "sum by (instance) (increase(felix_int_dataplane_failures[10m])) > 2\n" +
      "  and sum by (instance) (increase(felix_int_dataplane_failures[2m])) > 0",
    for: "5m",
    keepFiringFor: "10m",
    summary: "Felix on {{ $labels.instance }} cannot apply policies to the dataplane.",
    meaning: "Updates of the dataplane fail and are tried again.",
    impact: "New policies have no effect on that node, and new pods may have no network.",
    confirm: "Felix's log shows what failed: iptables, nftables, ipsets or BPF.",
    mitigate: "Restart the agent; move pods to other nodes where it goes on.",
    rollBack: "Revert the last change of the dataplane's settings.",
  };
}

function propagationSlow(owner: string): Alert {
  return {
    ...common,
    name: "PolicyPropagationSlow",
    severity: "warning",
    owner,
    expr:
      'max by (instance) (felix_int_dataplane_apply_time_seconds{quantile="0.99"}) > 5\n' +
      "  and sum by (instance) (increase(felix_int_dataplane_apply_time_seconds_count[10m])) > 5",
    for: "10m",
    keepFiringFor: "10m",
    summary:
      "Felix on {{ $labels.instance }} takes {{ $value | humanizeDuration }} to apply an update (99th percentile).",
    meaning: "The time to apply an update of the dataplane is above five seconds for one update in a hundred.",
    impact: "New pods wait for their flows, and what was closed stays open for that long.",
    confirm: "The number of rules or of selectors grew, or the node is short of CPU.",
    mitigate: "Give the agents more CPU, or use the nftables or BPF dataplane.",
    rollBack: "Revert the change of the agent's resources or settings.",
  };
}

function wireGuardStale(owner: string): Alert {
  return {
    ...common,
    name: "WireGuardStale",
    severity: "critical",
    owner,
    expr:
      "time() - max by (instance, peer_key) (wireguard_latest_handshake_seconds) > 300\n" +
      "  and sum by (instance, peer_key) (rate(wireguard_bytes_sent[5m])) > 0.1",
    for: "5m",
    keepFiringFor: "10m",
    summary:
      "The node {{ $labels.instance }} sends to a WireGuard peer that has not answered for more than five minutes.",
    meaning: "Keys are exchanged every two minutes while there is traffic. This peer did not take part for five.",
    impact: "Pods on the two nodes cannot reach each other.",
    commands: [nodes, "kubectl get nodes -o wide", felix],
    confirm: "UDP 51820 is open between the nodes, and the node's annotation carries the peer's public key.",
    mitigate: "Open the port, or restart the agent of the peer so that it publishes its key.",
    rollBack: "Turn `wireguardEnabled` off only when everybody may read the traffic.",
  };
}

function flowEventsLost(owner: string): Alert {
  return {
    ...common,
    name: "FlowEventsLost",
    severity: "warning",
    owner,
    expr:
      "sum by (instance) (rate(goldmane_aggr_dropped_flows_total[10m]))\n" +
      "  > 0.01 * sum by (instance) (rate(goldmane_aggr_received_flows_total[10m]))",
    for: "5m",
    keepFiringFor: "10m",
    summary: "Goldmane loses more than one flow in a hundred.",
    meaning: "The aggregator drops flows that the agents report.",
    impact: "Denials may be among what is lost.",
    commands: ["kubectl get pods -n calico-system -l k8s-app=goldmane -o wide", logs, felix],
    confirm: "Goldmane's log shows flows that came too late.",
    mitigate: "Give Goldmane more CPU and memory.",
    rollBack: "Revert the change that made the agents report more.",
  };
}
