/** A repository with a rendering in it, and a cluster to which the real kustomize-controller applies it. */
import assert from "node:assert/strict";
import { readFileSync, statSync } from "node:fs";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { dump } from "js-yaml";
import type { ApiClient, ControlPlane } from "../../lab/control-plane/index";
import { apiClient } from "../../lab/control-plane/index";
import type { CommittedFile, Flux } from "../../lab/flux/index";
import { fluxNamespace, fluxUser, startFlux } from "../../lab/flux/index";
import { findTools } from "../../lab/toolchain/index";
import type { PlannedObject } from "../../sdk/plan/index";
import { isClusterwide } from "../../sdk/reachability/index";
import type { OrderStep, RenderedFile } from "../../sdk/render";
import { defaultSettings, idOf } from "../../sdk/render";
import type { FluxKustomization, Kube } from "./trees";
import { kustomizationsOf, objectsIn } from "./trees";

/** An object as the API server has it. */
export interface Live extends Kube {
  metadata: Kube["metadata"] & { uid: string; resourceVersion: string; generation?: number };
  status?: { conditions?: { type: string; status: string; reason?: string; message?: string }[] };
}

interface LiveKustomization extends FluxKustomization {
  metadata: Live["metadata"];
  status?: {
    observedGeneration?: number;
    lastAppliedRevision?: string;
    lastHandledReconcileAt?: string;
    inventory?: { entries?: { id: string }[] };
    conditions?: NonNullable<Live["status"]>["conditions"];
  };
}

/** What the controller did to one object, in its order. */
export interface Deed {
  readonly does: "create" | "update" | "delete";
  readonly id: string;
}

interface AuditEvent {
  readonly stage: string;
  readonly verb: string;
  readonly requestURI: string;
  readonly user: { readonly username: string };
  readonly objectRef?: { readonly resource: string; readonly namespace?: string; readonly name?: string };
  readonly responseStatus?: { readonly code: number };
}

/** The program, or why there is none here. It is built before the suites run, not in the middle of a test. */
export async function kustomizeController(): Promise<string | undefined> {
  return (await findTools(["kustomize-controller"]))["kustomize-controller"]?.path;
}

/** The collection or the object of a kind. */
export function pathOf(
  {
    apiVersion,
    kind,
    metadata,
  }: Pick<Kube, "apiVersion" | "kind"> & { metadata?: { name?: string; namespace?: string } },
  name = metadata?.name,
): string {
  const plural = kind.toLowerCase().replace(/y$/, "ie").replace(/$/, "s");
  const namespace =
    metadata?.namespace === undefined || isClusterwide(apiVersion, kind) ? "" : `namespaces/${metadata.namespace}/`;
  return `/${apiVersion === "v1" ? "api" : "apis"}/${apiVersion}/${namespace}${plural}${name === undefined ? "" : `/${name}`}`;
}

function collectionOf({ apiVersion, kind, metadata: { namespace } }: Kube): string {
  return pathOf({ apiVersion, kind, metadata: namespace === undefined ? {} : { namespace } });
}

const kustomizationApi = "kustomize.toolkit.fluxcd.io/v1";
/** The Kustomization that applies `ks.yaml`. */
export const parent = "cluster-apps";

/** Files around a rendering, as docs/gitops.md tells people to have them. */
function repositoryWith(files: readonly RenderedFile[]): CommittedFile[] {
  const { path: below, source } = defaultSettings;
  const above = path.posix.dirname(below);
  const resources = [
    "./infrastructure.yaml",
    ...(files.length === 0 ? [] : [`./${path.posix.basename(below)}/ks.yaml`]),
  ];
  const infrastructure = {
    apiVersion: kustomizationApi,
    kind: "Kustomization",
    metadata: { name: "cluster-infrastructure", namespace: fluxNamespace },
    spec: {
      interval: "1h",
      prune: true,
      path: "./kubernetes/infrastructure",
      sourceRef: { kind: "GitRepository", name: source },
    },
  };
  const settings = {
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { name: "cluster-settings", namespace: fluxNamespace },
    data: {},
  };
  return [
    {
      file: `${above}/kustomization.yaml`,
      text: dump({ apiVersion: "kustomize.config.k8s.io/v1beta1", kind: "Kustomization", resources }),
    },
    { file: `${above}/infrastructure.yaml`, text: dump(infrastructure) },
    { file: "kubernetes/infrastructure/settings.yaml", text: dump(settings) },
    ...files.map(({ file, text }) => ({ file: `${below}/${file}`, text })),
  ];
}

/** A control plane with an audit log and the controller. */
export class FluxCluster {
  readonly client: ApiClient;
  #read = 0;

  private constructor(
    readonly controlPlane: ControlPlane,
    private readonly flux: Flux,
  ) {
    this.client = apiClient(controlPlane);
  }

