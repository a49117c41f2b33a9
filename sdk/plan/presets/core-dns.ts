import { metrics, tcp, udp, workload } from "../builders";
import type { CoreDnsService } from "./declarations";
import type { Preset } from "./preset";

/**
 * CoreDNS where `cluster.dns` says it is. It is tier 0, which no policy selects, and every pod may ask it; the preset
 * adds its metrics port (9153), so that scrapers reach it.
 */
export const coreDns: Preset<CoreDnsService> = {
  name: "core-dns",
  title: "CoreDNS",
  version: "CoreDNS 1.12, as kubeadm 1.34 and chart coredns 1.43 run it",
  sources: [
    "https://coredns.io/plugins/metrics/",
    "https://github.com/kubernetes/kubernetes/tree/master/cluster/addons/dns/coredns",
  ],
  options: { metricsPort: "port", dependsOn: "texts" },
  expand({ metricsPort = 9153 }, { dns }) {
    return {
      namespaces: [],
      workloads: [
        workload(`${dns.namespace}/kube-dns`, {
          labels: { ...dns.labels },
          ports: [udp(dns.port, "dns"), tcp(dns.port, "dns-tcp"), metrics(metricsPort, "metrics")],
        }),
      ],
      flows: [],
    };
  },
};
