/** What the presets can be told: plain data, as everywhere in a declaration. Their ports and peers are in the presets. */

import type { Input } from "../inputs";

/** A workload that a service opens connections to, and the port of its pods (not of its Service). */
export interface BackendDeclaration {
  /** A declared workload: `name`, or `namespace/name` where the name alone is ambiguous. */
  workload: string;
  /** TCP port on which the pods listen. */
  port: Input<number>;
}

/** CoreDNS as a target of scraping; asking it is always open. */
export interface CoreDnsService {
  /** Port of its metrics. Defaults to 9153. */
  metricsPort?: Input<number>;
  /** Other platform services (by their policy name, such as `external-secrets`) whose policies come first. */
  dependsOn?: string[];
}

/**
 * The namespaces of `cilium connectivity test`: without a default deny until a day, after which they are held like any other.
 * For the `cilium` dialect.
 */
export interface ConnectivityTestService {
  /**
   * Names of its namespaces. Defaults to `cilium-test-1`, `cilium-test-ccnp1` and `cilium-test-ccnp2`; a test with
   * `--test-concurrency` or `--test-namespace` makes others, and older releases made `cilium-test`.
   */
  namespaces?: string[];
  /** They are there already: the stack only annotates them. Defaults to false: it creates them, and the test uses them. */
  existing?: boolean;
  /** Why the test runs. Written onto the namespaces. */
  reason: string;
  /** Who answers for it. Written onto the namespaces. */
  owner: string;
  /** Last day, `2027-03-31`. */
  expires: string;
}

/** ingress-nginx with its admission webhook. Its workload is `<namespace>/ingress-nginx`. */
export interface IngressNginxService {
  /** Defaults to `ingress-nginx`. */
  namespace?: string;
  /** Address ranges visitors come from. Defaults to the public internet. The nodes are always among them. */
  visitors?: Input<string>[];
  /** Workloads it forwards to. Defaults to none. */
  backends?: BackendDeclaration[];
  /** Other platform services whose policies come first. */
  dependsOn?: string[];
}

/** Traefik as ingress controller or gateway. Its workload is `<namespace>/traefik`. */
export interface TraefikService {
  /** Defaults to `traefik`. */
  namespace?: string;
  /** Address ranges visitors come from. Defaults to the public internet. The nodes are always among them. */
  visitors?: Input<string>[];
  /** Workloads it forwards to. Defaults to none. */
  backends?: BackendDeclaration[];
  /** ACME directories, where Traefik orders certificates itself. Defaults to none. */
  acmeServers?: Input<string>[];
  /** Other platform services whose policies come first. */
  dependsOn?: string[];
}

/** Envoy Gateway: its controller and the proxies of its Gateways, the workload `<namespace>/envoy`. */
export interface EnvoyGatewayService {
  /** Namespace of the controller and of the proxies. Defaults to `envoy-gateway-system`. */
  namespace?: string;
  /** Ports of the Gateways' listeners. Those below 1024 are moved up by 10,000 in the pods. Defaults to 80 and 443. */
  listeners?: Input<number>[];
  /** Address ranges visitors come from. Defaults to the public internet. The nodes are always among them. */
  visitors?: Input<string>[];
  /** Workloads the routes lead to. Defaults to none. */
  backends?: BackendDeclaration[];
  /** Other platform services whose policies come first. */
  dependsOn?: string[];
}

/** Gateway API and Ingress by Cilium itself: its proxy has an identity of its own and is no pod. */
export interface CiliumGatewayService {
  /** Workloads the routes lead to. */
  backends: BackendDeclaration[];
  /** Other platform services whose policies come first. */
  dependsOn?: string[];
}

/** kube-prometheus-stack. Its Prometheus scrapes every declared metrics port. */
export interface PrometheusService {
  /** Defaults to `monitoring`. */
  namespace?: string;
  /** Hosts to which Alertmanager sends, such as `hooks.slack.com`. Defaults to none. */
  alertReceivers?: Input<string>[];
  /** Hosts outside the cluster that Prometheus writes to. Defaults to none. */
  remoteWriteHosts?: Input<string>[];
  /** Workloads through which people open Grafana, such as the ingress controller. Defaults to none. */
  grafanaFrom?: string[];
  /** Ports scraped on the nodes. Defaults to 9100, 10249, 10250, 10257, 10259 and 2381. */
  nodePorts?: Input<number>[];
  /** Other platform services whose policies come first. */
  dependsOn?: string[];
}

