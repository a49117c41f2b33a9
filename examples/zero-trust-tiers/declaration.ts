import {
  Dialect,
  Entity,
  Tier,
  allOf,
  flow,
  fqdn,
  metrics,
  namespace,
  port,
  tcp,
  udp,
  workload,
} from "../../sdk/index";
import type { ClusterSecurityDeclaration, NamespaceDeclaration, WorkloadDeclaration } from "../../sdk/index";

const appName = (name: string): { [key: string]: string } => ({ "app.kubernetes.io/name": name });

/** Tier 0: there in every real cluster. Declared so that their metrics can be scraped and reachability computed. */
export const systemWorkloads: readonly WorkloadDeclaration[] = [
  workload("kube-system/kube-dns", {
    labels: { "k8s-app": "kube-dns" },
    ports: [udp(53, "dns"), tcp(53, "dns-tcp"), metrics(9153, "metrics")],
  }),
  workload("kube-system/node-exporter", { labels: appName("node-exporter"), ports: [tcp(9100)], hostNetwork: true }),
  workload("flux-system/source-controller", {
    labels: { app: "source-controller" },
    ports: [metrics(8080, "http-prom")],
  }),
];

/** Namespaces of tiers 0 and 1, which a running cluster has already. */
export function platformNamespaces(existing: boolean): NamespaceDeclaration[] {
  return [
    { name: "flux-system", tier: Tier.Platform, existing },
    { name: "observability", tier: Tier.SharedServices, existing },
    { name: "cert-manager", tier: Tier.SharedServices, existing },
    { name: "external-secrets", tier: Tier.SharedServices, existing },
  ];
}

/** Tier 1 beside the presets. */
export const observabilityWorkloads: readonly WorkloadDeclaration[] = [
  workload("observability/kube-state-metrics", {
    labels: appName("kube-state-metrics"),
    ports: [metrics(8080, "http")],
  }),
  workload("observability/blackbox-exporter", { labels: appName("blackbox-exporter"), ports: [metrics(9115, "http")] }),
];

/** Tier 2: the applications that the policies are for. */
export const applications: readonly WorkloadDeclaration[] = [
  workload("business/odoo", { serviceAccount: "odoo", ports: [tcp(8069, "http"), metrics(8080, "metrics")] }),
  workload("business/n8n", { serviceAccount: "n8n", ports: [tcp(5678, "http")] }),
  workload("business/postgres", { serviceAccount: "postgres", ports: [tcp(5432, "postgres")] }),
  workload("website/storefront", {
    serviceAccount: "storefront",
    ports: [tcp(3000, "http"), metrics(9090, "metrics")],
  }),
];

/** Three tiers, and every flow with its reason. */
export const declaration: ClusterSecurityDeclaration = {
  dialect: Dialect.Cilium,
  // Cilium knows these by name; the other policy APIs by address only
  cluster: { apiServer: { cidrs: ["10.96.0.1/32"] }, nodeCidrs: ["192.168.0.0/24"], podCidrs: ["10.244.0.0/16"] },
  namespaces: [...platformNamespaces(true), namespace("business"), namespace("website")],
  platform: {
    observability: {},
    certManager: { dnsProviders: ["api.cloudflare.com"] },
    externalSecrets: {},
    services: [
      {
        name: "kube-state-metrics",
        workloads: [],
        flows: [
          flow("kube-state-metrics")
            .to({ entity: Entity.KubeApiserver })
            .on()
            .because("reads the state it reports")
            .ownedBy("platform"),
        ],
        dependsOn: ["observability"],
      },
    ],
  },
  workloads: [...systemWorkloads, ...observabilityWorkloads, ...applications],
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
};
