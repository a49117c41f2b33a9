import assert from "node:assert/strict";
import type { DeclaredExample } from "../../lab/examples/index";
import { declaredBy } from "../../lab/examples/index";
import type { Plan, PolicyDocument, WorkloadDeclaration } from "../../sdk/plan/index";
import { Dialect, flow, tcp } from "../../sdk/plan/index";
import type { Flow, KubeObject, Peer } from "../../sdk/reachability/index";
import { diff } from "../../sdk/reachability/index";
import { compareWithDeclaration, exemptPods, podsThatReachMetadata, wordedFlows } from "../support/declared";
import type { Example } from "../support/examples";
import { examples } from "../support/examples";
import { seventeenPolicies } from "../support/seventeen-policies";
import type { World } from "./world";
import { open, pod, worldOf } from "./world";

const dialects = [Dialect.Cilium, Dialect.Kubernetes, Dialect.Calico, Dialect.ClusterNetworkPolicy];
const nothing = "No Connections";
const address = (text: string): Peer => ({ kind: "address", address: text });
const fresh = (namespace: string): Peer => ({ kind: "freshPod", namespace });

const [serviceIdentity] = declaredBy("service-identity");
const [shop] = declaredBy("shop");
const [webApp] = declaredBy("web-app");
const [tiers] = declaredBy("zero-trust-tiers");

function worldIn(example: DeclaredExample, dialect: Dialect): World {
  const workloads = [...example.applications, ...example.platform];
  return worldOf({ ...example.declaration, dialect }, { workloads });
}

function verdict(world: World, from: string, to: string, port: number, protocol: Flow["protocol"] = "TCP"): string {
  return world.reachability.verdict({ source: pod(from), destination: pod(to), protocol, port });
}

const names = ["service-identity", "web-app", "tenants", "zero-trust-tiers", "shop", "kubernetesx", "fleet"];

for (const name of names) {
  for (const dialect of dialects) {
    describe(`examples/${name} (${dialect})`, () => {
      let example: Example;
      let world: World;
      let held: readonly WorkloadDeclaration[];

      before(async () => {
        const found = (await examples()).find((one) => one.name === name);
        example = found ?? assert.fail(`${name} is no example`);
        world = worldOf({ ...example.declaration, dialect }, { workloads: example.workloads });
        const exempt = exemptPods(world.plan, example.workloads);
        held = example.workloads.filter((workload) => !exempt.includes(`${workload.namespace}/${workload.name}`));
        assert.ok(held.length > 1);
      });

      it("S1-27 S0-02 allows the declared flows between any two pods and to the outside, and nothing else", () => {
        assert.deepEqual(world.reachability.snapshot.problems, []);
        const { compared, differences } = compareWithDeclaration(world.reachability, world.plan, example.workloads);
        assert.deepEqual(differences, []);
        assert.ok(compared >= held.length * (held.length - 1 + 8));
      });

      it("S0-08 S1-13 closes every metadata endpoint to every pod of tiers 1 and 2, and lists who is exempt", () => {
        const exempt = exemptPods(world.plan, example.workloads);
        assert.deepEqual(podsThatReachMetadata(world.reachability, example.workloads), exempt);
        for (const id of exempt) {
          const namespace = id.slice(0, id.indexOf("/"));
          const workload = example.workloads.find((one) => `${one.namespace}/${one.name}` === id);
          assert.ok(world.plan.exemptNamespaces.includes(namespace) || workload?.hostNetwork === true, id);
        }
      });

      it("S0-01 S1-01 S1-02 S1-15 leaves a fresh pod nothing but DNS", () => {
        for (const namespace of new Set(held.map((workload) => workload.namespace))) {
          const toAll = wordedFlows(world.plan).some(({ from }) => from === `namespace ${namespace}`);
          assert.ok(!toAll, "a flow from a whole namespace opens fresh pods; this test knows none");
          if (example.workloads.some(({ name: own }) => own === "kube-dns")) {
            assert.equal(open(world, fresh(namespace), pod("kube-system/kube-dns")), "TCP 53; UDP 53");
          }
          for (const other of [address("8.8.8.8"), address("2606:4700::1111"), fresh(namespace), fresh("elsewhere")]) {
            assert.equal(open(world, fresh(namespace), other), nothing);
          }
        }
      });

      it("S1-07 lets the kubelet probe every pod", () => {
        for (const { namespace, name: own } of held) {
          const probe: Flow = {
            source: { kind: "node", where: "local" },
            destination: pod(`${namespace}/${own}`),
            protocol: "TCP",
            port: 8080,
          };
          assert.equal(world.reachability.verdict(probe), "allowed", own);
        }
      });
    });
  }
}

