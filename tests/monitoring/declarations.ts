import { exampleNames } from "../../lab/examples/names";
import { loadExample } from "../../lab/examples/index";
import type { MonitoringDeclaration, MonitoringPlan } from "../../sdk/monitoring/index";
import { planMonitoring } from "../../sdk/monitoring/index";
import type { ClusterSecurityDeclaration, Plan } from "../../sdk/plan/index";
import {
  Dialect,
  MeshMode,
  MetadataService,
  Tier,
  allOf,
  flow,
  fqdn,
  internet,
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
export async function watchedExamples(
  dialect: Dialect,
  settings: MonitoringDeclaration = {},
): Promise<readonly Watched[]> {
  return await Promise.all(
    exampleNames.map(async (name) => {
      const { declaration } = await loadExample(name);
      return watched(name, { ...declaration, dialect }, settings);
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
    flow(internet()).to("web").on(tcp(8443)).because("customers").ownedBy("shop"),
    flow("api").to(allOf("lab")).on(tcp(9000)).because("trials").ownedBy("research"),
    flow(allOf("lab")).to(allOf("data")).on(tcp(9100)).because("measures").ownedBy("research"),
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

export const everythingInSidecarMesh: ClusterSecurityDeclaration = {
  ...everything,
  mesh: { mode: MeshMode.Sidecar, namespaces: ["shop", "data"] },
};

/** Every example with its application namespaces in an ambient mesh. */
export async function watchedExamplesInMesh(): Promise<readonly Watched[]> {
  return await Promise.all(
    exampleNames.map(async (name) => {
      const { declaration } = await loadExample(name);
      const own = plan({ ...declaration, dialect: Dialect.Cilium });
      const namespaces = own.namespaces.filter(({ tier }) => tier === Tier.Applications).map((each) => each.name);
      return watched(`${name} in a mesh`, {
        ...declaration,
        dialect: Dialect.Cilium,
        mesh: { mode: MeshMode.Ambient, namespaces },
      });
    }),
  );
}

/** A declaration whose days are the first ones of 1970, in the same order: promtool's clock begins there. */
export function atTheBeginning(declaration: ClusterSecurityDeclaration): ClusterSecurityDeclaration {
  const day = /"(\d{4}-\d{2}-\d{2})"/g;
  const text = JSON.stringify(declaration);
  const days = [...new Set([...text.matchAll(day)].map(([, each = ""]) => each))].sort();
  const moved = text.replaceAll(day, (_, each: string) =>
    JSON.stringify(new Date(days.indexOf(each) * 86_400_000).toISOString().slice(0, 10)),
  );
  return JSON.parse(moved) as ClusterSecurityDeclaration;
}
