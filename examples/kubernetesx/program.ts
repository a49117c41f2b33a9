import * as k8s from "@pulumi/kubernetes";
import * as kx from "@pulumi/kubernetesx";
import { ClusterSecurity, declareWorkload, flow, namespace, port } from "../../sdk/index";
import { exampleSettings } from "../support/settings";
import type { ExampleOutputs } from "../support/stack";

/** Two workloads written once, with kubernetesx; the declaration reads labels and ports off them. */
export async function program(): Promise<ExampleOutputs> {
  const { nodeless } = exampleSettings();
  const web = new kx.PodBuilder({
    serviceAccountName: "web",
    containers: [{ image: "nginx:1.29-alpine", ports: { http: 8080 } }],
  });
  const cache = new kx.PodBuilder({ containers: [{ image: "redis:8-alpine", ports: { redis: 6379 } }] });

  const security = new ClusterSecurity("kubernetesx", {
    cni: { existing: true },
    namespaces: [namespace("kx-demo")],
    workloads: [await declareWorkload("kx-demo/web", web), await declareWorkload("kx-demo/cache", cache)],
    flows: [flow("web").to("cache").on(port("redis")).because("keeps sessions").ownedBy("web")],
  });

  const account = new k8s.core.v1.ServiceAccount(
    "web",
    { metadata: { name: "web", namespace: "kx-demo" } },
    { dependsOn: [security] },
  );
  const annotations: Record<string, string> = nodeless ? { "pulumi.com/skipAwait": "true" } : {};
  for (const [name, builder] of Object.entries({ web, cache })) {
    const metadata = { name, namespace: "kx-demo", annotations };
    new kx.Deployment(name, { metadata, spec: builder.asDeploymentSpec() }, { dependsOn: [security, account] });
  }
  return { posture: security.posture };
}