describe("the comparison that these suites stand on", () => {
  it("notices a path too few and a path too many", async () => {
    const example = (await examples()).find(({ name }) => name === "web-app") ?? assert.fail();
    const world = worldOf(example.declaration, { workloads: example.workloads });
    const compare = (keep: (name: string) => boolean, extra: readonly KubeObject[] = []): readonly string[] => {
      const standing = ({ documents }: Plan): readonly PolicyDocument[] =>
        documents.filter(({ object }) => keep(object.metadata.name));
      const changed = worldOf(example.declaration, { workloads: example.workloads, standing, extra });
      return compareWithDeclaration(changed.reachability, world.plan, example.workloads).differences;
    };
    assert.deepEqual(
      compare(() => true),
      [],
    );
    assert.deepEqual(
      compare((own) => own !== "allow-backend-api-to-redis"),
      ["app/backend-api → app/redis: No Connections; declared: TCP 6379"],
    );
    const more: KubeObject = {
      apiVersion: "networking.k8s.io/v1",
      kind: "NetworkPolicy",
      metadata: { name: "hole", namespace: "app" },
      spec: {
        podSelector: { matchLabels: { app: "worker" } },
        policyTypes: ["Egress"],
        egress: [{ to: [{ ipBlock: { cidr: "8.8.8.0/24" } }], ports: [{ port: 443 }] }],
      },
    };
    assert.deepEqual(
      compare(() => true, [more]),
      ["app/worker → 8.8.8.8: TCP 443; declared: No Connections"],
    );
  });
});

describe("examples/service-identity, rows", () => {
  const world = worldIn(serviceIdentity, Dialect.Cilium);

  it("S0-03 lets only api-gateway call frontend, and S0-11 not across namespaces", () => {
    assert.equal(verdict(world, "production/api-gateway", "production/frontend", 8080), "allowed");
    assert.equal(verdict(world, "production/orders", "production/frontend", 8080), "denied");
    assert.equal(verdict(world, "production/api-gateway", "staging/frontend", 8080), "denied");
    assert.equal(verdict(world, "staging/frontend", "production/orders", 9000), "denied");
  });

  it("S0-12 refuses a pod with the right labels and the wrong service account", () => {
    const labels = { app: "api-gateway" };
    const impostor = (serviceAccount: string): Peer => ({
      kind: "freshPod",
      namespace: "production",
      labels,
      serviceAccount,
    });
    assert.equal(open(world, impostor("api-gateway"), pod("production/frontend")), "TCP 8080");
    assert.equal(open(world, impostor("default"), pod("production/frontend")), nothing);
  });

  it("S1-14 lets a workload reach the hosts that are named for it, on their port, and no other", () => {
    const orders = pod("production/orders");
    const host = (name: string): Peer => ({ kind: "fqdn", name });
    // possible, not certain: the name may be given a metadata address, which stays closed
    assert.equal(open(world, orders, host("api.example.com")), "No Connections (possibly TCP 443)");
    for (const other of ["example.com", "other.example.com", "api.example.com.evil.test"]) {
      assert.equal(open(world, orders, host(other)), nothing, other);
    }
    assert.equal(open(world, pod("production/frontend"), host("api.example.com")), nothing);
  });

  it("S0-10 S0-14 opens no pair but the declared ones to an attacker in any pod", () => {
    const unexpected = [...world.reachability.matrix({ external: false })]
      .filter(({ sourceId }) => !sourceId.startsWith("kube-system/"))
      .filter(({ destinationId }) => !destinationId.startsWith("kube-system/"))
      .map(({ sourceId, destinationId, possible }) => `${sourceId} ${destinationId} ${possible.toString()}`);
    assert.deepEqual(unexpected.sort(), [
      "production/api-gateway[Deployment] production/frontend[Deployment] TCP 8080",
      "production/frontend[Deployment] production/orders[Deployment] TCP 9000",
    ]);
  });
});

