import assert from "node:assert/strict";
import type { ClusterSecurityDeclaration, PlatformDeclaration, WorkloadDeclaration } from "../../sdk/plan/index";
import { DeclarationError, Dialect, Entity, namespace, plan, tcp, workload } from "../../sdk/plan/index";
import type { ApplicationPresets } from "../../sdk/plan/index";
import type { ModelWorkload } from "../../sdk/plan/model";
import { applicationPresets, platformPresets } from "../../sdk/plan/presets/index";
import { resolve } from "../../sdk/plan/resolve/resolve";
import type { Flow, KubeObject, Peer, Reachability } from "../../sdk/reachability/index";
import { buildSnapshot, compile, profileFor } from "../../sdk/reachability/index";
import { compareWithDeclaration, podsThatReachMetadata } from "../support/declared";
import { deploymentOf } from "./world";
import { literal } from "./literal";
import { formatPath } from "../../sdk/property-path";

const dialects = Object.values(Dialect);
const node = "192.168.7.7";

/** What every sample stands on: an application, its DNS, and the addresses that some dialects need. */
const ground: ClusterSecurityDeclaration = {
  cluster: { apiServer: { cidrs: ["10.0.0.1/32"] }, nodeCidrs: ["192.168.0.0/16"], podCidrs: ["10.244.0.0/16"] },
  namespaces: [namespace("shop"), namespace("edge"), namespace("people")],
  workloads: [
    workload("shop/web", { ports: [tcp(3000)] }),
    workload("shop/api", { ports: [tcp(8080)] }),
    workload("people/portal"),
    workload("edge/proxy"),
  ],
};

/** Connections that a preset has to open, and some that it must not: read in the documentation, not in the preset. */
interface Sample {
  /** The one dialect that it is for. Default: all. */
  readonly only?: Dialect;
  readonly declaration: Pick<ClusterSecurityDeclaration, "platform" | "applications" | "exemptNamespaces">;
  readonly opens: readonly string[];
  readonly keepsClosed: readonly string[];
}

const platform = (options: PlatformDeclaration): Sample["declaration"] => ({ platform: options });
const applications = (options: ApplicationPresets): Sample["declaration"] => ({ applications: options });
const backends = [{ workload: "shop/web", port: 3000 }];

