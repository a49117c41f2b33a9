import type { ClusterSecurityDeclaration, WorkloadDeclaration } from "../../sdk/index";
import {
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
} from "../../sdk/index";

const component = (name: string): { [key: string]: string } => ({ component: name });

/** The jewelry shop. */
export const applications: readonly WorkloadDeclaration[] = [
  workload("jewelry-shop/nginx", {
    labels: component("nginx"),
    ports: [tcp(80, "http"), tcp(443, "https"), tcp(9113)],
  }),
  workload("jewelry-shop/django", { labels: component("django"), ports: [tcp(8000, "http")] }),
  workload("jewelry-shop/celery-worker", { labels: component("celery-worker") }),
  workload("jewelry-shop/celery-beat", { labels: component("celery-beat") }),
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
    labels: component("redis"),
    ports: [tcp(6379, "redis"), tcp(9121)],
    denyExternal: true,
  }),
  workload("jewelry-shop/sentinel", { labels: component("redis-sentinel"), ports: [tcp(26379, "sentinel")] }),
];

/** What a real cluster has already. */
export const platform: readonly WorkloadDeclaration[] = [
  workload("kube-system/kube-dns", { labels: { "k8s-app": "kube-dns" }, ports: [udp(53), tcp(53)] }),
  workload("traefik/traefik", {
    labels: { "app.kubernetes.io/name": "traefik" },
    ports: [tcp(8000, "web"), tcp(8443, "websecure")],
  }),
  workload("monitoring/prometheus", { labels: { "app.kubernetes.io/name": "prometheus" }, ports: [tcp(9090, "web")] }),
];

const workers = ["celery-worker", "celery-beat"];

/** Who may talk to whom: seventeen policies with names of their own, and what the shop needs besides. */
export const declaration: ClusterSecurityDeclaration = {
  dialect: Dialect.Kubernetes,
  cluster: { apiServer: { cidrs: ["10.43.0.1/32"] }, nodeCidrs: ["192.168.0.0/24"], podCidrs: ["10.42.0.0/16"] },
  namespaces: [
    namespace("jewelry-shop"),
    { name: "traefik", tier: Tier.SharedServices },
    { name: "monitoring", tier: Tier.SharedServices },
  ],
  workloads: [...applications, ...platform],
  flows: [
    flow("nginx").to("django").on(port("http")).because("serves the application").ownedBy("shop"),
    flow("django").to("postgresql").on(port("postgresql")).because("migrations").ownedBy("shop"),
    flow("django").to("pgbouncer").on(port("pgbouncer")).because("pooled queries").ownedBy("shop"),
    flow("django").to("redis").on(port("redis")).because("cache").ownedBy("shop"),
    ...workers.flatMap((name) => [
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
    // what the seed leaves out: pooler to database, replication, Patroni, Sentinel's own protocol (B40, B41, B43, B44)
    flow("pgbouncer").to("postgresql").on(port("postgresql")).because("pools connections").ownedBy("operations"),
    flow("celery-worker").to("pgbouncer").on(port("pgbouncer")).because("pooled queries").ownedBy("shop"),
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
    // limited to public addresses: metadata endpoints and other pods stay closed (B45)
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
  policyNames: {
    "allow-celery-worker-to-postgresql": "allow-celery-to-postgresql",
    "allow-celery-worker-to-redis": "allow-celery-to-redis",
    "allow-prometheus.monitoring-to-namespace": "allow-monitoring-to-all-pods",
    "allow-traefik.traefik-to-nginx": "allow-ingress-to-nginx",
    "allow-dns-egress": "allow-dns-access",
  },
};
