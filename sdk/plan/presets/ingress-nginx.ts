import { metrics, tcp, workload } from "../builders";
import type { IngressNginxService } from "./declarations";
import { forwards, named, sharedServices, usesApiServer, visitors } from "./parts";
import type { Preset } from "./preset";

/**
 * ingress-nginx: visitors on 80 and 443, the admission webhook on 8443, metrics on 10254, and the two jobs that make the
 * webhook's certificate.
 */
export const ingressNginx: Preset<IngressNginxService> = {
  name: "ingress-nginx",
  title: "ingress-nginx",
  version: "chart ingress-nginx 4.12 (controller 1.12)",
  sources: [
    "https://github.com/kubernetes/ingress-nginx/blob/main/charts/ingress-nginx/values.yaml",
    "https://github.com/kubernetes/ingress-nginx/blob/main/charts/ingress-nginx/templates/admission-webhooks/job-patch/networkpolicy.yaml",
  ],
  options: { namespace: "text", visitors: "ranges", backends: "backends", dependsOn: "texts" },
  expand({ namespace = "ingress-nginx", visitors: ranges, backends }) {
    const controller = `${namespace}/ingress-nginx`;
    const jobs = `${namespace}/ingress-nginx-admission`;
    return {
      namespaces: sharedServices(namespace),
      workloads: [
        workload(controller, {
          labels: named("ingress-nginx", "controller"),
          ports: [tcp(80, "http"), tcp(443, "https"), tcp(8443, "webhook"), metrics(10254, "metrics")],
        }),
        workload(jobs, { labels: named("ingress-nginx", "admission-webhook") }),
      ],
      flows: [
        ...visitors(controller, ranges, [tcp(80), tcp(443)]),
        ...usesApiServer(controller, jobs),
        ...forwards(controller, backends),
      ],
      webhooks: [{ workload: controller, port: 8443 }],
    };
  },
};
