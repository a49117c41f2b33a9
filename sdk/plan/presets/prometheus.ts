import { metrics, tcp, workload } from "../builders";
import type { PrometheusService } from "./declarations";
import { alertmanager, companions, monitoringFlows, nodeMetricsPorts } from "./monitoring";
import { connect, named, sharedServices, usesApiServer } from "./parts";
import type { Preset } from "./preset";

/**
 * kube-prometheus-stack: Prometheus scrapes every declared metrics port and the nodes' own, Alertmanager, Grafana,
 * kube-state-metrics, the operator with its webhook and the jobs that make its certificate.
 */
export const prometheus: Preset<PrometheusService> = {
  name: "prometheus",
  title: "Prometheus (kube-prometheus-stack)",
  version: "chart kube-prometheus-stack 79 (operator 0.86, Prometheus 3.7)",
  sources: ["https://github.com/prometheus-community/helm-charts/blob/main/charts/kube-prometheus-stack/values.yaml"],
  options: {
    namespace: "text",
    alertReceivers: "hosts",
    remoteWriteHosts: "hosts",
    grafanaFrom: "texts",
    nodePorts: "ports",
    dependsOn: "texts",
  },
  expand({ namespace = "monitoring", nodePorts = [...nodeMetricsPorts], ...options }) {
    const server = `${namespace}/prometheus`;
    const alerts = `${namespace}/alertmanager`;
    const operator = `${namespace}/prometheus-operator`;
    const jobs = `${namespace}/prometheus-admission`;
    return {
      namespaces: sharedServices(namespace),
      workloads: [
        workload(server, {
          labels: named("prometheus"),
          ports: [metrics(9090, "http-web"), metrics(8080, "reloader-web")],
        }),
        alertmanager(alerts, named("alertmanager")),
        workload(operator, {
          labels: { app: "kube-prometheus-stack-operator" },
          ports: [metrics(10250, "https")],
        }),
        workload(jobs, { labels: { app: "kube-prometheus-stack-admission-create" } }),
        workload(`${jobs}-patch`, { labels: { app: "kube-prometheus-stack-admission-patch" } }),
        ...companions(namespace),
      ],
      flows: [
        ...usesApiServer(operator, jobs, `${jobs}-patch`),
        ...monitoringFlows({
          namespace,
          scraper: server,
          alertmanager: alerts,
          alertReceivers: options.alertReceivers,
          remoteWriteHosts: options.remoteWriteHosts,
          grafanaFrom: options.grafanaFrom,
          nodePorts,
        }),
        connect(`${namespace}/grafana`, server, [tcp(9090)], "asks for metrics"),
        connect(server, alerts, [tcp(9093)], "sends alerts"),
      ],
      webhooks: [{ workload: operator, port: 10250 }],
      scraper: server,
    };
  },
};
