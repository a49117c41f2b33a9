import type { ClusterSecurityDeclaration, WorkloadDeclaration } from "../../sdk/index";
import { Dialect, flow, fqdn, namespace, port, tcp, udp, workload } from "../../sdk/index";

/** Services that are known by their service account, not only by labels that anybody can set. */
export const applications: readonly WorkloadDeclaration[] = [
  workload("production/api-gateway", { serviceAccount: "api-gateway", ports: [tcp(8443, "https")] }),
  workload("production/frontend", { serviceAccount: "frontend", ports: [tcp(8080, "http")] }),
  workload("production/orders", { serviceAccount: "orders", ports: [tcp(9000, "grpc")] }),
  workload("staging/frontend", { serviceAccount: "frontend", ports: [tcp(8080, "http")] }),
];

/** What a real cluster has already. */
export const platform: readonly WorkloadDeclaration[] = [
  workload("kube-system/kube-dns", { labels: { "k8s-app": "kube-dns" }, ports: [udp(53), tcp(53)] }),
];

/** Who may talk to whom, by service account. */
export const declaration: ClusterSecurityDeclaration = {
  dialect: Dialect.Cilium,
  namespaces: [namespace("production"), namespace("staging")],
  workloads: [...applications, ...platform],
  flows: [
    flow("api-gateway").to("production/frontend").on(port("http")).because("serves pages").ownedBy("edge"),
    flow("production/frontend").to("orders").on(port("grpc")).because("lists orders").ownedBy("shop"),
    flow("orders").to(fqdn("api.example.com")).on(tcp(443)).because("ships orders").ownedBy("shop"),
  ],
};
