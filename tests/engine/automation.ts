/** Runs programs on the real Pulumi engine through the Automation API and keeps what the engine says. */
import type { EngineEvent, ProjectSettings, PulumiFn } from "@pulumi/pulumi/automation";
import { CommandError, LocalWorkspace, PulumiCommand, Stack } from "@pulumi/pulumi/automation";
import { scratchFolder } from "../../lab/scratch";
import type { SourcedObject } from "../../sdk/reachability/index";
import { EventsEnd, withoutQueries } from "../support/engine-stack";
import { placeNewStack, projectOf } from "./new-stack";

/** What one operation of the engine did. `error` is set when it failed: a failure is often what a test asks for. */
export interface Operation {
  readonly events: readonly EngineEvent[];
  readonly output: string;
  readonly error?: string;
}

/** One resource that the engine created, changed or deleted, in the order in which it finished. */
export interface Step {
  readonly op: string;
  readonly urn: string;
  readonly type: string;
  readonly name: string;
}

/** A violation as the pack reported it. */
export interface Violation {
  readonly policy: string;
  readonly level: string;
  readonly message: string;
  readonly urn?: string;
}

export interface StackSettings {
  readonly project: string;
  readonly stack: string;
  readonly program: PulumiFn;
  readonly lab: { readonly engine: { readonly root: string; readonly env: Readonly<Record<string, string>> } };
  readonly config?: Record<string, string>;
  /** A package whose components run in a process of their own, as they do for programs in other languages: name and folder. */
  readonly plugin?: { readonly name: string; readonly path: string };
  /** Further environment of the engine. */
  readonly env?: Readonly<Record<string, string>>;
}

const programs = new Map<string, Promise<PulumiCommand>>();

/** The engine's program, asked for its version once. */
function pulumiOf(root: string): Promise<PulumiCommand> {
  const known = programs.get(root) ?? PulumiCommand.get({ root });
  programs.set(root, known);
  return known;
}

/** A stack of its own for one test, created when it is not there. */
export async function openStack(settings: StackSettings): Promise<Stack> {
  const { project, stack: name, lab } = settings;
  const pulumiCommand = await pulumiOf(lab.engine.root);
  const encryptionSalt = await placeNewStack({ project, name, engine: lab.engine, pulumiCommand });
  const ofProject = (key: string): string => (key.includes(":") ? key : `${project}:${key}`);
  const config = Object.entries(settings.config ?? {}).map(([key, value]) => [ofProject(key), value] as const);
  const workspace = await LocalWorkspace.create({
    workDir: scratchFolder("cluster-security-stack-"),
    envVars: { ...lab.engine.env, ...settings.env },
    pulumiCommand,
    program: settings.program,
    projectSettings: settings.plugin ? withPlugin(project, settings.plugin) : projectOf(project),
    stackSettings: { [name]: { encryptionSalt, config: Object.fromEntries(config) } },
  });
  // it is there, and every operation names it
  workspace.selectStack = () => Promise.resolve();
  return withoutQueries(await Stack.select(name, workspace));
}

/** The types of the Automation API leave `plugins` out, which a Pulumi.yaml may have. */
function withPlugin(name: string, plugin: NonNullable<StackSettings["plugin"]>): ProjectSettings {
  const settings = { name, runtime: "nodejs", plugins: { providers: [plugin] } } as const;
  return settings;
}

export interface RunOptions {
  readonly policyPacks?: readonly string[];
  readonly policyPackConfigs?: readonly string[];
  readonly refresh?: boolean;
  /** A destroy runs the program too, whose hooks may be asked for. */
  readonly runProgram?: boolean;
  /** URNs that are replaced although nothing of them changed. */
  readonly replace?: readonly string[];
  /** URNs that the operation is limited to. */
  readonly target?: readonly string[];
  /** URNs that the operation leaves out. */
  readonly exclude?: readonly string[];
  readonly parallel?: number;
  /** Sees every event as it comes. */
  readonly onEvent?: (event: EngineEvent) => void;
}

type Verb = "preview" | "up" | "destroy" | "refresh";

