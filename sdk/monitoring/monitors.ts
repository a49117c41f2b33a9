/** What is scraped, as objects of the Prometheus Operator. */
import type { MonitoringSettings } from "./settings";
import { MonitoredEnforcer } from "./settings";

/** `monitoring.coreos.com/v1` PodMonitor, without its metadata. */
export interface PodMonitorDraft {
  readonly name: string;
  readonly spec: Readonly<Record<string, unknown>>;
}

/** PodMonitors of the enforcer; nothing for Calico, whose agents name no port: `scrape.yaml` has their addresses. */
export function podMonitors({ enforcer, scrapeInterval }: MonitoringSettings): readonly PodMonitorDraft[] {
  if (enforcer !== MonitoredEnforcer.Cilium) return [];
  const interval = `${scrapeInterval}s`;
  return [
    {
      name: "cluster-security-cilium",
      spec: {
        namespaceSelector: { matchNames: ["kube-system"] },
        selector: { matchLabels: { "k8s-app": "cilium" } },
        // the agent's own metrics, and Hubble's
        podMetricsEndpoints: ["prometheus", "hubble-metrics"].map((port) => ({ port, interval, path: "/metrics" })),
      },
    },
  ];
}