const samples: Readonly<Record<string, Sample>> = {
  certManager: {
    declaration: platform({
      certManager: {
        dnsProviders: ["api.cloudflare.com"],
        http01Namespaces: ["shop"],
        http01From: "edge/proxy",
      },
    }),
    opens: [
      "cert-manager/cert-manager > api-server 6443",
      "cert-manager/cert-manager-startupapicheck > api-server 6443",
      "api-server > cert-manager/cert-manager-webhook 10250",
      "edge/proxy > shop/http01-solver 8089",
      "cert-manager/cert-manager > 8.8.8.8 53/UDP",
      "cert-manager/cert-manager > 8.8.8.8 80",
      "cert-manager/cert-manager > acme-v02.api.letsencrypt.org 443",
      "cert-manager/cert-manager > api.cloudflare.com 443",
    ],
    keepsClosed: [
      "cert-manager/cert-manager > 8.8.8.8 443",
      "cert-manager/cert-manager-cainjector > acme-v02.api.letsencrypt.org 443",
      "8.8.8.8 > shop/http01-solver 8089",
      "shop/web > cert-manager/cert-manager-webhook 10250",
    ],
  },
  externalSecrets: {
    declaration: platform({ externalSecrets: {} }),
    opens: [
      "external-secrets/external-secrets > external-secrets/onepassword-connect 8080",
      "api-server > external-secrets/external-secrets-webhook 10250",
      "external-secrets/onepassword-connect > my.1password.com 443",
    ],
    keepsClosed: [
      "external-secrets/external-secrets > my.1password.com 443",
      "shop/web > external-secrets/onepassword-connect 8080",
    ],
  },
  observability: {
    declaration: platform({ observability: {} }),
    opens: [
      "observability/vmagent > observability/victoria-metrics 8428",
      "observability/vmagent > node 9100",
      "observability/vmagent > node 10250",
    ],
    keepsClosed: ["observability/vmagent > shop/web 3000", "observability/vmagent > 8.8.8.8 443"],
  },
  connectivityTest: {
    only: Dialect.Cilium,
    declaration: platform({
      connectivityTest: { reason: "upgrade of Cilium", owner: "platform", expires: "2027-03-31" },
    }),
    opens: [],
    keepsClosed: ["shop/web > shop/api 8080"],
  },
  coreDns: {
    declaration: platform({ coreDns: {}, observability: {} }),
    opens: ["observability/vmagent > kube-system/kube-dns 9153", "shop/web > kube-system/kube-dns 53/UDP"],
    keepsClosed: ["shop/web > kube-system/kube-dns 9153"],
  },
  ingressNginx: {
    declaration: platform({ ingressNginx: { backends }, observability: {} }),
    opens: [
      "8.8.8.8 > ingress-nginx/ingress-nginx 443",
      "2606:4700::1111 > ingress-nginx/ingress-nginx 80",
      "node > ingress-nginx/ingress-nginx 443",
      "api-server > ingress-nginx/ingress-nginx 8443",
      "ingress-nginx/ingress-nginx-admission > api-server 443",
      "ingress-nginx/ingress-nginx > shop/web 3000",
      "observability/vmagent > ingress-nginx/ingress-nginx 10254",
    ],
    keepsClosed: [
      "8.8.8.8 > ingress-nginx/ingress-nginx 8443",
      "8.8.8.8 > ingress-nginx/ingress-nginx 10254",
      "ingress-nginx/ingress-nginx > shop/api 8080",
      "8.8.8.8 > shop/web 3000",
      "shop/web > ingress-nginx/ingress-nginx 443",
    ],
  },
  traefik: {
    declaration: platform({ traefik: { backends, visitors: ["203.0.113.0/24"], acmeServers: ["acme.example.com"] } }),
    opens: [
      "203.0.113.9 > traefik/traefik 8443",
      "203.0.113.9 > traefik/traefik 8000",
      "traefik/traefik > shop/web 3000",
      "traefik/traefik > api-server 443",
      "traefik/traefik > acme.example.com 443",
    ],
    keepsClosed: [
      "8.8.8.8 > traefik/traefik 8443",
      "203.0.113.9 > traefik/traefik 8080",
      "traefik/traefik > 8.8.8.8 443",
    ],
  },
  envoyGateway: {
    declaration: platform({ envoyGateway: { backends, listeners: [80, 443, 8443] } }),
    opens: [
      "8.8.8.8 > envoy-gateway-system/envoy 10080",
      "8.8.8.8 > envoy-gateway-system/envoy 10443",
      "8.8.8.8 > envoy-gateway-system/envoy 8443",
      "envoy-gateway-system/envoy > envoy-gateway-system/envoy-gateway 18000",
      "envoy-gateway-system/envoy > shop/web 3000",
      "envoy-gateway-system/envoy-gateway > api-server 443",
      "envoy-gateway-system/envoy-gateway-certgen > api-server 443",
      "api-server > envoy-gateway-system/envoy-gateway 9443",
    ],
    keepsClosed: [
      "8.8.8.8 > envoy-gateway-system/envoy 19001",
      "8.8.8.8 > envoy-gateway-system/envoy 80",
      "envoy-gateway-system/envoy > api-server 443",
      "shop/web > envoy-gateway-system/envoy-gateway 18000",
    ],
  },
  ciliumGateway: {
    declaration: platform({ ciliumGateway: { backends } }),
    // its proxy is no end that can be asked about: see the test of its rule
    opens: [],
    keepsClosed: ["8.8.8.8 > shop/web 3000", "edge/proxy > shop/web 3000"],
  },
  prometheus: {
    declaration: platform({
      prometheus: { alertReceivers: ["hooks.slack.com"], grafanaFrom: ["edge/proxy"] },
      coreDns: {},
    }),
    opens: [
      "monitoring/prometheus > monitoring/alertmanager 9093",
      "monitoring/prometheus > kube-system/kube-dns 9153",
      "monitoring/prometheus > monitoring/kube-state-metrics 8080",
      "monitoring/prometheus > node 9100",
      "monitoring/prometheus > node 10257",
      "monitoring/prometheus > api-server 6443",
      "monitoring/grafana > monitoring/prometheus 9090",
      "edge/proxy > monitoring/grafana 3000",
      "api-server > monitoring/prometheus-operator 10250",
      "monitoring/alertmanager > hooks.slack.com 443",
    ],
    keepsClosed: [
      "shop/web > monitoring/prometheus 9090",
      "monitoring/prometheus > hooks.slack.com 443",
      "monitoring/grafana > 8.8.8.8 443",
      "edge/proxy > monitoring/alertmanager 9093",
      "monitoring/prometheus > node 22",
    ],
  },
  victoriaMetrics: {
    declaration: platform({ victoriaMetrics: { storagePort: 8428 } }),
    opens: [
      "monitoring/vmagent > monitoring/vmsingle 8428",
      "monitoring/vmalert > monitoring/vmsingle 8428",
      "monitoring/vmalert > monitoring/vmalertmanager 9093",
      "monitoring/grafana > monitoring/vmsingle 8428",
      "monitoring/vmagent > node 9100",
      "api-server > monitoring/victoria-metrics-operator 9443",
    ],
    keepsClosed: ["monitoring/vmsingle > 8.8.8.8 443", "shop/web > monitoring/vmsingle 8428"],
  },
  flux: {
    declaration: {
      exemptNamespaces: ["kube-system"],
      ...platform({
        flux: { gitHosts: ["github.com"], registries: ["registry.example.com"], webhooksFrom: ["edge/proxy"] },
      }),
    },
    opens: [
      "flux-system/kustomize-controller > flux-system/source-controller 9090",
      "flux-system/helm-controller > flux-system/notification-controller 9090",
      "flux-system/source-controller > api-server 443",
      "edge/proxy > flux-system/notification-controller 9292",
      "flux-system/source-controller > github.com 22",
      "flux-system/source-controller > registry.example.com 443",
    ],
    keepsClosed: [
      "flux-system/kustomize-controller > github.com 443",
      "shop/web > flux-system/source-controller 9090",
      "edge/proxy > flux-system/notification-controller 9090",
    ],
  },
  argoCd: {
    declaration: platform({
      argoCd: { gitHosts: ["github.com"], serverFrom: ["edge/proxy"], remoteClusters: ["203.0.113.0/28"] },
    }),
    opens: [
      "argocd/argocd-server > argocd/argocd-repo-server 8081",
      "argocd/argocd-application-controller > argocd/argocd-redis 6379",
      "argocd/argocd-application-controller > api-server 443",
      "argocd/argocd-application-controller > 203.0.113.3 6443",
      "argocd/argocd-server > argocd/argocd-dex-server 5556",
      "edge/proxy > argocd/argocd-server 8080",
      "argocd/argocd-repo-server > github.com 22",
    ],
    keepsClosed: [
      "argocd/argocd-repo-server > argocd/argocd-dex-server 5556",
      "argocd/argocd-redis > github.com 443",
      "edge/proxy > argocd/argocd-redis 6379",
      "argocd/argocd-repo-server > 203.0.113.3 6443",
    ],
  },
  postgresql: {
    declaration: applications({
      postgresql: [
        { namespace: "shop", clients: ["shop/api"], poolerClients: ["shop/web"], backupHosts: ["s3.example.com"] },
      ],
    }),
    opens: [
      "shop/api > shop/postgresql 5432",
      "shop/web > shop/postgresql-pooler 5432",
      "shop/postgresql-pooler > shop/postgresql 5432",
      "shop/postgresql > api-server 6443",
      "replica of shop/postgresql > shop/postgresql 8008",
      "replica of shop/postgresql > shop/postgresql 5432",
      "shop/postgresql > s3.example.com 443",
    ],
    keepsClosed: [
      "shop/web > shop/postgresql 5432",
      "shop/api > shop/postgresql 8008",
      "shop/api > shop/postgresql-pooler 5432",
      "8.8.8.8 > shop/postgresql 5432",
      "shop/postgresql-pooler > api-server 443",
    ],
  },
  redis: {
    declaration: applications({ redis: [{ namespace: "shop", clients: ["shop/api"] }] }),
    opens: [
      "shop/api > shop/redis 6379",
      "shop/api > shop/redis-sentinel 26379",
      "shop/redis-sentinel > shop/redis 6379",
      "shop/redis > shop/redis-sentinel 26379",
      "replica of shop/redis > shop/redis 6379",
      "replica of shop/redis-sentinel > shop/redis-sentinel 26379",
    ],
    keepsClosed: ["shop/web > shop/redis 6379", "shop/redis > shop/api 8080", "8.8.8.8 > shop/redis 6379"],
  },
  rabbitmq: {
    declaration: applications({
      rabbitmq: [{ namespace: "shop", clients: ["shop/api"], administrators: ["people/portal"] }],
    }),
    opens: [
      "shop/api > shop/rabbitmq 5672",
      "replica of shop/rabbitmq > shop/rabbitmq 4369",
      "replica of shop/rabbitmq > shop/rabbitmq 25672",
      "people/portal > shop/rabbitmq 15672",
    ],
    keepsClosed: [
      "shop/api > shop/rabbitmq 4369",
      "shop/api > shop/rabbitmq 25672",
      "shop/api > shop/rabbitmq 15672",
      "shop/api > shop/rabbitmq 5671",
      "shop/rabbitmq > api-server 443",
    ],
  },
  celery: {
    declaration: applications({
      rabbitmq: [{ namespace: "shop" }],
      celery: [
        {
          namespace: "shop",
          broker: { workload: "shop/rabbitmq", port: 5672 },
          uses: [{ workload: "shop/api", port: 8080 }],
          flowerFrom: ["edge/proxy"],
          hosts: ["smtp.example.com"],
        },
      ],
    }),
    opens: [
      "shop/celery-worker > shop/rabbitmq 5672",
      "shop/celery-beat > shop/rabbitmq 5672",
      "shop/celery-flower > shop/rabbitmq 5672",
      "shop/celery-worker > shop/api 8080",
      "edge/proxy > shop/celery-flower 5555",
      "shop/celery-worker > smtp.example.com 443",
    ],
    keepsClosed: [
      "shop/celery-flower > shop/api 8080",
      "shop/celery-beat > smtp.example.com 443",
      "shop/web > shop/celery-worker 8080",
      "shop/celery-worker > shop/rabbitmq 25672",
    ],
  },
};

