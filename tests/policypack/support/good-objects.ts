/** One good object of every kind that the pack or the engine reads, for tests that put other values into its fields. */
import { load } from "js-yaml";
import type { ClusterSecurityGuardArgs } from "../../../policypack/guard";
import type { TestResource } from "../../../policypack/testing";

/** A stack with one object that is changed; what stands beside it is there for the object to matter. */
export interface Good {
  readonly kind: string;
  readonly object: TestResource;
  /** Registered before it. */
  readonly beside: readonly TestResource[];
  /** Registered after it. */
  readonly after: readonly TestResource[];
  readonly args: ClusterSecurityGuardArgs;
}

type Props = Record<string, unknown>;

function resource(yaml: string): TestResource {
  const props = load(yaml) as Props & { apiVersion: string; kind: string; metadata: { name: string } };
  const group = props.apiVersion.includes("/") ? props.apiVersion : `core/${props.apiVersion}`;
  return { type: `kubernetes:${group}:${props.kind}`, name: props.metadata.name, props };
}

const api = resource(`
apiVersion: v1
kind: Pod
metadata: { name: api, namespace: shop, labels: { app: api } }
spec: { serviceAccountName: api, containers: [ { name: api, image: registry.example/api:1, ports: [ { containerPort: 8080 } ] } ] }
`);
const closed = resource(`
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { name: default-deny-all, namespace: shop }
spec: { podSelector: {}, policyTypes: [ Ingress, Egress ] }
`);
const service = resource(`
apiVersion: v1
kind: Service
metadata: { name: api, namespace: shop }
spec: { selector: { app: api }, ports: [ { port: 80, targetPort: 8080 } ] }
`);
const enforcer = resource(`
apiVersion: v1
kind: ConfigMap
metadata: { name: cilium-config, namespace: kube-system }
data: { enable-policy: default, enable-wireguard: "true", enable-k8s-cluster-network-policy: "true" }
`);
const home = resource("{ apiVersion: v1, kind: Namespace, metadata: { name: shop, labels: { team: shop } } }");
const meshed = resource(
  "{ apiVersion: v1, kind: Namespace, metadata: { name: shop, labels: { istio-injection: enabled } } }",
);

const strict = resource(`
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: { name: strict, namespace: istio-system }
spec: { mtls: { mode: STRICT } }
`);

