import { metrics, tcp, workload } from "../builders";
import type { EnvoyGatewayService } from "./declarations";
import { connect, forwards, named, sharedServices, usesApiServer, visitors } from "./parts";
import type { Preset } from "./preset";

/** Envoy does not bind privileged ports: the controller moves listeners below 1024 up by this. */
const privilegedShift = 10_000;

/**
 * Gateway API by Envoy Gateway: the controller, the proxies of its Gateways (which fetch configuration, and Wasm modules,
 * from it) and the job that makes their certificates.
 */
export const envoyGateway: Preset<EnvoyGatewayService> = {
  name: "envoy-gateway",
  title: "Gateway API (Envoy Gateway)",
  version: "chart gateway-helm 1.6 (Envoy Gateway 1.6)",
  sources: [
    "https://github.com/envoyproxy/gateway/blob/main/charts/gateway-helm/values.tmpl.yaml",
    "https://gateway.envoyproxy.io/docs/tasks/observability/proxy-metric",
  ],
  options: { namespace: "text", listeners: "ports", visitors: "ranges", backends: "backends", dependsOn: "texts" },
  expand({ namespace = "envoy-gateway-system", listeners = [80, 443], visitors: ranges, backends }) {
    const controller = `${namespace}/envoy-gateway`;
    const proxies = `${namespace}/envoy`;
    const certificates = `${namespace}/envoy-gateway-certgen`;
    const entries = [...new Set(listeners.map((port) => (port < 1024 ? port + privilegedShift : port)))];
    return {
      namespaces: sharedServices(namespace),
      workloads: [
        workload(controller, {
          labels: { "control-plane": "envoy-gateway" },
          ports: [tcp(18000, "grpc"), tcp(18002, "wasm"), tcp(9443, "webhook"), metrics(19001, "metrics")],
        }),
        workload(proxies, {
          labels: { ...named("envoy", "proxy"), "app.kubernetes.io/managed-by": "envoy-gateway" },
          ports: [...entries.map((port) => tcp(port)), metrics(19001, "metrics")],
        }),
        workload(certificates, { labels: { app: "certgen" } }),
      ],
      flows: [
        ...usesApiServer(controller, certificates),
        connect(proxies, controller, [tcp(18000), tcp(18002)], "fetches its configuration (xDS) and Wasm modules"),
        ...visitors(
          proxies,
          ranges,
          entries.map((port) => tcp(port)),
        ),
        ...forwards(proxies, backends),
      ],
      webhooks: [{ workload: controller, port: 9443 }],
    };
  },
};
