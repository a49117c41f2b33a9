/** The bookshop: two services, one flow between them, and one to where customers pay. */
import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { ClusterSecurity, Dialect, cidr, flow, namespace, tcp, workload } from "pulumi-cluster-security";

const payments = new pulumi.Config().get("payments") ?? "198.51.100.0/24";

// stands where a cloud's resource would: its output is a value of the declaration
const partners = new k8s.core.v1.ConfigMap("partners", {
  metadata: { name: "partners", namespace: "default" },
  data: { payments },
});

const security = new ClusterSecurity("security", {
  dialect: Dialect.Kubernetes,
  cluster: { podCidrs: ["10.244.0.0/16"] },
  namespaces: [namespace("bookshop")],
  workloads: [
    workload("bookshop/frontend", { ports: [tcp(3000)] }),
    workload("bookshop/backend", { ports: [tcp(8080)] }),
  ],
  flows: [
    flow("frontend").to("backend").on(tcp(8080)).because("pages show books").ownedBy("web"),
    flow("backend")
      .to(cidr(partners.data.apply((data) => data["payments"] ?? "")))
      .on(tcp(443))
      .because("customers pay")
      .ownedBy("shop"),
  ],
});

for (const [name, containerPort] of Object.entries({ frontend: 3000, backend: 8080 })) {
  const labels = { app: name };
  const container = { name, image: "busybox:1.37", command: ["sleep", "infinity"], ports: [{ containerPort }] };
  new k8s.apps.v1.Deployment(
    name,
    {
      metadata: { name, namespace: "bookshop", labels },
      spec: {
        selector: { matchLabels: labels },
        template: { metadata: { labels }, spec: { containers: [container] } },
      },
    },
    { dependsOn: [security] },
  );
}

export const policies = security.policies;
