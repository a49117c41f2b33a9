import { metrics, tcp, udp, workload } from "../builders";
import type { CoreDnsService } from "./declarations";
import type { Preset } from "./preset";

/**
 * CoreDNS where `cluster.dns` says it is. It is tier 0, which no policy holds, and asking it is always open; the preset
 * adds its metrics port, so that scrapers reach it (9153; seed defect B18).
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
