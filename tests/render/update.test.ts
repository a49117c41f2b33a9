import assert from "node:assert/strict";
import fc from "fast-check";
import type { ClusterSecurityDeclaration } from "../../sdk/plan/index";
import { Dialect, imaginedCluster, MeshMode, plan, PolicyMode } from "../../sdk/plan/index";
import type { EarlierRendering, Rendering, RenderTarget } from "../../sdk/render";
import { defaultSettings, proveOrder, readRecord, render, writeRecord } from "../../sdk/render";
import { commonDeclaration } from "../plan/random-declarations";
import { kustomizationsOf } from "./trees";

function earlierOf(declaration: ClusterSecurityDeclaration, target: RenderTarget): EarlierRendering {
  const { objects } = render(plan(declaration), target, settings);
  return {
    record: {
      target,
      state: "applied",
      files: new Map(),
      objects: new Map(objects.map(({ id, layer }) => [id, layer.name])),
    },
    objects: objects.map(({ object }) => object),
  };
}

const settings = { ...defaultSettings, repository: "https://git.example.com/k8s.git" };

/** Two declarations of the same workloads, with some of the flows each. */
const changes = fc
  .tuple(commonDeclaration, fc.nat(), fc.nat(), fc.constantFrom(...Object.values(Dialect)))
  .map(([base, first, second, dialect]): readonly [ClusterSecurityDeclaration, ClusterSecurityDeclaration] => {
    const common = {
      ...base,
      dialect,
      cluster: { apiServer: { cidrs: ["10.96.0.1/32"] }, nodeCidrs: ["192.168.77.0/24"] },
      namespaces: (base.namespaces ?? []).map((one) => ({ ...one, existing: true })),
    };
    const some = (bits: number): ClusterSecurityDeclaration => ({
      ...common,
      flows: (base.flows ?? []).filter((_, index) => ((bits >> index) & 1) === 0),
    });
    return [some(first), some(second)];
  });

