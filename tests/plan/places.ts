import type { ClusterSecurityDeclaration } from "../../sdk/plan/index";
import {
  Entity,
  MetadataService,
  allOf,
  cidr,
  flow,
  fqdn,
  namespace,
  tcp,
  tcpRange,
  workload,
} from "../../sdk/plan/index";

/** Makes the leaf of a place, from the value that it is to have. */
export type Leaf = <T>(value: T) => T;

/** A declaration with a value in one place of the list. */
export interface Place {
  readonly name: string;
  readonly declare: (leaf: Leaf) => ClusterSecurityDeclaration;
  /** A value that is wrong there, with the path and the text of the problem. */
  readonly wrong?: readonly [value: unknown, path: string, message: RegExp];
}

/** What the places have in common. */
export const base = {
  namespaces: [namespace("shop"), namespace("data", { existing: true })],
  workloads: [workload("shop/web", { ports: [tcp(8080, "http")] }), workload("data/db", { ports: [tcp(5432)] })],
} satisfies ClusterSecurityDeclaration;

const addresses = { apiServer: { cidrs: ["10.9.0.1/32"] }, nodeCidrs: ["10.8.0.0/24"] };

const webTo = (to: ReturnType<typeof fqdn> | ReturnType<typeof cidr>, leaf: Leaf): ClusterSecurityDeclaration => ({
  ...base,
  flows: [flow("web").to(to).on(tcp(443)).because(leaf("payments")).ownedBy("shop")],
});
/** Leaves as literals. */
export const literally: Leaf = (value) => value;

