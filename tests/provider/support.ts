/** A lab for one test file: the real engine and the real API server, and a hand that writes to the cluster beside Pulumi. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import * as automation from "@pulumi/pulumi/automation";
import { openLab, prepareEngine, type Lab } from "../../lab/index";
import { Cluster, NoMatchError } from "../../lab/provider/cluster";
import { installProvider } from "../../lab/provider/install";
import { loadKubeconfig } from "../../lab/provider/kubeconfig";
import { provideTools } from "../../lab/toolchain/index";
import { EventsEnd, withoutQueries } from "../support/engine-stack";

export type Program = () => Promise<Record<string, unknown> | void>;

export interface StackRun {
  /** What the engine printed. */
  output: string;
  /** Operations on resources by name: `{ deny: ["update"] }`, without those that stay the same. */
  steps: Map<string, string[]>;
  /** Messages of the engine and the provider. */
  messages: string[];
  failed: boolean;
}

export interface StateResource {
  urn: string;
  id?: string;
  type: string;
  /** Read, not owned. */
  external?: boolean;
  inputs?: Record<string, unknown>;
  outputs?: Record<string, unknown>;
  initErrors?: string[];
}

interface StateFile {
  readonly checkpoint: { readonly latest?: { resources?: StateResource[]; pending_operations?: unknown } };
}

interface KubeObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name?: string; readonly namespace?: string };
}

/** Deletes an object and waits until it is gone. A kind that is gone already took its objects with it. */
async function remove(
  cluster: Cluster,
  object: { apiVersion: string; kind: string; namespace: string; name: string },
): Promise<void> {
  try {
    const url = cluster.path(await cluster.resourceType(object.apiVersion, object.kind), object.namespace, object.name);
    await cluster.request("DELETE", url, { query: { propagationPolicy: "Background" } });
    while ((await read(cluster, url)) !== undefined) await new Promise((resolve) => setTimeout(resolve, 50));
  } catch (error) {
    if (!(error instanceof NoMatchError) && (error as { code?: number }).code !== 404) throw error;
  }
}

/** A stack whose program can be changed between two runs. */
export class TestStack {
  private program: Program = async () => undefined;

  private constructor(
    private readonly workspace: automation.Stack,
    private readonly env: Readonly<Record<string, string>>,
  ) {}

  static async create(env: Record<string, string>, engineRoot: string, name: string): Promise<TestStack> {
    let self: TestStack | undefined = undefined as TestStack | undefined;
    const pulumiCommand = await automation.PulumiCommand.get({ root: engineRoot });
    const stack = await automation.LocalWorkspace.createOrSelectStack(
      { stackName: name, projectName: "provider-test", program: async () => (await self?.program()) ?? {} },
      { envVars: { ...env }, pulumiCommand },
    );
    self = new TestStack(withoutQueries(stack), env);
    return self;
  }

  setConfig(key: string, value: string): Promise<void> {
    return this.workspace.setConfig(key, { value });
  }

  preview(program: Program): Promise<StackRun> {
    this.program = program;
    return this.record("preview", (options) => this.workspace.preview(options));
  }

  up(program: Program): Promise<StackRun> {
    this.program = program;
    return this.record("up", (options) => this.workspace.up(options));
  }

  refresh(): Promise<StackRun> {
    return this.record("refresh", (options) => this.workspace.refresh(options));
  }

  destroy(): Promise<StackRun> {
    return this.record("destroy", (options) => this.workspace.destroy(options));
  }

  /** What the program returned, as the state holds it. */
  outputs(): Record<string, unknown> {
    const stack = [...this.resources().values()].find(({ type }) => type === "pulumi:pulumi:Stack");
    return stack?.outputs ?? {};
  }

  /** The state as it lies in the backend (an export would decrypt its secrets). */
  state(): string {
    return readFileSync(this.stateFile(), "utf8");
  }

  private stateFile(): string {
    const folder = fileURLToPath(this.env["PULUMI_BACKEND_URL"] as string);
    return path.join(folder, ".pulumi", "stacks", "provider-test", `${this.workspace.name}.json`);
  }

  /** The resources of the state, by name. */
  resources(): Map<string, StateResource> {
    const resources = (JSON.parse(this.state()) as StateFile).checkpoint.latest?.resources ?? [];
    return new Map(resources.map((each) => [each.urn.split("::").at(-1) as string, each]));
  }

  /** Takes a resource out of the state and leaves its object alone, as if the state had never been saved. */
  async forget(name: string): Promise<void> {
    const urn = this.resources().get(name)?.urn;
    const deployment = await this.workspace.exportStack();
    const content = deployment.deployment as { resources: StateResource[] };
    content.resources = content.resources.filter((each) => each.urn !== urn);
    await this.workspace.importStack(deployment);
  }

