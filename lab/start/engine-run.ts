import type { EngineEvent, PulumiFn, Stack } from "@pulumi/pulumi/automation";
import { LocalWorkspace, PulumiCommand } from "@pulumi/pulumi/automation";
import { scratchFolder } from "../scratch";

/** What a stack is opened with. */
export interface StackOptions {
  readonly project: string;
  readonly program: PulumiFn;
  /** Folder that holds bin/pulumi. */
  readonly engineRoot: string;
  readonly env: Readonly<Record<string, string>>;
  readonly config?: Readonly<Record<string, string>>;
}

/** The name of the stack in every project that `npm start` runs. */
const stackName = "lab";

/** Opens the stack of a project, made where it is not there. Needs no project folder: the program runs in this process. */
export async function openStack(options: StackOptions): Promise<Stack> {
  const stack = await LocalWorkspace.createOrSelectStack(
    { stackName, projectName: options.project, program: options.program },
    {
      workDir: scratchFolder("cluster-security-stack-"),
      envVars: { ...options.env },
      pulumiCommand: await PulumiCommand.get({ root: options.engineRoot }),
    },
  );
  for (const [key, value] of Object.entries(options.config ?? {})) await stack.setConfig(key, { value });
  return stack;
}

/** What an operation reported. */
export interface Report {
  readonly succeeded: boolean;
  /** Violations of mandatory policies, each once. */
  readonly blocking: readonly string[];
  /** Resources that the operation made, changed or deleted. */
  readonly changed: number;
  /** What the engine printed, where the operation failed. */
  readonly output: string;
}

/** Runs an operation and gathers what it reported. Rejects only where the operation was stopped by `signal`. */
export async function report(
  signal: AbortSignal,
  operation: (options: {
    onEvent: (event: EngineEvent) => void;
    onOutput: (text: string) => void;
    signal: AbortSignal;
    color: "never";
  }) => Promise<unknown>,
): Promise<Report> {
  const blocking = new Set<string>();
  const output: string[] = [];
  let changed = 0;
  const onEvent = (event: EngineEvent): void => {
    const violation = event.policyEvent;
    if (violation && String(violation.enforcementLevel) === "mandatory") blocking.add(plain(violation.message));
    const op = event.resOutputsEvent?.metadata.op;
    if (op !== undefined && op !== "same" && op !== "read") changed += 1;
  };
  // Pulumi's SDK listens to the signal of an operation for good: each gets one of its own
  const ofItsOwn = AbortSignal.any([signal]);
  let succeeded = true;
  try {
    await operation({ onEvent, onOutput: (text) => void output.push(text), signal: ofItsOwn, color: "never" });
  } catch (error) {
    succeeded = false;
    if (output.length === 0) output.push(error instanceof Error ? error.message : String(error));
  }
  signal.throwIfAborted();
  return { succeeded, blocking: [...blocking], changed, output: output.join("") };
}

/** A violation's text without the engine's colour marks. */
function plain(message: string): string {
  return message.replace(/<\{%[^%]*%\}>/g, "").trimEnd();
}
