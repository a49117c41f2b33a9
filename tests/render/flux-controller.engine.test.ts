/** Renderings for Flux, applied by the real kustomize-controller: the API server's audit log says in which order. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import fc from "fast-check";
import type { ClusterSecurityDeclaration, Plan, PlannedObject } from "../../sdk/plan/index";
import { Dialect, imaginedCluster, plan, PolicyLayout } from "../../sdk/plan/index";
import type { EarlierRendering, OnTheWay, OrderStep, RenderedFile, Rendering } from "../../sdk/render";
import { defaultSettings, idOf, proveOrder, render } from "../../sdk/render";
import { fluxFiles } from "../../sdk/render/flux";
import { layerNamed } from "../../sdk/render/objects";
import { Plane } from "../break-glass/plane";
import { commonDeclaration } from "../plan/random-declarations";
import { examples } from "../support/examples";
import type { Deed, Live } from "./flux-cluster";
import { FluxCluster, isReady, kustomizeController } from "./flux-cluster";
import type { Kube } from "./trees";
import { byName, kustomizationsOf, objectsIn, unmarked } from "./trees";
import { Validating } from "./validating";

const key = (object: Kube): string => idOf(object as unknown as PlannedObject);
const seed = 20_261_129;
/** Each takes some 4 CPU seconds: the controller reads Kubernetes' schema anew for every step. */
const runs = Number(process.env["FLUX_DECLARATIONS"] ?? 6);

/** Random declarations in the APIs whose definitions can be installed; Calico's are served by its own API server. */
const declarations = fc
  .tuple(
    commonDeclaration,
    fc.constantFrom(Dialect.Cilium, Dialect.Kubernetes, Dialect.ClusterNetworkPolicy),
    fc.constantFrom(...Object.values(PolicyLayout)),
  )
  .map(([base, dialect, layout]): ClusterSecurityDeclaration => {
    const cluster = { apiServer: { cidrs: ["10.96.0.1/32"] }, nodeCidrs: ["192.168.77.0/24"] };
    return { ...base, cluster, dialect, layout };
  });

/** The declaration in namespaces of its own: the next one need not wait until they are gone. */
function inNamespacesOf(run: number, declaration: ClusterSecurityDeclaration): ClusterSecurityDeclaration {
  const text = JSON.stringify(declaration).replace(/\b(alpha|beta|gamma)\b/g, `d${run}-$1`);
  return JSON.parse(text) as ClusterSecurityDeclaration;
}