/** By enforcer: one good object of each kind. */
const objects: Readonly<Record<string, string>> = {
  kubernetes: `
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { name: allow-api-to-db, namespace: shop }
spec:
  podSelector: { matchLabels: { app: api }, matchExpressions: [ { key: stage, operator: NotIn, values: [ test ] } ] }
  policyTypes: [ Egress, Ingress ]
  egress:
    - to: [ { podSelector: { matchLabels: { app: db } } }, { ipBlock: { cidr: 192.0.2.0/24, except: [ 192.0.2.7/32 ] } } ]
      ports: [ { port: 5432, endPort: 5433, protocol: TCP } ]
  ingress:
    - from: [ { namespaceSelector: { matchLabels: { kubernetes.io/metadata.name: front } }, podSelector: { matchLabels: { app: web } } } ]
      ports: [ { port: 8080 } ]
---
apiVersion: v1
kind: Namespace
metadata: { name: other, labels: { tenant: red } }
---
apiVersion: apps/v1
kind: Deployment
metadata: { name: web, namespace: shop }
spec:
  replicas: 1
  selector: { matchLabels: { app: web } }
  template:
    metadata: { labels: { app: web } }
    spec:
      serviceAccountName: web
      hostNetwork: false
      volumes: [ { name: data, emptyDir: {} } ]
      containers: [ { name: web, image: registry.example/web:1, ports: [ { containerPort: 8080, name: http } ], securityContext: { privileged: false } } ]
---
apiVersion: apps/v1
kind: StatefulSet
metadata: { name: db, namespace: shop }
spec:
  replicas: 1
  selector: { matchLabels: { app: db } }
  template: { metadata: { labels: { app: db } }, spec: { containers: [ { name: db, ports: [ { containerPort: 5432 } ] } ] } }
---
apiVersion: apps/v1
kind: DaemonSet
metadata: { name: log, namespace: shop }
spec:
  selector: { matchLabels: { app: log } }
  template: { metadata: { labels: { app: log } }, spec: { containers: [ { name: log, image: registry.example/log:1 } ] } }
---
apiVersion: apps/v1
kind: ReplicaSet
metadata: { name: old, namespace: shop }
spec:
  selector: { matchLabels: { app: old } }
  template: { metadata: { labels: { app: old } }, spec: { containers: [ { name: old } ] } }
---
apiVersion: batch/v1
kind: Job
metadata: { name: once, namespace: shop }
spec: { template: { metadata: { labels: { app: once } }, spec: { restartPolicy: Never, containers: [ { name: once } ] } } }
---
apiVersion: batch/v1
kind: CronJob
metadata: { name: nightly, namespace: shop }
spec:
  schedule: "0 3 * * *"
  jobTemplate: { spec: { template: { metadata: { labels: { app: nightly } }, spec: { restartPolicy: Never, containers: [ { name: nightly } ] } } } }
---
apiVersion: v1
kind: Pod
metadata: { name: other, namespace: shop, labels: { app: other } }
spec: { hostPID: false, hostIPC: false, containers: [ { name: other, securityContext: { capabilities: { add: [ CHOWN ] } } } ] }
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: { name: readers }
roleRef: { apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: view }
subjects: [ { kind: ServiceAccount, name: api, namespace: shop } ]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: { name: editors, namespace: shop }
roleRef: { apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: edit }
subjects: [ { kind: Group, name: shop-team } ]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: { name: reader }
rules: [ { apiGroups: [ "" ], resources: [ pods ], verbs: [ get ] } ]
---
apiVersion: v1
kind: Service
metadata: { name: api, namespace: shop }
spec: { selector: { app: api }, type: ClusterIP, ports: [ { port: 80, targetPort: 8080 } ] }
---
apiVersion: v1
kind: ServiceAccount
metadata: { name: api, namespace: shop, labels: { app: api } }
---
apiVersion: v1
kind: Node
metadata: { name: node-1, labels: { zone: a } }
spec: { podCIDR: 10.42.0.0/24, podCIDRs: [ 10.42.0.0/24 ] }
status: { addresses: [ { type: InternalIP, address: 192.0.2.10 } ] }
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: { name: kubernetes, namespace: default, labels: { kubernetes.io/service-name: kubernetes } }
addressType: IPv4
endpoints: [ { addresses: [ 192.0.2.10 ] } ]
ports: [ { port: 6443 } ]
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: { name: front, namespace: shop }
spec:
  ingressClassName: nginx
  rules: [ { host: shop.example, http: { paths: [ { path: /, pathType: Prefix, backend: { service: { name: api, port: { number: 80 } } } } ] } } ]
---
apiVersion: networking.k8s.io/v1
kind: IngressClass
metadata: { name: nginx }
spec: { controller: k8s.io/ingress-nginx }
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: { name: front, namespace: shop }
spec: { gatewayClassName: istio, listeners: [ { name: http, port: 80, protocol: HTTP, allowedRoutes: { namespaces: { from: Same } } } ] }
---
apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: { name: istio }
spec: { controllerName: istio.io/gateway-controller }
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: { name: api, namespace: shop }
spec: { parentRefs: [ { name: front } ], rules: [ { backendRefs: [ { name: api, port: 80 } ] } ] }
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingWebhookConfiguration
metadata: { name: checks }
webhooks: [ { name: a.b.c, clientConfig: { service: { namespace: hooks, name: hook, port: 443 } } } ]
---
apiVersion: v1
kind: ConfigMap
metadata: { name: cilium-config, namespace: kube-system }
data: { enable-policy: default, policy-audit-mode: "false", enable-wireguard: "true", enable-hubble: "true" }
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { name: allow-api-to-web, namespace: shop }
spec:
  podSelector: { matchLabels: { app: api } }
  policyTypes: [ Egress ]
  egress: [ { to: [ { podSelector: { matchExpressions: [ { key: app, operator: In, values: [ web ] } ] } } ], ports: [ { port: http, protocol: TCP } ] } ]
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: allow-bypass-of-web
  namespace: shop
  annotations:
    policy-bypass.pulumi-cluster-security/owner: shop
    policy-bypass.pulumi-cluster-security/reason: incident
    policy-bypass.pulumi-cluster-security/until: "2999-01-01"
spec: { podSelector: { matchLabels: { app: nobody } }, policyTypes: [ Ingress ] }
---
apiVersion: apps/v1
kind: Deployment
metadata: { name: meshed, namespace: shop }
spec:
  template:
    metadata: { labels: { app: meshed }, annotations: { sidecar.istio.io/inject: "false" } }
    spec:
      initContainers: [ { name: first, restartPolicy: Always, securityContext: { privileged: false }, ports: [ { containerPort: 9090, hostPort: 0 } ] } ]
      containers: [ { name: meshed, ports: [ { containerPort: 53, protocol: UDP } ] } ]
      volumes: [ { name: data, persistentVolumeClaim: { claimName: data } } ]`,
  cilium: `
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: { name: allow-api-to-db, namespace: shop }
spec:
  endpointSelector: { matchLabels: { app: api } }
  enableDefaultDeny: { ingress: false, egress: false }
  egress:
    - toEndpoints: [ { matchLabels: { app: db } } ]
      toPorts: [ { ports: [ { port: "5432", protocol: TCP } ] } ]
    - toFQDNs: [ { matchName: api.github.com } ]
      toPorts: [ { ports: [ { port: "443", protocol: TCP } ] } ]
    - toEndpoints: [ { matchLabels: { "k8s:io.kubernetes.pod.namespace": kube-system, "k8s:k8s-app": kube-dns } } ]
      toPorts: [ { ports: [ { port: "53", protocol: ANY } ], rules: { dns: [ { matchPattern: "*" } ] } } ]
    - toCIDRSet: [ { cidr: 192.0.2.0/24, except: [ 192.0.2.7/32 ] } ]
      toPorts: [ { ports: [ { port: "443" } ] } ]
  egressDeny: [ { toCIDR: [ 198.51.100.0/24 ] } ]
  ingress: [ { fromEntities: [ host ], toPorts: [ { ports: [ { port: "8080" } ] } ] } ]
  ingressDeny: [ { fromEndpoints: [ { matchLabels: { app: foe } } ] } ]
---
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: { name: allow-more, namespace: shop }
specs:
  - endpointSelector: { matchExpressions: [ { key: app, operator: In, values: [ api ] } ] }
    egress:
      - toFQDNs: [ { matchPattern: "*.internal.example.com" } ]
        toPorts: [ { ports: [ { port: "8000", endPort: 8010, protocol: TCP } ] } ]
      - toServices: [ { k8sService: { serviceName: api, namespace: shop } } ]
        toPorts: [ { ports: [ { port: "8080", protocol: TCP } ] } ]
      - icmps: [ { fields: [ { type: EchoRequest, family: IPv4 } ] } ]
        toEndpoints: [ { matchLabels: { app: db } } ]
    ingress:
      - fromCIDR: [ 192.0.2.7/32 ]
        toPorts: [ { ports: [ { port: web, protocol: TCP } ], rules: { http: [ { method: GET, path: /ready } ] } } ]
---
apiVersion: cilium.io/v2
kind: CiliumClusterwideNetworkPolicy
metadata: { name: allow-metrics }
spec:
  endpointSelector: { matchLabels: { "k8s:io.kubernetes.pod.namespace": shop, metrics: "on" } }
  enableDefaultDeny: { ingress: false }
  ingress:
    - fromEndpoints: [ { matchLabels: { "k8s:io.kubernetes.pod.namespace": observability, "k8s:io.cilium.k8s.policy.serviceaccount": prometheus } } ]
      toPorts: [ { ports: [ { port: "9090", protocol: TCP } ] } ]
---
apiVersion: cilium.io/v2
kind: CiliumCIDRGroup
metadata: { name: partners }
spec: { externalCIDRs: [ 192.0.2.0/24 ] }
---
apiVersion: policy.networking.k8s.io/v1alpha2
kind: ClusterNetworkPolicy
metadata: { name: deny-foes }
spec:
  tier: Admin
  priority: 10
  subject: { namespaces: { matchLabels: { kubernetes.io/metadata.name: shop } } }
  ingress: [ { name: foes, action: Deny, from: [ { namespaces: { matchLabels: { kubernetes.io/metadata.name: foes } } } ], protocols: [ { tcp: { destinationPort: { number: 80 } } } ] } ]
  egress: [ { action: Deny, to: [ { networks: [ 198.51.100.0/24 ] } ] } ]
---
apiVersion: policy.networking.k8s.io/v1alpha2
kind: ClusterNetworkPolicy
metadata: { name: allow-names }
spec:
  tier: Baseline
  priority: 20
  subject: { pods: { namespaceSelector: { matchLabels: { kubernetes.io/metadata.name: shop } }, podSelector: { matchLabels: { app: api } } } }
  egress:
    - action: Accept
      to: [ { domainNames: [ "*.internal.example.com" ] } ]
      protocols: [ { tcp: { destinationPort: { range: { start: 8000, end: 8010 } } } } ]
    - action: Pass
      to: [ { pods: { namespaceSelector: { matchLabels: { kubernetes.io/metadata.name: shop } }, podSelector: { matchLabels: { app: db } } } } ]
      protocols: [ { destinationNamedPort: postgres } ]`,
  calico: `
apiVersion: projectcalico.org/v3
kind: NetworkPolicy
metadata: { name: allow-api-to-db, namespace: shop }
spec:
  order: 100
  selector: app == 'api'
  types: [ Egress, Ingress ]
  egress: [ { action: Allow, protocol: TCP, destination: { selector: app == 'db', ports: [ 5432 ] } } ]
  ingress: [ { action: Deny, source: { nets: [ 198.51.100.0/24 ] } } ]
---
apiVersion: projectcalico.org/v3
kind: NetworkPolicy
metadata: { name: deny-more, namespace: shop }
spec:
  order: 50
  selector: app == 'api'
  serviceAccountSelector: team == 'shop'
  types: [ Egress, Ingress ]
  egress:
    - { action: Deny, protocol: 17, ipVersion: 4, destination: { notNets: [ 192.0.2.0/24 ], ports: [ "1000:2000", dns ] } }
    - { action: Deny, protocol: ICMP, icmp: { type: 8 }, destination: { namespaceSelector: foe == 'yes', notSelector: friend == 'yes' } }
    - { action: Deny, notProtocol: TCP, destination: { services: { name: api, namespace: shop } } }
  ingress:
    - { action: Deny, protocol: TCP, source: { serviceAccounts: { names: [ foe ], selector: foe == 'yes' } }, destination: { notPorts: [ 8080 ] } }
---
apiVersion: projectcalico.org/v3
kind: GlobalNetworkPolicy
metadata: { name: deny-foes }
spec:
  order: 10
  namespaceSelector: kubernetes.io/metadata.name == 'shop'
  selector: all()
  types: [ Egress ]
  egress: [ { action: Deny, destination: { nets: [ 198.51.100.0/24 ] } } ]
---
apiVersion: projectcalico.org/v3
kind: GlobalNetworkSet
metadata: { name: partners, labels: { partner: "yes" } }
spec: { nets: [ 192.0.2.0/24 ] }
---
apiVersion: projectcalico.org/v3
kind: NetworkSet
metadata: { name: partners, namespace: shop, labels: { partner: "yes" } }
spec: { nets: [ 192.0.2.0/24 ] }
---
apiVersion: projectcalico.org/v3
kind: Tier
metadata: { name: security }
spec: { order: 50, defaultAction: Deny }
---
apiVersion: projectcalico.org/v3
kind: FelixConfiguration
metadata: { name: default }
spec: { wireguardEnabled: true }`,
  "calico 3.30": `
apiVersion: policy.networking.k8s.io/v1alpha1
kind: AdminNetworkPolicy
metadata: { name: deny-foes }
spec:
  priority: 10
  subject: { namespaces: { matchLabels: { kubernetes.io/metadata.name: shop } } }
  egress: [ { action: Deny, to: [ { networks: [ 198.51.100.0/24 ] } ], ports: [ { portNumber: { port: 80, protocol: TCP } }, { portRange: { start: 90, end: 99 } } ] } ]
---
apiVersion: policy.networking.k8s.io/v1alpha1
kind: BaselineAdminNetworkPolicy
metadata: { name: default }
spec:
  subject: { namespaces: { matchLabels: { kubernetes.io/metadata.name: shop } } }
  ingress: [ { action: Deny, from: [ { namespaces: { matchLabels: { kubernetes.io/metadata.name: foes } } } ] } ]`,
  mesh: `
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: { name: default, namespace: shop }
spec: { mtls: { mode: STRICT } }
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: allow-web-to-api, namespace: shop }
spec:
  action: ALLOW
  selector: { matchLabels: { app: api } }
  rules: [ { from: [ { source: { principals: [ cluster.local/ns/front/sa/web ] } } ], to: [ { operation: { ports: [ "8080" ] } } ] } ]
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: deny-foes, namespace: shop, annotations: { istio.io/dry-run: "false" } }
spec:
  action: DENY
  rules:
    - from: [ { source: { namespaces: [ foes ], notPrincipals: [ cluster.local/ns/foes/sa/friend ], ipBlocks: [ 198.51.100.0/24 ] } } ]
      to: [ { operation: { notPorts: [ "8080" ] } } ]
      when: [ { key: destination.port, values: [ "9090" ] }, { key: source.namespace, notValues: [ front ] } ]
---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: { name: api, namespace: shop }
spec: { selector: { matchLabels: { app: api } }, mtls: { mode: STRICT }, portLevelMtls: { "8080": { mode: STRICT } } }`,
};

