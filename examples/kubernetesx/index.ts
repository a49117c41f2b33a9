/** Workloads written once, with kubernetesx: their labels, ports and service accounts are what the policies are made of. */
import * as k8s from "@pulumi/kubernetes";
import * as kx from "@pulumi/kubernetesx";
import * as pulumi from "@pulumi/pulumi";
import { ClusterSecurity, declareWorkload, flow, namespace, port } from "pulumi-cluster-security";

const web = new kx.PodBuilder({
  serviceAccountName: "web",
  containers: [{ image: "nginx:1.29-alpine", ports: { http: 8080 } }],
});
const cache = new kx.PodBuilder({ containers: [{ image: "redis:8-alpine", ports: { redis: 6379 } }] });
const cleanup = new kx.PodBuilder({ containers: [{ image: "valkey:8-alpine" }], restartPolicy: "Never" });

// the default deny covers pods of others too: `pulumi config set allowRemoval true` and `pulumi up` come before a destroy
const allowRemoval = new pulumi.Config().getBoolean("allowRemoval") ?? false;

// reading a builder takes a moment, and Pulumi calls a function that a program exports
export = async () => {
  const security = new ClusterSecurity("kubernetesx", {
    // Cilium runs already; { version: "1.20.2" } installs it
    cni: { existing: true },
    defaultDeny: { allowRemoval },
    namespaces: [namespace("kx-demo")],
    workloads: [
      await declareWorkload("kx-demo/web", web),
      await declareWorkload("kx-demo/cache", cache),
      await declareWorkload("kx-demo/cleanup", { spec: cleanup.asJobSpec() }),
    ],
    flows: [
      flow("web").to("cache").on(port("redis")).because("keeps sessions").ownedBy("web"),
      flow("cleanup").to("cache").on(port("redis")).because("drops old sessions").ownedBy("web"),
    ],
  });

  // everything that runs comes after the policies
  const account = new k8s.core.v1.ServiceAccount(
    "web",
    { metadata: { name: "web", namespace: "kx-demo" } },
    { dependsOn: [security] },
  );
  const options = { dependsOn: [security, account] };
  const metadata = (name: string) => ({ name, namespace: "kx-demo" });
  new kx.Deployment("web", { metadata: metadata("web"), spec: web.asDeploymentSpec() }, options);
  new kx.Deployment("cache", { metadata: metadata("cache"), spec: cache.asDeploymentSpec() }, options);
  new kx.Job("cleanup", { metadata: metadata("cleanup"), spec: cleanup.asJobSpec() }, options);

  return { policies: security.policies, exemptNamespaces: security.exemptNamespaces };
};
