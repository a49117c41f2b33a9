/** What the mesh denies, and whether it still accepts plaintext. */
import type { Plan } from "../../plan";
import { MeshMode } from "../../plan";
import type { MonitoringSettings } from "../settings";
import type { Alert, RecordingRule, RuleSet } from "../types";
import { withNamespaceOwner } from "./pairs";

const failed = "istio_tcp_connections_failed_total";
const plaintext = 'reporter="destination",connection_security_policy!="mutual_tls"';
const ends = "source_workload_namespace, source_workload, destination_workload_namespace, destination_workload";
const words =
  "{{ $labels.source_workload_namespace }}/{{ $labels.source_workload }} → {{ $labels.destination_workload_namespace }}/{{ $labels.destination_workload }}";
const policies = "kubectl get authorizationpolicies,peerauthentications -n $destination_workload_namespace";
const pods = "kubectl get pods -n $destination_workload_namespace --show-labels";

/** The rules about the mesh of a declaration, each with whom it tells; ztunnel's exist in ambient mode alone. */
export function istioRules({ mesh }: Plan, { platformOwner, securityOwner }: MonitoringSettings): RuleSet {
  const isAmbient = mesh === MeshMode.Ambient;
  return {
    name: "cluster-security-istio",
    recordings: [...(isAmbient ? [deniedByZtunnel] : []), forbiddenByProxy],
    alerts: [
      ...(isAmbient ? [connectionDenied(platformOwner), tunnelBlocked(platformOwner)] : []),
      requestForbidden(platformOwner),
      plaintextAccepted(securityOwner),
    ],
  };
}

const deniedByZtunnel: RecordingRule = {
  record: "cluster_security:mesh_denied:rate5m",
  expr: `${byNamespace(`sum by (${ends}) (rate(${failed}{response_flags="DENY"}[5m]))`)} > 0.02`,
};

const forbiddenByProxy: RecordingRule = {
  record: "cluster_security:mesh_forbidden:rate5m",
  expr: `${byNamespace(
    `sum by (${ends}) (rate(istio_requests_total{reporter=~"destination|waypoint",response_code="403"}[5m]))`,
  )} > 0.02`,
};

function byNamespace(vector: string): string {
  return `label_replace(${vector}, "namespace", "$1", "destination_workload_namespace", "(.*)")`;
}

const common = { scope: "namespace", source: "istio" } as const satisfies Partial<Alert>;

function connectionDenied(otherwise: string): Alert {
  return {
    ...common,
    name: "MeshConnectionDenied",
    severity: "warning",
    expr: withNamespaceOwner(deniedByZtunnel.record, otherwise),
    for: "10m",
    keepFiringFor: "10m",
    summary: `${words}: ztunnel has denied connections for more than ten minutes.`,
    meaning: "An AuthorizationPolicy, or the lack of one, denies connections at layer 4.",
    impact: "Where the flow is declared, it does not work. Where it is not, somebody tries.",
    commands: [policies, pods, "kubectl logs -n istio-system -l app=ztunnel --tail 200"],
    confirm: "ztunnel's log names the connection, its identity and `policy rejection`.",
    mitigate: "Declare the flow, or correct the service account of the source.",
    rollBack: "Revert the last change in the declaration and run `pulumi up`.",
  };
}

function tunnelBlocked(owner: string): Alert {
  return {
    ...common,
    name: "MeshTunnelBlocked",
    severity: "critical",
    owner,
    expr:
      `sum by (${ends}) (rate(${failed}{response_flags="NETWORK_POLICY"}[5m])) > 0.02\n` +
      `  and sum by (${ends}) (rate(${failed}{response_flags="NETWORK_POLICY"}[1m])) > 0`,
    for: "2m",
    keepFiringFor: "5m",
    summary: `${words}: a network policy blocks the mesh's tunnel (TCP 15008).`,
    meaning: "ztunnel cannot open its tunnel to the destination, and suspects a network policy.",
    impact: "The flow does not work although the mesh allows it.",
    commands: ["kubectl get networkpolicies -n $destination_workload_namespace", policies, pods],
    confirm: "No policy that selects the destination allows TCP 15008.",
    mitigate: "Allow TCP 15008 into the namespace: a declaration with `mesh` does so by itself.",
    rollBack: "Remove the policy that came last.",
  };
}

function requestForbidden(otherwise: string): Alert {
  return {
    ...common,
    name: "MeshRequestForbidden",
    severity: "warning",
    expr: withNamespaceOwner(forbiddenByProxy.record, otherwise),
    for: "10m",
    keepFiringFor: "10m",
    summary: `${words}: requests have been answered with 403 for more than ten minutes.`,
    meaning: "The destination's proxy answers 403: an AuthorizationPolicy denies, or the application itself does.",
    impact: "Where the flow is declared, it does not work. Where it is not, somebody tries.",
    commands: [
      policies,
      pods,
      "kubectl logs -n $destination_workload_namespace -l app=$destination_workload -c istio-proxy --tail 200",
    ],
    confirm: "The proxy's log says `rbac_access_denied_matched_policy`; otherwise the application answered.",
    mitigate: "Declare the flow, or correct the service account of the source.",
    rollBack: "Revert the last change in the declaration and run `pulumi up`.",
  };
}

function plaintextAccepted(owner: string): Alert {
  return {
    ...common,
    name: "PlaintextAccepted",
    severity: "critical",
    owner,
    expr: [
      `sum by (destination_workload_namespace, destination_workload) (rate(istio_requests_total{${plaintext}}[5m])) > 0.02`,
      "or",
      `sum by (destination_workload_namespace, destination_workload) (rate(istio_tcp_connections_opened_total{${plaintext}}[5m])) > 0.02`,
    ].join("\n"),
    for: "5m",
    keepFiringFor: "10m",
    summary:
      "{{ $labels.destination_workload_namespace }}/{{ $labels.destination_workload }} accepts connections that are not encrypted.",
    meaning: "The mesh is to accept mutual TLS alone, and this workload serves plaintext.",
    impact: "The traffic can be read on the way, and its source is not authenticated.",
    commands: [policies, pods, "kubectl get namespaces -L istio-injection -L istio.io/dataplane-mode"],
    confirm: "A PeerAuthentication of the namespace or the workload is PERMISSIVE or DISABLE.",
    mitigate: "Remove the exception, and restart pods that have no proxy.",
    rollBack: "Revert the change that made the exception.",
  };
}