for (const dialect of dialects) {
  describe(`examples/web-app, rows (${dialect})`, () => {
    const world = worldIn(webApp, dialect);
    const others = (allowed: readonly string[]): readonly string[] =>
      webApp.applications.map(({ name }) => name).filter((name) => !allowed.includes(name));

    function onlyFrom(allowed: readonly string[], to: string, number: number): void {
      for (const name of allowed) assert.equal(verdict(world, `app/${name}`, `app/${to}`, number), "allowed", name);
      for (const name of others([...allowed, to])) {
        assert.equal(verdict(world, `app/${name}`, `app/${to}`, number), "denied", name);
      }
      assert.equal(open(world, address("203.0.113.9"), pod(`app/${to}`)), nothing);
      assert.equal(open(world, fresh("elsewhere"), pod(`app/${to}`)), nothing);
    }

    it("S1-03 labels and isolates the namespace", () => {
      const app = world.plan.namespaces.find(({ name }) => name === "app");
      assert.deepEqual([app?.labels, app?.existing], [{ name: "app" }, false]);
      assert.equal(open(world, fresh("app"), pod("app/frontend")), nothing);
    });

    it("S1-04 S1-12 admits visitors to the frontend through the ingress controller only", () => {
      assert.equal(verdict(world, "ingress-nginx/ingress-nginx", "app/frontend", 3000), "allowed");
      onlyFrom([], "frontend", 3000);
      const visit: Flow = {
        source: address("203.0.113.9"),
        destination: pod("ingress-nginx/ingress-nginx"),
        protocol: "TCP",
        port: 443,
      };
      assert.equal(world.reachability.verdict(visit), "allowed");
    });

    it("S1-05 S1-06 S1-08 S1-09 admits the declared callers of each service, on its port, and nobody else", () => {
      onlyFrom(["frontend"], "backend-api", 3000);
      onlyFrom(["backend-api", "backup-agent", "worker"], "postgres", 5432);
      onlyFrom(["backend-api"], "redis", 6379);
      onlyFrom(["backend-api", "worker"], "rabbitmq", 5672);
      onlyFrom([], "rabbitmq", 15672);
    });

    it("S1-07 S1-08 allows replication between the pods of one workload", () => {
      for (const [name, number] of [
        ["postgres", 5432],
        ["redis", 6379],
      ] as const) {
        const replica: Peer = { kind: "freshPod", namespace: "app", labels: { app: name } };
        const flow: Flow = { source: replica, destination: pod(`app/${name}`), protocol: "TCP", port: number };
        assert.equal(world.reachability.verdict(flow), "allowed", name);
      }
    });

    it("S1-10 S1-11 lets Prometheus scrape the real metrics ports; traces, logs and alerts have their paths", () => {
      const scraped: readonly [string, number][] = [
        ["frontend", 9464],
        ["backend-api", 9464],
        ["worker", 9464],
        ["postgres", 9187],
        ["redis", 9121],
        ["rabbitmq", 15692],
      ];
      for (const [name, number] of scraped) {
        assert.equal(verdict(world, "monitoring/prometheus", `app/${name}`, number), "allowed", name);
        assert.equal(verdict(world, "app/backup-agent", `app/${name}`, number), "denied", name);
      }
      assert.equal(verdict(world, "app/worker", "monitoring/otel-collector", 4317), "allowed");
      assert.equal(verdict(world, "monitoring/prometheus", "monitoring/alertmanager", 9093), "allowed");
      assert.equal(verdict(world, "app/frontend", "monitoring/prometheus", 9090), "denied");
    });

    it("S1-13 lets the backend reach public addresses over HTTPS and nothing private", () => {
      const backend = pod("app/backend-api");
      assert.equal(open(world, backend, address("8.8.8.8")), "TCP 443");
      assert.equal(open(world, backend, address("2606:4700::1111")), "TCP 443");
      for (const inside of ["10.1.2.3", "172.16.0.1", "192.168.1.1", "100.64.0.1", "fd00::1", "169.254.20.10"]) {
        assert.equal(open(world, backend, address(inside)), nothing, inside);
      }
      assert.equal(open(world, pod("app/worker"), address("8.8.8.8")), nothing);
    });

    it("S1-30 S2-09 opens single ports and protocols only", () => {
      for (const { sourceId, destinationId, possible } of world.reachability.matrix({ external: false })) {
        if (sourceId.startsWith("kube-system/")) continue;
        assert.ok(!possible.isAll(), `${sourceId} → ${destinationId}`);
        assert.ok(!possible.contains("SCTP", 80) && !possible.contains("UDP", 80));
      }
    });
  });

  describe(`examples/shop, rows (${dialect})`, () => {
    const world = worldIn(shop, dialect);
    const inShop = (from: string, to: string, number: number): string =>
      verdict(world, `jewelry-shop/${from}`, `jewelry-shop/${to}`, number);

    it("S4-01, S4-02, S4-03, S4-04, S4-05, S4-06, S4-07 allows the declared paths on both sides, and not their reverse", () => {
      const paths: readonly [string, string, number][] = [
        ["nginx", "django", 8000],
        ["django", "postgresql", 5432],
        ["django", "pgbouncer", 5432],
        ["pgbouncer", "postgresql", 5432],
        ["django", "redis", 6379],
        ["celery-worker", "postgresql", 5432],
        ["celery-worker", "redis", 6379],
        ["celery-beat", "postgresql", 5432],
        ["celery-beat", "redis", 6379],
        ["sentinel", "redis", 6379],
      ];
      for (const [from, to, number] of paths) {
        assert.equal(inShop(from, to, number), "allowed", `${from} → ${to}`);
        assert.equal(inShop(to, from, number), "denied", `${to} → ${from}`);
      }
      assert.equal(inShop("django", "postgresql", 8008), "denied");
    });

    it("S4-18 keeps failover working: replication, Patroni and Sentinel between replicas", () => {
      const replica = (labels: Record<string, string>): Peer => ({
        kind: "freshPod",
        namespace: "jewelry-shop",
        labels,
      });
      const paths: readonly [Peer, string, number][] = [
        [replica({ application: "spilo" }), "postgresql", 5432],
        [replica({ application: "spilo" }), "postgresql", 8008],
        [replica({ component: "redis" }), "redis", 6379],
        [replica({ component: "redis-sentinel" }), "sentinel", 26379],
      ];
      for (const [source, to, number] of paths) {
        const flow: Flow = { source, destination: pod(`jewelry-shop/${to}`), protocol: "TCP", port: number };
        assert.equal(world.reachability.verdict(flow), "allowed", to);
      }
    });

    it("S4-08 S4-09 S4-11 lets monitoring, Traefik and DNS through", () => {
      for (const [to, number] of [
        ["django", 8000],
        ["nginx", 9113],
        ["postgresql", 9187],
        ["redis", 9121],
      ] as const) {
        assert.equal(verdict(world, "monitoring/prometheus", `jewelry-shop/${to}`, number), "allowed", to);
      }
      assert.equal(verdict(world, "traefik/traefik", "jewelry-shop/nginx", 80), "allowed");
      assert.equal(verdict(world, "traefik/traefik", "jewelry-shop/nginx", 443), "allowed");
      assert.equal(verdict(world, "traefik/traefik", "jewelry-shop/django", 8000), "denied");
      for (const { name } of shop.applications) {
        assert.equal(open(world, pod(`jewelry-shop/${name}`), pod("kube-system/kube-dns")), "TCP 53; UDP 53", name);
      }
    });

    it("S4-10 keeps PostgreSQL and Redis closed to everything outside the shop", () => {
      for (const to of ["postgresql", "redis"]) {
        for (const source of [address("203.0.113.9"), address("10.9.9.9"), fresh("default"), pod("traefik/traefik")]) {
          assert.equal(open(world, source, pod(`jewelry-shop/${to}`)), nothing, to);
        }
      }
    });

    it("S4-14 holds in the scenarios of the seed's validation script, allowed and denied", () => {
      const outsider = fresh("default");
      const scenarios: readonly [Peer, string, number, string][] = [
        [pod("jewelry-shop/django"), "postgresql", 5432, "allowed"],
        [pod("jewelry-shop/django"), "redis", 6379, "allowed"],
        [pod("jewelry-shop/nginx"), "django", 8000, "allowed"],
        [outsider, "postgresql", 5432, "denied"],
        [outsider, "redis", 6379, "denied"],
        [pod("jewelry-shop/celery-worker"), "postgresql", 5432, "allowed"],
        [pod("jewelry-shop/celery-worker"), "redis", 6379, "allowed"],
      ];
      for (const [source, to, number, wanted] of scenarios) {
        const attempt: Flow = { source, destination: pod(`jewelry-shop/${to}`), protocol: "TCP", port: number };
        assert.equal(world.reachability.verdict(attempt), wanted, to);
      }
    });

    it("S4-12 gives each workload the egress that it needs, and no mail port 25", () => {
      assert.equal(open(world, pod("jewelry-shop/django"), address("8.8.8.8")), "TCP 80,443");
      assert.equal(open(world, pod("jewelry-shop/celery-worker"), address("8.8.8.8")), "TCP 80,443,587");
      assert.equal(open(world, pod("jewelry-shop/nginx"), address("8.8.8.8")), nothing);
    });
  });
}