/** victoria-metrics-k8s-stack. Its VMAgent scrapes every declared metrics port. */
export interface VictoriaMetricsService {
  /** Defaults to `monitoring`. */
  namespace?: string;
  /** Port of VMSingle: 8429 unless the operator was told otherwise. */
  storagePort?: Input<number>;
  /** Hosts to which Alertmanager sends. Defaults to none. */
  alertReceivers?: Input<string>[];
  /** Hosts outside the cluster that VMAgent writes to. Defaults to none. */
  remoteWriteHosts?: Input<string>[];
  /** Workloads through which people open Grafana. Defaults to none. */
  grafanaFrom?: string[];
  /** Ports scraped on the nodes. Defaults to 9100, 10249, 10250, 10257, 10259 and 2381. */
  nodePorts?: Input<number>[];
  /** Other platform services whose policies come first. */
  dependsOn?: string[];
}

/** Flux with all its controllers. Tier 0 by default, where no policy is enforced; enforced where its namespace is not exempt. */
export interface FluxService {
  /** Defaults to `flux-system`. */
  namespace?: string;
  /** Git hosts, over HTTPS and SSH. Defaults to none. */
  gitHosts?: Input<string>[];
  /** Hosts of Helm repositories and OCI registries. Defaults to none. */
  registries?: Input<string>[];
  /** Hosts to which notifications go. Defaults to none. */
  notificationHosts?: Input<string>[];
  /** Workloads that forward webhooks of Git hosts, such as the ingress controller. Defaults to none. */
  webhooksFrom?: string[];
  /** Other platform services whose policies come first. */
  dependsOn?: string[];
}

/** Argo CD with Dex, notifications and ApplicationSets. Its server is the workload `<namespace>/argocd-server`. */
export interface ArgoCdService {
  /** Defaults to `argocd`. */
  namespace?: string;
  /** Git hosts, over HTTPS and SSH. Defaults to none. */
  gitHosts?: Input<string>[];
  /** Hosts of Helm repositories and OCI registries. Defaults to none. */
  registries?: Input<string>[];
  /** Hosts that Dex asks for identities. Defaults to none. */
  identityProviders?: Input<string>[];
  /** Hosts to which notifications go. Defaults to none. */
  notificationHosts?: Input<string>[];
  /** Address ranges of the API servers of other clusters, TCP 443 and 6443. Defaults to none. */
  remoteClusters?: Input<string>[];
  /** Workloads through which people open the server, such as the ingress controller. Defaults to none. */
  serverFrom?: string[];
  /** Other platform services whose policies come first. */
  dependsOn?: string[];
}

/** PostgreSQL with Patroni, and PgBouncer in front of it where there is one. */
export interface PostgresqlService {
  /** Namespace, one of the declared ones. */
  namespace: string;
  /** Its workload; PgBouncer's is `<name>-pooler`. Defaults to `postgresql`. */
  name?: string;
  /** Labels of its pods. Defaults to `application: spilo` and `cluster-name: <name>`. */
  labels?: Input<{ [key: string]: Input<string> }>;
  /** Labels of PgBouncer's pods. Defaults to `application: db-connection-pooler` and `cluster-name: <name>`. */
  poolerLabels?: Input<{ [key: string]: Input<string> }>;
  /** Service account of its pods, by which dialects that know accounts tell it apart. Defaults to none. */
  serviceAccount?: Input<string>;
  /** Workloads that connect to the database itself. Defaults to none. */
  clients?: string[];
  /** Workloads that connect through PgBouncer, which is declared where there is one. Defaults to none. */
  poolerClients?: string[];
  /** Patroni keeps its state in the Kubernetes API. Defaults to true. */
  stateInKubernetes?: boolean;
  /** Hosts to which backups go. Defaults to none. */
  backupHosts?: Input<string>[];
  /** Nothing outside the cluster may reach it, whatever else is allowed. Defaults to true. */
  denyExternal?: boolean;
  /** Who answers for its flows. Defaults to `platform`. */
  owner?: Input<string>;
}

