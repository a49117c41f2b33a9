import { flow, fqdn, internet, kubeApiserver, metrics, tcp, udp, workload } from "../builders";
import type { CertManagerService, FlowDeclaration, WorkloadDeclaration } from "../declaration";
import { Tier } from "../declaration";
import type { Expansion } from "./expansion";
import { presetOwner } from "./expansion";

/** Let's Encrypt's directories. A pattern `*.letsencrypt.org` would match neither of them (seed defect B21). */
export const letsEncryptServers: readonly string[] = [
  "acme-v02.api.letsencrypt.org",
  "acme-staging-v02.api.letsencrypt.org",
];

const https = tcp(443);

/**
 * cert-manager as its chart installs it: controller, webhook, cainjector (ports: chart cert-manager 1.18).
 * Requirement S3-06; seed defects B21 to B23.
 */
export function certManager(options: CertManagerService): Expansion {
  const home = options.namespace ?? "cert-manager";
  const controller = `${home}/cert-manager`;
  const webhook = `${home}/cert-manager-webhook`;
  const injector = `${home}/cert-manager-cainjector`;
  const solverNamespaces = options.http01Namespaces ?? [];
  const providers = options.dnsProviders ?? [];
  const selfCheck = options.dnsSelfCheck ?? providers.length > 0;

  const flows: FlowDeclaration[] = [
    ...[controller, webhook, injector].map((client) =>
      flow(client).to(kubeApiserver()).on().because("watches and writes its resources").ownedBy(presetOwner),
    ),
    ...(options.acmeServers ?? letsEncryptServers).map((server) =>
      flow(controller).to(fqdn(server)).on(https).because("orders certificates (ACME)").ownedBy(presetOwner),
    ),
    ...providers.map((provider) =>
      flow(controller).to(fqdn(provider)).on(https).because("answers DNS-01 challenges").ownedBy(presetOwner),
    ),
  ];
  if (selfCheck) {
    const reason = "checks that a DNS-01 record is published before the CA does";
    flows.push(flow(controller).to(internet()).on(udp(53), tcp(53)).because(reason).ownedBy(presetOwner));
  }
  const solvers = solverNamespaces.map((solverNamespace): WorkloadDeclaration =>
    workload(`${solverNamespace}/http01-solver`, {
      labels: { "acme.cert-manager.io/http01-solver": "true" },
      ports: [tcp(8089)],
    }),
  );
  if (solvers.length > 0) {
    const reason = "checks that an HTTP-01 answer is published before the CA does";
    flows.push(flow(controller).to(internet()).on(tcp(80)).because(reason).ownedBy(presetOwner));
  }
  const http01From = options.http01From;
  if (http01From !== undefined) {
    for (const solver of solverNamespaces) {
      const reason = "forwards HTTP-01 challenges";
      flows.push(flow(http01From).to(`${solver}/http01-solver`).on(tcp(8089)).because(reason).ownedBy(presetOwner));
    }
  }
  return {
    name: "cert-manager",
    path: "platform.certManager",
    namespaces: [{ name: home, tier: Tier.SharedServices, existing: true }],
    workloads: [
      workload(controller, {
        labels: { "app.kubernetes.io/name": "cert-manager", "app.kubernetes.io/component": "controller" },
        ports: [metrics(9402, "http-metrics")],
      }),
      workload(webhook, {
        labels: { "app.kubernetes.io/name": "webhook", "app.kubernetes.io/component": "webhook" },
        ports: [tcp(10250, "https")],
      }),
      workload(injector, {
        labels: { "app.kubernetes.io/name": "cainjector", "app.kubernetes.io/component": "cainjector" },
      }),
      ...solvers,
    ],
    flows,
    webhooks: [{ workload: webhook, port: 10250 }],
    dependsOn: options.dependsOn ?? [],
  };
}
