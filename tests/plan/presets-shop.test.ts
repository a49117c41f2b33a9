import assert from "node:assert/strict";
import type { ClusterSecurityDeclaration, WorkloadDeclaration } from "../../sdk/plan/index";
import { Dialect, flow, internet, namespace, tcp, udp, workload } from "../../sdk/plan/index";
import { metadataEndpoints } from "../../sdk/reachability/index";
import type { Flow, Peer } from "../../sdk/reachability/index";
import type { World } from "./world";
import { open, pod, worldOf } from "./world";
import { literal } from "./literal";

const nothing = "No Connections";
const shop = (name: string): string => `jewelry-shop/${name}`;

const applications: readonly WorkloadDeclaration[] = [
  workload(shop("nginx"), { ports: [tcp(80, "http"), { ...tcp(9113), metrics: true }] }),
  workload(shop("django"), { ports: [{ ...tcp(8000, "http"), metrics: true }] }),
];

/** The jewelry shop of seed 004 with presets for everything but its own two programs. */
const declaration: ClusterSecurityDeclaration = {
  cluster: { apiServer: { cidrs: ["10.43.0.1/32"] }, nodeCidrs: ["192.168.0.0/24"], podCidrs: ["10.42.0.0/16"] },
  namespaces: [namespace("jewelry-shop")],
  workloads: [...applications],
  platform: {
    traefik: { backends: [{ workload: shop("nginx"), port: 80 }] },
    prometheus: {},
    coreDns: {},
  },
  applications: {
    postgresql: [
      {
        namespace: "jewelry-shop",
        clients: [shop("django"), shop("celery-worker"), shop("celery-beat")],
        poolerClients: [shop("django"), shop("celery-worker")],
      },
    ],
    redis: [{ namespace: "jewelry-shop", clients: [shop("django")] }],
    celery: [{ namespace: "jewelry-shop", broker: { workload: shop("redis"), port: 6379 } }],
  },
  flows: [
    flow("nginx").to("django").on(tcp(8000)).because("serves the application").ownedBy("shop"),
    flow("django").to(internet()).on(tcp(80), tcp(443)).because("providers").ownedBy("shop"),
    flow("celery-worker").to(internet()).on(tcp(443), tcp(587)).because("providers, mail").ownedBy("shop"),
  ],
};

const named = (name: string, component?: string): { [key: string]: string } => ({
  "app.kubernetes.io/name": name,
  ...(component === undefined ? {} : { "app.kubernetes.io/component": component }),
});

/** What runs, as the charts and operators label it: written down here a second time, not taken from the presets. */
const running: readonly WorkloadDeclaration[] = [
  ...applications,
  workload(shop("postgresql"), { labels: { application: "spilo", "cluster-name": "postgresql" }, ports: [tcp(5432)] }),
  workload(shop("postgresql-pooler"), {
    labels: { application: "db-connection-pooler", "cluster-name": "postgresql" },
    ports: [tcp(5432)],
  }),
  workload(shop("redis"), { labels: named("redis", "redis"), ports: [tcp(6379)] }),
  workload(shop("redis-sentinel"), { labels: named("redis", "sentinel"), ports: [tcp(26379)] }),
  workload(shop("celery-worker"), { labels: named("celery", "worker") }),
  workload(shop("celery-beat"), { labels: named("celery", "beat") }),
  workload("traefik/traefik", { labels: named("traefik"), ports: [tcp(8000), tcp(8443)] }),
  workload("monitoring/prometheus", { labels: named("prometheus"), ports: [tcp(9090)] }),
  workload("kube-system/kube-dns", { labels: { "k8s-app": "kube-dns" }, ports: [udp(53), tcp(53), tcp(9153)] }),
];

