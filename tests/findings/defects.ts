/**
 * The 48 slips of the users' documents, each in its smallest form: what is written, and the right form. `finding` is what
 * has to name the first and must not name the second. The wording here is ours; the documents themselves are put through
 * the rules in `seeds.test.ts`.
 */
import { ccnp, cnp, config, deny, netpol, pod } from "./fixtures/objects";
import type { FindingOptions } from "../../sdk/findings";

/** One slip with its repair. */
export interface Defect {
  readonly id: string;
  /** The rule that names it. */
  readonly finding: string;
  /** What the message or a reason has to say about it. */
  readonly says: RegExp;
  readonly before: string;
  readonly after: string;
  readonly options?: FindingOptions;
}

const ingress = (name: string, to: string, from: string, ports: string): string =>
  netpol(
    name,
    `{ podSelector: { matchLabels: { app: ${to} } }, ingress: [ { from: [ ${from} ], ports: [ ${ports} ] } ] }`,
  );
const egress = (name: string, from: string, to: string, ports: string): string =>
  netpol(
    name,
    `{ podSelector: { matchLabels: { app: ${from} } }, policyTypes: [Egress], egress: [ { to: [ ${to} ], ports: [ ${ports} ] } ] }`,
  );
const app = (name: string): string => `{ podSelector: { matchLabels: { app: ${name} } } }`;
const home = (name: string, label = "kubernetes.io/metadata.name"): string =>
  `{ namespaceSelector: { matchLabels: { ${label}: ${name} } } }`;
const dnsPods = `{ namespaceSelector: { matchLabels: { kubernetes.io/metadata.name: kube-system } }, podSelector: { matchLabels: { k8s-app: kube-dns } } }`;
const dns = (ports: string, to = dnsPods): string =>
  netpol("allow-dns", `{ podSelector: {}, policyTypes: [Egress], egress: [ { to: [ ${to} ], ports: [ ${ports} ] } ] }`);
const udpAndTcp = "{ port: 53, protocol: UDP }, { port: 53, protocol: TCP }";
const ciliumFrom = (extra: string): string =>
  cnp(
    "service-to-service",
    `{ endpointSelector: { matchLabels: { app: frontend } }, ingress: [ { fromEndpoints: [ { matchLabels: { app: api-gateway${extra} } } ], toPorts: [ { ports: [ { port: "3000" } ] } ] } ] }`,
  );
const listening = (name: string, port: number): string =>
  pod(name, "shop", `{ containers: [ { name: x, ports: [ { containerPort: ${port} } ] } ] }`);
const kubeDns = `{ "k8s:io.kubernetes.pod.namespace": kube-system, "k8s:k8s-app": kube-dns }`;
const notIn = `{ key: "k8s:io.kubernetes.pod.namespace", operator: NotIn, values: [ kube-system, flux-system ] }`;
const denyOutsideTier0 = (more = ""): string =>
  ccnp(
    "default-deny-all",
    `{ endpointSelector: { matchExpressions: [ ${notIn}${more} ] }, ingress: [ {} ], egress: [ {} ] }`,
  );
const exists = `, { key: "k8s:io.kubernetes.pod.namespace", operator: Exists }`;
const metrics = (extra: string): string =>
  ccnp(
    "allow-metrics-scraping",
    `{ endpointSelector: {}, ${extra}ingress: [ { fromEndpoints: [ { matchLabels: { "k8s:io.kubernetes.pod.namespace": observability } } ], toPorts: [ { ports: [ { port: "9090" } ] } ] } ] }`,
  );
const dnsServer = pod("coredns", "kube-system").replace("app: coredns", "k8s-app: kube-dns");
const names = (pattern: string): string =>
  cnp(
    "allow-acme",
    `{ endpointSelector: { matchLabels: { app: cert-manager } }, egress: [ { toFQDNs: [ ${pattern} ], toPorts: [ { ports: [ { port: "443" } ] } ] } ] }`,
  );
const ciliumDns = (l7: string): string =>
  cnp(
    "allow-dns",
    `{ endpointSelector: {}, egress: [ { toEndpoints: [ { matchLabels: ${kubeDns} } ], toPorts: [ { ports: [ { port: "53", protocol: ANY } ]${l7} } ] } ] }`,
  );
