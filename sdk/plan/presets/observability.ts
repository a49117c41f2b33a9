import { kubeApiserver, metrics, nodes, tcp, workload } from "../builders";
import type { ObservabilityService, PortDeclaration } from "../declaration";
import { connect, named, reaches, sharedServices } from "./parts";
import type { Preset } from "./preset";

/** node-exporter and the kubelet with cAdvisor: they run on the node, where rules for pods do not apply. */
const nodeMetricsPorts: readonly number[] = [9100, 10250];

/**
 * A scraper (VMAgent) and its storage (VictoriaMetrics), each as it is declared. The scraper reaches every declared
 * metrics port, the nodes' own, the API server, and what it writes to, and nothing else. The stacks with charts of their own are presets of their own.
 */
export const observability: Preset<ObservabilityService> = {
  name: "observability",
  title: "A scraper and its storage",
  version: "VictoriaMetrics 1.128 (charts victoria-metrics-agent 0.26, victoria-metrics-single 0.25)",
  sources: ["https://docs.victoriametrics.com/data-ingestion"],
  options: {
    namespace: "text",
    scraper: "workload",
    storage: "workload",
    remoteWriteHosts: "hosts",
    nodePorts: "ports",
    dependsOn: "texts",
  },
  expand({ namespace: home = "observability", nodePorts = [...nodeMetricsPorts], ...options }) {
    const scraper =
      options.scraper ?? workload(`${home}/vmagent`, { labels: named("vmagent"), ports: [metrics(8429, "http")] });
    const storage =
      options.storage ??
      workload(`${home}/victoria-metrics`, { labels: named("victoria-metrics"), ports: [metrics(8428, "http")] });
    const scraperId = `${scraper.namespace}/${scraper.name}`;
    const storageId = `${storage.namespace}/${storage.name}`;
    const storagePorts = storage.ports?.slice(0, 1) ?? [tcp(8428)];
    const scraped = nodePorts.map((port) => tcp(port));
    return {
      namespaces: sharedServices(home, scraper.namespace, storage.namespace),
      workloads: [scraper, storage],
      flows: [
        connect(scraperId, storageId, storagePorts.map(withoutMetrics), "writes what it scraped"),
        connect(scraperId, kubeApiserver(), [], "discovers targets and scrapes the API server"),
        ...reaches(scraperId, options.remoteWriteHosts, "writes to remote storage"),
        ...(scraped.length === 0 ? [] : [connect(scraperId, nodes(), scraped, "scrapes the nodes")]),
      ],
      scraper: scraperId,
    };
  },
};

function withoutMetrics(served: PortDeclaration): PortDeclaration {
  return served.name === undefined ? { port: served.port } : { name: served.name };
}
