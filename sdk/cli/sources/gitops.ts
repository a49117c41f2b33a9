/**
 * Where Flux and Argo CD put the manifests of a repository: the objects of these tools are read as the kustomizations that
 * they stand for. Sources: Flux's Kustomization API (`targetNamespace`, `commonMetadata`, `patches`; a path without a
 * kustomization is taken as one of all files below it), Argo CD's Application (`destination.namespace` is for what names none).
 */
import * as path from "node:path";
import type { KubeObject, SourcedObject } from "../../reachability";
import { listOf, mapOf, type Fields } from "../../reachability/model/plain";
import type { Kustomization, Patch } from "./kustomize";
import { textsIn } from "./kustomize-labels";

interface Deployment {
  readonly path: string;
  /** All folders below the path, too. */
  readonly recursive: boolean;
  readonly set: Omit<Kustomization, "folder" | "isComponent" | "resources" | "patches"> & {
    readonly patches?: readonly Patch[];
  };
}

/** The kustomizations that Flux's and Argo CD's objects stand for, as far as their paths lie in what was read. */
export function deploymentsIn(
  objects: readonly SourcedObject[],
  kustomizations: readonly Kustomization[],
): readonly Kustomization[] {
  const folders = new Set(kustomizations.map(({ folder }) => folder));
  const files = [...new Set(objects.flatMap(({ source }) => (source?.file === undefined ? [] : [source.file])))];
  const tree = new Tree(files.map(path.normalize), folders);
  return objects.flatMap(({ object, source }) => {
    if (source?.file === undefined) return [];
    const file = path.normalize(source.file);
    return deploymentsOf(object, file, tree).flatMap((each, index): Kustomization[] => {
      const folder = tree.find(each.path, file);
      if (folder === undefined) return [];
      return [
        {
          patches: [],
          ...each.set,
          folder: `${file}: ${object.kind} ${String(object.metadata?.name)}${index === 0 ? "" : ` (${index + 1})`}`,
          built: folder,
          isComponent: false,
          resources: tree.resourcesOf(folder, each.recursive),
        },
      ];
    });
  });
}

function deploymentsOf(object: KubeObject, file: string, tree: Tree): readonly Deployment[] {
  const group = String(object.apiVersion).split("/")[0];
  const spec = mapOf(object.spec);
  if (group === "kustomize.toolkit.fluxcd.io" && object.kind === "Kustomization") return fluxDeployment(spec);
  if (group !== "argoproj.io") return [];
  if (object.kind === "Application") return argoDeployments(spec);
  return object.kind === "ApplicationSet" ? generated(spec, file, tree) : [];
}

function fluxDeployment(spec: Fields): readonly Deployment[] {
  const pairs = textsIn(mapOf(spec["commonMetadata"])["labels"]);
  const patches = listOf(spec["patches"]).map((each): Patch => {
    const { patch, target } = mapOf(each);
    return {
      ...(typeof patch === "string" ? { text: patch } : {}),
      ...(target === undefined ? {} : { target: mapOf(target) }),
    };
  });
  const namespace = spec["targetNamespace"];
  return [
    {
      path: typeof spec["path"] === "string" ? spec["path"] : ".",
      recursive: true,
      set: {
        patches,
        ...(typeof namespace === "string" && namespace !== "" ? { namespace } : {}),
        ...(Object.keys(pairs).length === 0 ? {} : { labels: [{ pairs, selectors: false, templates: false }] }),
      },
    },
  ];
}

function argoDeployments(spec: Fields): readonly Deployment[] {
  const namespace = mapOf(spec["destination"])["namespace"];
  return [spec["source"], ...listOf(spec["sources"])].map(mapOf).flatMap((source) => {
    if (typeof source["path"] !== "string") return [];
    const overridden = mapOf(source["kustomize"])["namespace"];
    return [
      {
        path: source["path"],
        recursive: mapOf(source["directory"])["recurse"] === true,
        set: {
          ...(typeof overridden === "string" && overridden !== "" ? { namespace: overridden } : {}),
          ...(typeof namespace === "string" && namespace !== "" ? { fallbackNamespace: namespace } : {}),
        },
      },
    ];
  });
}

