/** What is scraped, as objects of the Prometheus Operator. */
import type { Plan } from "../plan";
import { MeshMode } from "../plan";
import type { MonitoringSettings } from "./settings";
import { MonitoredEnforcer } from "./settings";

/** A PodMonitor or ServiceMonitor (`monitoring.coreos.com/v1`), or the Service that one needs; without labels. */
export interface MonitorDraft {
  readonly apiVersion: "monitoring.coreos.com/v1" | "v1";
  readonly kind: "PodMonitor" | "ServiceMonitor" | "Service";
  readonly name: string;
  /** Where it has to be; absent: where the rules are. */
  readonly namespace?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly spec: Readonly<Record<string, unknown>>;
}

const path = "/stats/prometheus";

/** What is scraped of the enforcer and of the mesh. */
export function monitorsFor({ mesh }: Plan, settings: MonitoringSettings): readonly MonitorDraft[] {
  const interval = `${settings.scrapeInterval}s`;
  const enforcer = {
    [MonitoredEnforcer.Cilium]: [ciliumAgents(interval)],
    [MonitoredEnforcer.Calico]: felix(interval),
  };
  return [
    ...(settings.enforcer === undefined ? [] : enforcer[settings.enforcer]),
    ...(mesh === MeshMode.Ambient ? [ztunnels(interval, settings.ztunnelNamespace)] : []),
    ...(mesh === undefined ? [] : [proxies(interval)]),
  ];
}

/** The agents' own metrics, and Hubble's. */
function ciliumAgents(interval: string): MonitorDraft {
  return {
    apiVersion: "monitoring.coreos.com/v1",
    kind: "PodMonitor",
    name: "cluster-security-cilium",
    spec: {
      namespaceSelector: { matchNames: ["kube-system"] },
      selector: { matchLabels: { "k8s-app": "cilium" } },
      podMetricsEndpoints: ["prometheus", "hubble-metrics"].map((port) => ({ port, interval, path: "/metrics" })),
    },
  };
}

/** Calico's agents name no port, so that a Service has to. */
function felix(interval: string): readonly MonitorDraft[] {
  const name = "cluster-security-felix";
  const namespace = "calico-system";
  const labels = { app: name };
  return [
    {
      apiVersion: "v1",
      kind: "Service",
      name,
      namespace,
      labels,
      spec: {
        clusterIP: "None",
        selector: { "k8s-app": "calico-node" },
        ports: [{ name: "metrics", port: felixPort, targetPort: felixPort, protocol: "TCP" }],
      },
    },
    {
      apiVersion: "monitoring.coreos.com/v1",
      kind: "ServiceMonitor",
      name,
      spec: {
        namespaceSelector: { matchNames: [namespace] },
        selector: { matchLabels: labels },
        endpoints: [{ port: "metrics", interval, path: "/metrics" }],
      },
    },
  ];
}

/** `FelixConfiguration.prometheusMetricsPort`, by its default. */
export const felixPort = 9091;

/** Denied and failed connections of layer 4. */
function ztunnels(interval: string, namespace: string): MonitorDraft {
  return {
    apiVersion: "monitoring.coreos.com/v1",
    kind: "PodMonitor",
    name: "cluster-security-ztunnel",
    spec: {
      namespaceSelector: { matchNames: [namespace] },
      selector: { matchLabels: { app: "ztunnel" } },
      podMetricsEndpoints: [{ port: "ztunnel-stats", interval, path }],
    },
  };
}

/** Sidecars, gateways and waypoints: whoever has the port of Envoy's statistics. */
function proxies(interval: string): MonitorDraft {
  return {
    apiVersion: "monitoring.coreos.com/v1",
    kind: "PodMonitor",
    name: "cluster-security-istio-proxies",
    spec: {
      namespaceSelector: { any: true },
      selector: {},
      podMetricsEndpoints: [{ port: "http-envoy-prom", interval, path }],
    },
  };
}
