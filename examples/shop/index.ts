/** A jewelry shop: nginx, Django, Celery, PostgreSQL with Patroni and PgBouncer, Redis with Sentinel. */
import * as pulumi from "@pulumi/pulumi";
import {
  ClusterSecurity,
  Dialect,
  Tier,
  allOf,
  cidr,
  flow,
  internet,
  kubeApiserver,
  namespace,
  nodes,
  port,
  tcp,
  udp,
  workload,
} from "pulumi-cluster-security";

// a NetworkPolicy names the API server, nodes and pods by their addresses; these are k3s's usual ones
const config = new pulumi.Config();
const apiServer = config.get("apiServer") ?? "10.43.0.1/32"; // kubectl get service kubernetes
const nodeRange = config.get("nodes") ?? "192.168.0.0/24"; // kubectl get nodes -o wide
const podRange = config.get("pods") ?? "10.42.0.0/16"; // what the CNI assigns addresses from

const security = new ClusterSecurity("shop", {
  dialect: Dialect.Kubernetes,
  cluster: { apiServer: { cidrs: [apiServer] }, nodeCidrs: [nodeRange], podCidrs: [podRange] },
  namespaces: [
    namespace("jewelry-shop"),
    // made by whoever runs the cluster: only their policies are this stack's
    { name: "traefik", tier: Tier.SharedServices, existing: true },
    { name: "monitoring", tier: Tier.SharedServices, existing: true },
  ],
  workloads: [
    workload("jewelry-shop/nginx", {
      labels: { component: "nginx" },
      ports: [tcp(80, "http"), tcp(443, "https"), tcp(9113)],
    }),
    workload("jewelry-shop/django", { labels: { component: "django" }, ports: [tcp(8000, "http")] }),
    workload("jewelry-shop/celery-worker", { labels: { component: "celery-worker" } }),
    workload("jewelry-shop/celery-beat", { labels: { component: "celery-beat" } }),
    // the labels of Zalando's operator, which makes these pods
    workload("jewelry-shop/postgresql", {
      labels: { application: "spilo" },
      ports: [tcp(5432, "postgresql"), tcp(8008, "patroni"), tcp(9187)],
      denyExternal: true,
    }),
    workload("jewelry-shop/pgbouncer", {
      labels: { application: "db-connection-pooler" },
      ports: [tcp(5432, "pgbouncer")],
    }),
    workload("jewelry-shop/redis", {
      labels: { component: "redis" },
      ports: [tcp(6379, "redis"), tcp(9121)],
      denyExternal: true,
    }),
    workload("jewelry-shop/sentinel", {
      labels: { component: "redis-sentinel" },
      ports: [tcp(26379, "sentinel")],
    }),
    workload("kube-system/kube-dns", { labels: { "k8s-app": "kube-dns" }, ports: [udp(53), tcp(53)] }),
    workload("traefik/traefik", {
      labels: { "app.kubernetes.io/name": "traefik" },
      ports: [tcp(8000, "web"), tcp(8443, "websecure")],
    }),
    workload("monitoring/prometheus", {
      labels: { "app.kubernetes.io/name": "prometheus" },
      ports: [tcp(9090, "web")],
    }),
  ],
  flows: [
    flow("nginx").to("django").on(port("http")).because("serves the application").ownedBy("shop"),
    flow("django").to("postgresql").on(port("postgresql")).because("migrations").ownedBy("shop"),
    flow("django").to("pgbouncer").on(port("pgbouncer")).because("pooled queries").ownedBy("shop"),
    flow("django").to("redis").on(port("redis")).because("cache").ownedBy("shop"),
    ...["celery-worker", "celery-beat"].flatMap((name) => [
      flow(name).to("postgresql").on(port("postgresql")).because("tasks read and write").ownedBy("shop"),
      flow(name).to("redis").on(port("redis")).because("broker").ownedBy("shop"),
    ]),
    flow("sentinel").to("redis").on(port("redis")).because("monitors the primary").ownedBy("operations"),
    flow("prometheus")
      .to(allOf("jewelry-shop"))
      .on(tcp(8000), tcp(9113), tcp(9187), tcp(9121))
      .because("scrapes the exporters")
      .ownedBy("operations"),
    flow("traefik").to("nginx").on(port("http"), port("https")).because("visitors").ownedBy("operations"),
    flow("pgbouncer").to("postgresql").on(port("postgresql")).because("pools connections").ownedBy("operations"),
    flow("celery-worker").to("pgbouncer").on(port("pgbouncer")).because("pooled queries").ownedBy("shop"),
    // between the replicas of one workload: without these a failover ends in two primaries, or in none
    flow("postgresql")
      .to("postgresql")
      .on(port("postgresql"), port("patroni"))
      .because("replication, failover")
      .ownedBy("operations"),
    flow("postgresql").to(kubeApiserver()).on().because("Patroni keeps its state there").ownedBy("operations"),
    flow("redis").to("redis").on(port("redis")).because("replication").ownedBy("operations"),
    flow("redis").to("sentinel").on(port("sentinel")).because("announces itself").ownedBy("operations"),
    flow("sentinel").to("sentinel").on(port("sentinel")).because("agree on a failover").ownedBy("operations"),
    flow("django").to("sentinel").on(port("sentinel")).because("asks for the primary").ownedBy("shop"),
    // public addresses only: metadata endpoints and other pods stay closed
    flow("django").to(internet()).on(tcp(80), tcp(443)).because("payment and shipping providers").ownedBy("shop"),
    flow("celery-worker")
      .to(internet())
      .on(tcp(80), tcp(443), tcp(587))
      .because("providers, mail submission")
      .ownedBy("shop"),
    flow(cidr("0.0.0.0/0")).to("traefik").on(port("web"), port("websecure")).because("visitors").ownedBy("operations"),
    flow(nodes())
      .to("traefik")
      .on(port("web"), port("websecure"))
      .because("visitors behind node ports")
      .ownedBy("operations"),
    flow("traefik").to(kubeApiserver()).on().because("watches ingresses").ownedBy("operations"),
  ],
  // names that dashboards and runbooks of the shop know already
  policyNames: {
    "allow-celery-worker-to-postgresql": "allow-celery-to-postgresql",
    "allow-celery-worker-to-redis": "allow-celery-to-redis",
    "allow-prometheus.monitoring-to-namespace": "allow-monitoring-to-all-pods",
    "allow-traefik.traefik-to-nginx": "allow-ingress-to-nginx",
    "allow-dns-egress": "allow-dns-access",
  },
});

// The workloads name `security` in their `dependsOn`: they start after the policies and are stopped before them.
//   new k8s.helm.v3.Release("shop", { chart: "./shop", namespace: "jewelry-shop" }, { dependsOn: [security] });

export const { policies, exemptNamespaces, warnings } = security;
