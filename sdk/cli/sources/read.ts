/** Reads sources: files, folders, standard input, live clusters. */
import { existsSync } from "node:fs";
import * as path from "node:path";
import { isClusterwide, readYaml } from "../../reachability";
import type { KubeObject, Problem, SourcedObject } from "../../reachability";
import { inputError, usageError } from "../errors";
import { reading } from "../interruption";
import { filesOf, textOf, textOfStandardInput, type FileOptions } from "./files";
import { chartReleases } from "./chart-releases";
import { deploymentsIn } from "./gitops";
import { isModule } from "../module-file";
import { declarationFrom, readDeclarationFile } from "./declaration";
import { isGitSource, readRevision } from "./git-revision";
import { isKustomizationFile, readKustomization, rootsOf, withoutPatches, type Kustomization } from "./kustomize";
import { withNamespaces } from "./kustomize-namespaces";
import { withReleases } from "./helm-releases";
import { isHistory, textOfHistory } from "./pulumi-history";
import { isPulumiPreview, readPulumiPreview } from "./pulumi-preview";
import { isPulumiState, readPulumiState } from "./pulumi-state";
import { render, type Renderable } from "./render";
import { strayKindOf, Strays } from "./strays";
import { joinContents, type SourceContent, type TextForm } from "./types";

/** The beginning of a source that is a live cluster: `context=prod`. */
const contextPrefix = "context=";

export interface ReadOptions {
  /** How texts are understood. `auto`: by their content. */
  readonly form: TextForm | "auto";
  /** Default: `$KUBECONFIG`, then `~/.kube/config`. */
  readonly kubeconfig?: string;
  /** A line for stderr while something takes long. */
  readonly progress: (text: string) => void;
  /** Which files of a folder are read. */
  readonly files: FileOptions;
  /** All files that are passed over are named. */
  readonly verbose: boolean;
  /** Charts and kustomizations are rendered, and what comes out is read instead of them. */
  readonly render: boolean;
  /** The namespace of objects of files that name none. */
  readonly defaultNamespace: string | undefined;
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
  const folders = new Folders(options);
  for (const spec of specs) contents.push(await readSource(spec, options, folders));
  return withDefaultNamespace(folders.overlay(joinContents(contents)), options.defaultNamespace);
}

async function readSource(spec: string, options: ReadOptions, folders: Folders): Promise<SourceContent> {
  if (spec === "") throw usageError("a source is empty: name a file or a folder");
  if (spec === "-") {
    if (options.form === "declaration") throw usageError("--as declaration: name the file, - is for manifests");
    return readText(await textOfStandardInput(), undefined, options.form);
  }
  if (spec.startsWith(contextPrefix)) return readCluster(spec.slice(contextPrefix.length), options);
  if (isHistory(spec)) return readText(textOfHistory(spec), spec, "state");
  if (isGitSource(spec)) {
    return readRevision(spec, async (place) => {
      // its files are gone afterwards, so patches and hints of its folders are dealt with at once
      const own = new Folders(options);
      return own.overlay(await readPlace(place, options, own));
    });
  }
  return readPlace(spec, options, folders);
}

/** A file or a folder. */
async function readPlace(spec: string, options: ReadOptions, folders: Folders): Promise<SourceContent> {
  if (isModule(spec)) return readDeclarationFile(spec);
  const { files, hidden, ignored } = filesOf(spec, options.files);
  if (files.length === 1 && files[0] === spec) {
    const text = textOf(spec);
    if (options.form === "declaration" || (options.form === "auto" && declarationFrom(text) !== undefined))
      return readDeclarationFile(spec);
    return readText(text, spec, options.form);
  }
  folders.strays.add("hidden", ...hidden);
  folders.strays.add("ignored", ...ignored);
  if (files.length === 0) throw inputError(`there is no .yaml, .yml or .json file below "${spec}"`);
  return folders.read(files);
}

/** What was met in folders, for all sources together: patches of one may be about objects of another. */
class Folders {
  readonly strays = new Strays();
  readonly #kustomizations: Kustomization[] = [];
  readonly #charts = new Set<string>();

  constructor(private readonly options: ReadOptions) {}

