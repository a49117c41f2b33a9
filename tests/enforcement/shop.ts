/** A small shop in two namespaces, declared in any API, that verifications are tried on. */
import { cidr, flow, internet, namespace, tcp, workload } from "../../sdk/index";
import type { ClusterSecurityDeclaration, Dialect, WorkloadDeclaration } from "../../sdk/index";
import type { PodWish } from "../../lab/datapath/index";
import { literal } from "../plan/literal";

/** What runs in it. */
export const applications = [
  workload("shop-front/web", { labels: { app: "web" }, ports: [tcp(8080, "http")] }),
  workload("shop-back/api", { labels: { app: "api" }, ports: [tcp(9000, "api")] }),
  workload("shop-back/primary", { labels: { app: "db", role: "primary" }, ports: [tcp(5432, "sql")] }),
  workload("shop-back/replica", { labels: { app: "db", role: "replica" }, ports: [tcp(5432, "sql")] }),
];

/** Who may talk to whom in it. */
export const declarationIn = (dialect: Dialect): ClusterSecurityDeclaration => ({
  dialect,
  namespaces: [namespace("shop-front"), namespace("shop-back")],
  workloads: applications,
  flows: [
    flow("web").to("api").on(tcp(9000)).because("pages show data").ownedBy("web"),
    flow("api").to("primary").on(tcp(5432)).because("data is written").ownedBy("data"),
    flow("api").to("replica").on(tcp(5432)).because("data is read, and written after a failover").ownedBy("data"),
    flow(internet()).to("web").on(tcp(8080)).because("customers").ownedBy("web"),
    flow("api").to(cidr("10.99.0.0/16")).on(tcp(443)).because("the old warehouse").ownedBy("data"),
  ],
});

/** Workloads as one pod each. */
export const podsOf = (workloads: readonly WorkloadDeclaration[]): PodWish[] =>
  literal([...workloads]).map(({ namespace: home, name, labels, ports }) => ({
    namespace: home,
    name,
    ...(labels ? { labels } : {}),
    ports: (ports ?? []).flatMap(({ port, name: portName }) =>
      port === undefined ? [] : [{ port, ...(portName ? { name: portName } : {}) }],
    ),
  }));
