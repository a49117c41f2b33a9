import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import type { SecurityPosture } from "../../sdk/index";
import { exampleSettings } from "../support/settings";
import { protect } from "../support/stack";
import { applications, clusters, declaration, platform } from "./declaration";

/** How a cluster is reached. */
interface ClusterAccess {
  /** Context in the kubeconfig. Defaults to the cluster's name. */
  readonly context?: string;
  /** Path or contents of the kubeconfig. Defaults to the user's. */
  readonly kubeconfig?: string;
}

/** One declaration, two clusters, a provider for each: nothing goes to whatever cluster happens to be current. */
export async function program(): Promise<{ postures: Record<string, pulumi.Output<SecurityPosture>> }> {
  const access = new pulumi.Config("clusterSecurity").getObject<Record<string, ClusterAccess>>("clusters") ?? {};
  const postures: Record<string, pulumi.Output<SecurityPosture>> = {};
  for (const [name, facts] of Object.entries(clusters)) {
    const { context = name, kubeconfig } = access[name] ?? {};
    const provider = new k8s.Provider(name, { context, ...(kubeconfig === undefined ? {} : { kubeconfig }) });
    const { posture } = protect(
      {
        name: `fleet-${name}`,
        declaration: { ...declaration, cluster: facts },
        applications,
        platform,
        cluster: { name, provider },
      },
      exampleSettings(),
    );
    postures[name] = posture;
  }
  return { postures };
}
