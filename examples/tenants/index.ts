/** Three teams in one cluster. Nothing passes between them but what one grants to another, with a last day. */
import * as pulumi from "@pulumi/pulumi";
import { ClusterSecurity, flow, fqdn, namespace, port, tcp, udp, workload } from "pulumi-cluster-security";

// the default deny covers pods of others too: `pulumi config set allowRemoval true` and `pulumi up` come before a destroy
const allowRemoval = new pulumi.Config().getBoolean("allowRemoval") ?? false;

const tenants = ["acme", "globex", "initech"];

const security = new ClusterSecurity("tenants", {
  defaultDeny: { allowRemoval },
  namespaces: tenants.flatMap((tenant) => [namespace(`${tenant}-web`), namespace(`${tenant}-data`)]),
  workloads: [
    ...tenants.flatMap((tenant) => [
      workload(`${tenant}-web/web`, { serviceAccount: "web", ports: [tcp(8080, "http")] }),
      workload(`${tenant}-data/store`, { serviceAccount: "store", ports: [tcp(5432, "sql")] }),
    ]),
    workload("kube-system/kube-dns", { labels: { "k8s-app": "kube-dns" }, ports: [udp(53), tcp(53)] }),
  ],
  tenants: [
    // members of the group may edit policies in these two namespaces, and cannot open the tenant's boundary with them
    { name: "acme", namespaces: ["acme-web", "acme-data"], policyEditors: ["acme-admins"] },
    {
      name: "globex",
      namespaces: ["globex-web", "globex-data"],
      policyEditors: ["globex-admins"],
      // granted by the tenant whose workload is reached; the pack reports it once the day is over
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
});

// The workloads name `security` in their `dependsOn`: they start after the policies and are stopped before them.

export const { policies, exemptNamespaces, exceptions, warnings } = security;