/** What refers to objects that no verdict depends on by themselves. */
const referring: Readonly<Record<string, string>> = {
  "kubernetes ClusterRole": `
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: { name: readers }
roleRef: { apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: reader }
subjects: [ { kind: ServiceAccount, name: api, namespace: shop } ]`,
  "cilium CiliumCIDRGroup": `
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: { name: allow-partners, namespace: shop }
spec: { endpointSelector: { matchLabels: { app: api } }, egress: [ { toCIDRSet: [ { cidrGroupRef: partners } ], toPorts: [ { ports: [ { port: "443" } ] } ] } ] }`,
  "calico GlobalNetworkSet": `
apiVersion: projectcalico.org/v3
kind: NetworkPolicy
metadata: { name: allow-partners, namespace: shop }
spec: { selector: app == 'api', types: [ Egress ], egress: [ { action: Allow, protocol: TCP, destination: { selector: partner == 'yes', namespaceSelector: global(), ports: [ 443 ] } } ] }`,
  "calico NetworkSet": `
apiVersion: projectcalico.org/v3
kind: NetworkPolicy
metadata: { name: allow-partners, namespace: shop }
spec: { selector: app == 'api', types: [ Egress ], egress: [ { action: Allow, protocol: TCP, destination: { selector: partner == 'yes', ports: [ 443 ] } } ] }`,
  "calico Tier": `
apiVersion: projectcalico.org/v3
kind: NetworkPolicy
metadata: { name: security.allow-none, namespace: shop }
spec: { tier: security, selector: app == 'api', types: [ Egress ], egress: [ { action: Pass } ] }`,
};