describe("a rendering over an earlier one", function () {
  this.timeout(120_000);

  it("S3-16 is proved from what is there to what is new; nothing moves to another Kustomization for a change of flows", () => {
    let steps = 0;
    fc.assert(
      fc.property(changes, fc.constantFrom<RenderTarget>("flux", "argocd"), ([first, second], target) => {
        const earlier = earlierOf(first, target);
        const planned = plan(second);
        const now = render(planned, target, settings, earlier);
        const proof = proveOrder(imaginedCluster(second), planned, earlier.objects, now.steps);
        steps += proof.steps;
        assert.deepEqual(proof.found, [], `${first.dialect ?? ""} for ${target}`);
      }),
      { numRuns: 60 },
    );
    assert.ok(steps > 100);
  });

  it("S3-16 Argo CD prunes at once, in no order: what that cuts is found, whichever object goes first or stays last", () => {
    const home = (name: string): ClusterSecurityDeclaration => ({
      dialect: Dialect.Kubernetes,
      namespaces: [{ name, existing: true }],
      workloads: ["web", "api"].map((each) => ({ namespace: name, name: each })),
    });
    const [kept, leaving] = [home("kept"), home("leaving")];
    const both: ClusterSecurityDeclaration = {
      ...kept,
      namespaces: [...(kept.namespaces ?? []), ...(leaving.namespaces ?? [])],
      workloads: [...(kept.workloads ?? []), ...(leaving.workloads ?? [])],
      flows: [
        {
          from: { workload: "leaving/web" },
          to: { workload: "leaving/api" },
          ports: [{ port: 80 }],
          reason: "a",
          owner: "b",
        },
      ],
    };
    const earlier = earlierOf(both, "argocd");
    const { steps } = render(plan(kept), "argocd", settings, earlier);
    assert.ok(steps.filter(({ does, atOnce }) => does === "delete" && atOnce === true).length > 2);
    const proven = (order: typeof steps): readonly string[] =>
      proveOrder(imaginedCluster(both), plan(both), earlier.objects, order).found.map(
        ({ what, path, since }) => `${what} ${path}, ${since}`,
      );
    const inOrder = steps.map(({ does, object, layer }) => ({ does, object, layer }));
    assert.deepEqual(proven(inOrder), [], "the reverse order, one after the other, cuts nothing");
    const found = proven(steps);
    assert.ok(
      found.some((line) => /^cut leaving\/web\S* -> leaving\/api\S*: .*leaving\//.test(line)),
      found.join("\n"),
    );
    assert.ok(found.every((line) => !line.includes(" kept/")));
  });

  it("S3-15 keeps the Kustomization of a step that holds nothing any more: what it held is deleted in its turn", () => {
    const base: ClusterSecurityDeclaration = {
      namespaces: [{ name: "shop", existing: true }],
      workloads: ["web", "api"].map((name) => ({ namespace: "shop", name })),
    };
    const between = { from: { workload: "shop/web" }, to: { workload: "shop/api" } };
    const flows = [{ ...between, ports: [{ port: 80 }], reason: "a", owner: "b" }];
    const namesOf = (one: Rendering): string[] => kustomizationsOf(one.files).map(({ metadata }) => metadata.name);
    const recorded = ({ objects, emptied }: Rendering): EarlierRendering => {
      const record = { target: "flux", state: "applied", files: new Map(), emptied } as const;
      const read = readRecord(
        writeRecord({ ...record, objects: new Map(objects.map(({ id, layer }) => [id, layer.name])) }),
      );
      return { record: read ?? assert.fail(), objects: objects.map(({ object }) => object) };
    };
    const first = render(plan({ ...base, flows }), "flux", settings);
    assert.ok(namesOf(first).includes("network-policies-flows"));
    const second = render(plan(base), "flux", settings, recorded(first));
    assert.deepEqual(namesOf(second), namesOf(first));
    const flowsStep = kustomizationsOf(second.files).find(({ metadata }) => metadata.name === "network-policies-flows");
    assert.equal(flowsStep?.spec.healthCheckExprs, undefined);
    assert.deepEqual(second.emptied, ["flows"]);
    const again = render(plan(base), "flux", settings, recorded(second));
    assert.deepEqual(again.files, second.files, "and again");
    const taken = render(plan(base), "flux", settings, recorded(second), { change: "remove", commit: 1 });
    assert.ok(!namesOf(taken).includes("network-policies-flows"));
    assert.deepEqual(render(plan({ ...base, flows }), "flux", settings, recorded(second)).files, first.files);
  });

  it("S3-15 keeps every object in its Kustomization when the first name is declared, or a namespace is enforced", () => {
    const base: ClusterSecurityDeclaration = {
      namespaces: [{ name: "shop", existing: true }, { name: "data" }],
      workloads: ["web", "api"].map((name) => ({
        namespace: "shop",
        name,
        serviceAccount: name,
        ports: [{ port: 80 }],
      })),
      flows: [
        {
          from: { workload: "shop/web" },
          to: { workload: "shop/api" },
          ports: [{ port: 80 }],
          reason: "a",
          owner: "b",
        },
      ],
      mesh: { mode: MeshMode.Ambient, namespaces: ["shop"] },
    };
    const named = {
      ...base,
      flows: [
        ...(base.flows ?? []),
        {
          from: { workload: "shop/web" },
          to: { fqdn: "api.example.com" },
          ports: [{ port: 443 }],
          reason: "a",
          owner: "b",
        },
      ],
    };
    const audited = {
      ...base,
      namespaces: [{ name: "shop", existing: true, mode: PolicyMode.Audit }, { name: "data" }],
    };
    for (const [first, second] of [
      [base, named],
      [named, base],
      [audited, base],
      [base, audited],
    ] as const) {
      assert.doesNotThrow(() => render(plan(second), "flux", settings, earlierOf(first, "flux")));
    }
  });
});
