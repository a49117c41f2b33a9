import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import * as k8s from "@pulumi/kubernetes";
import type * as pulumi from "@pulumi/pulumi";
import { getPulumiComponents } from "@pulumi/pulumi/provider/experimental/provider";
import * as entry from "../../sdk/index";
import type { Registration } from "./monitor";
import { register } from "./monitor";

const {
  CalicoCni,
  CiliumCni,
  ClusterSecurity,
  EgressPolicy,
  EnforcementCanary,
  IstioMesh,
  MeshIdentity,
  PolicyObservability,
  ServiceFlows,
  Tenant,
  TieredPolicies,
  flow,
  namespace,
  tcp,
  workload,
} = entry;

const parts = {
  namespaces: [namespace("shop")],
  workloads: [
    workload("shop/web", { serviceAccount: "web" }),
    workload("shop/api", { serviceAccount: "api", ports: [tcp(8080)] }),
  ],
  flows: [flow("web").to("api").on(tcp(8080)).because("pages").ownedBy("web")],
};
const { namespaces, workloads } = parts;

type Make = (opts: pulumi.ComponentResourceOptions) => pulumi.ComponentResource;

const egress = {
  namespace: "shop",
  ranges: [{ cidr: "198.51.100.0/24", ports: [tcp(443)], reason: "payments", owner: "shop" }],
};
const tenant = { tenant: { name: "acme", namespaces: ["shop"] }, ...parts };

/** Each exported component with arguments for which it registers something. */
const table: Readonly<Record<string, { readonly args: object; readonly make: Make }>> = {
  CalicoCni: { args: { wireguard: true }, make: (opts) => new CalicoCni("c", { wireguard: true }, opts) },
  CiliumCni: { args: { auditMode: true }, make: (opts) => new CiliumCni("c", { auditMode: true }, opts) },
  ClusterSecurity: { args: parts, make: (opts) => new ClusterSecurity("c", parts, opts) },
  EgressPolicy: { args: egress, make: (opts) => new EgressPolicy("c", egress, opts) },
  EnforcementCanary: {
    args: { trigger: "first" },
    make: (opts) => new EnforcementCanary("c", { trigger: "first" }, opts),
  },
  IstioMesh: { args: { accessLog: true }, make: (opts) => new IstioMesh("c", { accessLog: true }, opts) },
  MeshIdentity: { args: { mesh: {}, ...parts }, make: (opts) => new MeshIdentity("c", { mesh: {}, ...parts }, opts) },
  PolicyObservability: {
    args: { declaration: parts },
    make: (opts) => new PolicyObservability("c", { declaration: parts }, opts),
  },
  ServiceFlows: { args: parts, make: (opts) => new ServiceFlows("c", parts, opts) },
  Tenant: { args: tenant, make: (opts) => new Tenant("c", tenant, opts) },
  TieredPolicies: {
    args: { namespaces, workloads },
    make: (opts) => new TieredPolicies("c", { namespaces, workloads }, opts),
  },
};
const components = Object.fromEntries(Object.entries(table).map(([name, { make }]) => [name, make]));

/** The component itself and what it registered. */
async function made(make: Make, opts: (() => pulumi.ComponentResourceOptions) | pulumi.ComponentResourceOptions = {}) {
  const all = await register(() => make(typeof opts === "function" ? opts() : opts));
  const component = all.find(({ name, type }) => name === "c" && type.startsWith("pulumi-cluster-security:"));
  assert.ok(component);
  const children = all.filter(({ type }) => type.startsWith("kubernetes:"));
  assert.ok(children.length > 0, "registered nothing");
  return { all, component, children };
}

/** From a resource to the outermost parent that is not the stack. */
function root(all: readonly Registration[], from: Registration): Registration {
  const parent = all.find(({ urn }) => urn === from.parent);
  return parent === undefined ? from : root(all, parent);
}

const snapshot = path.join(__dirname, "every-component-urns.snapshot.json");

describe("every exported component", () => {
  it("is in this table", () => {
    const exported = getPulumiComponents(entry).map((component: { name: string }) => component.name);
    assert.deepEqual(exported.sort(), Object.keys(components).sort());
  });

  for (const [name, { args, make }] of Object.entries(table)) {
    describe(name, () => {
      for (const form of ["provider", "providers"] as const) {
        it(`is the parent of everything it registers and hands its provider on (${form})`, async () => {
          const { all, component, children } = await made(make, () => {
            const elsewhere = new k8s.Provider("elsewhere", { kubeconfig: "{}" });
            return form === "provider" ? { provider: elsewhere } : { providers: [elsewhere] };
          });
          const provider = all.find((one) => one.name === "elsewhere");
          for (const child of children) {
            assert.equal(root(all, child).urn, component.urn, child.name);
            assert.equal(child.provider, `${provider?.urn ?? ""}::elsewhere-id`, child.name);
          }
        });
      }

      it("keeps the user's aliases", async () => {
        const { component } = await made(make, { aliases: [{ name: "before" }] });
        assert.match(JSON.stringify(component.aliases), /"before"/);
      });

      it("has the user's transformations applied to everything it registers", async () => {
        const { children } = await made(make, {
          transformations: [({ opts, props }) => ({ props, opts: { ...opts, protect: true } })],
        });
        for (const { name: child, protect } of children) assert.equal(protect, true, child);
      });

      it("has its arguments as inputs, and what stands as named outputs", async () => {
        const { component } = await made(make);
        const { posture } = component.outputs as { posture?: Record<string, unknown> };
        assert.ok(posture !== undefined && Object.keys(posture).length >= 3, JSON.stringify(component.outputs));
        assert.deepEqual(component.inputs, JSON.parse(JSON.stringify(args)));
        const { posture: _, ...named } = component.outputs;
        assert.ok(Object.keys(named).length >= 2, JSON.stringify(component.outputs));
        for (const [key, value] of Object.entries(named)) {
          assert.deepEqual(posture[key === "namespaces" && !(key in posture) ? "heldNamespaces" : key], value, key);
        }
      });

      it("registers the same when it is made again: stable names, nothing twice", async () => {
        const urns = async (): Promise<string[]> => (await made(make)).all.map(({ urn }) => urn).sort();
        const first = await urns();
        assert.deepEqual(await urns(), first);
        assert.equal(new Set(first).size, first.length);
      });
    });
  }

  it("keeps the URNs of the snapshot (write it anew with UPDATE_SNAPSHOTS=1 after a wanted change, and give aliases)", async () => {
    // another URN means that every user's object is deleted and made again
    const sorted: Record<string, readonly string[]> = {};
    for (const name of Object.keys(components).sort()) {
      const make = components[name] ?? assert.fail(name);
      sorted[name] = (await made(make)).all.map(({ urn }) => urn).sort();
    }
    const text = `${JSON.stringify(sorted, null, 2)}\n`;
    if (process.env["UPDATE_SNAPSHOTS"] === "1") writeFileSync(snapshot, text);
    assert.equal(text, readFileSync(snapshot, "utf8"));
  });
});