  /** Starts the controller beside a control plane that keeps an audit log. */
  static async start(controlPlane: ControlPlane, program: string, folder: string): Promise<FluxCluster> {
    const flux = await startFlux({ controlPlane, program, folder, repository: defaultSettings.source });
    const cluster = new FluxCluster(controlPlane, flux);
    await cluster.apply({
      apiVersion: kustomizationApi,
      kind: "Kustomization",
      metadata: { name: parent, namespace: fluxNamespace },
      spec: {
        interval: "1h",
        retryInterval: "1s",
        prune: true,
        path: `./${path.posix.dirname(defaultSettings.path)}`,
        sourceRef: { kind: "GitRepository", name: defaultSettings.source },
      },
    });
    return cluster;
  }

  async stop(): Promise<void> {
    await this.flux.stop();
    this.client.close();
  }

  /** Commits a rendering in the place of what was there. @returns the revision */
  async commit(files: readonly RenderedFile[]): Promise<string> {
    return await this.flux.source.commit(repositoryWith(files));
  }

  /** Waits until the parent and every Kustomization of the rendering has applied the revision and is ready. */
  async untilReady(files: readonly RenderedFile[], revision: string, within = 240_000): Promise<void> {
    const wanted = [parent, "cluster-infrastructure", ...kustomizationsOf(files).map(({ metadata }) => metadata.name)];
    await this.untilEach(wanted, within, (one) => hasApplied(one, revision), revision);
  }

  /** Waits until the first commit of a removal has been carried out: what lets everything pass is all that is held. */
  async untilRemoved(files: readonly RenderedFile[], left: number, revision: string, within = 240_000): Promise<void> {
    await this.untilReady(files, revision, within);
    const held = (await this.kustomizations())
      .filter(({ metadata }) => metadata.name.startsWith(defaultSettings.name))
      .flatMap(({ status }) => status?.inventory?.entries ?? []);
    assert.equal(held.length, left, held.map(({ id }) => id).join());
  }

  /** Waits until no Kustomization of a rendering is there. */
  async untilGone(revision: string, within = 120_000): Promise<void> {
    await this.untilEach([parent], within, (one) => hasApplied(one, revision), revision);
    await this.until("the Kustomizations are gone", within, async () =>
      (await this.kustomizations()).every(({ metadata }) => !metadata.name.startsWith(defaultSettings.name)),
    );
  }

  async kustomizations(): Promise<LiveKustomization[]> {
    return await this.list({
      apiVersion: kustomizationApi,
      kind: "Kustomization",
      metadata: { namespace: fluxNamespace },
    });
  }

  async kustomization(name: string): Promise<LiveKustomization> {
    return (await this.kustomizations()).find(({ metadata }) => metadata.name === name) ?? assert.fail(name);
  }

  /**
   * Tells the controller to reconcile at once, as `flux reconcile` does, and when that was. Nothing for a Kustomization that is
   * not there: the controller may have pruned it since it was listed.
   */
  async reconcile(name: string): Promise<string | undefined> {
    const at = pathOf({
      apiVersion: kustomizationApi,
      kind: "Kustomization",
      metadata: { namespace: fluxNamespace, name },
    });
    const requestedAt = new Date().toISOString();
    const annotations = { "reconcile.fluxcd.io/requestedAt": requestedAt };
    const { status, body } = await this.client.call(
      "PATCH",
      at,
      { metadata: { annotations } },
      "application/merge-patch+json",
    );
    if (status === 404) return undefined;
    assert.ok(status < 300, `PATCH ${at}: ${JSON.stringify(body)}`);
    return requestedAt;
  }

  async until(what: string, within: number, holds: () => Promise<boolean>): Promise<void> {
    for (const begun = Date.now(); !(await holds());) {
      this.flux.check();
      if (Date.now() - begun > within) assert.fail(`${what}: not within ${within / 1000} s\n${await this.states()}`);
      await sleep(150);
    }
  }

  /** An object, if it is there. */
  async get(object: Kube): Promise<Live | undefined> {
    const { status, body } = await this.client.call("GET", pathOf(object));
    assert.ok(status === 200 || status === 404, `${pathOf(object)}: ${status}`);
    return status === 200 ? (body as Live) : undefined;
  }

  /** The objects of files that are there. */
  async live(files: readonly RenderedFile[]): Promise<Live[]> {
    return (await Promise.all(objectsIn(files).map((object) => this.get(object)))).filter((one) => one !== undefined);
  }

  /** An object as the API server would store it, by a dry run under another name. */
  async asStored(object: Kube): Promise<Live> {
    const named = { ...object, metadata: { ...object.metadata, name: `${object.metadata.name}-dry-run` } };
    const stored = (await this.request("POST", `${collectionOf(object)}?dryRun=All`, named)) as Live;
    return { ...stored, metadata: { ...stored.metadata, name: object.metadata.name } };
  }

  async apply(object: Kube): Promise<void> {
    await this.request(
      "PATCH",
      `${pathOf(object)}?fieldManager=tests&force=true`,
      object,
      "application/apply-patch+yaml",
    );
  }

  async remove(object: Kube): Promise<void> {
    await this.client.call("DELETE", pathOf(object));
  }

