/** Services that are known by their service account, not only by labels, which any pod may carry. */
import * as pulumi from "@pulumi/pulumi";
import { ClusterSecurity, flow, fqdn, namespace, port, tcp, udp, workload } from "pulumi-cluster-security";

// the default deny covers pods of others too: `pulumi config set allowRemoval true` and `pulumi up` come before a destroy
const allowRemoval = new pulumi.Config().getBoolean("allowRemoval") ?? false;

const security = new ClusterSecurity("service-identity", {
  defaultDeny: { allowRemoval },
  namespaces: [namespace("production"), namespace("staging")],
  // a pod is one of these only if it has the label `app: <name>` and runs under the service account
  workloads: [
    workload("production/api-gateway", { serviceAccount: "api-gateway", ports: [tcp(8443, "https")] }),
    workload("production/frontend", { serviceAccount: "frontend", ports: [tcp(8080, "http")] }),
    workload("production/orders", { serviceAccount: "orders", ports: [tcp(9000, "grpc")] }),
    workload("staging/frontend", { serviceAccount: "frontend", ports: [tcp(8080, "http")] }),
    workload("kube-system/kube-dns", { labels: { "k8s-app": "kube-dns" }, ports: [udp(53), tcp(53)] }),
  ],
  flows: [
    // `frontend` alone would be ambiguous: there is one in staging too
    flow("api-gateway").to("production/frontend").on(port("http")).because("serves pages").ownedBy("edge"),
    flow("production/frontend").to("orders").on(port("grpc")).because("lists orders").ownedBy("shop"),
    flow("orders").to(fqdn("api.example.com")).on(tcp(443)).because("ships orders").ownedBy("shop"),
  ],
});

// The workloads name `security` in their `dependsOn`: they start after the policies and are stopped before them.

export const { policies, exemptNamespaces, warnings } = security;
