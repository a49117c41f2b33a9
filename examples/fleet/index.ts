/** One declaration, two clusters, a provider for each: nothing goes to whatever cluster happens to be current. */
import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import type { ClusterSecurityArgs } from "pulumi-cluster-security";
import {
  ClusterSecurity,
  Tier,
  flow,
  fqdn,
  kubeApiserver,
  namespace,
  port,
  tcp,
  udp,
  workload,
} from "pulumi-cluster-security";

// what differs between clusters are facts about them, never who may talk to whom
const clusters = {
  infra: { enforcerVersion: "1.18.5" },
  apps: { enforcerVersion: "1.20.2" },
};

const declaration: ClusterSecurityArgs = {
  namespaces: [
    { name: "delivery", tier: Tier.SharedServices, existing: true },
    namespace("checkout"),
    namespace("ledger"),
  ],
  workloads: [
    workload("checkout/web", { serviceAccount: "web", ports: [tcp(8080, "http")] }),
    workload("ledger/api", { serviceAccount: "api", ports: [tcp(9000, "grpc")] }),
    workload("ledger/store", { serviceAccount: "store", ports: [tcp(5432, "sql")] }),
    workload("kube-system/kube-dns", { labels: { "k8s-app": "kube-dns" }, ports: [udp(53), tcp(53)] }),
    workload("delivery/agent", { serviceAccount: "agent" }),
  ],
  flows: [
    flow("web").to("api").on(port("grpc")).because("orders are booked").ownedBy("checkout"),
    flow("api").to("store").on(port("sql")).because("keeps the books").ownedBy("ledger"),
    flow("api").to(fqdn("api.example.com")).on(tcp(443)).because("fetches exchange rates").ownedBy("ledger"),
    flow("agent").to(kubeApiserver()).on().because("applies what was released").ownedBy("delivery"),
    flow("agent").to(fqdn("git.example.com")).on(tcp(443)).because("reads what was released").ownedBy("delivery"),
  ],
};

// how each cluster is reached: its context, by default the cluster's name, and its kubeconfig
interface Access {
  context?: string;
  kubeconfig?: string;
}
const config = new pulumi.Config();
const access = config.getObject<Record<string, Access>>("clusters") ?? {};

// the default deny covers pods of others too: `pulumi config set allowRemoval true` and `pulumi up` come before a destroy
const allowRemoval = config.getBoolean("allowRemoval") ?? false;

const components = Object.entries(clusters).map(([name, cluster]) => {
  const provider = new k8s.Provider(name, { context: name, ...access[name] });
  return new ClusterSecurity(`fleet-${name}`, { ...declaration, cluster, defaultDeny: { allowRemoval } }, { provider });
});

export const policies = components.map((security) => security.policies);