  read(files: readonly string[]): SourceContent {
    const charts = files.filter((file) => path.basename(file) === "Chart.yaml").map((file) => path.dirname(file));
    for (const chart of charts) if (!charts.some((other) => isBelow(chart, other))) this.#charts.add(chart);
    const rest: string[] = [];
    const chartFiles: string[] = [];
    const kustomizations: Kustomization[] = [];
    for (const file of files) {
      if (charts.some((chart) => isOfChart(file, chart))) chartFiles.push(file);
      else if (isKustomizationFile(file)) {
        kustomizations.push(readKustomization(path.normalize(file), valueIn(textOf(file))));
      } else rest.push(file);
    }
    this.#kustomizations.push(...kustomizations);
    const rendered = this.options.render ? this.#render(kustomizations, rest) : undefined;
    const isRendered = (file: string): boolean => [...this.#rendered].some((folder) => isBelow(file, folder));
    this.strays.add("chart", ...chartFiles.filter((file) => !isRendered(file)));
    for (const file of files) {
      if (isKustomizationFile(file) && !this.#rendered.has(path.dirname(path.normalize(file)))) {
        this.strays.add("kustomization", file);
      }
    }
    const unread = rendered === undefined ? rest : rest.filter((file) => !rendered.covers(file));
    const contents = unread.map((file) => this.#readFile(file));
    return joinContents(rendered === undefined ? contents : [rendered.content, ...contents]);
  }

  #readFile(file: string): SourceContent {
    const text = textOf(file);
    const content = readText(text, file, this.options.form);
    const others = content.problems.filter(({ code }) => code === "not-an-object");
    if (others.length === 0) return content;
    // a document that is no Kubernetes object at all (values.yaml, package.json) is none, whatever is wrong with it
    if (content.objects.length === 0) this.strays.add(strayKindOf(file, text), file);
    else this.strays.add("other", ...others.map(({ source }) => `${file}:${source?.line ?? 1}`));
    return { ...content, problems: content.problems.filter(({ code }) => code !== "not-an-object") };
  }

  #render(
    kustomizations: readonly Kustomization[],
    files: readonly string[],
  ): { content: SourceContent; covers(file: string): boolean } {
    const roots = rootsOf(kustomizations).map(({ folder }) => folder);
    const releases = chartReleases(files, textOf, this.#charts);
    const targets: Renderable[] = [
      ...[...this.#charts].filter(isInstallable).flatMap((folder): Renderable[] => {
        const installed = releases.get(folder) ?? [];
        return installed.length === 0
          ? [{ tool: "helm", folder }]
          : installed.map((release) => ({ tool: "helm", folder, release }));
      }),
      ...roots.map((folder): Renderable => ({ tool: "kustomize", folder })),
    ];
    const done = targets.map((target) => ({ target, ...render(target) }));
    const built = done.filter(({ text }) => text !== undefined).map(({ target }) => target.folder);
    const taken = filesOfKustomizations(kustomizations, built);
    for (const folder of built) {
      this.#charts.delete(folder);
      this.#rendered.add(folder);
    }
    for (const { folder } of kustomizations) if (taken.has(folder)) this.#rendered.add(folder);
    for (const folder of [...this.#charts]) if (!isInstallable(folder)) this.#charts.delete(folder);
    const contents = done.map(({ target, text, problem }): SourceContent => {
      const where = `${target.tool === "helm" ? "helm template" : "kustomize build"} ${target.folder}`;
      if (text !== undefined) return asVariants(readText(text, where, "manifests"));
      return { objects: [], notes: [], problems: problem === undefined ? [] : [problem] };
    });
    return { content: joinContents(contents), covers: (file) => taken.has(path.normalize(file)) };
  }

  readonly #rendered = new Set<string>();

  /** What patches and namespaces of kustomizations change, and lines on what was passed over. */
  overlay(content: SourceContent): SourceContent {
    // what was rendered has its patches and namespaces already
    const kustomizations = this.#kustomizations.map((each): Kustomization => {
      const { namespace: _namespace, labels: _labels, ...rest } = each;
      return this.#rendered.has(each.folder) ? { ...rest, patches: [] } : each;
    });
    const applied = [...kustomizations, ...deploymentsIn(content.objects, kustomizations)];
    const isNamespaced = ({ apiVersion, kind }: KubeObject): boolean => !isClusterwide(apiVersion, kind);
    const textIn = (file: string): string | undefined => (existsSync(file) ? textOf(file) : undefined);
    const released = withReleases(content.objects, kustomizations, textIn);
    const { objects: whole, problems, targeted } = withoutPatches(released, applied, textIn);
    const isAbout = ({ code, source }: Problem): boolean =>
      code === "unreadable" && targeted.has(path.normalize(source?.file ?? ""));
    const objects = withNamespaces(whole, applied, isNamespaced);
    const roots = rootsOf(kustomizations)
      .map(({ folder }) => folder)
      .filter((folder) => !this.#rendered.has(folder));
    const hints = [
      ...hint("Helm chart", [...this.#charts], "helm template", this.options.verbose),
      ...hint("kustomization", roots, "kustomize build", this.options.verbose),
    ];
    return {
      objects,
      problems: [
        ...content.problems.filter((problem) => !isAbout(problem) && !isNamedNow(problem, objects)),
        ...problems,
      ],
      notes: [...content.notes, ...this.strays.lines(this.options.verbose), ...hints],
    };
  }
}

/** Whether a problem is that a Namespace has no name yet which a kustomization has given it. */
function isNamedNow({ code, object, source, message }: Problem, objects: readonly SourcedObject[]): boolean {
  if (code !== "unknown-value" || object?.kind !== "Namespace" || !message.startsWith("metadata.name is "))
    return false;
  const same = objects.filter((each) => each.source?.file === source?.file && each.source?.line === source?.line);
  return same.every((each) => typeof each.object.metadata?.name === "string");
}

/** Charts and overlays that render the same object are variants of an installation. */
function asVariants(content: SourceContent): SourceContent {
  return { ...content, objects: content.objects.map((each) => ({ ...each, variant: true })) };
}

/** A library chart renders to nothing (Helm, "Library Charts"). */
function isInstallable(chart: string): boolean {
  return !/^type:\s*["']?library\b/m.test(textOf(path.join(chart, "Chart.yaml")));
}

/** The command that shows what a chart or a kustomization comes to. */
function hint(what: string, folders: readonly string[], command: string, verbose: boolean): string[] {
  const [first] = folders;
  if (first === undefined) return [];
  const more =
    folders.length > 1 ? ` (and ${folders.length - 1} more${verbose ? `: ${folders.slice(1).join(", ")}` : ""})` : "";
  // what a revision holds is not in the folder: there is nothing that helm or kustomize could read
  const how = first.startsWith("git:")
    ? "check the revision out, and use --render"
    : `${command} ${first} | cluster-security COMMAND -, or --render`;
  return [`${what} ${first}${more} is not rendered, its contents are not seen: ${how}`];
}

/** The files that the kustomizations of these folders take in, also by other kustomizations. */
function filesOfKustomizations(kustomizations: readonly Kustomization[], folders: readonly string[]): Set<string> {
  const byFolder = new Map(kustomizations.map((each) => [each.folder, each]));
  const files = new Set<string>();
  const visit = (place: string): void => {
    if (files.has(place)) return;
    files.add(place);
    const found = byFolder.get(place);
    for (const each of found?.resources ?? []) visit(each);
    for (const { file } of found?.patches ?? []) if (file !== undefined) files.add(file);
  };
  folders.forEach(visit);
  return files;
}

function isBelow(folder: string, other: string): boolean {
  return folder !== other && (other === "." || folder.startsWith(`${other}${path.sep}`));
}

/** Files that belong to a chart and mean nothing without Helm. */
function isOfChart(file: string, chart: string): boolean {
  const inside = path.relative(chart, file).split(path.sep);
  const [first = "", second] = inside;
  if (first === "..") return false;
  if (second !== undefined) return ["templates", "charts", "crds", "ci", "tests"].includes(first);
  return /^(Chart|requirements)\.(ya?ml|lock)$|^values.*\.(ya?ml|json)$/i.test(first);
}

function valueIn(text: string): unknown {
  return readYaml(asKustomization(text)).objects[0]?.object;
}

/** Both fields may be left out of a kustomization. */
function asKustomization(text: string): string {
  const fields = [
    /^apiVersion:/m.test(text) ? "" : "apiVersion: kustomize.config.k8s.io/v1beta1\n",
    /^kind:/m.test(text) ? "" : "kind: Kustomization\n",
  ];
  return fields.join("") + text.replace(/^---[ \t]*\r?\n/m, "");
}

/** Objects that name no namespace lie in that which the user names, else in `default`, which is said. */
function withDefaultNamespace(content: SourceContent, name: string | undefined): SourceContent {
  const isOpen = ({ object, source }: SourcedObject): boolean =>
    source?.cluster === undefined &&
    source?.urn === undefined &&
    (object.metadata?.namespace === undefined || object.metadata.namespace === null) &&
    !isClusterwide(object.apiVersion, object.kind) &&
    /^(v1|apps\/.*|batch\/.*|.*(cilium|calico|istio|k8s)\..*)$/.test(object.apiVersion);
  const open = content.objects.filter(isOpen);
  if (open.length === 0) return content;
  if (name !== undefined) {
    const objects = content.objects.map((each) =>
      isOpen(each)
        ? { ...each, object: { ...each.object, metadata: { ...each.object.metadata, namespace: name } } }
        : each,
    );
    return { ...content, objects };
  }
  const count =
    open.length === 1 ? "1 object names no namespace and is" : `${open.length} objects name no namespace and are`;
  const text = `${count} taken for objects of "default" (--default-namespace NAME for another)`;
  return { ...content, notes: [...content.notes, text] };
}

interface Read {
  readonly objects: readonly SourcedObject[];
  readonly problems: readonly Problem[];
}

/** What a text holds: manifests, a Pulumi state or preview. @param file Where it stands; standard input if undefined. */
export function readText(text: string, file: string | undefined, form: ReadOptions["form"]): SourceContent {
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
  const { objects, problems }: Read = readYaml(text, where);
  return { objects, problems, notes: [] };
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
  const connection = await cluster.connect({
    context,
    ...(options.kubeconfig === undefined ? {} : { kubeconfig: options.kubeconfig }),
  });
  const client = new cluster.ApiClient(connection, { onRetry: options.progress });
  const { objects, problems } = await reading(() => cluster.readLiveObjects(client, { cluster: context }));
  return { objects, problems, notes: [] };
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