const webhook = `
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingWebhookConfiguration
metadata: { name: cert-manager-webhook }
webhooks: [ { name: webhook.cert-manager.io, clientConfig: { service: { namespace: cert-manager, name: cert-manager-webhook } } } ]
---
apiVersion: v1
kind: Service
metadata: { name: cert-manager-webhook, namespace: cert-manager }
spec: { selector: { app: webhook }, ports: [ { port: 443, targetPort: 10250 } ] }
`;
const inCertManager = (yaml: string): string => yaml.replaceAll("namespace: shop", "namespace: cert-manager");
const allClosed = cnp("default-deny", "{ endpointSelector: {}, ingress: [ {} ], egress: [ {} ] }");
const operator =
  pod("operator", "shop", "{ serviceAccountName: operator, containers: [ { name: x } ] }") +
  `
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: { name: leases, namespace: shop }
roleRef: { apiGroup: rbac.authorization.k8s.io, kind: Role, name: leases }
subjects: [ { kind: ServiceAccount, name: operator, namespace: shop } ]
`;
const toApiServer = cnp(
  "allow-api-server",
  `{ endpointSelector: { matchLabels: { app: operator } }, egress: [ { toEntities: [ kube-apiserver ] } ] }`,
);
const stateful = (name: string, port: number): string => `
---
apiVersion: apps/v1
kind: StatefulSet
metadata: { name: ${name}, namespace: shop }
spec: { replicas: 3, selector: { matchLabels: { app: ${name} } }, template: { metadata: { labels: { app: ${name} } }, spec: { containers: [ { name: x, ports: [ { containerPort: ${port} } ] } ] } } }
`;
const peers = (name: string, port: number): string =>
  netpol(
    "allow-peers",
    `{ podSelector: { matchLabels: { app: ${name} } }, policyTypes: [Ingress, Egress], ingress: [ { from: [ ${app(name)} ], ports: [ { port: ${port} } ] } ], egress: [ { to: [ ${app(name)} ], ports: [ { port: ${port} } ] } ] }`,
  );
const toWorld = (except: string, ports: string): string =>
  egress("allow-api-external", "api", `{ ipBlock: { cidr: 0.0.0.0/0${except} } }`, ports);
const closedWorld =
  ", except: [ 10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16, 100.64.0.0/10, 169.254.0.0/16, 168.63.129.16/32, 192.0.0.0/24 ]";
const openshiftDns = `
---
apiVersion: apps/v1
kind: DaemonSet
metadata: { name: dns-default, namespace: openshift-dns }
spec: { selector: { matchLabels: { dns.operator.openshift.io/daemonset-dns: default } }, template: { metadata: { labels: { dns.operator.openshift.io/daemonset-dns: default } }, spec: { containers: [ { name: x } ] } } }
`;
const kustomization = (...files: string[]): string => `
---
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
resources: [ ${files.join(", ")} ]
`;
const annotated = (yaml: string, text: string): string =>
  yaml.replace("metadata: { ", `metadata: { annotations: { ${text} }, `);
const exporter = pod("node-exporter", "shop", "{ hostNetwork: true, containers: [ { name: x } ] }");