interface World {
  readonly planned: ReturnType<typeof plan>;
  readonly workloads: readonly WorkloadDeclaration[];
  readonly reachability: Reachability;
  /** Without the deny of metadata endpoints, behind which a name or an API server might be for all that is known. */
  readonly unguarded: Reachability;
}

const profiles: Readonly<Record<Dialect, string>> = {
  [Dialect.Cilium]: "cilium@1.20",
  [Dialect.Calico]: "calico@3.32",
  [Dialect.Kubernetes]: "kubernetes",
  [Dialect.ClusterNetworkPolicy]: "kubernetes",
};

/** A sample with everything that it declares running, each workload as one Deployment. */
function worldOf(sample: Sample["declaration"], dialect: Dialect): World {
  const declaration = { ...ground, ...sample, dialect };
  const planned = plan(declaration);
  const workloads = [...resolve(declaration).workloads.values()].map(asDeclared);
  const dns = workload("kube-system/kube-dns", { labels: { "k8s-app": "kube-dns" } });
  const running = workloads.some(({ namespace: home }) => home === "kube-system") ? workloads : [...workloads, dns];
  const names = new Set([...planned.namespaces.map(({ name }) => name), "kube-system"]);
  const profile = { ...profileFor(profiles[dialect]), unknownPodAddresses: "outside-cidrs" } as const;
  const reachabilityOf = (documents: typeof planned.documents): Reachability => {
    const objects: KubeObject[] = [
      ...[...names].map((name) => ({ apiVersion: "v1", kind: "Namespace", metadata: { name } })),
      ...running.map(deploymentOf),
      ...documents.map(({ object }) => object as unknown as KubeObject),
    ];
    return compile(
      buildSnapshot(
        objects.map((object) => ({ object })),
        { profile },
      ),
    );
  };
  const unguarded = planned.documents.filter(({ object }) => !object.metadata.name.includes("metadata"));
  return {
    planned,
    workloads: running,
    reachability: reachabilityOf(planned.documents),
    unguarded: reachabilityOf(unguarded),
  };
}