/** Applications of a set: one for each folder of the generator for folders, or one where nothing is filled in. */
function generated(spec: Fields, file: string, tree: Tree): readonly Deployment[] {
  const inner = mapOf(mapOf(spec["template"])["spec"]);
  const folders = listOf(spec["generators"])
    .map(mapOf)
    .flatMap((generator) => listOf(mapOf(generator["git"])["directories"]).map(mapOf))
    .flatMap(({ path: pattern, exclude }) =>
      typeof pattern === "string" && exclude !== true ? tree.matching(pattern, file) : [],
    );
  const fill = (text: unknown, folder: string): unknown =>
    typeof text === "string"
      ? text
          .replace(/\{\{\s*\.?path(\.path)?\s*\}\}/g, folder)
          .replace(/\{\{\s*\.?path\.basename\s*\}\}/g, path.basename(folder))
      : text;
  const filled =
    folders.length === 0
      ? [argoDeployments(inner)]
      : folders.map((folder) => {
          const destination = mapOf(inner["destination"]);
          const source = mapOf(inner["source"]);
          return argoDeployments({
            ...inner,
            source: { ...source, path: fill(source["path"], folder) },
            destination: { ...destination, namespace: fill(destination["namespace"], folder) },
          });
        });
  return filled.flat().filter(({ path: place, set }) => !/\{\{/.test(place + (set.fallbackNamespace ?? "")));
}

/** The folders of what was read. */
class Tree {
  readonly #folders = new Set<string>();

  constructor(
    private readonly files: readonly string[],
    private readonly kustomized: ReadonlySet<string>,
  ) {
    const add = (folder: string): void => {
      for (let at = folder; !this.#folders.has(at); at = path.dirname(at)) this.#folders.add(at);
    };
    for (const file of files) add(path.dirname(file));
    for (const folder of kustomized) add(folder);
  }

  /** The folder of a path that begins at the root of the repository, which is some folder above the file. */
  find(place: string, file: string): string | undefined {
    const wanted = place.replace(/^(\.?\/)+/, "").replace(/\/+$/, "");
    if (wanted === "" || wanted === "." || wanted.startsWith("..")) return undefined;
    return this.#roots(file)
      .map((root) => path.join(root, wanted))
      .find((folder) => this.#folders.has(folder));
  }

  /** Folders, as paths from the root, that a pattern like `apps/*` names. */
  matching(pattern: string, file: string): readonly string[] {
    const steps = pattern.replace(/^(\.?\/)+/, "").split("/");
    const expression = steps.map((step) => step.split("*").map(escaped).join("[^/]*")).join("/");
    const whole = new RegExp(`^${expression}$`);
    for (const root of this.#roots(file)) {
      const found = [...this.#folders]
        .map((folder) => path.relative(root, folder))
        .filter((folder) => whole.test(folder));
      if (found.length > 0) return found.sort();
    }
    return [];
  }

  /** The folders above a file, the outermost first. */
  #roots(file: string): readonly string[] {
    const roots: string[] = [];
    for (let at = path.dirname(file); ; at = path.dirname(at)) {
      roots.unshift(at);
      if (at === path.dirname(at)) return roots;
    }
  }

  /** What is applied of a folder: its kustomization, else its files and the kustomizations below it. */
  resourcesOf(folder: string, recursive: boolean): readonly string[] {
    if (this.kustomized.has(folder)) return [folder];
    const below = this.files.filter(
      (file) => path.dirname(file) === folder || (recursive && file.startsWith(`${folder}/`)),
    );
    // Flux does not look below a folder that has a kustomization
    const resources = below.map((file) => {
      let outermost: string | undefined;
      for (let at = path.dirname(file); at.length > folder.length; at = path.dirname(at)) {
        if (this.kustomized.has(at)) outermost = at;
      }
      return outermost ?? file;
    });
    return [...new Set([...resources, `helm template ${folder}`])];
  }
}

function escaped(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
}