/** Every place of a declaration that a cloud resource may know. */
export const places: readonly Place[] = [
  {
    name: "cidr as a destination",
    declare: (leaf) => webTo(cidr(leaf("10.1.0.0/16")), literally),
    wrong: ["10.1.0.0/33", "flows[0].to.cidr", /invalid prefix length/],
  },
  {
    name: "cidr as a source",
    declare: (leaf) => ({
      ...base,
      flows: [
        flow(cidr(leaf("0.0.0.0/0")))
          .to("web")
          .on(tcp(8080))
          .because("visitors")
          .ownedBy("shop"),
      ],
    }),
    wrong: ["169.254.169.254/32", "flows[0].from.cidr", /metadata endpoint/],
  },
  {
    name: "except, one of them",
    declare: (leaf) => webTo(cidr("10.0.0.0/8", [leaf("10.1.0.0/16"), "10.2.0.0/16"]), literally),
    wrong: ["192.0.2.0/24", "flows[0].to.except[0]", /does not lie inside cidr/],
  },
  {
    name: "except, the list",
    declare: (leaf) => webTo(cidr("10.0.0.0/8", leaf(["10.1.0.0/16"])), literally),
    wrong: [["10.0.0.0/8"], "flows[0].to.except[0]", /does not lie inside cidr/],
  },
  {
    name: "fqdn",
    declare: (leaf) => webTo(fqdn(leaf("db.example.com")), literally),
    wrong: ["https://db.example.com", "flows[0].to.fqdn", /can match no DNS name/],
  },
  {
    name: "port of a flow",
    declare: (leaf) => ({
      ...base,
      flows: [
        flow("web")
          .to("db")
          .on(tcp(leaf(5432)))
          .because("orders")
          .ownedBy("shop"),
      ],
    }),
    wrong: [5433, "flows[0].ports[0]", /does not serve/],
  },
  {
    name: "port that a workload serves",
    declare: (leaf) => ({
      ...base,
      workloads: [workload("shop/web"), workload("data/db", { ports: [tcp(leaf(5432), "sql")] })],
      flows: [flow("web").to("db").on({ name: "sql" }).because("orders").ownedBy("shop")],
    }),
    wrong: [0, "workloads[1].ports[0].port", /is not a port number/],
  },
  {
    name: "last port of a range",
    declare: (leaf) => ({
      ...base,
      flows: [
        flow("web")
          .to(cidr("192.0.2.0/24"))
          .on(tcpRange(8000, leaf(8010)))
          .because("x")
          .ownedBy("shop"),
      ],
    }),
    wrong: [7000, "flows[0].ports[0].endPort", /is below port/],
  },
  {
    name: "service account",
    declare: (leaf) => ({
      ...base,
      workloads: [workload("shop/web", { serviceAccount: leaf("web") }), workload("data/db")],
      flows: [flow("web").to("db").on(tcp(5432)).because("orders").ownedBy("shop")],
    }),
    wrong: ["No Name", "workloads[0].serviceAccount", /is not a service account name/],
  },
  {
    name: "label value",
    declare: (leaf) => ({
      ...base,
      workloads: [workload("shop/web", { labels: { app: leaf("web") } }), workload("shop/api")],
      flows: [flow("web").to("api").on(tcp(80)).because("x").ownedBy("shop")],
    }),
    wrong: ["api", "workloads[1].labels", /selects the same pods/],
  },
  {
    name: "labels as a whole",
    declare: (leaf) => ({
      ...base,
      workloads: [workload("shop/web", { labels: leaf({ app: "web", tier: "front" }) }), workload("shop/api")],
      flows: [flow("web").to("api").on(tcp(80)).because("x").ownedBy("shop")],
    }),
    wrong: [{}, "workloads[0].labels", /selects every pod/],
  },
  {
    name: "label value of a namespace",
    declare: (leaf) => ({
      ...base,
      namespaces: [namespace("shop", { labels: { team: leaf("web") } }), namespace("data")],
    }),
    wrong: ["no label!", "namespaces[0].labels.team", /is not a label value/],
  },
  {
    name: "API server",
    declare: (leaf) => ({
      ...base,
      cluster: { apiServer: { cidrs: [leaf("10.9.0.1/32")], ports: [443] } },
      flows: [flow("web").to({ entity: Entity.KubeApiserver }).on().because("watches").ownedBy("shop")],
    }),
    wrong: ["10.9.0.1", "cluster.apiServer.cidrs[0]", /has no prefix length/],
  },
  {
    name: "port of the API server",
    declare: (leaf) => ({
      ...base,
      cluster: { apiServer: { cidrs: ["10.9.0.1/32"], ports: [leaf(6443)] } },
      flows: [flow("web").to({ entity: Entity.KubeApiserver }).on().because("watches").ownedBy("shop")],
    }),
    wrong: [70_000, "cluster.apiServer.ports[0]", /is not a port number/],
  },
  {
    name: "nodes",
    declare: (leaf) => ({
      ...base,
      cluster: { nodeCidrs: leaf(["10.8.0.0/24"]) },
      flows: [flow({ entity: Entity.Nodes }).to("web").on(tcp(8080)).because("probes").ownedBy("shop")],
    }),
    wrong: [["nodes"], "cluster.nodeCidrs[0]", /is not an IPv4 or IPv6/],
  },
  {
    name: "pods",
    declare: (leaf) => ({ ...webTo(cidr("10.0.0.0/8"), literally), cluster: { podCidrs: [leaf("10.244.0.0/16")] } }),
    wrong: ["10.244.0.1/16", "cluster.podCidrs[0]", /beyond its prefix length/],
  },
  {
    name: "address of the DNS cache",
    declare: (leaf) => ({ ...base, cluster: { dns: { nodeLocalCache: leaf("169.254.20.10") } } }),
    wrong: ["cache", "cluster.dns.nodeLocalCache", /is not an address/],
  },
  {
    name: "labels and port of DNS",
    declare: (leaf) => ({ ...base, cluster: { dns: { labels: { "k8s-app": leaf("coredns") }, port: leaf(1053) } } }),
  },
  {
    name: "reason",
    declare: (leaf) => webTo(fqdn("pay.example.com"), leaf),
    wrong: [" ", "flows[0].reason", /is empty/],
  },
  {
    name: "owner",
    declare: (leaf) => ({
      ...base,
      flows: [flow("web").to("db").on(tcp(5432)).because("orders").ownedBy(leaf("team"))],
    }),
    wrong: ["", "flows[0].owner", /is empty/],
  },
  {
    name: "owner of an exception from the closed metadata endpoints",
    declare: (leaf) => ({
      ...base,
      workloads: [
        workload("shop/web", {
          metadataAccess: [{ service: MetadataService.EksPodIdentity, reason: "S3", owner: leaf("shop") }],
        }),
      ],
    }),
  },
  {
    name: "reason of a bypass",
    declare: (leaf) => ({
      ...base,
      bypasses: [
        { workload: "shop/web", reason: leaf("incident 7"), owner: "o", expires: "2999-01-01", grantedTo: ["g"] },
      ],
    }),
  },
  {
    name: "reason and owner of a grant of break glass, and labels of the workload that it is about",
    declare: (leaf) => ({
      ...base,
      namespaces: [namespace("shop")],
      workloads: [workload("shop/web", { labels: { app: leaf("web") } })],
      flows: [],
      breakGlass: [
        { name: "oncall", grantedTo: ["g"], workloads: ["shop/web"], reason: leaf('at "night"'), owner: leaf("ops") },
      ],
    }),
  },
  {
    name: "hosts of a preset",
    declare: (leaf) => ({
      ...base,
      cluster: addresses,
      platform: { certManager: { dnsProviders: [leaf("api.cloudflare.com")] } },
    }),
    wrong: ["10.0.0.1", "platform.certManager.flows[6].to.fqdn", /it is an address/],
  },
  {
    name: "visitors and backends of a preset",
    declare: (leaf) => ({
      ...base,
      cluster: addresses,
      platform: {
        ingressNginx: { visitors: [leaf("192.0.2.0/24")], backends: [{ workload: "shop/web", port: leaf(8080) }] },
      },
    }),
  },
  {
    name: "limits of a tenant",
    declare: (leaf) => ({
      ...webTo(cidr("10.1.0.0/16"), literally),
      tenants: [{ name: "shop", namespaces: ["shop"], egress: { cidrs: [leaf("10.0.0.0/8")], hosts: [] } }],
    }),
    wrong: ["192.168.0.0/16", "flows[0]", /leads further outside/],
  },
  {
    name: "names that a tenant may ask for",
    declare: (leaf) => ({
      ...webTo(cidr("10.1.0.0/16"), literally),
      tenants: [{ name: "shop", namespaces: ["shop"], dns: { names: [leaf("*.example.com")] } }],
    }),
  },
  {
    name: "exception between tenants",
    declare: (leaf) => ({
      ...base,
      workloads: [workload("shop/web", { serviceAccount: "web" }), workload("data/db")],
      tenants: [
        { name: "shop", namespaces: ["shop"] },
        {
          name: "data",
          namespaces: ["data"],
          exceptions: [
            {
              flow: flow("web")
                .to("db")
                .on(tcp(leaf(5432)))
                .because("orders")
                .ownedBy(leaf("team")),
              expires: "2999-01-01",
            },
          ],
        },
      ],
    }),
  },
  {
    name: "range for a namespace",
    declare: (leaf) => ({
      ...base,
      flows: [
        flow(allOf("shop"))
          .to(cidr(leaf("2001:db8::/32")))
          .on(tcp(443))
          .because("x")
          .ownedBy("shop"),
      ],
    }),
  },
];