describe("examples/web-app, questions", () => {
  const world = worldIn(webApp, Dialect.Kubernetes);

  it("S1-17 explains a refused connection: what closes it, which rules were asked, what would open it", () => {
    const {
      verdict: answer,
      egress,
      ingress,
      flip,
    } = world.reachability.explain({
      source: pod("app/worker"),
      destination: pod("app/redis"),
      protocol: "TCP",
      port: 6379,
    });
    assert.equal(answer, "denied");
    assert.ok(egress.isolatedBy.some(({ name }) => name === "default-deny-all"));
    const asked = ingress.chain.find(({ rule }) => rule.policy.name === "allow-backend-api-to-redis");
    assert.equal(asked?.because, "peer");
    assert.ok(flip.length > 0);
  });

  it("S1-21 shows a change of the declaration as paths opened and closed, with the policy that did it", () => {
    const [first, ...others] = webApp.declaration.flows ?? [];
    assert.ok(first);
    const added = flow("worker").to("redis").on(tcp(6379)).because("caches results").ownedBy("backend");
    const changed = worldIn(
      { ...webApp, declaration: { ...webApp.declaration, flows: [...others, added] } },
      Dialect.Kubernetes,
    );
    const paths = [...diff(world.reachability, changed.reachability, { external: false })].map(
      ({ change, sourceId, destinationId, causes }) => [
        change,
        sourceId,
        destinationId,
        causes.some(({ name }) => /allow-(ingress-nginx.*-to-frontend|worker-to-redis)/.test(name)),
      ],
    );
    assert.deepEqual(paths.sort(), [
      ["closed", "ingress-nginx/ingress-nginx[Deployment]", "app/frontend[Deployment]", true],
      ["opened", "app/worker[Deployment]", "app/redis[Deployment]", true],
    ]);
  });
});

