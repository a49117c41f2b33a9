import { metrics, tcp, workload } from "../builders";
import type { VictoriaMetricsService } from "./declarations";
import { alertmanager, companions, monitoringFlows, nodeMetricsPorts } from "./monitoring";
import { connect, named, sharedServices, usesApiServer } from "./parts";
import type { Preset } from "./preset";

/**
 * victoria-metrics-k8s-stack: VMAgent scrapes every declared metrics port and the nodes' own and writes to VMSingle;
 * VMAlert, Alertmanager, Grafana, kube-state-metrics and the operator with its webhook.
 */
export const victoriaMetrics: Preset<VictoriaMetricsService> = {
  name: "victoria-metrics",
  title: "VictoriaMetrics (victoria-metrics-k8s-stack)",
  version: "chart victoria-metrics-k8s-stack 0.58 (operator 0.62)",
  sources: [
    "https://docs.victoriametrics.com/operator/configuration/",
    "https://github.com/VictoriaMetrics/helm-charts/blob/master/charts/victoria-metrics-k8s-stack/values.yaml",
  ],
  options: {
    namespace: "text",
    storagePort: "port",
    alertReceivers: "hosts",
    remoteWriteHosts: "hosts",
    grafanaFrom: "texts",
    nodePorts: "ports",
    dependsOn: "texts",
  },
  expand({ namespace = "monitoring", storagePort = 8429, nodePorts = [...nodeMetricsPorts], ...options }) {
    const agent = `${namespace}/vmagent`;
    const storage = `${namespace}/vmsingle`;
    const rules = `${namespace}/vmalert`;
    const alerts = `${namespace}/vmalertmanager`;
    const operator = `${namespace}/victoria-metrics-operator`;
    return {
      namespaces: sharedServices(namespace),
      workloads: [
        workload(agent, { labels: named("vmagent"), ports: [metrics(8429, "http")] }),
        workload(storage, { labels: named("vmsingle"), ports: [metrics(storagePort, "http")] }),
        workload(rules, { labels: named("vmalert"), ports: [metrics(8080, "http")] }),
        alertmanager(alerts, named("vmalertmanager")),
        workload(operator, {
          labels: named("victoria-metrics-operator"),
          ports: [metrics(8080, "http"), tcp(9443, "webhook")],
        }),
        ...companions(namespace),
      ],
      flows: [
        ...usesApiServer(operator, rules),
        ...monitoringFlows({
          namespace,
          scraper: agent,
          alertmanager: alerts,
          alertReceivers: options.alertReceivers,
          remoteWriteHosts: options.remoteWriteHosts,
          grafanaFrom: options.grafanaFrom,
          nodePorts,
        }),
        connect(agent, storage, [tcp(storagePort)], "writes what it scraped"),
        connect(`${namespace}/grafana`, storage, [tcp(storagePort)], "asks for metrics"),
        connect(rules, storage, [tcp(storagePort)], "asks for metrics and keeps the state of alerts"),
        connect(rules, alerts, [tcp(9093)], "sends alerts"),
      ],
      webhooks: [{ workload: operator, port: 9443 }],
      scraper: agent,
    };
  },
};