  /** Sets Cilium's condition, as its operator does. */
  async setValid(object: Kube, status: "True" | "False"): Promise<void> {
    const message = status === "True" ? "Policy validation succeeded" : "refused";
    const condition = { type: "Valid", status, message, lastTransitionTime: new Date().toISOString() };
    const body = { status: { conditions: [condition] } };
    await this.request("PATCH", `${pathOf(object)}/status`, body, "application/merge-patch+json");
  }

  /** What the controller has done to objects since the last question, by the API server's own account. */
  deeds(files: readonly RenderedFile[]): Deed[] {
    const ids = new Map(objectsIn(files).map((object) => [pathOf(object), idOf(object as unknown as PlannedObject)]));
    const { auditLog } = this.controlPlane;
    const text = readFileSync(auditLog).subarray(this.#read).toString();
    this.#read = statSync(auditLog).size;
    return text
      .split("\n")
      .filter((line) => line !== "")
      .map((line) => JSON.parse(line) as AuditEvent)
      .flatMap((event) => deedIn(event, ids) ?? []);
  }

  /** The deeds as steps of an order, with the objects of the files. Updates that change nothing are none. */
  stepsOf(deeds: readonly Deed[], files: readonly RenderedFile[]): OrderStep[] {
    const objects = new Map(
      objectsIn(files).map((object) => [idOf(object as unknown as PlannedObject), object as unknown as PlannedObject]),
    );
    return deeds.map(({ does, id }, index) => ({
      does: does === "delete" ? "delete" : "apply",
      object: objects.get(id) ?? assert.fail(id),
      layer: String(index),
    }));
  }

  private async list<T>(of: Parameters<typeof pathOf>[0]): Promise<T[]> {
    return ((await this.request("GET", pathOf(of))) as { items: T[] }).items;
  }

  private async request(method: string, at: string, body?: object, type?: string): Promise<unknown> {
    const answer = await this.client.call(method, at, body, type);
    assert.ok(answer.status < 300, `${method} ${at}: ${JSON.stringify(answer.body)}`);
    return answer.body;
  }

  private async untilEach(
    names: readonly string[],
    within: number,
    holds: (one: LiveKustomization) => boolean,
    revision: string,
  ): Promise<void> {
    const told = new Map<string, string>();
    await this.until(names.join(), within, async () => {
      const all = new Map((await this.kustomizations()).map((one) => [one.metadata.name, one]));
      await this.wakeWaiting(all, revision, told);
      return names.every((name) => {
        const one = all.get(name);
        return one !== undefined && holds(one);
      });
    });
  }

  /**
   * Has those that wait for others look again as soon as the others are ready: the controller looks by itself only once in a
   * while, and each look writes their status and an event. Whether they may go on is still the controller's to say.
   */
  private async wakeWaiting(
    all: ReadonlyMap<string, LiveKustomization>,
    revision: string,
    told: Map<string, string>,
  ): Promise<void> {
    const done = (name: string): boolean => {
      const one = all.get(name);
      return one !== undefined && hasApplied(one, revision);
    };
    for (const [name, { spec, status }] of all) {
      if (readiness(status)?.reason !== "DependencyNotReady") continue;
      const asked = told.get(name);
      if (asked !== undefined && status?.lastHandledReconcileAt !== asked) continue;
      if (spec.dependsOn?.every((one) => done(one.name)) !== true) continue;
      const requestedAt = await this.reconcile(name);
      if (requestedAt !== undefined) told.set(name, requestedAt);
    }
  }

  private async states(): Promise<string> {
    return (await this.kustomizations())
      .map(({ metadata, status }) => {
        const ready = readiness(status);
        return `  ${metadata.name}: ${ready?.status ?? "?"} ${ready?.reason ?? ""} ${ready?.message ?? ""}`;
      })
      .join("\n");
  }
}

type Condition = NonNullable<NonNullable<Live["status"]>["conditions"]>[number];

function readiness(status: LiveKustomization["status"]): Condition | undefined {
  return status?.conditions?.find(({ type }) => type === "Ready");
}

export function isReady({ metadata, status }: LiveKustomization): boolean {
  return readiness(status)?.status === "True" && status?.observedGeneration === metadata.generation;
}

function hasApplied(one: LiveKustomization, revision: string): boolean {
  return isReady(one) && one.status?.lastAppliedRevision === revision;
}

function deedIn(event: AuditEvent, ids: ReadonlyMap<string, string>): Deed | undefined {
  const { stage, verb, requestURI, user, responseStatus } = event;
  if (stage !== "ResponseComplete" || user.username !== fluxUser || requestURI.includes("dryRun")) return undefined;
  const id = ids.get(requestURI.split("?")[0] ?? "");
  const code = responseStatus?.code ?? 0;
  if (id === undefined || code >= 300) return undefined;
  if (verb === "delete") return { does: "delete", id };
  if (verb !== "patch" && verb !== "create" && verb !== "update") return undefined;
  return { does: code === 201 ? "create" : "update", id };
}