describe("examples/shop, the three slips of its troubleshooting guide", () => {
  const intended = worldIn(shop, Dialect.Kubernetes);
  const rename = (workload: WorkloadDeclaration, name: string): WorkloadDeclaration =>
    workload.name === name ? { ...workload, labels: { component: "mistyped" } } : workload;
  const workloads = [...shop.applications, ...shop.platform];

  it("S4-21 names the rules that a mistyped label misses, at both ends", () => {
    const world = worldOf(shop.declaration, { workloads: workloads.map((one) => rename(one, "django")) });
    const attempt = { protocol: "TCP", port: 5432 } as const;
    const [source, destination] = [pod("jewelry-shop/django"), pod("jewelry-shop/postgresql")];
    assert.equal(intended.reachability.verdict({ source, destination, ...attempt }), "allowed");
    const { verdict: answer, egress, ingress } = world.reachability.explain({ source, destination, ...attempt });
    assert.equal(answer, "denied");
    const missed = egress.notSelecting.find(({ rule }) => rule.policy.name === "allow-django-egress");
    assert.equal(missed?.because, "subject");
    const refused = ingress.chain.find(({ rule }) => rule.policy.name === "allow-django-to-postgresql");
    assert.equal(refused?.because, "peer");
  });

  it("S4-21 says that nothing opens DNS when its policy is missing", () => {
    const world = worldOf(shop.declaration, {
      workloads,
      standing: ({ documents }) => documents.filter(({ object }) => object.metadata.name !== "allow-dns-access"),
    });
    const { verdict: answer, egress } = world.reachability.explain({
      source: pod("jewelry-shop/django"),
      destination: pod("kube-system/kube-dns"),
      protocol: "UDP",
      port: 53,
    });
    assert.equal(answer, "denied");
    assert.match(egress.reason, /isolated by .*default-deny-all.*no rule allows it/);
  });

  it("S4-21 names the scraping rule whose peer a mistyped monitoring label is not", () => {
    const world = worldOf(shop.declaration, { workloads: workloads.map((one) => rename(one, "prometheus")) });
    const { verdict: answer, ingress } = world.reachability.explain({
      source: pod("monitoring/prometheus"),
      destination: pod("jewelry-shop/django"),
      protocol: "TCP",
      port: 8000,
    });
    assert.equal(answer, "denied");
    const refused = ingress.chain.find(({ rule }) => rule.policy.name === "allow-monitoring-to-all-pods");
    assert.equal(refused?.because, "peer");
  });
});

