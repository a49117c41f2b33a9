import { internet, metrics, tcp, udp, workload } from "../builders";
import type { CertManagerService, WorkloadDeclaration } from "../declaration";
import { calledBy, connect, named, reaches, sharedServices, usesApiServer } from "./parts";
import type { Preset } from "./preset";

/** Let's Encrypt's directories. A pattern `*.letsencrypt.org` would match neither of them: each has one label more. */
const letsEncryptServers: readonly string[] = ["acme-v02.api.letsencrypt.org", "acme-staging-v02.api.letsencrypt.org"];

/**
 * cert-manager as its chart installs it: controller, webhook, cainjector and the job that checks the API after an
 * upgrade. ACME orders; DNS-01 with the providers' APIs and the self-check against public DNS; HTTP-01 with solver pods
 * that the ingress controller forwards to.
 */
export const certManager: Preset<CertManagerService> = {
  name: "cert-manager",
  title: "cert-manager",
  version: "chart cert-manager 1.18",
  sources: [
    "https://cert-manager.io/docs/installation/best-practice/#network-requirements-and-network-policy",
    "https://letsencrypt.org/docs/acme-protocol-updates/",
  ],
  options: {
    namespace: "text",
    acmeServers: "hosts",
    dnsProviders: "hosts",
    dnsSelfCheck: "flag",
    http01Namespaces: "texts",
    http01From: "text",
    dependsOn: "texts",
  },
  expand({ namespace: home = "cert-manager", acmeServers = [...letsEncryptServers], ...options }) {
    const { dnsProviders = [], http01Namespaces = [], http01From } = options;
    const controller = `${home}/cert-manager`;
    const webhook = `${home}/cert-manager-webhook`;
    const injector = `${home}/cert-manager-cainjector`;
    const apiCheck = `${home}/cert-manager-startupapicheck`;
    const solverOf = (namespace: string): string => `${namespace}/http01-solver`;
    const checksDns = options.dnsSelfCheck ?? dnsProviders.length > 0;
    return {
      namespaces: sharedServices(home),
      workloads: [
        ...componentsOf({ controller, webhook, injector, apiCheck }),
        ...http01Namespaces.map((namespace) => solver(solverOf(namespace))),
      ],
      flows: [
        ...usesApiServer(controller, webhook, injector, apiCheck),
        ...reaches(controller, acmeServers, "orders certificates (ACME)"),
        ...reaches(controller, dnsProviders, "answers DNS-01 challenges"),
        ...(checksDns
          ? [
              connect(
                controller,
                internet(),
                [udp(53), tcp(53)],
                "checks that a DNS-01 record is published before the CA does",
              ),
            ]
          : []),
        ...(http01Namespaces.length > 0
          ? [
              connect(
                controller,
                internet(),
                [tcp(80)],
                "checks that an HTTP-01 answer is published before the CA does",
              ),
            ]
          : []),
        ...http01Namespaces.flatMap((namespace) =>
          calledBy(
            http01From === undefined ? [] : [http01From],
            solverOf(namespace),
            [tcp(8089)],
            "forwards HTTP-01 challenges",
          ),
        ),
      ],
      webhooks: [{ workload: webhook, port: 10250 }],
    };
  },
};

/** What the chart installs. */
function componentsOf(
  ids: Readonly<Record<"controller" | "webhook" | "injector" | "apiCheck", string>>,
): WorkloadDeclaration[] {
  return [
    workload(ids.controller, { labels: named("cert-manager", "controller"), ports: [metrics(9402, "http-metrics")] }),
    workload(ids.webhook, {
      labels: named("webhook", "webhook"),
      ports: [tcp(10250, "https"), metrics(9402, "http-metrics")],
    }),
    workload(ids.injector, { labels: named("cainjector", "cainjector"), ports: [metrics(9402, "http-metrics")] }),
    workload(ids.apiCheck, { labels: named("startupapicheck", "startupapicheck") }),
  ];
}

/** The pods that answer HTTP-01 challenges. */
function solver(id: string): WorkloadDeclaration {
  return workload(id, { labels: { "acme.cert-manager.io/http01-solver": "true" }, ports: [tcp(8089)] });
}