/** Runs one operation to its end and never throws for what the engine refuses. */
export async function operate(stack: Stack, verb: Verb, options: RunOptions = {}): Promise<Operation> {
  const events: EngineEvent[] = [];
  const output: string[] = [];
  const end = new EventsEnd();
  const shared = {
    onEvent: (event: EngineEvent): void => {
      end.note(event);
      events.push(event);
      options.onEvent?.(event);
    },
    onOutput: (text: string): void => void output.push(text),
    onError: (text: string): void => void output.push(text),
    color: "never" as const,
  };
  const packs = {
    ...(options.policyPacks ? { policyPacks: [...options.policyPacks] } : {}),
    ...(options.policyPackConfigs ? { policyPackConfigs: [...options.policyPackConfigs] } : {}),
  };
  const { replace, target, exclude, parallel } = options;
  const limits = {
    ...(replace ? { replace: [...replace] } : {}),
    ...(target ? { target: [...target] } : {}),
    ...(exclude ? { exclude: [...exclude] } : {}),
    ...(parallel === undefined ? {} : { parallel }),
  };
  try {
    switch (verb) {
      case "preview":
        await stack.preview({ ...shared, ...packs, ...limits, refresh: options.refresh ?? false });
        break;
      case "up":
        await stack.up({ ...shared, ...packs, ...limits, refresh: options.refresh ?? false });
        break;
      case "destroy":
        await stack.destroy({
          ...shared,
          ...(options.target ? { target: [...options.target] } : {}),
          ...(options.exclude ? { exclude: [...options.exclude] } : {}),
          runProgram: options.runProgram ?? false,
          refresh: options.refresh ?? false,
        });
        break;
      case "refresh":
        await stack.refresh(shared);
        break;
    }
  } catch (error) {
    if (!(error instanceof CommandError) && !(error instanceof Error)) throw error;
    return { events, output: output.join(""), error: error.message };
  }
  await end.reached(verb === "preview" || verb === "up");
  return { events, output: output.join("") };
}

/** What a component's live check only reads is no step: nothing is made, changed or deleted. */
const isReadOnly = (urn: string): boolean => /::[^:]*-live-[^:]*$/.test(urn);

/** Resources in the order in which the engine finished them. */
export function finished(operation: Operation): Step[] {
  return operation.events.flatMap((event) => {
    const metadata = event.resOutputsEvent?.metadata;
    if (!metadata || isReadOnly(metadata.urn)) return [];
    const name = metadata.urn.split("::").at(-1) ?? "";
    return [{ op: String(metadata.op), urn: metadata.urn, type: metadata.type, name }];
  });
}

/** What the program returned, as the engine stored it. */
export function outputsOf(operation: Operation): Readonly<Record<string, unknown>> {
  const stack = operation.events
    .map((event) => event.resOutputsEvent?.metadata)
    .findLast((metadata) => metadata?.type === "pulumi:pulumi:Stack");
  return (stack?.new?.outputs ?? {}) as Record<string, unknown>;
}

/** What the pack reported. */
export function violations(operation: Operation): Violation[] {
  return operation.events.flatMap((event) => {
    const violation = event.policyEvent;
    if (!violation) return [];
    return [
      {
        policy: violation.policyName,
        level: String(violation.enforcementLevel),
        message: violation.message,
        ...(violation.resourceUrn ? { urn: violation.resourceUrn } : {}),
      },
    ];
  });
}

/** The Kubernetes objects that stand after each finished step, oldest first. */
export function* worlds(
  operation: Operation,
  before: ReadonlyMap<string, SourcedObject> = new Map(),
): Generator<{ readonly step: Step; readonly objects: ReadonlyMap<string, SourcedObject> }> {
  const objects = new Map(before);
  for (const event of operation.events) {
    const metadata = event.resOutputsEvent?.metadata;
    if (!metadata || !metadata.type.startsWith("kubernetes:") || isReadOnly(metadata.urn)) continue;
    const op = String(metadata.op);
    const inputs: unknown = metadata.new?.inputs;
    if (op.startsWith("delete") || op === "discard") objects.delete(metadata.urn);
    else if (isObject(inputs)) objects.set(metadata.urn, { object: inputs, source: { urn: metadata.urn } });
    const name = metadata.urn.split("::").at(-1) ?? "";
    yield { step: { op, urn: metadata.urn, type: metadata.type, name }, objects: new Map(objects) };
  }
}

function isObject(value: unknown): value is SourcedObject["object"] {
  return typeof value === "object" && value !== null && "kind" in value && "apiVersion" in value;
}
