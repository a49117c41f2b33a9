import { flow, fqdn, kubeApiserver, metrics, nodes, tcp, workload } from "../builders";
import type { FlowDeclaration, ObservabilityService } from "../declaration";
import { Tier } from "../declaration";
import type { Expansion } from "./expansion";
import { presetOwner } from "./expansion";

/** node-exporter and the kubelet with cAdvisor: they run on the node, where pod rules do not reach (seed defect B25). */
const nodeMetricsPorts: readonly number[] = [9100, 10250];

/**
 * A scraper (VMAgent) and its storage (VictoriaMetrics). The scraper reaches every declared metrics port, the nodes'
 * own, the API server, and what it writes to; not "everything" (requirements S3-03, S3-05; seed defects B08, B16, B17).
 */
export function observability(options: ObservabilityService): Expansion {
  const home = options.namespace ?? "observability";
  const scraper =
    options.scraper ??
    workload(`${home}/vmagent`, {
      labels: { "app.kubernetes.io/name": "vmagent" },
      ports: [metrics(8429, "http")],
    });
  const storage =
    options.storage ??
    workload(`${home}/victoria-metrics`, {
      labels: { "app.kubernetes.io/name": "victoria-metrics" },
      ports: [metrics(8428, "http")],
    });
  const scraperId = `${scraper.namespace}/${scraper.name}`;
  const storageId = `${storage.namespace}/${storage.name}`;
  const storagePorts = storage.ports?.slice(0, 1) ?? [tcp(8428)];
  const nodePorts = options.nodePorts ?? nodeMetricsPorts;

  const flows: FlowDeclaration[] = [
    flow(scraperId)
      .to(storageId)
      .on(...storagePorts.map(withoutMetrics))
      .because("writes what it scraped")
      .ownedBy(presetOwner),
    flow(scraperId)
      .to(kubeApiserver())
      .on()
      .because("discovers targets and scrapes the API server")
      .ownedBy(presetOwner),
    ...(options.remoteWriteHosts ?? []).map((host) =>
      flow(scraperId).to(fqdn(host)).on(tcp(443)).because("writes to remote storage").ownedBy(presetOwner),
    ),
  ];
  if (nodePorts.length > 0) {
    const ports = nodePorts.map((number) => tcp(number));
    flows.push(
      flow(scraperId)
        .to(nodes())
        .on(...ports)
        .because("scrapes the nodes")
        .ownedBy(presetOwner),
    );
  }
  return {
    name: "observability",
    path: "platform.observability",
    namespaces: [...new Set([home, scraper.namespace, storage.namespace])].map((name) => ({
      name,
      tier: Tier.SharedServices,
      existing: true,
    })),
    workloads: [scraper, storage],
    flows,
    webhooks: [],
    dependsOn: options.dependsOn ?? [],
    scraper: scraperId,
  };
}

function withoutMetrics(served: { port?: number; name?: string }): { port?: number; name?: string } {
  return served.name === undefined ? { port: served.port } : { name: served.name };
}
