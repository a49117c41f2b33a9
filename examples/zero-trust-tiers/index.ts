/** A cluster in three tiers on Cilium: the platform is exempt, shared services and applications get declared flows. */
import * as pulumi from "@pulumi/pulumi";
import {
  ClusterSecurity,
  Entity,
  Tier,
  allOf,
  flow,
  fqdn,
  kubeApiserver,
  metrics,
  namespace,
  port,
  tcp,
  udp,
  workload,
} from "pulumi-cluster-security";

// the default deny covers pods of others too: `pulumi config set allowRemoval true` and `pulumi up` come before a destroy
const allowRemoval = new pulumi.Config().getBoolean("allowRemoval") ?? false;

const security = new ClusterSecurity("zero-trust", {
  // Cilium runs already; { version: "1.20.2" } installs it, with WireGuard between nodes and with Hubble
  cni: { existing: true },
  defaultDeny: { allowRemoval },
  // only for another `dialect`: Cilium knows the API server, nodes and pods without their addresses
  cluster: { apiServer: { cidrs: ["10.96.0.1/32"] }, nodeCidrs: ["192.168.0.0/24"], podCidrs: ["10.244.0.0/16"] },
  namespaces: [
    // tiers 0 and 1 are made by whoever runs the cluster
    { name: "flux-system", tier: Tier.Platform, existing: true },
    { name: "observability", tier: Tier.SharedServices, existing: true },
    { name: "cert-manager", tier: Tier.SharedServices, existing: true },
    { name: "external-secrets", tier: Tier.SharedServices, existing: true },
    namespace("business"),
    namespace("website"),
  ],
  platform: {
    // presets: each knows the workloads of its charts, what they need, and who calls their webhooks
    observability: {},
    certManager: { dnsProviders: ["api.cloudflare.com"] },
    externalSecrets: {},
    services: [
      {
        name: "kube-state-metrics",
        workloads: [],
        flows: [
          flow("kube-state-metrics").to(kubeApiserver()).on().because("reads the state it reports").ownedBy("platform"),
        ],
        dependsOn: ["observability"],
      },
    ],
  },
  workloads: [
    // tier 0: no policy applies to it; declared so that its metrics can be scraped
    workload("kube-system/kube-dns", {
      labels: { "k8s-app": "kube-dns" },
      ports: [udp(53, "dns"), tcp(53, "dns-tcp"), metrics(9153, "metrics")],
    }),
    workload("kube-system/node-exporter", {
      labels: { "app.kubernetes.io/name": "node-exporter" },
      ports: [tcp(9100)],
      hostNetwork: true,
    }),
    workload("flux-system/source-controller", {
      labels: { app: "source-controller" },
      ports: [metrics(8080, "http-prom")],
    }),
    // tier 1, beside the presets
    workload("observability/kube-state-metrics", {
      labels: { "app.kubernetes.io/name": "kube-state-metrics" },
      ports: [metrics(8080, "http")],
    }),
    workload("observability/blackbox-exporter", {
      labels: { "app.kubernetes.io/name": "blackbox-exporter" },
      ports: [metrics(9115, "http")],
    }),
    // tier 2: the applications
    workload("business/odoo", { serviceAccount: "odoo", ports: [tcp(8069, "http"), metrics(8080, "metrics")] }),
    workload("business/n8n", { serviceAccount: "n8n", ports: [tcp(5678, "http")] }),
    workload("business/postgres", { serviceAccount: "postgres", ports: [tcp(5432, "postgres")] }),
    workload("website/storefront", {
      serviceAccount: "storefront",
      ports: [tcp(3000, "http"), metrics(9090, "metrics")],
    }),
  ],
  flows: [
    flow({ entity: Entity.Ingress })
      .to("storefront")
      .on(port("http"))
      .because("visitors come through the gateway")
      .ownedBy("web"),
    flow("storefront").to("odoo").on(port("http")).because("orders and stock come from Odoo").ownedBy("web"),
    flow("n8n").to("odoo").on(port("http")).because("workflows update orders").ownedBy("automation"),
    flow("odoo").to("postgres").on(port("postgres")).because("Odoo keeps its data there").ownedBy("business"),
    flow("n8n").to(fqdn("api.github.com")).on(tcp(443)).because("workflows open issues").ownedBy("automation"),
    flow("blackbox-exporter")
      .to(allOf("website"))
      .on(tcp(3000))
      .because("probes what visitors see")
      .ownedBy("platform"),
  ],
});

// The workloads name `security` in their `dependsOn`: they start after the policies and are stopped before them.
//   new k8s.helm.v3.Release("odoo", { chart: "./odoo", namespace: "business" }, { dependsOn: [security] });

export const { policies, exemptNamespaces, warnings } = security;
