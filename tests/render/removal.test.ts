/** Taking a rendering down: no declared flow of a running pod is cut, and metadata endpoints stay closed as long as they can. */
import assert from "node:assert/strict";
import fc from "fast-check";
import type { ClusterSecurityDeclaration, Plan } from "../../sdk/plan/index";
import { Dialect, imaginedCluster, MeshMode, MetadataService, plan, PolicyLayout } from "../../sdk/plan/index";
import type { KubeObject } from "../../sdk/reachability/index";
import { buildSnapshot, compile, metadataEndpoints } from "../../sdk/reachability/index";
import type { EarlierRendering, OrderStep, Rendering, RenderTarget } from "../../sdk/render";
import { defaultSettings, idOf, proveOrder, render, renderTargets } from "../../sdk/render";
import { commonDeclaration } from "../plan/random-declarations";
import { examples } from "../support/examples";
import { kustomizationsOf, objectsIn } from "./trees";

const settings = { ...defaultSettings, repository: "https://git.example.com/k8s.git" };

const declarations = fc
  .tuple(
    commonDeclaration,
    fc.constantFrom(...Object.values(Dialect)),
    fc.constantFrom(...Object.values(PolicyLayout)),
    fc.constantFrom(undefined, undefined, ...Object.values(MeshMode)),
  )
  .map(([base, dialect, layout, mesh]): ClusterSecurityDeclaration => {
    const cluster = { apiServer: { cidrs: ["10.96.0.1/32"] }, nodeCidrs: ["192.168.77.0/24"] };
    const meshed = mesh === undefined ? {} : { mesh: { mode: mesh, namespaces: ["alpha"] } };
    return { ...base, cluster, dialect, layout, ...meshed };
  });

/** Policies of single flows, in a namespace that is new: the layout in which an allow cuts what another allows. */
const shop: ClusterSecurityDeclaration = {
  dialect: Dialect.Kubernetes,
  cluster: { nodeCidrs: ["192.168.77.0/24"] },
  namespaces: [{ name: "shop" }],
  workloads: ["web", "api", "db"].map((name) => ({ namespace: "shop", name })),
  flows: [
    ["web", "api", 8080],
    ["api", "db", 5432],
    ["web", "db", 5432],
  ].map(([from, to, port]) => ({
    from: { workload: `shop/${from}` },
    to: { workload: `shop/${to}` },
    ports: [{ port: Number(port) }],
    reason: "orders",
    owner: "shop",
  })),
};

const withMetadata: ClusterSecurityDeclaration = {
  ...shop,
  workloads: ["web", "api", "db"].map((name) => ({
    namespace: "shop",
    name,
    ...(name === "api"
      ? { metadataAccess: [{ service: MetadataService.EksPodIdentity, reason: "queue", owner: "shop" }] }
      : {}),
  })),
};

function removal(planned: Plan, target: RenderTarget): { readonly standing: Rendering; readonly first: Rendering } {
  const standing = render(planned, target, settings);
  const first = render(planned, target, settings, earlierOf(standing), { change: "remove", commit: 1 });
  return { standing, first };
}

function earlierOf({ target, objects, state }: Rendering): EarlierRendering {
  return {
    record: { target, state, files: new Map(), objects: new Map(objects.map(({ id, layer }) => [id, layer.name])) },
    objects: objects.map(({ object }) => object),
  };
}

/** What stands after each step, with the step. */
function* course(
  { objects, profile }: ReturnType<typeof imaginedCluster>,
  before: Rendering,
  steps: readonly OrderStep[],
): Iterable<{ readonly step: OrderStep; readonly isOpen: (from: string, address: string) => boolean }> {
  const standing = new Map(before.objects.map(({ id, object }) => [id, object]));
  for (const step of steps) {
    if (step.does === "apply") standing.set(idOf(step.object), step.object);
    else standing.delete(idOf(step.object));
    const policies = [...standing.values()].filter(({ kind }) => kind !== "Namespace") as unknown as KubeObject[];
    const reachability = compile(
      buildSnapshot(
        [...objects, ...policies].map((object) => ({ object })),
        { profile },
      ),
    );
    yield {
      step,
      isOpen: (id, address) =>
        !reachability.traffic({ kind: "workload", id: `${id}[Pod]` }, { kind: "address", address }).possible.isEmpty(),
    };
  }
}