for (const dialect of Object.values(Dialect)) {
  describe(`the shop of presets (${dialect})`, () => {
    let world: World;
    before(() => {
      world = worldOf({ ...declaration, dialect }, { workloads: running });
      assert.deepEqual(world.reachability.snapshot.problems, []);
    });

    function passes(from: Peer, to: string, port: number): boolean {
      const asked: Flow = { source: from, destination: pod(to), protocol: "TCP", port };
      return world.reachability.verdict(asked) === "allowed";
    }
    const only = (callers: readonly string[], to: string, port: number): void => {
      for (const { namespace: home, name } of running) {
        const id = `${home}/${name}`;
        if (id === shop(to) || home === "kube-system") continue;
        assert.equal(passes(pod(id), shop(to), port), callers.includes(id), `${id} → ${to} ${port}`);
      }
    };
    const replica = (id: string): Peer => {
      const labels = literal(running.find(({ name }) => shop(name) === id))?.labels ?? {};
      return { kind: "freshPod", namespace: "jewelry-shop", labels };
    };

    it("S4-01: nginx reaches Django, and nobody else but Prometheus does", () => {
      only([shop("nginx"), "monitoring/prometheus"], "django", 8000);
    });

    it("S4-02, S4-18: Django reaches PostgreSQL; replication and Patroni pass between its own pods only", () => {
      const clients = ["django", "celery-worker", "celery-beat", "postgresql-pooler"].map(shop);
      only(clients, "postgresql", 5432);
      only([], "postgresql", 8008);
      for (const port of [5432, 8008]) assert.ok(passes(replica(shop("postgresql")), shop("postgresql"), port));
    });

    it("S4-03: Django reaches PgBouncer, and PgBouncer PostgreSQL: the whole path", () => {
      only([shop("django"), shop("celery-worker")], "postgresql-pooler", 5432);
      assert.ok(passes(pod(shop("postgresql-pooler")), shop("postgresql"), 5432));
      assert.ok(!passes(pod(shop("postgresql")), shop("postgresql-pooler"), 5432));
    });

    it("S4-04, S4-18: Django reaches Redis, and Redis its replicas", () => {
      only(["django", "celery-worker", "celery-beat", "redis-sentinel"].map(shop), "redis", 6379);
      assert.ok(passes(replica(shop("redis")), shop("redis"), 6379));
    });

    it("S4-05, S4-06: Celery's workers and scheduler reach PostgreSQL and Redis, and nobody reaches them", () => {
      for (const client of ["celery-worker", "celery-beat"]) {
        assert.ok(passes(pod(shop(client)), shop("postgresql"), 5432), client);
        assert.ok(passes(pod(shop(client)), shop("redis"), 6379), client);
        only([], client, 8000);
      }
    });

    it("S4-07, S4-18: Sentinel reaches Redis and its peers; clients and Redis reach Sentinel", () => {
      only(["django", "redis"].map(shop), "redis-sentinel", 26379);
      assert.ok(passes(replica(shop("redis-sentinel")), shop("redis-sentinel"), 26379));
    });

    it("S4-08, S4-09, S4-11: monitoring, Traefik and DNS pass", () => {
      for (const [to, port] of [
        ["django", 8000],
        ["nginx", 9113],
        ["postgresql", 9187],
        ["redis", 9121],
      ] as const) {
        assert.ok(passes(pod("monitoring/prometheus"), shop(to), port), to);
      }
      only(["traefik/traefik"], "nginx", 80);
      for (const { namespace: home, name } of running) {
        if (home !== "jewelry-shop") continue;
        assert.equal(open(world, pod(shop(name)), pod("kube-system/kube-dns")), "TCP 53; UDP 53", name);
      }
    });

    it("S4-10: PostgreSQL and Redis are closed to everything outside the shop", () => {
      const outsiders: readonly Peer[] = [
        { kind: "address", address: "203.0.113.9" },
        { kind: "address", address: "10.9.9.9" },
        { kind: "freshPod", namespace: "default" },
        pod("traefik/traefik"),
      ];
      for (const to of ["postgresql", "postgresql-pooler", "redis", "redis-sentinel"]) {
        for (const outsider of outsiders) assert.equal(open(world, outsider, pod(shop(to))), nothing, to);
      }
    });

    it("S4-12: each has the egress that it needs; metadata stays closed although 80 and 443 are open", () => {
      const internetOf = (name: string): string =>
        open(world, pod(shop(name)), { kind: "address", address: "8.8.8.8" });
      assert.equal(internetOf("django"), "TCP 80,443");
      assert.equal(internetOf("celery-worker"), "TCP 443,587");
      for (const name of ["nginx", "celery-beat", "postgresql", "redis"]) assert.equal(internetOf(name), nothing, name);
      for (const { address } of metadataEndpoints) {
        assert.equal(open(world, pod(shop("django")), { kind: "address", address }), nothing, address);
      }
    });
  });
}