/** Settings and neighbours by enforcer. */
const surroundings: Readonly<Record<string, Pick<Good, "beside" | "args">>> = {
  kubernetes: { beside: [home, closed, api], args: {} },
  cilium: { beside: [enforcer, home, closed, service, api], args: {} },
  calico: { beside: [home, closed, service, api], args: { enforcer: "calico@3.32" } },
  "calico 3.30": { beside: [home, closed, api], args: { enforcer: "calico@3.30" } },
  mesh: { beside: [meshed, strict, closed, api], args: {} },
};

const values = {
  policyEnforcementMode: "default",
  encryption: { enabled: true, type: "wireguard" },
  hubble: { enabled: true },
};
const charts: readonly TestResource[] = [
  {
    type: "kubernetes:helm.sh/v3:Release",
    name: "cilium",
    props: { chart: "cilium", version: "1.20.2", namespace: "kube-system", values },
  },
  {
    type: "kubernetes:helm.sh/v4:Chart",
    name: "cilium-chart",
    props: { chart: "cilium", version: "1.20.2", namespace: "kube-system", values },
  },
  {
    type: "kubernetes:helm.sh/v3:Release",
    name: "calico",
    props: {
      chart: "tigera-operator",
      version: "v3.32.1",
      values: { defaultFelixConfiguration: { enabled: true, wireguardEnabled: true } },
    },
  },
];

/** Every good object, one for each kind and dialect. */
export const goods: readonly Good[] = [
  ...Object.entries(objects).flatMap(([enforcer, documents]) =>
    documents.split(/^---$/m).map((yaml): Good => {
      const object = resource(yaml);
      const { beside, args } = surroundings[enforcer] as Pick<Good, "beside" | "args">;
      const kind = `${enforcer} ${String(object.props["kind"])}`;
      const more = referring[kind];
      // what refers to it comes later, as in a program
      return { kind, object, beside, after: more === undefined ? [] : [resource(more)], args };
    }),
  ),
  ...charts.map((object): Good => ({
    kind: `chart ${object.name}`,
    object,
    beside: [home, closed, api],
    after: [],
    args: {},
  })),
];
