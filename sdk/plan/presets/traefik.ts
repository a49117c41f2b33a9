import { metrics, tcp, workload } from "../builders";
import type { TraefikService } from "./declarations";
import { forwards, named, reaches, sharedServices, usesApiServer, visitors } from "./parts";
import type { Preset } from "./preset";

/**
 * Traefik: the entry points `web` (8000) and `websecure` (8443) as its pods serve them; 8080 (ping, dashboard) is for
 * the kubelet alone.
 */
export const traefik: Preset<TraefikService> = {
  name: "traefik",
  title: "Traefik",
  version: "chart traefik 37 (Traefik 3.5)",
  sources: ["https://github.com/traefik/traefik-helm-chart/blob/master/traefik/values.yaml"],
  options: { namespace: "text", visitors: "ranges", backends: "backends", acmeServers: "hosts", dependsOn: "texts" },
  expand({ namespace = "traefik", visitors: ranges, backends, acmeServers }) {
    const proxy = `${namespace}/traefik`;
    return {
      namespaces: sharedServices(namespace),
      workloads: [
        workload(proxy, {
          labels: named("traefik"),
          ports: [tcp(8000, "web"), tcp(8443, "websecure"), metrics(9100, "metrics")],
        }),
      ],
      flows: [
        ...visitors(proxy, ranges, [tcp(8000), tcp(8443)]),
        ...usesApiServer(proxy),
        ...reaches(proxy, acmeServers, "orders certificates (ACME)"),
        ...forwards(proxy, backends),
      ],
    };
  },
};
