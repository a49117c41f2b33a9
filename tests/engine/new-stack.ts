/**
 * New stacks without a process for each: `pulumi stack init` and `pulumi config` take as long as a small update. One stack is
 * made by Pulumi for each backend, and the others are copies of its file.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import type { ProjectSettings, PulumiCommand } from "@pulumi/pulumi/automation";
import { LocalWorkspace } from "@pulumi/pulumi/automation";
import type { SecretsKeeper } from "./secrets-keeper";

interface NewStack {
  readonly project: string;
  readonly name: string;
  readonly engine: { readonly root: string; readonly env: Readonly<Record<string, string>> };
  readonly pulumiCommand: PulumiCommand;
  /** Who keeps the key of its secrets. */
  readonly keeper: SecretsKeeper;
}

/** Settings of a stack that say how its secrets are kept. */
export interface SecretsSettings {
  readonly secretsProvider: string;
  readonly encryptedKey: string;
}

/** What Pulumi wrote for a stack with nothing in it. */
interface Original {
  readonly state: { readonly checkpoint: object };
  readonly settings: SecretsSettings;
}

const originals = new Map<string, Promise<Original>>();
const original = { project: "original", name: `made-by-${process.pid}` };

/**
 * Places a stack with nothing in it where there is none of that name.
 * @returns What belongs into its settings.
 */
export async function placeNewStack(stack: NewStack): Promise<SecretsSettings> {
  const { engine, project, name } = stack;
  const backend = backendOf(engine.env);
  const { state, settings } = await originalIn(backend, stack);
  const file = stateFile(backend, project, name);
  if (!existsSync(file)) {
    mkdirSync(path.dirname(file), { recursive: true });
    const checkpoint = { ...state.checkpoint, stack: `organization/${project}/${name}` };
    writeFileSync(file, JSON.stringify({ ...state, checkpoint }));
  }
  return settings;
}

async function originalIn(backend: string, stack: NewStack): Promise<Original> {
  const known = originals.get(backend);
  const read = await known;
  // a lab that began anew has no stack
  if (read !== undefined && existsSync(stateFile(backend, original.project, original.name))) return read;
  // whoever comes while it is made waits for it
  if (originals.get(backend) !== known) return await originalIn(backend, stack);
  const made = makeOriginal(backend, stack);
  originals.set(backend, made);
  return await made;
}

async function makeOriginal(backend: string, { engine, pulumiCommand, keeper }: NewStack): Promise<Original> {
  const { project: projectName, name: stackName } = original;
  const stack = await LocalWorkspace.createStack(
    { projectName, stackName, program: () => Promise.resolve() },
    { envVars: { ...engine.env, ...keeper.env }, pulumiCommand, secretsProvider: keeper.provider },
  );
  const { secretsProvider, encryptedKey } = await stack.workspace.stackSettings(stackName);
  if (secretsProvider === undefined || encryptedKey === undefined) {
    throw new Error("Pulumi made a stack without a key for its secrets");
  }
  const text = readFileSync(stateFile(backend, projectName, stackName), "utf8");
  return { settings: { secretsProvider, encryptedKey }, state: JSON.parse(text) as Original["state"] };
}

/** The settings that the Automation API gives to a project whose program is a function. */
export function projectOf(name: string): ProjectSettings {
  return { name, runtime: "nodejs", main: process.cwd() };
}

function backendOf(env: Readonly<Record<string, string>>): string {
  return fileURLToPath(env["PULUMI_BACKEND_URL"] ?? "");
}

function stateFile(backend: string, project: string, name: string): string {
  return path.join(backend, ".pulumi", "stacks", project, `${name}.json`);
}
