import * as k8s from "@pulumi/kubernetes";
import type * as pulumi from "@pulumi/pulumi";
import type { WorkloadDeclaration } from "../../sdk/index";

/** Idles; stands where the real image would. */
const image = "busybox:1.37";

/**
 * Deploys what a workload declaration describes, with exactly the labels, service account and ports that the policies
 * were derived from.
 *
 * @param options `nodeless`: there is nothing to wait for; `dependsOn`: what protects the workload stands first.
 */
export function deploy(
  workload: WorkloadDeclaration,
  options: { nodeless: boolean; dependsOn: pulumi.Resource[]; parent?: pulumi.Resource },
): k8s.apps.v1.Deployment {
  const { name, namespace, serviceAccount } = workload;
  const labels = workload.labels ?? { app: name };
  const resourceOptions: pulumi.CustomResourceOptions = { dependsOn: options.dependsOn };
  if (options.parent !== undefined) resourceOptions.parent = options.parent;
  const account =
    serviceAccount === undefined
      ? undefined
      : new k8s.core.v1.ServiceAccount(
          `${namespace}-${serviceAccount}`,
          { metadata: { name: serviceAccount, namespace } },
          resourceOptions,
        );
  const ports = (workload.ports ?? []).flatMap(({ port, protocol, name: portName }) =>
    port === undefined
      ? []
      : [{ containerPort: port, protocol: protocol ?? "TCP", ...(portName ? { name: portName } : {}) }],
  );
  return new k8s.apps.v1.Deployment(
    `${namespace}-${name}`,
    {
      metadata: {
        name,
        namespace,
        labels,
        // a cluster without nodes never makes a pod ready
        annotations: options.nodeless ? { "pulumi.com/skipAwait": "true" } : {},
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