function asDeclared({ name, namespace: home, labels, ports, hostNetwork }: ModelWorkload): WorkloadDeclaration {
  const served = ports.map(({ from, protocol, name: port }) => ({
    port: from,
    protocol,
    ...(port === undefined ? {} : { name: port }),
  }));
  return { name, namespace: home, labels, ports: served, hostNetwork };
}

/** `shop/web > shop/api 8080`, `node > …`, `… > 8.8.8.8 53/UDP`, `… > api.example.com 443`. */
function flowOf(text: string, world: World): Flow {
  const found = /^(.+) > (\S+) (\d+)(?:\/(TCP|UDP))?$/.exec(text) ?? assert.fail(text);
  const [, from = "", to = "", port = "", protocol = "TCP"] = found;
  return {
    source: endOf(from, world, false),
    destination: endOf(to, world, true),
    protocol: protocol as "TCP" | "UDP",
    port: Number(port),
  };
}

function endOf(text: string, world: World, isDestination: boolean): Peer {
  if (text === "node") return { kind: "node", where: "remote", address: node };
  if (text === "api-server") {
    // webhook calls come from a node, and dialects without a name for the API server know its address
    if (!isDestination) return { kind: "node", where: "remote", address: "10.0.0.1" };
    return world.planned.dialect === Dialect.Cilium
      ? { kind: "kubeApiserver" }
      : { kind: "address", address: "10.0.0.1" };
  }
  if (/^[\d.]+$|:/.test(text)) return { kind: "address", address: text };
  const replica = text.startsWith("replica of ");
  const id = replica ? text.slice("replica of ".length) : text;
  const running = world.workloads.find(({ namespace: home, name }) => `${home}/${name}` === id);
  if (running === undefined) return id.includes("/") ? assert.fail(`no workload ${id}`) : { kind: "fqdn", name: id };
  if (replica) return { kind: "freshPod", namespace: running.namespace, labels: literal(running).labels ?? {} };
  return { kind: "workload", id: `${id}[Deployment]` };
}

