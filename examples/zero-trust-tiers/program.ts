import type { WorkloadDeclaration } from "../../sdk/index";
import { CiliumEncryption, ClusterSecurity, Tier, metrics, tcp, workload } from "../../sdk/index";
import type { ClusterSecurityArgs, SecurityPosture } from "../../sdk/index";
import type * as pulumi from "@pulumi/pulumi";
import type { ExampleSettings } from "../support/settings";
import { exampleSettings, existingCni, inDialect } from "../support/settings";
import { deploy } from "../support/workloads";
import { applications, declaration, observabilityWorkloads, platformNamespaces, systemWorkloads } from "./declaration";

/** What the presets declare; deployed as placeholders where the cluster has none of it. */
export const platformWorkloads: readonly WorkloadDeclaration[] = [
  workload("observability/vmagent", {
    labels: { "app.kubernetes.io/name": "vmagent" },
    ports: [metrics(8429, "http")],
  }),
  workload("observability/victoria-metrics", {
    labels: { "app.kubernetes.io/name": "victoria-metrics" },
    ports: [metrics(8428, "http")],
  }),
  workload("cert-manager/cert-manager", {
    labels: { "app.kubernetes.io/name": "cert-manager", "app.kubernetes.io/component": "controller" },
    ports: [metrics(9402, "http-metrics")],
  }),
  workload("cert-manager/cert-manager-webhook", {
    labels: { "app.kubernetes.io/name": "webhook", "app.kubernetes.io/component": "webhook" },
    ports: [tcp(10250, "https")],
  }),
  workload("external-secrets/external-secrets", {
    labels: { "app.kubernetes.io/name": "external-secrets" },
    ports: [metrics(8080, "metrics")],
  }),
  workload("external-secrets/onepassword-connect", {
    labels: { "app.kubernetes.io/name": "onepassword-connect" },
    ports: [tcp(8080, "http")],
  }),
];

/** The stack: first everything that protects, then what is protected. */
export async function program(): Promise<{ posture: pulumi.Output<SecurityPosture> }> {
  const settings = exampleSettings();
  const applicationNamespaces = (declaration.namespaces ?? []).filter(({ tier }) => tier === Tier.Applications);
  const security = new ClusterSecurity("zero-trust", {
    ...inDialect(declaration, settings),
    namespaces: [...platformNamespaces(!settings.standIns), ...applicationNamespaces],
    ...cni(settings),
    defaultDeny: { allowRemoval: settings.mayUncoverOthers },
  });

  const standIns = [...systemWorkloads, ...observabilityWorkloads, ...platformWorkloads];
  const deployed = settings.standIns ? [...standIns, ...applications] : applications;
  for (const application of deployed) {
    deploy(application, { dependsOn: [security] });
  }
  return { posture: security.posture };
}

function cni(settings: ExampleSettings): Pick<ClusterSecurityArgs, "cni"> {
  const version = settings.ciliumVersion === undefined ? {} : { version: settings.ciliumVersion };
  const { cni: existing } = existingCni(settings);
  if (!settings.installCni) return existing === undefined ? {} : { cni: { ...existing, ...version } };
  return {
    cni: {
      ...version,
      encryption: CiliumEncryption.WireGuard,
      hubble: { relay: true, ui: true },
      ...(settings.ciliumChart === undefined ? {} : { chart: settings.ciliumChart }),
    },
  };
}
