import { metrics, tcp, workload } from "../builders";
import type { ExternalSecretsService } from "../declaration";
import { connect, named, reaches, sharedServices, usesApiServer } from "./parts";
import type { Preset } from "./preset";

/**
 * The External Secrets Operator (controller, webhook, cert-controller) with 1Password Connect, both sides of the path
 * between them and Connect's own path to 1Password.
 */
export const externalSecrets: Preset<ExternalSecretsService> = {
  name: "external-secrets",
  title: "External Secrets with 1Password Connect",
  version: "chart external-secrets 0.20, chart connect 2.0 (1Password Connect 1.8)",
  sources: [
    "https://github.com/external-secrets/external-secrets/blob/main/deploy/charts/external-secrets/values.yaml",
    "https://github.com/1Password/connect-helm-charts/blob/main/charts/connect/values.yaml",
  ],
  options: { namespace: "text", connectNamespace: "text", accountHosts: "hosts", dependsOn: "texts" },
  expand({ namespace: home = "external-secrets", connectNamespace = home, accountHosts = ["*.1password.com"] }) {
    const operator = `${home}/external-secrets`;
    const webhook = `${home}/external-secrets-webhook`;
    const certController = `${home}/external-secrets-cert-controller`;
    const connectServer = `${connectNamespace}/onepassword-connect`;
    return {
      namespaces: sharedServices(home, connectNamespace),
      workloads: [
        workload(operator, { labels: named("external-secrets"), ports: [metrics(8080, "metrics")] }),
        workload(webhook, {
          labels: named("external-secrets-webhook"),
          ports: [tcp(10250, "webhook"), metrics(8080, "metrics")],
        }),
        workload(certController, {
          labels: named("external-secrets-cert-controller"),
          ports: [metrics(8080, "metrics")],
        }),
        workload(connectServer, { labels: named("onepassword-connect"), ports: [tcp(8080, "http")] }),
      ],
      flows: [
        ...usesApiServer(operator, webhook, certController),
        connect(operator, connectServer, [tcp(8080)], "reads secrets from 1Password Connect"),
        ...reaches(connectServer, accountHosts, "synchronises vaults with 1Password"),
      ],
      webhooks: [{ workload: webhook, port: 10250 }],
    };
  },
};
