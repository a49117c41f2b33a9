import type { ClusterFacts, ClusterSecurityDeclaration, WorkloadDeclaration } from "../../sdk/index";
import { Dialect, Tier, flow, fqdn, kubeApiserver, namespace, port, tcp, udp, workload } from "../../sdk/index";

/** The same two applications in every cluster. */
export const applications: readonly WorkloadDeclaration[] = [
  workload("checkout/web", { serviceAccount: "web", ports: [tcp(8080, "http")] }),
  workload("ledger/api", { serviceAccount: "api", ports: [tcp(9000, "grpc")] }),
  workload("ledger/store", { serviceAccount: "store", ports: [tcp(5432, "sql")] }),
];

/** What a real cluster has already. */
export const platform: readonly WorkloadDeclaration[] = [
  workload("kube-system/kube-dns", { labels: { "k8s-app": "kube-dns" }, ports: [udp(53), tcp(53)] }),
  workload("delivery/agent", { serviceAccount: "agent" }),
];

/** Who may talk to whom, in every cluster of the fleet. */
export const declaration: ClusterSecurityDeclaration = {
  dialect: Dialect.Cilium,
  namespaces: [{ name: "delivery", tier: Tier.SharedServices }, namespace("checkout"), namespace("ledger")],
  workloads: [...applications, ...platform],
  flows: [
    flow("web").to("api").on(port("grpc")).because("orders are booked").ownedBy("checkout"),
    flow("api").to("store").on(port("sql")).because("keeps the books").ownedBy("ledger"),
    flow("api").to(fqdn("api.example.com")).on(tcp(443)).because("fetches exchange rates").ownedBy("ledger"),
    flow("agent").to(kubeApiserver()).on().because("applies what was released").ownedBy("delivery"),
    flow("agent").to(fqdn("git.example.com")).on(tcp(443)).because("reads what was released").ownedBy("delivery"),
  ],
};

/** Clusters of the fleet, and what differs between them: facts, never who may talk to whom. */
export const clusters: Readonly<Record<string, ClusterFacts>> = {
  infra: { enforcerVersion: "1.18.5" },
  apps: { enforcerVersion: "1.20.2" },
};