/** Redis with Sentinel. */
export interface RedisService {
  /** Namespace, one of the declared ones. */
  namespace: string;
  /** Its workload; Sentinel's is `<name>-sentinel`. Defaults to `redis`. */
  name?: string;
  /** Labels of its pods. Defaults to `app.kubernetes.io/name: <name>` and `app.kubernetes.io/component: redis`. */
  labels?: Input<{ [key: string]: Input<string> }>;
  /** Labels of Sentinel's pods. Defaults to the same name and `app.kubernetes.io/component: sentinel`. */
  sentinelLabels?: Input<{ [key: string]: Input<string> }>;
  /** Service account of its pods and of Sentinel's, by which dialects that know accounts tell them apart. Defaults to none. */
  serviceAccount?: Input<string>;
  /** Sentinel watches over it. Defaults to true. */
  sentinel?: boolean;
  /** Workloads that use it; they ask Sentinel for the primary where there is one. Defaults to none. */
  clients?: string[];
  /** Nothing outside the cluster may reach it, whatever else is allowed. Defaults to true. */
  denyExternal?: boolean;
  /** Who answers for its flows. Defaults to `platform`. */
  owner?: Input<string>;
}

/** A RabbitMQ cluster. */
export interface RabbitmqService {
  /** Namespace, one of the declared ones. */
  namespace: string;
  /** Its workload. Defaults to `rabbitmq`. */
  name?: string;
  /** Labels of its pods. Defaults to `app.kubernetes.io/name: <name>` and `app.kubernetes.io/component: rabbitmq`. */
  labels?: Input<{ [key: string]: Input<string> }>;
  /** Service account of its pods, by which dialects that know accounts tell it apart. Defaults to none. */
  serviceAccount?: Input<string>;
  /** Workloads that publish and consume over AMQP. Defaults to none. */
  clients?: string[];
  /** AMQP over TLS (5671) instead of in the clear (5672). Defaults to false. */
  tls?: boolean;
  /** Workloads that use the management API (15672), such as the topology operator. Defaults to none. */
  administrators?: string[];
  /** Nodes find each other through the Kubernetes API, as before RabbitMQ 4.1. Defaults to false. */
  discoveryThroughApi?: boolean;
  /** Who answers for its flows. Defaults to `platform`. */
  owner?: Input<string>;
}

/** Celery: workers, the beat scheduler and Flower. */
export interface CeleryService {
  /** Namespace, one of the declared ones. */
  namespace: string;
  /** Its workloads are `<name>-worker`, `<name>-beat` and `<name>-flower`. Defaults to `celery`. */
  name?: string;
  /** Labels of the workers. Defaults to `app.kubernetes.io/name: <name>` and `app.kubernetes.io/component: worker`. */
  workerLabels?: Input<{ [key: string]: Input<string> }>;
  /** Labels of the scheduler. Defaults to the same name and `app.kubernetes.io/component: beat`. */
  beatLabels?: Input<{ [key: string]: Input<string> }>;
  /** Service account of its pods, by which dialects that know accounts tell them apart. Defaults to none. */
  serviceAccount?: Input<string>;
  /** A scheduler runs. Defaults to true. */
  beat?: boolean;
  /** Workloads that look at Flower (5555), which runs where any are named. Defaults to none. */
  flowerFrom?: string[];
  /** The broker, such as RabbitMQ on 5672 or Redis on 6379. */
  broker: BackendDeclaration;
  /** What tasks and the scheduler use beside the broker: result backend, database. Defaults to none. */
  uses?: BackendDeclaration[];
  /** Hosts outside the cluster that tasks call over HTTPS. Defaults to none. */
  hosts?: Input<string>[];
  /** Who answers for its flows. Defaults to `platform`. */
  owner?: Input<string>;
}

/**
 * A namespace for agents that run untrusted code: it reaches the named hosts and nothing else, and its pods can
 * ask DNS for these names only.
 */
export interface AgentSandboxDeclaration {
  /** A declared namespace of tier 2 that holds nothing else. */
  namespace: string;
  /** DNS names or patterns that its pods may reach. Without any they reach nothing, DNS included. */
  hosts?: Input<string>[];
  /** TCP port of the hosts. Defaults to 443. */
  hostPort?: Input<number>;
  /** Workloads that send it work. Defaults to none. */
  callers?: string[];
  /** TCP port on which its pods take work. Needed with `callers`. */
  port?: Input<number>;
  /** Why it may reach the hosts. Written into the policy. */
  reason: Input<string>;
  /** Who answers for it. Written into the policy. */
  owner: Input<string>;
}

/** What applications bring with them, in their own namespaces (tier 2). */
export interface ApplicationPresets {
  /** PostgreSQL with Patroni and PgBouncer. */
  postgresql?: PostgresqlService[];
  /** Redis with Sentinel. */
  redis?: RedisService[];
  /** RabbitMQ clusters. */
  rabbitmq?: RabbitmqService[];
  /** Celery. */
  celery?: CeleryService[];
  /** Namespaces for agents. */
  agentSandboxes?: AgentSandboxDeclaration[];
}
