import { readYaml } from "../../reachability";
import type { Problem, SourcedObject } from "../../reachability";
import { inputError, usageError } from "../errors";
import { filesOf, textOf, textOfStandardInput } from "./files";
import { isPulumiPreview, readPulumiPreview } from "./pulumi-preview";
import { isPulumiState, readPulumiState } from "./pulumi-state";
import { joinContents, type SourceContent, type TextForm } from "./types";

/** The beginning of a source that is a live cluster: `context=prod`. */
export const contextPrefix = "context=";

export interface ReadOptions {
  /** How texts are understood. `auto`: by what stands in them. */
  readonly form: TextForm | "auto";
  /** Default: `$KUBECONFIG`, then `~/.kube/config`. */
  readonly kubeconfig?: string;
  /** A line for stderr while something takes long. */
  readonly progress: (text: string) => void;
}

/**
 * Reads sources: files, folders, `-` for standard input, `context=NAME` for a live cluster.
 *
 * @throws CliError where a source is not there or cannot be read as a whole.
 */
export async function readSources(specs: readonly string[], options: ReadOptions): Promise<SourceContent> {
  if (specs.length === 0) {
    throw usageError(
      "nothing to read: name files or folders, - for standard input, or --context NAME for a live cluster",
    );
  }
  if (specs.filter((spec) => spec === "-").length > 1) throw usageError("standard input (-) can be read only once");
  const contents: SourceContent[] = [];
  for (const spec of specs) contents.push(await readSource(spec, options));
  return joinContents(contents);
}

async function readSource(spec: string, options: ReadOptions): Promise<SourceContent> {
  if (spec === "") throw usageError("a source is empty: name a file or a folder");
  if (spec === "-") return readText(await textOfStandardInput(), undefined, options.form, true);
  if (spec.startsWith(contextPrefix)) return readCluster(spec.slice(contextPrefix.length), options);
  const files = filesOf(spec);
  const named = files.length === 1 && files[0] === spec;
  if (files.length === 0) throw inputError(`there is no .yaml, .yml or .json file below "${spec}"`);
  return joinContents(files.map((file) => readText(textOf(file), file, options.form, named)));
}

interface ReadYaml {
  readonly objects: readonly SourcedObject[];
  readonly problems: readonly Problem[];
}

/**
 * @param named The user named this text, so whatever stands in it was meant; a folder may hold files of other kinds.
 */
function readText(text: string, file: string | undefined, form: ReadOptions["form"], named: boolean): SourceContent {
  const where = file ?? "standard input";
  // A state and a preview are JSON objects; looking costs nothing where the text is not.
  if (form === "state" || form === "preview" || (form === "auto" && mayBePulumi(text))) {
    const value = parseJson(text);
    if (form !== "preview" && isPulumiState(value)) return readPulumiState(value, where);
    if (form !== "state" && isPulumiPreview(value)) return readPulumiPreview(value, where);
    if (form !== "auto") {
      const command = form === "state" ? "pulumi stack export" : "pulumi preview --json --show-sames";
      throw inputError(`${where} is not what "${command}" writes: leave --as out to go by its content`);
    }
  }
  const { objects, problems } = withHints(readYaml(text, where), text);
  if (named) return { objects, problems, notes: [] };
  // In a folder, a document that claims to be no Kubernetes object at all (values.yaml, package.json) is none.
  const others = problems.filter((problem) => problem.code === "not-an-object");
  if (others.length === 0) return { objects, problems, notes: [] };
  const lines = others.map((problem) => `${where}:${problem.source?.line ?? 1} is no Kubernetes object, left out`);
  return { objects, problems: problems.filter((problem) => problem.code !== "not-an-object"), notes: lines };
}

/** The commonest reason why a file of a repository cannot be read. */
function withHints(read: ReadYaml, text: string): ReadYaml {
  if (read.problems.length === 0 || !text.includes("{{")) return read;
  const hint = "; it looks like a template: render it first (helm template CHART | cluster-security matrix -)";
  const problems = read.problems.map((problem) =>
    problem.code === "unreadable" ? { ...problem, message: problem.message + hint } : problem,
  );
  return { objects: read.objects, problems };
}

function mayBePulumi(text: string): boolean {
  if (!/^\s*\{/.test(text.slice(0, 1000))) return false;
  return text.includes('"deployment"') || text.includes('"checkpoint"') || text.includes('"steps"');
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

async function readCluster(context: string, options: ReadOptions): Promise<SourceContent> {
  if (context === "") throw usageError("--context needs the name of a context of your kubeconfig");
  const cluster = await import("../../cluster/index.js");
  try {
    const connection = await cluster.connect({
      context,
      ...(options.kubeconfig === undefined ? {} : { kubeconfig: options.kubeconfig }),
    });
    const client = new cluster.ApiClient(connection, { onRetry: options.progress });
    const { objects, problems } = await cluster.readLiveObjects(client, { cluster: context });
    return { objects, problems, notes: [] };
  } catch (error) {
    if (error instanceof cluster.ClusterError) throw inputError(error.message);
    throw error;
  }
}

/** Which objects a set of sources holds, for a diff that lays one over the other. */
export function layOver(below: readonly SourcedObject[], above: readonly SourcedObject[]): SourcedObject[] {
  const key = ({ object }: SourcedObject): string => {
    const group = object.apiVersion.includes("/") ? object.apiVersion.split("/")[0] : "";
    return `${group}|${object.kind}|${object.metadata?.namespace ?? ""}|${object.metadata?.name ?? ""}`;
  };
  const replaced = new Set(above.map(key));
  return [...below.filter((each) => !replaced.has(key(each))), ...above];
}
