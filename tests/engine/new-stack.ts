/**
 * New stacks without a process for each: `pulumi stack init` and `pulumi config` take as long as a small update. One stack is
 * made by Pulumi for each backend, and the others are copies of its file.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import type { ProjectSettings, PulumiCommand } from "@pulumi/pulumi/automation";
import { LocalWorkspace } from "@pulumi/pulumi/automation";
import { scratchFolder } from "../../lab/scratch";

interface NewStack {
  readonly project: string;
  readonly name: string;
  readonly engine: { readonly root: string; readonly env: Readonly<Record<string, string>> };
  readonly pulumiCommand: PulumiCommand;
}

/** What Pulumi wrote for a stack with nothing in it. */
interface Original {
  readonly state: { readonly checkpoint: object };
  readonly encryptionSalt: string;
}

const originals = new Map<string, Promise<Original>>();
const original = { project: "original", name: `made-by-${process.pid}` };

/**
 * Places a stack with nothing in it where there is none of that name.
 * @returns The salt of its passphrase, which belongs into its settings.
 */
export async function placeNewStack(stack: NewStack): Promise<string> {
  const { engine, project, name } = stack;
  const backend = backendOf(engine.env);
  const { state, encryptionSalt } = await originalIn(backend, stack);
  const file = stateFile(backend, project, name);
  if (!existsSync(file)) {
    mkdirSync(path.dirname(file), { recursive: true });
    const checkpoint = { ...state.checkpoint, stack: `organization/${project}/${name}` };
    writeFileSync(file, JSON.stringify({ ...state, checkpoint }));
  }
  return encryptionSalt;
}

async function originalIn(backend: string, stack: NewStack): Promise<Original> {
  const known = originals.get(backend);
  const read = await known;
  // a lab that began anew has another passphrase
  if (read !== undefined && existsSync(stateFile(backend, original.project, original.name))) return read;
  // whoever comes while it is made waits for it
  if (originals.get(backend) !== known) return await originalIn(backend, stack);
  const made = makeOriginal(backend, stack);
  originals.set(backend, made);
  return await made;
}

async function makeOriginal(backend: string, { engine, pulumiCommand }: NewStack): Promise<Original> {
  const { project: projectName, name: stackName } = original;
  const stack = await LocalWorkspace.createStack(
    { projectName, stackName, program: () => Promise.resolve() },
    { workDir: scratchFolder("cluster-security-stack-"), envVars: { ...engine.env }, pulumiCommand },
  );
  const { encryptionSalt } = await stack.workspace.stackSettings(stackName);
  if (encryptionSalt === undefined) throw new Error("Pulumi made a stack without a salt for its passphrase");
  const text = readFileSync(stateFile(backend, projectName, stackName), "utf8");
  return { encryptionSalt, state: JSON.parse(text) as Original["state"] };
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