/** Objects: what is written and what is meant. */
const inObjects: readonly Defect[] = [
  {
    id: "B01",
    finding: "all-ports-rule",
    says: /every port/,
    before: cnp(
      "service-to-service",
      "{ endpointSelector: { matchLabels: { app: frontend } }, ingress: [ { fromEndpoints: [ { matchLabels: { app: api-gateway } } ] } ] }",
    ),
    after: ciliumFrom(""),
  },
  {
    id: "B02",
    finding: "half-open-flow",
    says: /egress on the other side/,
    before: pod("api-gateway", "shop") + pod("frontend", "shop") + deny + ciliumFrom(""),
    after:
      pod("api-gateway", "shop") +
      pod("frontend", "shop") +
      deny +
      ciliumFrom("") +
      egress("allow-gateway-to-frontend", "api-gateway", app("frontend"), "{ port: 3000 }"),
  },
  {
    id: "B03",
    finding: "label-only-identity",
    says: /by labels alone/,
    before: ciliumFrom(""),
    after: ciliumFrom(`, "k8s:io.cilium.k8s.policy.serviceaccount": api-gateway`),
  },
  {
    id: "B04",
    finding: "not-understood",
    says: /spec\.policyTypes/,
    before: netpol(
      "default-deny-egress",
      `{ podSelector: {}, policyTypes: [ Egress, { to: [ ${dnsPods} ], ports: [ { port: 53, protocol: UDP } ] } ] }`,
    ),
    after: netpol("default-deny-egress", "{ podSelector: {}, policyTypes: [ Egress ] }") + dns(udpAndTcp),
  },
  {
    id: "B05",
    finding: "name-contradicts-effect",
    says: /reaches only pods/,
    before: egress("allow-backend-external-apis", "api", "{ podSelector: {} }", "{ port: 443 }"),
    after: egress(
      "allow-backend-external-apis",
      "api",
      `{ ipBlock: { cidr: 0.0.0.0/0${closedWorld} } }`,
      "{ port: 443 }",
    ),
  },
  {
    id: "B06",
    finding: "metadata-endpoints-closed",
    says: /168\.63\.129\.16|169\.254\.170\.2|100\.100\.100\.200/,
    before: pod("api", "shop") + deny + toWorld(", except: [ 169.254.169.254/32 ]", "{ port: 80 }, { port: 443 }"),
    after: pod("api", "shop") + deny + toWorld(closedWorld, "{ port: 80 }, { port: 443 }"),
  },
  {
    id: "B07",
    finding: "half-open-flow",
    says: /the other side of the flow denies/,
    before:
      pod("web", "shop") + pod("db", "shop") + deny + ingress("allow-web-to-db", "db", app("web"), "{ port: 5432 }"),
    after:
      pod("web", "shop") +
      pod("db", "shop") +
      deny +
      ingress("allow-web-to-db", "db", app("web"), "{ port: 5432 }") +
      egress("allow-web-egress", "web", app("db"), "{ port: 5432 }"),
  },
  {
    id: "B08",
    finding: "port-nobody-listens",
    says: /opens ports that no pod there declares/,
    before:
      listening("db", 9187) +
      netpol(
        "allow-metrics",
        `{ podSelector: {}, ingress: [ { from: [ ${home("monitoring")} ], ports: [ { port: 9090 } ] } ] }`,
      ),
    after:
      listening("db", 9187) +
      netpol(
        "allow-metrics",
        `{ podSelector: {}, ingress: [ { from: [ ${home("monitoring")} ], ports: [ { port: 9187 } ] } ] }`,
      ),
  },
  {
    id: "B09",
    finding: "spoofable-peer",
    says: /trusts a label/,
    before: ingress("allow-ingress-to-web", "web", home("ingress-nginx", "name"), "{ port: 80 }"),
    after: ingress("allow-ingress-to-web", "web", home("ingress-nginx"), "{ port: 80 }"),
  },
  {
    id: "B10",
    finding: "admin-port-open",
    says: /15672/,
    before: ingress("allow-worker-to-queue", "rabbitmq", app("worker"), "{ port: 5672 }, { port: 15672 }"),
    after: ingress("allow-worker-to-queue", "rabbitmq", app("worker"), "{ port: 5672 }"),
  },
  {
    id: "B11",
    finding: "annotation-without-effect",
    says: /policy-action has no effect/,
    before: annotated(deny, "projectcalico.org/policy-action: log"),
    after: deny,
  },
  {
    id: "B12",
    finding: "spoofable-peer",
    says: /pod labels in any namespace/,
    before: dns(udpAndTcp, "{ namespaceSelector: {}, podSelector: { matchLabels: { k8s-app: kube-dns } } }"),
    after: dns(udpAndTcp),
  },
  {
    id: "B14",
    finding: "replication-cut",
    says: /Replicas of StatefulSet shop\/postgres/,
    before:
      stateful("postgres", 5432) + deny + ingress("allow-api-to-postgres", "postgres", app("api"), "{ port: 5432 }"),
    after: stateful("postgres", 5432) + deny + peers("postgres", 5432),
  },
  {
    id: "B16",
    finding: "empty-rule",
    says: /spec\.egress\[0\]/,
    before: ccnp("tier1-observability-egress", "{ endpointSelector: {}, egress: [ {} ] }"),
    after: ccnp(
      "tier1-observability-egress",
      "{ endpointSelector: {}, egress: [ { toEntities: [ cluster, kube-apiserver ] } ] }",
    ),
  },
  {
    id: "B17",
    finding: "tier0-restricted",
    says: /isolated for ingress/,
    before: dnsServer + metrics(""),
    after: dnsServer + metrics("enableDefaultDeny: { ingress: false }, "),
  },
  {
    id: "B18",
    finding: "tier0-restricted",
    says: /isolated for ingress/,
    before:
      dnsServer +
      ccnp(
        "allow-dns-ingress",
        `{ endpointSelector: { matchLabels: ${kubeDns} }, ingress: [ { fromEndpoints: [ {} ], toPorts: [ { ports: [ { port: "53" } ] } ] } ] }`,
      ),
    after:
      dnsServer +
      ccnp(
        "allow-dns-ingress",
        `{ endpointSelector: { matchLabels: ${kubeDns} }, enableDefaultDeny: { ingress: false }, ingress: [ { fromEntities: [ cluster ], toPorts: [ { ports: [ { port: "53" } ] } ] } ] }`,
      ),
  },
  {
    id: "B19",
    finding: "health-endpoint-cut",
    says: /health endpoints/,
    before: denyOutsideTier0(),
    after: denyOutsideTier0(exists),
  },
  {
    id: "B20",
    finding: "annotation-without-effect",
    says: /policy\.cilium\.io\/enforce has no effect/,
    before: annotated(pod("api", "shop"), `policy.cilium.io/enforce: "false"`),
    after: pod("api", "shop"),
  },
  {
    id: "B21",
    finding: "fqdn-matches-nothing",
    says: /one label only/,
    before: names("{ matchPattern: '*.letsencrypt.org' }"),
    after: names("{ matchName: acme-v02.api.letsencrypt.org }"),
  },
  {
    id: "B22",
    finding: "fqdn-without-dns-proxy",
    says: /bypass the DNS proxy/,
    before: pod("cert-manager", "shop") + names("{ matchName: acme-v02.api.letsencrypt.org }") + ciliumDns(""),
    after:
      pod("cert-manager", "shop") +
      names("{ matchName: acme-v02.api.letsencrypt.org }") +
      ciliumDns(`, rules: { dns: [ { matchPattern: "*" } ] }`),
  },
  {
    id: "B23",
    finding: "webhook-cut",
    says: /cannot call Pod cert-manager\/webhook on TCP 10250/,
    before: webhook + pod("webhook", "cert-manager") + inCertManager(allClosed),
    after:
      webhook +
      pod("webhook", "cert-manager") +
      inCertManager(allClosed) +
      inCertManager(
        cnp(
          "allow-webhook",
          `{ endpointSelector: { matchLabels: { app: webhook } }, ingress: [ { fromEntities: [ kube-apiserver ], toPorts: [ { ports: [ { port: "10250" } ] } ] } ] }`,
        ),
      ),
  },
  {
    id: "B24",
    finding: "half-open-flow",
    says: /ingress on the other side/,
    before:
      pod("external-secrets", "shop") +
      pod("connect", "shop") +
      deny +
      egress("allow-to-connect", "external-secrets", app("connect"), "{ port: 8080 }"),
    after:
      pod("external-secrets", "shop") +
      pod("connect", "shop") +
      deny +
      egress("allow-to-connect", "external-secrets", app("connect"), "{ port: 8080 }") +
      ingress("allow-from-operator", "connect", app("external-secrets"), "{ port: 8080 }"),
  },
  {
    id: "B25",
    finding: "host-network-selected",
    says: /on the host network/,
    before: exporter + egress("allow-scraper", "vmagent", app("node-exporter"), "{ port: 9100 }"),
    after:
      exporter +
      cnp(
        "allow-scraper",
        `{ endpointSelector: { matchLabels: { app: vmagent } }, egress: [ { toEntities: [ host, remote-node ], toPorts: [ { ports: [ { port: "9100" } ] } ] } ] }`,
      ),
  },
  {
    id: "B29",
    finding: "order-hazard",
    says: /together with the allows/,
    before: kustomization("allow-dns-egress.yaml", "tier1-cert-manager.yaml", "default-deny-all.yaml"),
    after: kustomization("allow-dns-egress.yaml", "tier1-cert-manager.yaml"),
  },
  {
    id: "B32",
    finding: "enforcement-off",
    says: /enforces no policy/,
    before: config("{ enable-policy: never }"),
    after: config("{ enable-policy: default }"),
  },
  {
    id: "B33",
    finding: "dns-cut",
    says: /over TCP$/,
    before: pod("api", "shop") + deny + dns("{ port: 53, protocol: UDP }"),
    after: pod("api", "shop") + deny + dns(udpAndTcp),
  },
  {
    id: "B34",
    finding: "tier0-restricted",
    says: /no default deny|isolated/,
    before: dnsServer + ccnp("default-deny", "{ endpointSelector: {}, ingress: [ {} ], egress: [ {} ] }"),
    after: dnsServer + denyOutsideTier0(exists),
  },
  {
    id: "B35",
    finding: "kube-api-cut",
    says: /cannot reach the API server/,
    before: operator + allClosed,
    after: operator + allClosed + toApiServer,
  },
  {
    id: "B37",
    finding: "dns-cut",
    says: /cannot ask the cluster's DNS/,
    before: openshiftDns + pod("api", "shop") + deny + dns(udpAndTcp),
    after: openshiftDns + pod("api", "shop") + deny + dns(udpAndTcp, home("openshift-dns")),
  },
  {
    id: "B38",
    finding: "name-contradicts-effect",
    says: /cannot deny/,
    before: netpol(
      "deny-external-to-redis",
      "{ podSelector: { matchLabels: { app: redis } }, policyTypes: [Ingress] }",
    ),
    after: ccnp(
      "deny-external-to-redis",
      `{ endpointSelector: { matchLabels: { app: redis } }, enableDefaultDeny: { ingress: false }, ingressDeny: [ { fromEntities: [ world ] } ] }`,
    ),
  },
  {
    id: "B39",
    finding: "namespace-default-deny",
    says: /no default deny/,
    before: pod("api", "shop") + ingress("allow-nginx-to-django", "django", app("nginx"), "{ port: 8000 }"),
    after: pod("api", "shop") + ingress("allow-nginx-to-django", "django", app("nginx"), "{ port: 8000 }") + deny,
  },
  {
    id: "B40",
    finding: "default-deny-side-effect",
    says: /closes egress of 2 workloads/,
    before: pod("beat", "shop") + pod("redis", "shop") + dns(udpAndTcp),
    after: pod("beat", "shop") + pod("redis", "shop") + deny + dns(udpAndTcp),
  },
  {
    id: "B41",
    finding: "half-open-flow",
    says: /ingress on the other side/,
    before:
      pod("pgbouncer", "shop") +
      pod("postgres", "shop") +
      deny +
      egress("allow-pooler", "pgbouncer", app("postgres"), "{ port: 5432 }"),
    after:
      pod("pgbouncer", "shop") +
      pod("postgres", "shop") +
      deny +
      egress("allow-pooler", "pgbouncer", app("postgres"), "{ port: 5432 }") +
      ingress("allow-pooler-to-postgres", "postgres", app("pgbouncer"), "{ port: 5432 }"),
  },
  {
    id: "B43",
    finding: "admin-port-open",
    says: /8008/,
    before: ingress("allow-django-to-postgresql", "postgres", app("django"), "{ port: 5432 }, { port: 8008 }"),
    after:
      ingress("allow-django-to-postgresql", "postgres", app("django"), "{ port: 5432 }") +
      ingress("allow-patroni", "postgres", app("postgres"), "{ port: 8008 }"),
  },
  {
    id: "B44",
    finding: "replication-cut",
    says: /Replicas of StatefulSet shop\/sentinel/,
    before:
      stateful("sentinel", 26379) +
      deny +
      egress("allow-sentinel-to-redis", "sentinel", app("redis"), "{ port: 6379 }"),
    after: stateful("sentinel", 26379) + deny + peers("sentinel", 26379),
  },
  {
    id: "B45",
    finding: "mail-egress",
    says: /TCP 25/,
    before: pod("api", "shop") + deny + toWorld(closedWorld, "{ port: 443 }, { port: 25 }"),
    after: pod("api", "shop") + deny + toWorld(closedWorld, "{ port: 443 }, { port: 587 }"),
  },
];

export const defects: readonly Defect[] = [...inObjects].sort((a, b) => (a.id < b.id ? -1 : 1));

/** Slips of commands and prose, which stand in no object: no rule judges texts. */
export const inTexts: readonly string[] = [
  "B13",
  "B15",
  "B26",
  "B27",
  "B28",
  "B30",
  "B31",
  "B36",
  "B42",
  "B46",
  "B47",
  "B48",
];
