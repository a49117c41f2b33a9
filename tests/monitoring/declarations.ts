import { exampleNames } from "../../lab/examples/names";
import { loadExample } from "../../lab/examples/index";
import type { MonitoringDeclaration, MonitoringPlan } from "../../sdk/monitoring/index";
import { planMonitoring } from "../../sdk/monitoring/index";
import type { ClusterSecurityDeclaration, Plan } from "../../sdk/plan/index";
import {
  Dialect,
  MeshMode,
  MetadataService,
  allOf,
  flow,
  fqdn,
  namespace,
  plan,
  tcp,
  workload,
} from "../../sdk/plan/index";

/** A declaration, its plan and what watches it. */
export interface Watched {
  readonly name: string;
  readonly plan: Plan;
  readonly monitoring: MonitoringPlan;
}

export function watched(
  name: string,
  declaration: ClusterSecurityDeclaration,
  settings: MonitoringDeclaration = {},
): Watched {
  const planned = plan(declaration);
  return { name, plan: planned, monitoring: planMonitoring(planned, settings) };
}

/** Every example, in a dialect. */
export async function watchedExamples(dialect: Dialect): Promise<readonly Watched[]> {
  return await Promise.all(
    exampleNames.map(async (name) => {
      const { declaration } = await loadExample(name);
      return watched(name, { ...declaration, dialect });
    }),
  );
}

/** A declaration in which everything occurs that rules are about. Days are of 1970, where promtool's clock begins. */
export const everything: ClusterSecurityDeclaration = {
  dialect: Dialect.Cilium,
  namespaces: [namespace("shop"), namespace("data"), namespace("lab"), namespace("bank")],
  workloads: [
    workload("shop/web", {
      labels: { "app.kubernetes.io/name": "web" },
      metadataAccess: [
        { service: MetadataService.EksPodIdentity, reason: "reads a bucket", owner: "shop", expires: "1970-01-01" },
      ],
    }),
    workload("shop/api", { serviceAccount: "api" }),
    workload("data/db", { denyExternal: true }),
    workload("lab/tool", { labels: { component: "tool" } }),
    workload("bank/ledger"),
  ],
  flows: [
    flow("web").to("api").on(tcp(8080)).because("pages show stock").ownedBy("shop"),
    flow("api").to("db").on(tcp(5432)).because("stock").ownedBy("data"),
    { ...flow("web").to("db").on(tcp(5433)).because("sessions").ownedBy("shop"), reviewBy: "1970-01-01" },
    flow("api").to(fqdn("api.example.com")).on(tcp(443)).because("payments").ownedBy("shop"),
    flow("api").to(allOf("lab")).on(tcp(9000)).because("trials").ownedBy("research"),
    flow(allOf("lab")).to("api").on(tcp(8080)).because("trials").ownedBy("research"),
  ],
  tenants: [
    { name: "shop", namespaces: ["shop", "data", "lab"] },
    {
      name: "bank",
      namespaces: ["bank"],
      exceptions: [
        {
          flow: flow("api").to("ledger").on(tcp(7000)).because("refunds").ownedBy("bank"),
          expires: "1970-01-01",
        },
      ],
    },
  ],
  bypasses: [
    { workload: "shop/web", reason: "debugging", owner: "shop", expires: "1970-01-01", grantedTo: ["on-call"] },
  ],
  breakGlass: [
    { name: "nights", grantedTo: ["on-call"], workloads: ["shop/api"], reason: "nights", owner: "platform" },
    { name: "nights-long", grantedTo: ["leads"], namespaces: ["data"], reason: "nights", owner: "data" },
  ],
  reviewBy: "1970-01-02",
};

export const everythingOnCalico: ClusterSecurityDeclaration = { ...everything, dialect: Dialect.Calico };

export const everythingInAmbientMesh: ClusterSecurityDeclaration = {
  ...everything,
  mesh: { mode: MeshMode.Ambient, namespaces: ["shop", "data"] },
};
