import type { ClusterSecurityDeclaration, WorkloadDeclaration } from "../../sdk/index";
import { Dialect, flow, fqdn, namespace, port, tcp, udp, workload } from "../../sdk/index";

/** Three tenants, each with a web front and a store of its own. */
export const applications: readonly WorkloadDeclaration[] = ["acme", "globex", "initech"].flatMap((tenant) => [
  workload(`${tenant}-web/web`, { serviceAccount: "web", ports: [tcp(8080, "http")] }),
  workload(`${tenant}-data/store`, { serviceAccount: "store", ports: [tcp(5432, "sql")] }),
]);

/** What a real cluster has already. */
export const platform: readonly WorkloadDeclaration[] = [
  workload("kube-system/kube-dns", { labels: { "k8s-app": "kube-dns" }, ports: [udp(53), tcp(53)] }),
];

const tenants = ["acme", "globex", "initech"];

/** Isolation between tenants by default, one documented exception. */
export const declaration: ClusterSecurityDeclaration = {
  dialect: Dialect.Cilium,
  namespaces: tenants.flatMap((tenant) => [namespace(`${tenant}-web`), namespace(`${tenant}-data`)]),
  workloads: [...applications, ...platform],
  tenants: [
    { name: "acme", namespaces: ["acme-web", "acme-data"], policyEditors: ["acme-admins"] },
    {
      name: "globex",
      namespaces: ["globex-web", "globex-data"],
      policyEditors: ["globex-admins"],
      exceptions: [
        {
          flow: flow("acme-web/web")
            .to("globex-web/web")
            .on(port("http"))
            .because("acme shows globex's catalogue, contract 2026-114")
            .ownedBy("partnerships"),
          expires: "2027-06-30",
        },
      ],
    },
    { name: "initech", namespaces: ["initech-web", "initech-data"] },
  ],
  flows: [
    ...tenants.map((tenant) =>
      flow(`${tenant}-web/web`).to(`${tenant}-data/store`).on(port("sql")).because("keeps its data").ownedBy(tenant),
    ),
    flow("acme-web/web").to(fqdn("api.example.com")).on(tcp(443)).because("ships orders").ownedBy("acme"),
  ],
};