/** Policies of single flows, in a namespace that is new: an allow that goes would cut what another allows. */
const shop: ClusterSecurityDeclaration = {
  dialect: Dialect.Kubernetes,
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

describe("the real kustomize-controller and a rendering for Flux", function () {
  this.timeout(1_200_000);
  let plane: Plane;
  let cluster: FluxCluster;
  let validating: Validating | undefined;
  let folder: string;

  before(async function () {
    const program = await kustomizeController();
    if (program === undefined) {
      // twelve minutes of CPU time are not what somebody who runs the tests asked for
      console.log(
        "    skipped: `npm run lab -- tools kustomize-controller --provide` builds kustomize-controller first",
      );
      return this.skip();
    }
    folder = mkdtempSync(path.join(tmpdir(), "cluster-security-flux-"));
    plane = await Plane.start({ auditLog: true, crds: ["cilium", "cluster-network-policy", "istio"] });
    cluster = await FluxCluster.start(plane.controlPlane, program, folder);
    validating = new Validating(cluster);
  });
  after(async () => {
    validating?.stop();
    await cluster?.stop();
    await plane?.stop();
    if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
  });

  async function home(planned: Plan): Promise<void> {
    for (const { name, existing } of planned.namespaces) {
      if (existing) await cluster.apply({ apiVersion: "v1", kind: "Namespace", metadata: { name } });
    }
  }

  async function applied({ files }: Pick<Rendering, "files">): Promise<Deed[]> {
    await cluster.untilReady(files, await cluster.commit(files));
    return cluster.deeds(files);
  }

  /** Takes a rendering down by its two commits. @returns what the controller did, and in which order it was to */
  async function removed(planned: Plan, tree: Rendering): Promise<readonly [Deed[], Rendering]> {
    const earlier = earlierOf(tree);
    const first = render(planned, "flux", defaultSettings, earlier, { change: "remove", commit: 1 });
    await cluster.untilRemoved(first.files, first.allowAlls.length, await cluster.commit(first.files));
    const deeds = cluster.deeds(first.files);
    const between = await cluster.live(first.files);
    assert.deepEqual(
      between.filter(({ kind }) => kind !== "Namespace").map(key),
      first.allowAlls,
      "what is left after the first commit",
    );
    const removing = earlierOf(first, "removing");
    const second = render(planned, "flux", defaultSettings, removing, { change: "remove", commit: 2 });
    assert.deepEqual(second.files, []);
    await cluster.untilGone(await cluster.commit([]));
    deeds.push(...cluster.deeds(first.files));
    const left = await cluster.live(first.files);
    const namespaces = between.filter(({ kind }) => kind === "Namespace");
    assert.deepEqual(left.map(versionOf), namespaces.map(versionOf), "namespaces stay as they are");
    return [deeds, first];
  }

  /** Takes it down at once, as nobody should: the next declaration finds nothing. */
  async function swept({ files }: Pick<Rendering, "files">): Promise<void> {
    await cluster.untilGone(await cluster.commit([]));
    cluster.deeds(files);
  }

  /** Whether default denies are created after everything else, each object once; else what is wrong. */
  function denyLast(deeds: readonly Deed[], planned: Plan): string | undefined {
    const created = deeds.filter(({ does }) => does === "create").map(({ id }) => id);
    if (new Set(created).size !== created.length) return `created twice: ${created.join()}`;
    const stages = new Map(planned.documents.map(({ object, stage }) => [idOf(object), stage]));
    const last = created.findLastIndex((id) => stages.get(id) !== "default-deny");
    const first = created.findIndex((id) => stages.get(id) === "default-deny");
    if (first < 0) return "no default deny";
    return first > last ? undefined : `${created[first] ?? ""} before ${created[last] ?? ""}`;
  }

  const proved = (
    declaration: ClusterSecurityDeclaration,
    planned: Plan,
    before: readonly PlannedObject[],
    [deeds, files]: readonly [readonly Deed[], readonly RenderedFile[]],
  ): readonly OnTheWay[] =>
    proveOrder(imaginedCluster(declaration), planned, before, cluster.stepsOf(deeds, files)).found;

  /** The objects as the API server keeps those of the component: with its defaults. */
  async function asComponents({ objects }: Rendering): Promise<Kube[]> {
    const kept: Kube[] = [];
    for (const { object } of objects) kept.push(asPlanned(await cluster.asStored(object as unknown as Kube)));
    return byName(kept);
  }

  /** A rendering whose files are changed where one of them holds a text. */
  function changed(tree: Rendering, what: RegExp, into: string): readonly RenderedFile[] {
    const files = tree.files.map(({ file, text }) => ({ file, text: text.replace(what, into) }));
    assert.notDeepEqual(files, tree.files, String(what));
    return files;
  }

  async function throughItsLife(name: string, declaration: ClusterSecurityDeclaration): Promise<void> {
    const planned = plan(declaration);
    const tree = render(planned, "flux", defaultSettings);
    const objects = tree.objects.map(({ object }) => object);
    await home(planned);

    const deeds = await applied(tree);
    assert.equal(denyLast(deeds, planned), undefined, name);
    assert.deepEqual(deeds.map(step), tree.steps.map(announced), name);
    assert.deepEqual(proved(declaration, planned, [], [deeds, tree.files]), [], name);

    const live = await cluster.live(tree.files);
    const components = await asComponents(tree);
    assert.deepEqual(byName(live.map(asPlanned)), components, name);

    // the same once more: nothing is written, so nobody sees a change
    const again = render(plan(declaration), "flux", defaultSettings, earlierOf(tree));
    assert.deepEqual(again.files, tree.files, name);
    assert.deepEqual(await applied(again), [], name);
    assert.deepEqual(byName(await cluster.live(tree.files)).map(versionOf), byName(live).map(versionOf), name);

    // another port would have been seen by each of the two
    const other = changed(tree, /(port: ["']?)(8080|5432)\b/, "$19999");
    const does = (await applied({ files: other })).map((deed) => deed.does);
    assert.ok(does.length > 0 && does.every((one) => one === "update"), `${name}: ${does.join()}`);
    assert.notDeepEqual(byName((await cluster.live(tree.files)).map(asPlanned)), components, name);
    await applied(tree);

    const [taken, first] = await removed(planned, tree);
    assert.deepEqual(proved(declaration, planned, objects, [taken, first.files]), [], name);
    assert.deepEqual(taken.map(step), first.steps.map(announced), name);
  }

  it("S3-14 S3-15 S3-16 applies with the default deny last what the component registers, changes nothing when it comes again, and takes it down without a cut", async () => {
    const webApp = (await examples()).find(({ name }) => name === "web-app") ?? assert.fail();
    await throughItsLife("web-app", webApp.declaration);
    await throughItsLife("shop as NetworkPolicies", shop);
  });

  it("S3-15 would apply the default deny before the flows by one Kustomization", async () => {
    const declaration = inNamespacesOf(99, { ...shop, dialect: Dialect.Cilium });
    const planned = plan(declaration);
    const tree = render(planned, "flux", defaultSettings);
    const placed = tree.objects.map((each) => ({
      ...each,
      layer: layerNamed("default-deny-clusterwide") ?? assert.fail(),
    }));
    // namespaces would be moved by its targetNamespace
    const files = fluxFiles(placed, defaultSettings).map(({ file, text }) => ({
      file,
      text: file === "ks.yaml" ? text.replace(/ {2}targetNamespace: .*\n/g, "") : text,
    }));
    await home(planned);
    assert.match(denyLast(await applied({ files }), planned) ?? "", /default-deny-all before /);
    await swept(tree);
  });

  it("S3-16 applies the default deny of random declarations after the last allow, and takes some of them down without a cut", async () => {
    const count = { policies: 0, allowAlls: 0 };
    for (const [index, base] of fc.sample(declarations, { seed, numRuns: runs }).entries()) {
      const declaration = inNamespacesOf(index, base);
      const name = `declaration ${index} (${declaration.dialect ?? ""})`;
      const planned = plan(declaration);
      const tree = render(planned, "flux", defaultSettings);
      await home(planned);
      const deeds = await applied(tree);
      count.policies += planned.documents.length;
      assert.equal(denyLast(deeds, planned), undefined, name);
      assert.deepEqual(deeds.map(step), tree.steps.map(announced), name);
      if (index % 5 !== 0) {
        await swept(tree);
        continue;
      }
      const [taken, first] = await removed(planned, tree);
      count.allowAlls += first.allowAlls.length;
      assert.deepEqual(taken.map(step), first.steps.map(announced), name);
    }
    assert.ok(count.policies > 5 * runs && count.allowAlls > 0, JSON.stringify(count));
  });

  it("S3-15 waits for Cilium's condition Valid before the next step, and fails where a policy is refused", async () => {
    validating?.stop();
    validating = undefined;
    const declaration: ClusterSecurityDeclaration = {
      namespaces: [{ name: "waiting", existing: true }],
      workloads: ["web", "api"].map((name) => ({ namespace: "waiting", name })),
      flows: [
        {
          from: { workload: "waiting/web" },
          to: { workload: "waiting/api" },
          ports: [{ port: 80 }],
          reason: "a",
          owner: "b",
        },
      ],
    };
    const planned = plan(declaration);
    const { files } = render(planned, "flux", defaultSettings);
    await home(planned);
    const revision = await cluster.commit(files);
    const [first, second] = kustomizationsOf(files).map(({ metadata }) => metadata.name);
    assert.ok(first !== undefined && second !== undefined);
    const stateOf = async (name: string): Promise<readonly [string | undefined, string | undefined]> => {
      const { status } = await cluster.kustomization(name);
      const ready = status?.conditions?.find(({ type }) => type === "Ready");
      return [ready?.status, ready?.reason];
    };
    const [policy] = objectsIn(files).filter((object) => object.metadata.name === "deny-cloud-metadata");
    assert.ok(policy !== undefined);
    await cluster.until("the first policy", 60_000, async () => (await cluster.get(policy)) !== undefined);
    // it has looked at the policy, which is there and says nothing, and the next step has seen that the first is not ready
    await cluster.until("the first step waits", 60_000, async () => {
      const { status } = await cluster.kustomization(first);
      return status?.conditions?.some(({ message }) => message?.startsWith("Running health checks")) === true;
    });
    await cluster.until("the next one waits", 60_000, async () => (await stateOf(second))[1] === "DependencyNotReady");
    assert.equal((await stateOf(first))[0], "Unknown");
    assert.equal((await cluster.live(files)).filter(({ kind }) => kind !== "Namespace").length, 1);

    await cluster.setValid(policy, "False");
    await cluster.until("the first step fails", 60_000, async () => (await stateOf(first))[1] === "HealthCheckFailed");
    assert.deepEqual(await stateOf(second), ["False", "DependencyNotReady"]);
    assert.equal((await cluster.live(files)).filter(({ kind }) => kind !== "Namespace").length, 1);

    await cluster.setValid(policy, "True");
    assert.ok((await cluster.reconcile(first)) !== undefined);
    validating = new Validating(cluster);
    await cluster.untilReady(files, revision);
    assert.ok(isReady(await cluster.kustomization(defaultSettings.name)));
    await swept({ files });
  });

  it("S3-15 moves an object to another Kustomization in two commits: it is never deleted", async () => {
    const { declaration } = (await examples()).find(({ name }) => name === "service-identity") ?? assert.fail();
    const planned = plan(declaration);
    const tree = render(planned, "flux", defaultSettings);
    // as a rendering of another release has it: two of the flows among the rules for DNS
    const dns = layerNamed("dns") ?? assert.fail();
    const moving = tree.objects.filter(({ layer }) => layer.name === "flows").slice(0, 2);
    assert.equal(moving.length, 2);
    const placed = tree.objects.map((each) => (moving.includes(each) ? { ...each, layer: dns } : each));
    const old = { ...tree, objects: placed, files: fluxFiles(placed, defaultSettings) };
    await home(planned);
    await applied(old);
    const uids = async (): Promise<unknown> =>
      byName(await cluster.live(tree.files)).map((one) => [key(one), (one as Live).metadata.uid]);
    const before = await uids();

    assert.throws(() => render(planned, "flux", defaultSettings, earlierOf(old)), /objects change their Kustomization/);
    const first = render(planned, "flux", defaultSettings, earlierOf(old), { change: "move", commit: 1 });
    await applied(first);
    const state = earlierOf(first, "moving");
    const second = render(planned, "flux", defaultSettings, state, { change: "move", commit: 2 });
    const deeds = await applied(second);
    assert.deepEqual(
      deeds.filter(({ does }) => does !== "update"),
      [],
    );
    assert.deepEqual(await uids(), before);
    assert.deepEqual(second.files, tree.files);

    // by one commit the Kustomization that comes first deletes what the next one then creates
    await applied(old);
    const atOnce = await applied(tree);
    assert.ok(atOnce.some(({ does }) => does === "delete"));
    assert.notDeepEqual(await uids(), before);
    await swept(tree);
  });
});

function earlierOf({ objects }: Rendering, state: "applied" | "moving" | "removing" = "applied"): EarlierRendering {
  return {
    record: {
      target: "flux",
      state,
      files: new Map(),
      objects: new Map(objects.map(({ id, layer }) => [id, layer.name])),
    },
    objects: objects.map(({ object }) => object),
  };
}

/** What the controller did, and what `render` says that it does: its proof is about this order. */
const step = ({ does, id }: Deed): string => `${does === "create" ? "apply" : does} ${id}`;
const announced = ({ does, object }: OrderStep): string => `${does} ${idOf(object)}`;

const versionOf = (object: Kube): readonly string[] => [key(object), (object as Live).metadata.resourceVersion];

/** Without what the API server and Flux add. */
function asPlanned({ apiVersion, kind, metadata, status: _status, ...rest }: Live): Kube {
  const { name, namespace, labels, annotations } = metadata;
  const own = Object.entries(labels ?? {}).filter(
    ([label]) =>
      !/^kustomize\.toolkit\.fluxcd\.io\//.test(label) &&
      !(kind === "Namespace" && label === "kubernetes.io/metadata.name"),
  );
  const kept: Kube = {
    apiVersion,
    kind,
    metadata: {
      name,
      ...(namespace === undefined ? {} : { namespace }),
      labels: Object.fromEntries(own),
      ...(annotations === undefined ? {} : { annotations }),
    },
  };
  return unmarked({ ...kept, ...(kind === "Namespace" ? {} : rest) });
}
