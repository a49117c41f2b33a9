/** What the two monitoring stacks share. */
import { metrics, nodes, tcp, udp, workload } from "../builders";
import type { FlowDeclaration, WorkloadDeclaration } from "../declaration";
import { calledBy, connect, named, reaches, usesApiServer } from "./parts";

/**
 * Metrics on the nodes themselves, where rules for pods do not apply: node-exporter, kube-proxy, kubelet
 * with cAdvisor, controller manager, scheduler, and etcd as kubeadm serves it.
 */
export const nodeMetricsPorts: readonly number[] = [9100, 10249, 10250, 10257, 10259, 2381];

/** Grafana, kube-state-metrics and node-exporter, the subcharts of both stacks. */
export function companions(namespace: string): WorkloadDeclaration[] {
  return [
    workload(`${namespace}/grafana`, { labels: named("grafana"), ports: [metrics(3000, "http-web")] }),
    workload(`${namespace}/kube-state-metrics`, {
      labels: named("kube-state-metrics"),
      ports: [metrics(8080, "http")],
    }),
    workload(`${namespace}/node-exporter`, {
      labels: named("prometheus-node-exporter"),
      ports: [metrics(9100, "http-metrics")],
      hostNetwork: true,
    }),
  ];
}

/** Alertmanager: 9093 for alerts and people, 9094 for its own cluster. */
export function alertmanager(path: string, labels: { [key: string]: string }): WorkloadDeclaration {
  return workload(path, {
    labels,
    ports: [metrics(9093, "http-web"), tcp(9094, "tcp-mesh-9094"), udp(9094, "udp-mesh-9094")],
  });
}

/** What Grafana, kube-state-metrics, Alertmanager and the scraper do in both stacks. */
export function monitoringFlows(stack: {
  readonly namespace: string;
  readonly scraper: string;
  readonly alertmanager: string;
  readonly alertReceivers: readonly string[] | undefined;
  readonly remoteWriteHosts: readonly string[] | undefined;
  readonly grafanaFrom: readonly string[] | undefined;
  readonly nodePorts: readonly number[];
}): FlowDeclaration[] {
  const { namespace, scraper } = stack;
  const grafana = `${namespace}/grafana`;
  const ports = stack.nodePorts.map((port) => tcp(port));
  return [
    ...usesApiServer(scraper, grafana, `${namespace}/kube-state-metrics`),
    ...(ports.length === 0 ? [] : [connect(scraper, nodes(), ports, "scrapes the nodes")]),
    ...reaches(scraper, stack.remoteWriteHosts, "writes to remote storage"),
    connect(grafana, stack.alertmanager, [tcp(9093)], "shows and silences alerts"),
    connect(stack.alertmanager, stack.alertmanager, [tcp(9094), udp(9094)], "agrees on what was sent"),
    ...reaches(stack.alertmanager, stack.alertReceivers, "sends alerts"),
    ...calledBy(stack.grafanaFrom, grafana, [tcp(3000)], "people open dashboards"),
  ];
}
