/** Flux's real controller applies a rendering on a real Cilium and takes it down again: packets tell what passes meanwhile. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { dump, loadAll } from "js-yaml";
import type { LabCluster, LabProbe } from "../../lab/datapath/index";
import type { ClusterSecurityDeclaration, Plan, PlannedObject } from "../../sdk/plan/index";
import { Dialect, plan, PolicyLayout } from "../../sdk/plan/index";
import type { EarlierRendering, RenderedFile, Rendering } from "../../sdk/render";
import { defaultSettings, idOf, render } from "../../sdk/render";
import { literal } from "../plan/literal";
import { FluxCluster, kustomizeController } from "../render/flux-cluster";
import type { FluxKustomization, Kube } from "../render/trees";
import { objectsIn } from "../render/trees";
import { Validating } from "../render/validating";
import { sharedDatapath } from "./shared-datapath";
import { applications, declarationIn, podsOf } from "./shop";

const probe = (from: string, to: string, port: number): LabProbe => ({ from, to, port, protocol: "tcp" });

const declared = [
  probe("shop-front/web", "shop-back/api", 9000),
  probe("shop-back/api", "shop-back/primary", 5432),
  probe("shop-back/api", "shop-back/replica", 5432),
];
const undeclared = [
  probe("shop-front/web", "shop-back/primary", 5432),
  probe("shop-back/api", "shop-front/web", 8080),
  probe("world", "shop-back/api", 9000),
  probe("shop-back/api", "world", 8443),
];
const metadata = [probe("shop-back/api", "169.254.169.254", 80)];

/** One round of probes of what is to be closed, and what stood at its end. */
interface Round {
  readonly undeclared: readonly string[];
  readonly metadata: readonly string[];
  /** Default denies. */
  readonly denied: number;
  /** What lets everything pass during a removal. */
  readonly opened: number;
  /** Whether something that keeps metadata endpoints closed was still there: then it was all along. */
  readonly metadataDenied: boolean;
}

const isOpen = ({ undeclared: found }: Round): boolean => found.every((one) => one === "allowed");
const isClosed = ({ undeclared: found, metadata: also }: Round): boolean =>
  [...found, ...also].every((one) => one === "denied");

describe("enforcement: Flux applies a rendering and takes it down", function () {
  this.timeout(600_000);
  let lab: LabCluster;
  let flux: FluxCluster;
  let validating: Validating | undefined;
  let folder: string | undefined;
  const pods = podsOf(applications);

  before(async function () {
    const program = await kustomizeController();
    if (program === undefined) return this.skip();
    folder = mkdtempSync(path.join(tmpdir(), "cluster-security-flux-"));
    const shared = await sharedDatapath();
    lab = shared.cluster;
    await lab.addPods(pods);
    await lab.untilReadyIn("kube-system");
    flux = await FluxCluster.start(shared.controlPlane, program, folder);
    validating = new Validating(flux);
  });
  after(async () => {
    if (folder === undefined) return;
    validating?.stop();
    await flux?.stop();
    await lab?.removePods(pods);
    rmSync(folder, { recursive: true, force: true });
  });

  /** The declaration with pods that run already. */
  function running(dialect: Dialect, layout: PolicyLayout): ClusterSecurityDeclaration {
    const base = literal(declarationIn(dialect)) as ClusterSecurityDeclaration;
    return { ...base, layout, namespaces: (base.namespaces ?? []).map((one) => ({ ...one, existing: true })) };
  }

  /** Takes a rendering down under probes. @param withOpening Default true; without what the removal adds: as it must not be */
  async function takenDown(planned: Plan, tree: Rendering, watch: Watch, withOpening = true): Promise<Watched> {
    const removing = render(planned, "flux", defaultSettings, earlierOf(tree, "applied"), {
      change: "remove",
      commit: 1,
    });
    const files = withOpening ? removing.files : withoutOpening(removing);
    await flux.untilRemoved(files, withOpening ? removing.allowAlls.length : 0, await flux.commit(files));
    await watch.until(isOpen);
    await flux.untilGone(await flux.commit([]));
    await watch.until((round) => isOpen(round) && round.opened === 0 && round.denied === 0);
    return await watch.stop();
  }

  /** What is to hold in every round. */
  function assertInOrder(all: Watched): void {
    assert.deepEqual(all.cut, []);
    assert.ok(all.declared > 20, `${all.declared} rounds of declared flows`);
    for (const [index, { undeclared: found, metadata: also, denied, opened, metadataDenied }] of all.rounds.entries()) {
      if (denied > 0 && opened === 0) assert.ok(!found.includes("allowed"), `round ${index}: ${found.join()}`);
      if (metadataDenied) assert.ok(!also.includes("allowed"), `round ${index}: metadata ${also.join()}`);
    }
    assert.ok(all.rounds.some(isClosed));
    const between = all.rounds.filter((round) => isOpen(round) && round.metadataDenied);
    console.log(
      `      ${all.declared} rounds of declared flows, none cut; ${all.rounds.length} of the others, ${between.length} with all open but metadata endpoints`,
    );
    assert.ok(between.length > 0, "metadata stays closed while the rest opens");
  }

  it("S3-15 S3-16 Cilium's policies: cuts no declared flow from the first policy to the last deletion", async () => {
    const planned = plan(running(Dialect.Cilium, PolicyLayout.Auto));
    const tree = render(planned, "flux", defaultSettings);
    const watch = new Watch(lab, flux, standingIn(planned, tree));
    await watch.until(isOpen);
    await flux.untilReady(tree.files, await flux.commit(tree.files));
    await watch.until(isClosed);
    watch.forgetUndenied();
    assertInOrder(await takenDown(planned, tree, watch));
  });

  it("S3-16 NetworkPolicies of single flows: cuts no declared flow when they are taken down, and would without what the first commit adds", async () => {
    const planned = plan(running(Dialect.Kubernetes, PolicyLayout.PerFlow));
    const tree = render(planned, "flux", defaultSettings);
    for (const withOpening of [true, false]) {
      await flux.untilReady(tree.files, await flux.commit(tree.files));
      const watch = new Watch(lab, flux, standingIn(planned, tree));
      // the first policy that selects a pod that runs already cuts its other flows
      await watch.until(isClosed);
      watch.forgetCut();
      const all = await takenDown(planned, tree, watch, withOpening);
      if (withOpening) assertInOrder(all);
      else assert.notDeepEqual(all.cut, []);
    }
  });
});

