import { existsSync, readFileSync, statSync } from "node:fs";
import { checklist, type CheckState, type ChecklistItem } from "../../audit";
import {
  buildSnapshot,
  compile,
  isPolicy,
  profileWithin,
  type KubeObject,
  type Reachability,
} from "../../reachability";
import { planOf } from "../declaration-file";
import { inputError, usageError } from "../errors";
import { reading } from "../interruption";
import { exitCodes, type ExitCode } from "../exit-codes";
import { printable } from "../output";
import { columns } from "../print/text";
import type { InputOptions } from "../snapshot";
import { readSources } from "../sources/read";
import { readLive, type Live } from "./audit-inputs";
import { outputOf } from "./options";

export interface ChecklistOptions extends Omit<InputOptions, "as"> {
  /** Contexts, separated by commas. */
  readonly context: string;
  readonly declaration?: string;
  /** Folder of the policies in the repository. */
  readonly repository?: string;
  readonly runbook?: string;
  /** JSON of an earlier `verify`. */
  readonly verified?: string;
  readonly format: "table" | "json" | "tap" | "junit";
  readonly output?: string;
}

/** The answers for one cluster. */
interface Filled {
  readonly context: string;
  readonly items: readonly ChecklistItem[];
}

/** `cluster-security verify --checklist`: fourteen questions to each cluster, answered by reading. Creates nothing. */
export async function checklistCommand(options: ChecklistOptions): Promise<ExitCode> {
  const { format } = options;
  if (format !== "table" && format !== "json") throw usageError("--checklist is printed as table or json");
  const contexts = [...new Set(options.context.split(",").map((name) => name.trim()))];
  if (contexts.includes("")) throw usageError("--context: a name is empty");
  const named = await namedFiles(options);
  const filled: Filled[] = [];
  for (const context of contexts) {
    const live = await readLive(context, { ...options, as: "auto" });
    for (const gap of live.gaps) process.stderr.write(`problem: ${gap}\n`);
    const kustomizations = await kustomizationsOf(context, options);
    const items = checklist({
      objects: live.objects,
      reachability: reachabilityOf(live, options),
      unlisted: live.unlisted,
      ...named,
      ...(kustomizations === undefined ? {} : { kustomizations }),
    });
    filled.push({ context, items });
  }
  const output = outputOf(options);
  output.write(format === "json" ? `${JSON.stringify(filled, null, 2)}\n` : filled.map(asText).join("\n"));
  await output.end();
  const states = filled.flatMap(({ items }) => items.map(({ state }) => state));
  if (states.includes("fail")) return exitCodes.no;
  return states.includes("open") ? exitCodes.incomplete : exitCodes.ok;
}

function reachabilityOf({ objects }: Live, { cni }: ChecklistOptions): Reachability {
  return compile(buildSnapshot(objects, cni === undefined ? {} : { profile: profileWithin(cni, objects) }));
}

const marks: Readonly<Record<CheckState, string>> = { pass: "[x]", fail: "[ ]", open: "[?]" };

function asText({ context, items }: Filled): string {
  const counts = (["pass", "fail", "open"] as const).map(
    (state) => `${items.filter((item) => item.state === state).length} ${state}`,
  );
  const rows = items.map(({ number, question, state, basis, answer }) => [
    `${marks[state]} ${number}`,
    question,
    state === "open" ? "open" : `${state} (${basis ?? "read"})`,
    printable(answer),
  ]);
  return `${printable(context)}: ${counts.join(", ")}\n${columns(rows)}`;
}

interface NamedFiles {
  readonly exemptNamespaces?: readonly string[];
  readonly repositoryPolicies?: number;
  readonly runbook?: string;
  readonly verified?: string;
}

async function namedFiles(options: ChecklistOptions): Promise<NamedFiles> {
  const { declaration, repository, runbook, verified } = options;
  const plan = declaration === undefined ? undefined : await planOf(declaration);
  return {
    ...(plan === undefined ? {} : { exemptNamespaces: plan.exemptNamespaces }),
    ...(repository === undefined ? {} : { repositoryPolicies: await policiesIn(repository) }),
    ...(runbook === undefined ? {} : { runbook: textOf(runbook, "--runbook") }),
    ...(verified === undefined ? {} : { verified: verdictIn(textOf(verified, "--verified"), verified) }),
  };
}

async function policiesIn(folder: string): Promise<number> {
  if (!existsSync(folder)) return 0;
  const { objects } = await readSources([folder], {
    form: "auto",
    progress: () => undefined,
    files: { exclude: [], include: [] },
    verbose: false,
    render: false,
    defaultNamespace: undefined,
  });
  return objects.filter(({ object }) => isPolicy(object.apiVersion, object.kind)).length;
}

function textOf(file: string, option: string): string {
  if (!existsSync(file) || !statSync(file).isFile()) throw inputError(`${option}: "${file}": there is no such file`);
  return readFileSync(file, "utf8");
}

function verdictIn(text: string, file: string): string {
  try {
    const { verdict } = JSON.parse(text) as { verdict?: unknown };
    if (typeof verdict === "string") return verdict;
  } catch {
    // said below
  }
  throw inputError(`--verified: "${file}" is not what verify --format json prints`);
}

/** Undefined where the role may not list them. */
async function kustomizationsOf(
  context: string,
  options: ChecklistOptions,
): Promise<readonly KubeObject[] | undefined> {
  const cluster = await import("../../cluster/index.js");
  const { kubeconfig } = options;
  const connection = await cluster.connect({ context, ...(kubeconfig === undefined ? {} : { kubeconfig }) });
  return await reading(() => cluster.readKustomizations(new cluster.ApiClient(connection)));
}
