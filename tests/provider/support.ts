/** A lab for one test file: the real engine and the real API server, and a hand that writes to the cluster beside Pulumi. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import * as automation from "@pulumi/pulumi/automation";
import { openLab, prepareEngine, type Lab } from "../../lab/index";
import { Cluster } from "../../lab/provider/cluster";
import { installProvider } from "../../lab/provider/install";
import { loadKubeconfig } from "../../lab/provider/kubeconfig";
import { provideTools } from "../../lab/toolchain/index";

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
  inputs?: Record<string, unknown>;
  outputs?: Record<string, unknown>;
  initErrors?: string[];
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
    self = new TestStack(stack, env);
    return self;
  }

  setConfig(key: string, value: string): Promise<void> {
    return this.workspace.setConfig(key, { value });
  }

  preview(program: Program): Promise<StackRun> {
    this.program = program;
    return this.record((options) => this.workspace.preview(options));
  }

  up(program: Program): Promise<StackRun> {
    this.program = program;
    return this.record((options) => this.workspace.up(options));
  }

  refresh(): Promise<StackRun> {
    return this.record((options) => this.workspace.refresh(options));
  }

  destroy(): Promise<StackRun> {
    return this.record((options) => this.workspace.destroy(options));
  }

  async outputs(): Promise<Record<string, unknown>> {
    const outputs = await this.workspace.outputs();
    return Object.fromEntries(Object.entries(outputs).map(([name, { value }]) => [name, value as unknown]));
  }

  /** The state as it lies in the backend (an export would decrypt its secrets). */
  state(): string {
    const folder = fileURLToPath(this.env["PULUMI_BACKEND_URL"] as string);
    return readFileSync(path.join(folder, ".pulumi", "stacks", "provider-test", `${this.workspace.name}.json`), "utf8");
  }

  /** The resources of the state, by name. */
  resources(): Map<string, StateResource> {
    const state = JSON.parse(this.state()) as { checkpoint: { latest?: { resources?: StateResource[] } } };
    const resources = state.checkpoint.latest?.resources ?? [];
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

  /** Destroys what is left, so that the next test starts from nothing. */
  async clear(): Promise<void> {
    if (this.resources().size === 0) return;
    const run = await this.destroy();
    if (run.failed) throw new Error(run.output);
  }

  private async record(
    run: (options: automation.UpOptions & automation.PreviewOptions) => Promise<unknown>,
  ): Promise<StackRun> {
    const result: StackRun = { output: "", steps: new Map(), messages: [], failed: false };
    const onEvent = (event: automation.EngineEvent): void => {
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
  const { pulumi } = await provideTools(["pulumi"]);
  const kubeconfigPath = path.join(dataDir, "no-kubeconfig");
  const engine = prepareEngine({ dataDir, pulumi, kubeconfigPath, ownProvider: true });
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
