/** What Pulumi does, object by object: it deletes after everything is created and changed, in the reverse of the order. */
import assert from "node:assert/strict";
import fc from "fast-check";
import type { ClusterSecurityDeclaration, Plan, PlannedObject } from "../../sdk/plan/index";
import { Dialect, imaginedCluster, plan } from "../../sdk/plan/index";
import type { OnTheWay, OrderStep } from "../../sdk/render";
import { idOf, proveOrder } from "../../sdk/render";
import { commonDeclaration } from "../plan/random-declarations";
import { examples } from "../support/examples";

const cluster = { apiServer: { cidrs: ["10.96.0.1/32"] }, nodeCidrs: ["192.168.77.0/24"] };
const dialects = Object.values(Dialect);

/** Where the workloads run already, and go on running: in namespaces that the stack does not make. */
function standing({ policyNames: _, ...declaration }: ClusterSecurityDeclaration): ClusterSecurityDeclaration {
  return {
    ...declaration,
    namespaces: (declaration.namespaces ?? []).map((namespace) => ({ ...namespace, existing: true })),
  };
}

function objectsOf({ documents }: Plan): readonly PlannedObject[] {
  return documents.map(({ object }) => object);
}

function stepsOf(before: Plan, after?: Plan): readonly OrderStep[] {
  const wanted = after === undefined ? [] : objectsOf(after);
  const kept = new Set(wanted.map(idOf));
  const gone = objectsOf(before).filter((object) => !kept.has(idOf(object)));
  return [
    ...wanted.map((object): OrderStep => ({ does: "apply", object, layer: idOf(object) })),
    ...gone.reverse().map((object): OrderStep => ({ does: "delete", object, layer: idOf(object) })),
  ];
}

/** On the way from one plan to another, between the workloads of `world`. All of them run. */
function foundBetween(world: ClusterSecurityDeclaration, before: Plan, after?: Plan): readonly OnTheWay[] {
  const { flows } = before;
  return proveOrder(imaginedCluster(world), { flows, namespaces: [] }, objectsOf(before), stepsOf(before, after)).found;
}

/** Without a namespace, its workloads and their flows. */
function withoutNamespace(declaration: ClusterSecurityDeclaration, gone: string): ClusterSecurityDeclaration {
  const isThere = ({ workload, namespace }: { workload?: string; namespace?: string }): boolean =>
    namespace !== gone && workload?.startsWith(`${gone}/`) !== true;
  return {
    ...declaration,
    namespaces: (declaration.namespaces ?? []).filter(({ name }) => name !== gone),
    workloads: (declaration.workloads ?? []).filter(({ namespace }) => namespace !== gone),
    flows: (declaration.flows ?? []).filter(({ from, to }) => isThere(from) && isThere(to)),
  };
}

describe("the order in which Pulumi changes and deletes", function () {
  this.timeout(120_000);

  it("S3-16 destroying the policies of workloads that go on running cuts nothing, in every example and policy API", async () => {
    let deleted = 0;
    for (const { name, declaration } of await examples()) {
      for (const dialect of dialects) {
        const world = { ...standing(declaration), dialect };
        const planned = plan(world);
        deleted += planned.documents.length;
        assert.deepEqual(foundBetween(world, planned), [], `${name} ${dialect}`);
      }
    }
    assert.ok(deleted > 100);
  });

  it("S3-16 a namespace or a workload that leaves a declaration takes nothing from the others, nor from itself", () => {
    fc.assert(
      fc.property(commonDeclaration, fc.constantFrom(...dialects), fc.nat(), (base, dialect, pick) => {
        const world = { ...standing(base), cluster, dialect };
        const before = plan(world);
        const { namespaces = [], workloads = [], flows = [] } = world;
        const home = namespaces[pick % namespaces.length]?.name;
        if (home !== undefined) {
          assert.deepEqual(foundBetween(world, before, plan(withoutNamespace(world, home))), [], `${dialect} ${home}`);
        }
        const workload = workloads[pick % workloads.length];
        if (workload === undefined) return;
        const id = `${workload.namespace}/${workload.name}`;
        const less = {
          ...world,
          workloads: workloads.filter((one) => one !== workload),
          flows: flows.filter(({ from, to }) => from.workload !== id && to.workload !== id),
        };
        assert.deepEqual(foundBetween(world, before, plan(less)), [], `${dialect} ${id}`);
      }),
      { numRuns: 60 },
    );
  });

  it("S3-16 changing to another policy API opens and cuts nothing on an enforcer that reads both", () => {
    const readsBoth: readonly (readonly [Dialect, Dialect, Dialect])[] = dialects.flatMap((reader) =>
      dialects
        .filter((other) => other !== reader && (other === Dialect.Kubernetes || reader !== Dialect.Kubernetes))
        .flatMap((other) => [[reader, other, reader] as const, [other, reader, reader] as const]),
    );
    fc.assert(
      fc.property(commonDeclaration, fc.constantFrom(...readsBoth), (base, [from, to, reader]) => {
        const world = { ...standing(base), cluster };
        const [before, after] = [from, to].map((dialect) => plan({ ...world, dialect })) as [Plan, Plan];
        const found = foundBetween({ ...world, dialect: reader }, before, after);
        assert.deepEqual(found, [], `${from} to ${to}, read by ${reader}`);
      }),
      { numRuns: 80 },
    );
  });

  it("cuts only in namespaces that are deleted with it, where NetworkPolicies are cut by flow", async () => {
    let cut = 0;
    for (const example of await examples()) {
      const declaration = standing(example.declaration);
      const [first, ...rest] = declaration.namespaces ?? [];
      if (first === undefined) continue;
      const namespaces = [{ ...first, existing: false }, ...rest];
      const world = { ...declaration, namespaces, dialect: Dialect.Kubernetes };
      for (const { what, path } of foundBetween(world, plan(world))) {
        cut += 1;
        assert.ok(what === "cut" && path.includes(`${first.name}/`), path);
      }
    }
    assert.ok(cut > 0, "nothing is cut: the document says too much");
  });
});