  /**
   * Empties cluster and state beside the engine, so that the next test starts from nothing; a destroy takes three times as
   * long. What a patch gave to an object only a destroy takes back.
   */
  async reset(cluster: Cluster): Promise<void> {
    const resources = [...this.resources().values()];
    if (resources.some(({ type }) => type.endsWith("Patch"))) return this.clear();
    const gone = resources.flatMap((resource) => {
      const { apiVersion, kind, metadata } = (resource.outputs ?? {}) as Partial<KubeObject>;
      if (resource.external === true || apiVersion === undefined || kind === undefined) return [];
      return [{ apiVersion, kind, namespace: metadata?.namespace ?? "", name: metadata?.name ?? "" }];
    });
    await Promise.all(gone.map((object) => remove(cluster, object)));
    const state = JSON.parse(this.state()) as StateFile;
    if (state.checkpoint.latest === undefined) return;
    state.checkpoint.latest.resources = [];
    delete state.checkpoint.latest.pending_operations;
    writeFileSync(this.stateFile(), JSON.stringify(state));
  }

  /** Destroys what is left, as the engine does it. */
  async clear(): Promise<void> {
    if (this.resources().size === 0) return;
    const run = await this.destroy();
    if (run.failed) throw new Error(run.output);
  }

  private async record(
    verb: "preview" | "up" | "refresh" | "destroy",
    run: (options: automation.UpOptions & automation.PreviewOptions) => Promise<unknown>,
  ): Promise<StackRun> {
    const result: StackRun = { output: "", steps: new Map(), messages: [], failed: false };
    const end = new EventsEnd();
    const onEvent = (event: automation.EngineEvent): void => {
      end.note(event);
      const { resourcePreEvent, diagnosticEvent } = event;
      if (diagnosticEvent) result.messages.push(diagnosticEvent.message);
      const step = resourcePreEvent?.metadata;
      if (!step || step.op === "same" || step.type.startsWith("pulumi:")) return;
      const name = step.urn.split("::").at(-1) as string;
      result.steps.set(name, [...(result.steps.get(name) ?? []), step.op]);
    };
    try {
      await run({ onEvent, onOutput: (text) => (result.output += text), onError: (text) => (result.output += text) });
    } catch (error) {
      result.failed = true;
      result.output += (error as Error).message;
    }
    if (!result.failed) await end.reached(verb === "preview" || verb === "up");
    return result;
  }
}

export interface TestLab {
  lab: Lab;
  /** The API server, as any client of it. */
  cluster: Cluster;
  env: Record<string, string>;
  stack(name: string): Promise<TestStack>;
  close(): Promise<void>;
}

/** Opens a lab in a folder of its own. */
export async function openTestLab(): Promise<TestLab> {
  const dataDir = mkdtempSync(path.join(tmpdir(), "provider-test-"));
  const lab = await openLab({ dataDir, fresh: true, quiet: true, ownProvider: true });
  const env = { ...lab.env };
  installProvider(env["PULUMI_HOME"] as string);
  return {
    lab,
    env,
    cluster: new Cluster(loadKubeconfig({ kubeconfig: lab.controlPlane.kubeconfigPath })),
    stack: (name) => TestStack.create(env, lab.engine.root, name),
    close: async () => {
      await lab.close();
      rmSync(dataDir, { recursive: true, force: true });
    },
  };
}

/** An engine whose kubeconfig leads to nothing that answers. */
export async function engineWithoutCluster(): Promise<{ stack: TestStack; close(): void }> {
  const dataDir = mkdtempSync(path.join(tmpdir(), "provider-test-"));
  const { pulumi, "pulumi-resource-kubernetes": kubernetesProvider } = await provideTools([
    "pulumi",
    "pulumi-resource-kubernetes",
  ]);
  const kubeconfigPath = path.join(dataDir, "no-kubeconfig");
  const engine = prepareEngine({ dataDir, pulumi, kubernetesProvider, kubeconfigPath, ownProvider: true });
  installProvider(engine.env["PULUMI_HOME"] as string);
  const stack = await TestStack.create({ ...engine.env }, engine.root, "unreachable");
  return { stack, close: () => rmSync(dataDir, { recursive: true, force: true }) };
}

/** Writes to an object as another client does, under the name of the given field manager. */
export async function patchAs(cluster: Cluster, manager: string, url: string, patch: unknown): Promise<void> {
  await cluster.request("PATCH", url, {
    contentType: "application/merge-patch+json",
    query: { fieldManager: manager },
    body: patch,
  });
}

/** The object at the path, or undefined where there is none. */
export async function read(cluster: Cluster, url: string): Promise<Record<string, unknown> | undefined> {
  try {
    return (await cluster.request("GET", url)).body as Record<string, unknown>;
  } catch (error) {
    if ((error as { code?: number }).code === 404) return undefined;
    throw error;
  }
}
