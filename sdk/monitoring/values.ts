/** What the charts and the scraper have to be told, so that the metrics exist which the rules read. */
import semver from "semver";
import { hubbleMetrics } from "../charts";
import type { MonitoringSettings } from "./settings";
import { FlowLog, MonitoredEnforcer } from "./settings";
import type { Plan } from "../plan";
import { MeshMode } from "../plan";
import { felixPort } from "./monitors";

/** Values of one chart, or a part of a configuration. */
export interface MonitoringValues {
  readonly file: string;
  readonly about: string;
  readonly values: Readonly<Record<string, unknown>>;
}

/** What an exported flow is reduced to: everything that replaying it needs, labels included, and nothing of layer 7. */
const exportedFields: readonly string[] = [
  "time",
  "verdict",
  "drop_reason_desc",
  "IP",
  "l4",
  "source.identity",
  "source.namespace",
  "source.labels",
  "source.pod_name",
  "source.workloads",
  "destination.identity",
  "destination.namespace",
  "destination.labels",
  "destination.pod_name",
  "destination.workloads",
  "destination_names",
  "Type",
  "node_name",
  "is_reply",
  "event_type",
  "traffic_direction",
  "policy_match_type",
  "egress_allowed_by",
  "ingress_allowed_by",
  "egress_denied_by",
  "ingress_denied_by",
  "policy_log",
  "uuid",
];

/** Filters of Hubble's export, each as JSON: one of them has to fit. */
const deniedFlows: readonly string[] = [JSON.stringify({ verdict: ["DROPPED", "ERROR", "AUDIT"] })];

const loggedFlows: Readonly<Record<FlowLog, string>> = {
  [FlowLog.All]: "flows that can be replayed",
  [FlowLog.Denied]: "flows that are denied; what passes is not recorded, so that they cannot be replayed",
  [FlowLog.Off]: "no recorded flows",
};

/** What can be chosen about it. */
interface CiliumMonitoring {
  /** Which flows are written to the log. Defaults to all. */
  readonly flowLog?: FlowLog | undefined;
  /** Time between two scrapes. Defaults to `15s`. */
  readonly interval?: string;
  /** Pods and addresses as labels. Defaults to false. */
  readonly podLabels?: boolean | undefined;
}

/** The values for what enforces the policies; nothing where that is not known. */
export function monitoringValues(
  plan: Plan,
  settings: MonitoringSettings,
  version: string,
): readonly MonitoringValues[] {
  const { enforcer, flowLog, scrapeInterval, podLabels } = settings;
  const interval = `${scrapeInterval}s`;
  const jobs: object[] = [];
  const values: MonitoringValues[] = [];
  if (enforcer === MonitoredEnforcer.Cilium) {
    values.push({
      file: "cilium-values.yaml",
      about: `Values of the Cilium chart (${version}): metrics of the agents and of Hubble, and ${loggedFlows[flowLog ?? FlowLog.All]}.`,
      values: ciliumMonitoringValues(version, { flowLog, interval, podLabels }),
    });
    jobs.push(
      podJob("cilium-agent", "kube-system", "cilium", 9962, interval),
      podJob("hubble", "kube-system", "cilium", 9965, interval),
    );
  }
  if (enforcer === MonitoredEnforcer.Calico) {
    values.push({
      file: "calico-values.yaml",
      about:
        "Values of the tigera-operator chart: metrics of Felix and WireGuard, and Goldmane's flows with pending policies.",
      values: {
        goldmane: { enabled: true },
        whisker: { enabled: true },
        defaultFelixConfiguration: {
          enabled: true,
          prometheusMetricsEnabled: true,
          prometheusWireGuardMetricsEnabled: true,
          ...calicoPendingPolicies,
        },
      },
    });
    jobs.push(podJob("felix", "calico-system", "calico-node", felixPort, interval));
  }
  if (plan.mesh === MeshMode.Ambient) {
    const { ztunnelNamespace } = settings;
    jobs.push({ ...podJob("ztunnel", ztunnelNamespace, "ztunnel", 15020, interval, "app"), metrics_path: istioPath });
  }
  if (plan.mesh !== undefined) {
    values.push({
      file: "istiod-values.yaml",
      about:
        "Values of the istiod chart: requests and connections with the peers' workloads, the response and whether they were encrypted. They are its defaults.",
      values: { telemetry: { enabled: true, v2: { enabled: true, prometheus: { enabled: true } } } },
    });
    jobs.push(proxyJob(interval));
  }
  if (jobs.length > 0) {
    values.push({
      file: "scrape.yaml",
      about: "For a Prometheus without its operator: what it scrapes for these rules.",
      values: { scrape_configs: jobs },
    });
  }
  return values;
}

/** Values of the Cilium chart for monitoring alone; they merge with those of the installation. */
export function ciliumMonitoringValues(
  version: string,
  { flowLog = FlowLog.All, interval = "15s", podLabels = false }: CiliumMonitoring = {},
): Readonly<Record<string, unknown>> {
  const isSince = (first: string): boolean => semver.gte(version, first);
  const rotation = { fileMaxSizeMb: 10, fileMaxBackups: 5 };
  const file =
    flowLog === FlowLog.Off
      ? { enabled: false }
      : {
          enabled: true,
          filePath: "/var/run/cilium/hubble/events.log",
          fieldMask: [...exportedFields],
          ...(flowLog === FlowLog.Denied ? { allowList: [...deniedFlows] } : {}),
        };
  return {
    prometheus: { enabled: true, serviceMonitor: { enabled: false, interval } },
    hubble: {
      enabled: true,
      metrics: { enabled: [...hubbleMetrics(podLabels)], serviceMonitor: { enabled: false, interval } },
      // until 1.17 the size of the file stands one level up
      export: isSince("1.18.0") ? { static: { ...file, ...rotation } } : { ...rotation, static: file },
      ...(isSince("1.18.0") ? { networkPolicyCorrelation: { enabled: true } } : {}),
    },
  };
}

/** Field of Calico's FelixConfiguration (3.30 and newer): each flow also says what staged policies would do. */
export const calicoPendingPolicies: Readonly<Record<string, unknown>> = { flowLogsPolicyEvaluationMode: "Continuous" };

const istioPath = "/stats/prometheus";

/** Every container that has the port of Envoy's statistics. */
function proxyJob(interval: string): object {
  return {
    job_name: "istio-proxies",
    scrape_interval: interval,
    metrics_path: istioPath,
    kubernetes_sd_configs: [{ role: "pod" }],
    relabel_configs: [
      { source_labels: ["__meta_kubernetes_pod_container_port_name"], regex: "http-envoy-prom", action: "keep" },
      { source_labels: ["__meta_kubernetes_pod_node_name"], target_label: "node" },
    ],
  };
}

/** A job of Prometheus that scrapes one port of the pods of an app. */
function podJob(
  name: string,
  namespace: string,
  app: string,
  port: number,
  interval: string,
  label = "k8s_app",
): object {
  return {
    job_name: name,
    scrape_interval: interval,
    kubernetes_sd_configs: [{ role: "pod", namespaces: { names: [namespace] } }],
    relabel_configs: [
      { source_labels: [`__meta_kubernetes_pod_label_${label}`], regex: app, action: "keep" },
      { source_labels: ["__meta_kubernetes_pod_ip"], target_label: "__address__", replacement: `$1:${port}` },
      { source_labels: ["__meta_kubernetes_pod_node_name"], target_label: "node" },
    ],
  };
}
