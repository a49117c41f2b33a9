import * as k8s from "@pulumi/kubernetes";
import type * as pulumi from "@pulumi/pulumi";
import type { WorkloadDeclaration } from "../../sdk/index";

/** Idles; stands where the real image would. */
const image = "busybox:1.37";

/** How a workload is deployed. */
export interface DeployOptions {
  /** What protects the workload stands first. */
  readonly dependsOn: pulumi.Resource[];
  /** The cluster, where it is not the default provider's. Its name tells apart the same workload of two clusters. */
  readonly cluster?: { readonly name: string; readonly provider: k8s.Provider };
}

/**
 * Deploys what a workload declaration describes, with exactly the labels, service account and ports that the policies
 * were derived from.
 */
export function deploy(workload: WorkloadDeclaration, options: DeployOptions): k8s.apps.v1.Deployment {
  const { name, namespace, serviceAccount } = workload;
  const { cluster } = options;
  const prefix = cluster === undefined ? "" : `${cluster.name}-`;
  const labels = workload.labels ?? { app: name };
  const resourceOptions: pulumi.CustomResourceOptions = {
    dependsOn: options.dependsOn,
    ...(cluster === undefined ? {} : { provider: cluster.provider }),
  };
  const account =
    serviceAccount === undefined
      ? undefined
      : new k8s.core.v1.ServiceAccount(
          `${prefix}${namespace}-${serviceAccount}`,
          { metadata: { name: serviceAccount, namespace } },
          resourceOptions,
        );
  const ports = (workload.ports ?? []).flatMap(({ port, protocol, name: portName }) =>
    port === undefined
      ? []
      : [{ containerPort: port, protocol: protocol ?? "TCP", ...(portName ? { name: portName } : {}) }],
  );
  return new k8s.apps.v1.Deployment(
    `${prefix}${namespace}-${name}`,
    {
      metadata: {
        name,
        namespace,
        labels,
      },
      spec: {
        replicas: 1,
        selector: { matchLabels: labels },
        template: {
          metadata: { labels },
          spec: {
            ...(serviceAccount === undefined ? {} : { serviceAccountName: serviceAccount }),
            ...(workload.hostNetwork === true ? { hostNetwork: true } : {}),
            containers: [{ name, image, command: ["sleep", "infinity"], ports }],
          },
        },
      },
    },
    account === undefined ? resourceOptions : { ...resourceOptions, dependsOn: [...options.dependsOn, account] },
  );
}