describe("examples/zero-trust-tiers, rows", () => {
  it("S3-25 lets nothing pass between namespaces of tier 2 but what is declared", () => {
    const workloads = [...tiers.platform, ...tiers.applications];
    const world = worldOf(tiers.declaration, { workloads });
    const crossing = tiers.applications.flatMap((source) =>
      tiers.applications
        .filter((target) => target.namespace !== source.namespace)
        .map((target) => [`${source.namespace}/${source.name}`, `${target.namespace}/${target.name}`] as const)
        .filter(([from, to]) => open(world, pod(from), pod(to)) !== nothing)
        .map(([from, to]) => `${from} → ${to}`),
    );
    assert.deepEqual(crossing, ["website/storefront → business/odoo"]);
    assert.equal(verdict(world, "website/storefront", "business/n8n", 5678), "denied");
  });
});

describe("examples/shop, its policies", () => {
  it("S4-13 are the seventeen of the seed, 13 for ingress and 4 for egress, and those that were missing", () => {
    const { documents } = worldIn(shop, Dialect.Kubernetes).plan;
    const own = documents.filter(({ object }) => object.metadata.namespace === "jewelry-shop");
    const byName = new Map(
      own.map(({ object }) => [object.metadata.name, object["spec"] as { policyTypes: string[] }]),
    );
    const types = seventeenPolicies.map(
      (name) => byName.get(name)?.policyTypes.join() ?? assert.fail(`${name} is missing`),
    );
    assert.equal(types.filter((type) => type === "Ingress").length, 13);
    assert.equal(types.filter((type) => type === "Egress").length, 4);
    assert.deepEqual([...byName.keys()].filter((name) => !seventeenPolicies.includes(name)).sort(), [
      "allow-celery-beat-egress",
      "allow-celery-worker-to-pgbouncer",
      "allow-django-to-sentinel",
      "allow-pgbouncer-egress",
      "allow-pgbouncer-to-postgresql",
      "allow-postgresql-egress",
      "allow-postgresql-to-postgresql",
      "allow-redis-egress",
      "allow-redis-to-redis",
      "allow-redis-to-sentinel",
      "allow-sentinel-egress",
      "allow-sentinel-to-sentinel",
      "default-deny-all",
    ]);
  });
});