/** Objects whose being there tells what is to be closed. */
interface Standing {
  readonly denies: readonly Kube[];
  readonly allowAlls: readonly Kube[];
  readonly metadata: readonly Kube[];
}

function standingIn(planned: Plan, tree: Rendering): Standing {
  const stages = new Map(planned.documents.map(({ object, stage }) => [object.metadata.name, stage]));
  const ofStage = (stage: string): Kube[] =>
    objectsIn(tree.files).filter((object) => stages.get(object.metadata.name) === stage);
  const removing = render(planned, "flux", defaultSettings, earlierOf(tree, "applied"), {
    change: "remove",
    commit: 1,
  });
  const allowAlls = objectsIn(removing.files).filter((object) =>
    removing.allowAlls.includes(idOf(object as unknown as PlannedObject)),
  );
  const denied = ofStage("metadata-deny");
  // the pod that probes lies in the second namespace
  const held = allowAlls.filter(({ metadata: { namespace } }) => namespace === "shop-back");
  return { denies: ofStage("default-deny"), allowAlls, metadata: denied.length > 0 ? denied : held };
}

/** The first commit as it would be without what lets everything pass. */
function withoutOpening({ files, allowAlls }: Rendering): readonly RenderedFile[] {
  const names = allowAlls.map((id) => id.slice(id.indexOf(" ") + 1));
  const kept = files.filter(({ file }) => !names.some((name) => file === `app/${name}.yaml`));
  return kept.map(({ file, text }) => {
    if (file === "app/kustomization.yaml") {
      return { file, text: names.reduce((all, name) => all.replace(`  - ./${name}.yaml\n`, ""), text) };
    }
    if (file !== "ks.yaml") return { file, text };
    const documents = loadAll(text) as FluxKustomization[];
    const others = documents.filter(({ metadata: { name } }) => !name.endsWith("-allow-all"));
    for (const { spec } of others) {
      if (spec.dependsOn?.some(({ name }) => name.endsWith("-allow-all")) === true) delete spec.dependsOn;
    }
    return { file, text: others.map((one) => `---\n${dump(one)}`).join("") };
  });
}

interface Watched {
  readonly rounds: readonly Round[];
  readonly declared: number;
  readonly cut: readonly string[];
}

/** Probes again and again: declared flows without a pause, and what is to be closed beside what stands. */
class Watch {
  readonly #rounds: Round[] = [];
  readonly #cut: string[] = [];
  #declared = 0;
  #ending = false;
  readonly #loops: readonly Promise<void>[];

  constructor(
    private readonly lab: LabCluster,
    private readonly flux: FluxCluster,
    private readonly standing: Standing,
  ) {
    this.#loops = [this.#declaredLoop(), this.#closedLoop()];
    for (const loop of this.#loops) loop.catch(() => undefined);
  }

  /** Waits for a round that is as asked for. */
  async until(holds: (round: Round) => boolean): Promise<void> {
    for (const begun = Date.now(), from = this.#rounds.length; ; await sleep(50)) {
      const last = this.#rounds.at(-1);
      if (last !== undefined && this.#rounds.length > from && holds(last)) return;
      assert.ok(Date.now() - begun < 120_000, JSON.stringify(last));
    }
  }

  /** What was open until the default deny was in force was to be: also in the round in which it came. */
  forgetUndenied(): void {
    this.#rounds.splice(0, this.#rounds.findIndex(isClosed));
  }

  /** What was cut until now was to be. */
  forgetCut(): void {
    this.#cut.length = 0;
  }

  async stop(): Promise<Watched> {
    this.#ending = true;
    await Promise.all(this.#loops);
    return { rounds: this.#rounds, declared: this.#declared, cut: this.#cut };
  }

  async #declaredLoop(): Promise<void> {
    while (!this.#ending) {
      const outcomes = await this.lab.probe(declared, { timeout: 4000 });
      this.#declared += 1;
      outcomes.forEach(({ verdict }, index) => {
        if (verdict !== "allowed") this.#cut.push(`${JSON.stringify(declared[index])}: ${verdict}`);
      });
    }
  }

  async #closedLoop(): Promise<void> {
    while (!this.#ending) {
      const outcomes = await this.lab.probe([...undeclared, ...metadata], { timeout: 400 });
      const verdicts = outcomes.map(({ verdict }) => verdict);
      const there = async (objects: readonly Kube[]): Promise<number> =>
        (await Promise.all(objects.map((object) => this.flux.get(object)))).filter((one) => one !== undefined).length;
      this.#rounds.push({
        undeclared: verdicts.slice(0, undeclared.length),
        metadata: verdicts.slice(undeclared.length),
        denied: await there(this.standing.denies),
        opened: await there(this.standing.allowAlls),
        metadataDenied: (await there(this.standing.metadata)) > 0,
      });
    }
  }
}

function earlierOf({ objects }: Rendering, state: "applied" | "removing"): EarlierRendering {
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