describe("presets", function () {
  this.timeout(60_000);

  it("are all sampled, and say what they were read from", () => {
    const presets = { ...platformPresets, ...applicationPresets };
    assert.deepEqual(
      Object.keys(samples).sort(),
      Object.keys(presets)
        .filter((name) => name !== "agentSandboxes")
        .sort(),
    );
    for (const { title, version, sources } of Object.values(presets)) {
      assert.ok(title !== "" && version !== "" && sources.length > 0, title);
      for (const source of sources) assert.equal(new URL(source).protocol, "https:");
    }
  });

  for (const [name, sample] of Object.entries(samples)) {
    for (const dialect of dialects.filter((one) => sample.only === undefined || sample.only === one)) {
      it(`S1-27: ${name} opens what it declares between any two pods, and nothing else (${dialect})`, () => {
        const world = worldOf(sample.declaration, dialect);
        assert.deepEqual(world.reachability.snapshot.problems, []);
        const { compared, differences } = compareWithDeclaration(world.reachability, world.planned, world.workloads);
        assert.deepEqual(differences, []);
        assert.ok(compared > 20);
        const held = world.workloads.filter(
          ({ namespace: home, hostNetwork }) => home !== "kube-system" && hostNetwork !== true,
        );
        assert.deepEqual(podsThatReachMetadata(world.reachability, held), []);
      });

      it(`${name} opens what its documentation asks for, and keeps the rest closed (${dialect})`, () => {
        const world = worldOf(sample.declaration, dialect);
        for (const text of sample.opens) {
          // a name is a name to Cilium only; elsewhere the flow stays closed and the plan says so
          const flow = flowOf(text, world);
          if (flow.destination.kind === "fqdn" && dialect !== Dialect.Cilium) {
            assert.notEqual(world.reachability.verdict(flow), "allowed", text);
            assert.ok(world.planned.warnings.some(({ code }) => code === "fqdn-unsupported"));
            continue;
          }
          const { kind } = flow.destination;
          const { reachability } =
            kind === "fqdn" || kind === "kubeApiserver" ? { reachability: world.unguarded } : world;
          assert.equal(reachability.verdict(flow), "allowed", text);
        }
        for (const text of sample.keepsClosed) {
          const flow = flowOf(text, world);
          // elsewhere a name is any address, also one that is open for another reason
          if (flow.destination.kind === "fqdn" && dialect !== Dialect.Cilium) continue;
          assert.equal(world.reachability.verdict(flow), "denied", text);
        }
      });
    }
  }

  it("ciliumGateway lets in Cilium's own proxy, on the backend's port, and other dialects say that they cannot", () => {
    const declaration = { ...ground, ...samples["ciliumGateway"]?.declaration };
    const { documents, warnings } = plan(declaration);
    const [rule] = documents
      .filter(({ logicalName }) => logicalName === "tier1-cilium-gateway")
      .map(({ object }) => (object["spec"] as { ingress: unknown[] }).ingress);
    assert.deepEqual(rule, [
      { fromEntities: [Entity.Ingress], toPorts: [{ ports: [{ port: "3000", protocol: "TCP" }] }] },
    ]);
    assert.deepEqual(warnings, []);
    const elsewhere = plan({ ...declaration, dialect: Dialect.Kubernetes });
    assert.ok(elsewhere.warnings.some(({ code }) => code === "entity-unsupported"));
  });

  it("S0-12: tell applications apart by their account where one is named, not by labels that anybody can take", () => {
    const named = applications({
      postgresql: [{ namespace: "shop", clients: ["shop/celery-worker"], serviceAccount: "postgres-pod" }],
      redis: [{ namespace: "shop", serviceAccount: "redis" }],
      celery: [{ namespace: "shop", broker: { workload: "shop/redis", port: 6379 }, serviceAccount: "celery" }],
    });
    const { reachability } = worldOf(named, Dialect.Cilium);
    const labels = { "app.kubernetes.io/name": "celery", "app.kubernetes.io/component": "worker" };
    for (const [account, wanted] of [
      ["celery", "allowed"],
      ["default", "denied"],
    ] as const) {
      const source: Peer = { kind: "freshPod", namespace: "shop", labels, serviceAccount: account };
      for (const [application, serviceAccount, own, port] of [
        ["postgresql", "postgres-pod", { application: "spilo", "cluster-name": "postgresql" }, 5432],
        ["redis", "redis", { "app.kubernetes.io/name": "redis", "app.kubernetes.io/component": "redis" }, 6379],
      ] as const) {
        const destination: Peer = { kind: "freshPod", namespace: "shop", labels: own, serviceAccount };
        assert.equal(
          reachability.verdict({ source, destination, protocol: "TCP", port }),
          wanted,
          `${account} → ${application}`,
        );
      }
    }
  });

  it("refuse options that they do not have, of the wrong kind, and those without which they mean nothing", () => {
    const wrong = {
      ...ground,
      platform: { traefik: { visitor: ["10.0.0.0/8"] }, prometheus: { nodePorts: ["9100"] }, ciliumGateway: {} },
      applications: { celery: [{ namespace: "shop", broker: { workload: "shop/api" } }], redis: [{}] },
    } as unknown as ClusterSecurityDeclaration;
    try {
      plan(wrong);
    } catch (error) {
      assert.ok(error instanceof DeclarationError);
      const paths = error.problems.map(({ path }) => formatPath(path));
      assert.deepEqual(paths.sort(), [
        "applications.celery[0].broker.port",
        "applications.redis[0].namespace",
        "platform.ciliumGateway.backends",
        "platform.prometheus.nodePorts[0]",
        "platform.traefik.visitor",
      ]);
      return;
    }
    assert.fail("nothing was refused");
  });
});
