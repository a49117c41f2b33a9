/** A web application behind ingress-nginx, with its stores and its monitoring, in plain NetworkPolicies. */
import * as pulumi from "@pulumi/pulumi";
import {
  ClusterSecurity,
  Dialect,
  Tier,
  cidr,
  flow,
  internet,
  kubeApiserver,
  metrics,
  namespace,
  nodes,
  port,
  tcp,
  udp,
  workload,
} from "pulumi-cluster-security";

// a NetworkPolicy names the API server, nodes and pods by their addresses; these are kubeadm's usual ones
const config = new pulumi.Config();
const apiServer = config.get("apiServer") ?? "10.96.0.1/32"; // kubectl get service kubernetes
const nodeRange = config.get("nodes") ?? "192.168.0.0/24"; // kubectl get nodes -o wide
const podRange = config.get("pods") ?? "10.244.0.0/16"; // what the CNI assigns addresses from

const security = new ClusterSecurity("web-app", {
  dialect: Dialect.Kubernetes,
  cluster: { apiServer: { cidrs: [apiServer] }, nodeCidrs: [nodeRange], podCidrs: [podRange] },
  namespaces: [
    namespace("app", { labels: { name: "app" } }),
    // made by whoever runs the cluster: only their policies are this stack's
    { name: "ingress-nginx", tier: Tier.SharedServices, existing: true },
    { name: "monitoring", tier: Tier.SharedServices, existing: true },
  ],
  // pods are selected by `app: <name>` unless `labels` says otherwise
  workloads: [
    workload("app/frontend", { ports: [tcp(3000, "http"), metrics(9464, "metrics")] }),
    workload("app/backend-api", { ports: [tcp(3000, "http"), metrics(9464, "metrics")] }),
    workload("app/worker", { ports: [metrics(9464, "metrics")] }),
    workload("app/postgres", { ports: [tcp(5432, "postgres"), metrics(9187, "metrics")], denyExternal: true }),
    workload("app/redis", { ports: [tcp(6379, "redis"), metrics(9121, "metrics")], denyExternal: true }),
    workload("app/rabbitmq", { ports: [tcp(5672, "amqp"), metrics(15692, "metrics")], denyExternal: true }),
    workload("app/backup-agent"),
    workload("kube-system/kube-dns", { labels: { "k8s-app": "kube-dns" }, ports: [udp(53), tcp(53)] }),
    workload("ingress-nginx/ingress-nginx", {
      labels: { "app.kubernetes.io/name": "ingress-nginx", "app.kubernetes.io/component": "controller" },
      ports: [tcp(80, "http"), tcp(443, "https"), tcp(8443, "webhook"), metrics(10254, "metrics")],
    }),
    workload("monitoring/alertmanager", { ports: [tcp(9093, "web")] }),
    workload("monitoring/otel-collector", { ports: [tcp(4317, "otlp-grpc")] }),
    workload("monitoring/loki", { ports: [tcp(3100, "http")] }),
  ],
  platform: {
    // Prometheus reaches every port that is declared with `metrics`, and nothing else of a workload
    observability: {
      namespace: "monitoring",
      scraper: workload("monitoring/prometheus", { ports: [metrics(9090, "web")] }),
      storage: workload("monitoring/thanos-receive", { ports: [tcp(19291, "remote-write")] }),
    },
    services: [
      {
        name: "ingress-nginx",
        flows: [
          flow(cidr("0.0.0.0/0"))
            .to("ingress-nginx")
            .on(port("http"), port("https"))
            .because("visitors")
            .ownedBy("platform"),
          flow(nodes())
            .to("ingress-nginx")
            .on(port("http"), port("https"))
            .because("visitors behind node ports")
            .ownedBy("platform"),
          flow("ingress-nginx").to(kubeApiserver()).on().because("watches ingresses").ownedBy("platform"),
        ],
        webhooks: [{ workload: "ingress-nginx", port: 8443 }],
      },
    ],
  },
  // each flow becomes two rules: egress at the source, ingress at the destination
  flows: [
    flow("ingress-nginx").to("frontend").on(port("http")).because("visitors see the frontend").ownedBy("web"),
    flow("frontend").to("backend-api").on(port("http")).because("pages are filled from the API").ownedBy("web"),
    flow("backend-api").to("postgres").on(port("postgres")).because("records").ownedBy("backend"),
    flow("backup-agent").to("postgres").on(port("postgres")).because("nightly dumps").ownedBy("operations"),
    flow("postgres").to("postgres").on(port("postgres")).because("streaming replication").ownedBy("operations"),
    flow("backend-api").to("redis").on(port("redis")).because("caches and invalidates").ownedBy("backend"),
    flow("redis").to("redis").on(port("redis")).because("replication").ownedBy("operations"),
    flow("backend-api").to("rabbitmq").on(port("amqp")).because("queues jobs").ownedBy("backend"),
    flow("worker").to("rabbitmq").on(port("amqp")).because("takes jobs").ownedBy("backend"),
    flow("worker").to("postgres").on(port("postgres")).because("writes results").ownedBy("backend"),
    // public addresses only: no metadata endpoint, no other pod
    flow("backend-api").to(internet()).on(tcp(443)).because("payment and mail providers").ownedBy("backend"),
    flow("prometheus").to("alertmanager").on(port("web")).because("alerts").ownedBy("platform"),
    ...["frontend", "backend-api", "worker"].map((name) =>
      flow(name).to("otel-collector").on(port("otlp-grpc")).because("traces").ownedBy("platform"),
    ),
    flow("otel-collector").to("loki").on(port("http")).because("logs").ownedBy("platform"),
  ],
});

// The workloads name `security` in their `dependsOn`: they start after the policies and are stopped before them.
//   new k8s.helm.v3.Release("app", { chart: "./app", namespace: "app" }, { dependsOn: [security] });

export const { policies, exemptNamespaces, warnings } = security;