describe("taking a rendering down", function () {
  this.timeout(300_000);

  it("S3-16 cuts no flow of running pods, with every tool, for every example", async () => {
    for (const { name, declaration } of await examples()) {
      for (const dialect of [declaration.dialect ?? Dialect.Cilium, Dialect.Kubernetes]) {
        const own = { ...declaration, dialect };
        const planned = inDialect(own);
        if (planned === undefined) continue;
        for (const target of renderTargets) {
          const { standing, first } = removal(planned, target);
          const before = standing.objects.map(({ object }) => object);
          const { found } = proveOrder(imaginedCluster(own), planned, before, first.steps);
          assert.deepEqual(found, [], `${name} in ${dialect} for ${target}`);
        }
      }
    }
  });

  it("S3-16 cuts no flow of running pods, with every tool, for random declarations in every policy API", () => {
    let standIns = 0;
    fc.assert(
      fc.property(declarations, fc.constantFrom(...renderTargets), (declaration, target) => {
        const planned = plan(declaration);
        const { standing, first } = removal(planned, target);
        standIns += first.objects.length - standing.objects.length;
        const before = standing.objects.map(({ object }) => object);
        const { found } = proveOrder(imaginedCluster(declaration), planned, before, first.steps);
        assert.deepEqual(found, [], `${declaration.dialect ?? ""} for ${target}`);
      }),
      { numRuns: 80 },
    );
    assert.ok(standIns > 20, String(standIns));
  });

  it("shows what is cut where nothing lets the flows pass meanwhile", () => {
    const planned = plan(shop);
    const { standing, first } = removal(planned, "flux");
    const before = standing.objects.map(({ object }) => object);
    const without = first.steps.filter(({ object }) => before.some((one) => idOf(one) === idOf(object)));
    assert.ok(without.length < first.steps.length);
    const { found } = proveOrder(imaginedCluster(shop), planned, before, without);
    assert.ok(found.some(({ what }) => what === "cut"));
  });

  it("keeps metadata endpoints closed to the end, and the one that a workload may reach open to it", () => {
    const planned = plan(withMetadata);
    const cluster = imaginedCluster(withMetadata);
    for (const target of renderTargets) {
      const { standing, first } = removal(planned, target);
      const before = standing.objects.map(({ object }) => object);
      assert.deepEqual(proveOrder(cluster, planned, before, first.steps).found, [], target);
      const last = first.steps.findIndex(({ does, layer }) => does === "delete" && layer.startsWith("allow-all"));
      let closed = 0;
      for (const { step, isOpen } of course(cluster, standing, first.steps)) {
        assert.ok(isOpen("shop/api", "169.254.170.23"), `${target}: ${idOf(step.object)}`);
        if (first.steps.indexOf(step) >= last) continue;
        for (const { address } of metadataEndpoints) {
          assert.ok(!isOpen("shop/web", address), `${target}: ${address} at ${idOf(step.object)}`);
          closed += 1;
        }
      }
      assert.ok(closed > 10);
    }
  });

  it("deletes the deny of metadata endpoints as the last policy, where there is one", async () => {
    const { declaration } = (await examples()).find(({ name }) => name === "zero-trust-tiers") ?? assert.fail();
    for (const target of renderTargets) {
      const { standing, first } = removal(plan(declaration), target);
      assert.equal(first.objects.length, standing.objects.length, "an allow of Cilium isolates nobody");
      assert.equal(first.steps.at(-1)?.object.metadata.name, "deny-cloud-metadata");
      assert.equal(first.steps[0]?.object.metadata.name, "default-deny-all");
    }
  });

  it("S3-15 Flux applies what lets everything pass before the default deny goes, and deletes it with the second commit", () => {
    const planned = plan(shop);
    const { standing, first } = removal(planned, "flux");
    const kustomizations = new Map(kustomizationsOf(first.files).map((one) => [one.metadata.name, one]));
    const opening = kustomizations.get("network-policies-allow-all") ?? assert.fail();
    assert.equal(opening.spec.patches[0]?.target.labelSelector, "pulumi-cluster-security/stage!=allow-all");
    const last = kustomizations.get("network-policies-default-deny") ?? assert.fail();
    const [plain] = kustomizations.get("network-policies")?.spec.dependsOn ?? [];
    assert.equal(plain?.name, "network-policies-allow-all");
    assert.match(plain?.readyExpr ?? "", /size\(dep\.status\.inventory\.entries\) == 1/);
    assert.equal(last.spec.dependsOn?.[0]?.name, "network-policies");
    const added = objectsIn(first.files).length - objectsIn(standing.files).length;
    assert.equal(added, 1);
    const second = render(planned, "flux", settings, earlierOf(first), { change: "remove", commit: 2 });
    assert.deepEqual(second.files, []);
  });

  it("S3-15 is called off without a cut: what lets everything pass goes when the flows are back", () => {
    const planned = plan(shop);
    const { standing, first } = removal(planned, "flux");
    const earlier = earlierOf(first);
    const back = render(planned, "flux", settings, earlier);
    const names = kustomizationsOf(back.files).map(({ metadata }) => metadata.name);
    assert.deepEqual(names, [
      "network-policies-namespaces",
      "network-policies-dns",
      "network-policies-flows",
      "network-policies-allow-all",
      "network-policies-default-deny",
      "network-policies",
    ]);
    assert.deepEqual(objectsIn(back.files), objectsIn(standing.files));
    const layers = back.steps.map(({ layer, does }) => `${does} ${layer}`);
    assert.ok(layers.indexOf("delete allow-all") > layers.lastIndexOf("apply flows"));
    assert.ok(layers.indexOf("delete allow-all") < layers.indexOf("apply default-deny"));
  });

  it("refuses to take down what is not there", () => {
    const planned = plan(shop);
    for (const target of renderTargets) {
      assert.throws(
        () => render(planned, target, settings, undefined, { change: "remove", commit: 1 }),
        /nothing to remove/,
      );
      const standing = earlierOf(render(planned, target, settings));
      assert.throws(
        () => render(planned, target, settings, standing, { change: "remove", commit: 2 }),
        /the first commit of the removal is missing/,
      );
      const more = plan({
        ...shop,
        workloads: [...(shop.workloads ?? []), { namespace: "shop", name: "more" }],
        flows: [],
      });
      assert.throws(
        () => render(more, target, settings, standing, { change: "remove", commit: 1 }),
        /render and commit it first, then remove/,
      );
    }
  });
});

/** The plan in another policy API; nothing where it cannot say the declaration. */
function inDialect(declaration: ClusterSecurityDeclaration): Plan | undefined {
  try {
    return plan(declaration);
  } catch {
    return undefined;
  }
}
