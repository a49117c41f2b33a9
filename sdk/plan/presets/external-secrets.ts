import { flow, fqdn, kubeApiserver, metrics, tcp, workload } from "../builders";
import type { ExternalSecretsService, FlowDeclaration } from "../declaration";
import { Tier } from "../declaration";
import type { Expansion } from "./expansion";
import { presetOwner } from "./expansion";

/**
 * The External Secrets Operator (controller, webhook, cert-controller) with 1Password Connect, both sides of the path
 * between them and Connect's own path to 1Password. Requirement S3-07; seed defects B23 and B24.
 */
export function externalSecrets(options: ExternalSecretsService): Expansion {
  const home = options.namespace ?? "external-secrets";
  const connectHome = options.connectNamespace ?? home;
  const operator = `${home}/external-secrets`;
  const webhook = `${home}/external-secrets-webhook`;
  const certController = `${home}/external-secrets-cert-controller`;
  const connect = `${connectHome}/onepassword-connect`;

  const flows: FlowDeclaration[] = [
    ...[operator, webhook, certController].map((client) =>
      flow(client).to(kubeApiserver()).on().because("watches and writes its resources").ownedBy(presetOwner),
    ),
    flow(operator).to(connect).on(tcp(8080)).because("reads secrets from 1Password Connect").ownedBy(presetOwner),
    ...(options.accountHosts ?? ["*.1password.com"]).map((host) =>
      flow(connect).to(fqdn(host)).on(tcp(443)).because("synchronises vaults with 1Password").ownedBy(presetOwner),
    ),
  ];
  return {
    name: "external-secrets",
    path: "platform.externalSecrets",
    namespaces: [...new Set([home, connectHome])].map((name) => ({
      name,
      tier: Tier.SharedServices,
      existing: true,
    })),
    workloads: [
      workload(operator, {
        labels: { "app.kubernetes.io/name": "external-secrets" },
        ports: [metrics(8080, "metrics")],
      }),
      workload(webhook, {
        labels: { "app.kubernetes.io/name": "external-secrets-webhook" },
        ports: [tcp(10250, "webhook")],
      }),
      workload(certController, { labels: { "app.kubernetes.io/name": "external-secrets-cert-controller" } }),
      workload(connect, {
        labels: { "app.kubernetes.io/name": "onepassword-connect" },
        ports: [tcp(8080, "http")],
      }),
    ],
    flows,
    webhooks: [{ workload: webhook, port: 10250 }],
    dependsOn: options.dependsOn ?? [],
  };
}
