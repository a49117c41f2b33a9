/** What kustomizations do to the objects of a folder, as far as it can be seen without building them. */
import * as path from "node:path";
import { loadAll } from "js-yaml";
import { isPolicy, readYaml, unknownValue } from "../../reachability";
import type { KubeObject, Problem, SourcedObject } from "../../reachability";
import { listOf, mapOf, type Fields } from "../../reachability/model/plain";
import { labelsOf, type AddedLabels } from "./kustomize-labels";
import { templatePathOf, touchedBy, withTouched } from "./patch-effects";

/** A kustomization file, read. */
export interface Kustomization {
  /** The folder it lies in. */
  readonly folder: string;
  readonly isComponent: boolean;
  /** Files and folders that it takes in. */
  readonly resources: readonly string[];
  readonly patches: readonly Patch[];
  readonly namespace?: string;
  /** The namespace of what names none after all kustomizations. */
  readonly fallbackNamespace?: string;
  readonly labels?: readonly AddedLabels[];
  /** ConfigMaps that it makes of files, by their keys. */
  readonly configMaps?: readonly { readonly name: unknown; readonly files: ReadonlyMap<string, string> }[];
  /** The folder to build, where it is another: what Flux and Argo CD make of it. */
  readonly built?: string;
}

/** A change to an object that lies elsewhere. */
export interface Patch {
  /** The file it is written in; nothing where it is written in the kustomization. */
  readonly file?: string;
  readonly text?: string;
  /** Which objects it is about; nothing where its own name says so. */
  readonly target?: Readonly<Record<string, unknown>>;
}

const kustomizationName = /^(kustomization\.ya?ml|Kustomization)$/;

export function isKustomizationFile(file: string): boolean {
  return kustomizationName.test(path.basename(file));
}

function textsOf(value: unknown): string[] {
  return listOf(value).filter((each) => typeof each === "string");
}

/** Reads a kustomization; what cannot be read of it changes nothing. */
export function readKustomization(file: string, value: unknown): Kustomization {
  const folder = path.dirname(file);
  const fields = mapOf(value);
  const at = (name: string): string => path.join(folder, name);
  const inline = (text: string): Patch => (/\n|:\s/.test(text) ? { text } : { file: at(text) });
  const patches = [...listOf(fields["patches"]), ...listOf(fields["patchesJson6902"])].map((each): Patch => {
    const { path: name, patch, target } = mapOf(each);
    return {
      ...(typeof name === "string" ? { file: at(name) } : {}),
      ...(typeof patch === "string" ? { text: patch } : {}),
      ...(target === undefined ? {} : { target: mapOf(target) }),
    };
  });
  const namespace = fields["namespace"];
  return {
    folder,
    isComponent: fields["kind"] === "Component",
    resources: ["resources", "bases", "components"].flatMap((key) => textsOf(fields[key])).map(at),
    patches: [...patches, ...textsOf(fields["patchesStrategicMerge"]).map(inline)],
    ...(typeof namespace === "string" && namespace !== "" ? { namespace } : {}),
    labels: labelsOf(fields),
    configMaps: listOf(fields["configMapGenerator"]).map((each) => {
      const { name, files } = mapOf(each);
      // kustomize reads no file outside the kustomization's folder
      const entries = textsOf(files).flatMap((text): [string, string][] => {
        const [first = "", second = first] = text.split("=", 2);
        const key = second === first ? path.basename(first) : first;
        return path.normalize(second).startsWith("..") || path.isAbsolute(second) ? [] : [[key, at(second)]];
      });
      return { name, files: new Map(entries) };
    }),
  };
}

export interface Overlaid {
  readonly objects: readonly SourcedObject[];
  readonly problems: readonly Problem[];
  /** Files with patches that say elsewhere what they are about: they need not name it themselves. */
  readonly targeted: ReadonlySet<string>;
}

/**
 * Takes the patches out of the objects, which are no whole objects, and leaves open what they change: the spec of a policy,
 * labels of a namespace or of pods. What is optional may be there or not.
 */
export function withoutPatches(
  objects: readonly SourcedObject[],
  kustomizations: readonly Kustomization[],
  textOf: (file: string) => string | undefined,
): Overlaid {
  const parts = new Set(kustomizations.flatMap(({ patches }) => patches.flatMap(({ file }) => file ?? [])));
  const targeted = new Set(
    kustomizations.flatMap(({ patches }) =>
      patches.flatMap(({ file, target }) => (target === undefined ? [] : (file ?? []))),
    ),
  );
  const listed = new Set(kustomizations.flatMap(({ resources }) => resources));
  const folders = new Set(kustomizations.map(({ folder }) => folder));
  const isPart = ({ object, source }: SourcedObject): boolean => {
    if ("$patch" in object) return true;
    if (source?.file === undefined) return false;
    const file = path.normalize(source.file);
    if (parts.has(file)) return true;
    const isOdd = !listed.has(file) && lacksSelector(object);
    return isOdd && (folders.has(path.dirname(file)) || (folders.size > 0 && lacksLabels(object)));
  };
  const optional = optionalFiles(kustomizations);
  const whole = objects
    .filter((each) => !isPart(each))
    .map((each) => {
      const file = path.normalize(each.source?.file ?? "");
      return {
        ...each,
        ...(optional.has(file) ? { perhaps: true } : {}),
        ...(listed.has(file) ? { variant: true } : {}),
      };
    });
  const partsByFile = new Map<string, KubeObject[]>();
  for (const { object, source } of objects.filter(isPart)) {
    const file = path.normalize(source?.file ?? "");
    // a patch that no kustomization lists is switched off
    if (!parts.has(file) && !("$patch" in object)) continue;
    partsByFile.set(file, [...(partsByFile.get(file) ?? []), object]);
  }
  const changes = changesOf(kustomizations, partsByFile, textOf);
  if (changes.length === 0) return { objects: whole, problems: [], targeted };
  const problems: Problem[] = [];
  const changed = whole.map((each) => {
    if (!isOfInterest(each.object)) return each;
    const place = path.normalize(each.source?.file ?? "");
    const about = changes.filter((change) => (change.reach?.has(place) ?? true) && isAbout(change, each.object));
    const [first] = about;
    if (first === undefined) return each;
    const left = leftOpen(each.object, about);
    if (left === undefined) return each;
    const patches = [...new Set(about.map(({ by }) => by))].sort();
    problems.push(patchedProblem(each, patches, first.root));
    return { ...each, object: left, patchedBy: patches };
  });
  return { objects: changed, problems, targeted };
}

/** Kustomizations that no other one takes in. */
export function rootsOf(kustomizations: readonly Kustomization[]): Kustomization[] {
  const taken = new Set(kustomizations.flatMap(({ resources }) => resources));
  return kustomizations.filter(({ folder, isComponent }) => !isComponent && !taken.has(folder));
}

/**
 * The files of components that may be applied or not: nothing takes the component in, or one of several overlays of the same
 * base does and another one does not that may be for the same namespace.
 */
function optionalFiles(kustomizations: readonly Kustomization[]): ReadonlySet<string> {
  const ofComponents = new Set(kustomizations.filter((each) => each.isComponent).flatMap((each) => each.resources));
  const byFolder = new Map(kustomizations.map((each) => [each.folder, each]));
  const takers = new Map<string, Set<Kustomization>>();
  for (const root of rootsOf(kustomizations)) {
    for (const place of reachOf(root, byFolder)) takers.set(place, (takers.get(place) ?? new Set()).add(root));
  }
  const overlays = new Map<Kustomization, Set<Kustomization>>();
  for (const [file, roots] of takers) {
    if (ofComponents.has(file) || byFolder.has(file)) continue;
    for (const root of roots) overlays.set(root, new Set([...(overlays.get(root) ?? []), ...roots]));
  }
  const isCertain = (file: string): boolean => {
    const roots = takers.get(file) ?? new Set();
    const instead = [...roots].flatMap((root) =>
      [...(overlays.get(root) ?? [])].filter((each) => mayReplace(each, root)),
    );
    return roots.size > 0 && instead.every((each) => roots.has(each));
  };
  return new Set([...ofComponents].filter((file) => !isCertain(file)));
}

/** Whether what two overlays make of a base may lie in the same place. */
function mayReplace(one: Kustomization, other: Kustomization): boolean {
  return one.namespace === undefined || other.namespace === undefined || one.namespace === other.namespace;
}

/** What a patch may change of the object is seen only when its kustomization is rendered. */
function patchedProblem({ object, source }: SourcedObject, patches: readonly string[], root: string): Problem {
  const { metadata, apiVersion, kind } = object;
  const namespace = textOf(metadata?.namespace);
  const name = textOf(metadata?.name) ?? "(unknown)";
  return {
    code: "variants",
    message: `changed by a patch of a kustomization (${patches.join(", ")}): render it first (kustomize build ${root} | cluster-security matrix -)`,
    object: { apiVersion, kind, name, ...(namespace === undefined ? {} : { namespace }) },
    ...(source === undefined ? {} : { source }),
    affectsVerdicts: false,
  };
}

/** A text; nothing for a placeholder that was not filled in. */
function textOf(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}

/** What the patches of kustomizations change, and what parts say that no kustomization names. */
function changesOf(
  kustomizations: readonly Kustomization[],
  partsByFile: ReadonlyMap<string, readonly KubeObject[]>,
  textOf: (file: string) => string | undefined,
): readonly Change[] {
  const placed = new Set<string>();
  const byFolder = new Map(kustomizations.map((each) => [each.folder, each]));
  const changes: Change[] = kustomizations.flatMap((kustomization) => {
    const reach = kustomization.isComponent ? undefined : reachOf(kustomization, byFolder);
    return kustomization.patches.flatMap(({ text, target, file }): Change[] => {
      const by = file ?? kustomization.folder;
      const root = kustomization.built ?? kustomization.folder;
      if (file !== undefined) placed.add(file);
      const inFile = file === undefined ? [] : (partsByFile.get(file) ?? []);
      const inText = text === undefined ? [] : readYaml(text).objects.map(({ object }) => object);
      const whole = [...inFile, ...inText].map((change): Change => ({ root, change, by, reach }));
      if (target === undefined) return whole;
      const written = text ?? (file === undefined ? undefined : textOf(file));
      return [...whole, { root, target, by, reach, documents: written === undefined ? undefined : parsed(written) }];
    });
  });
  for (const [file, found] of partsByFile) {
    if (!placed.has(file))
      changes.push(...found.map((change): Change => ({ root: "FOLDER", change, by: file, reach: undefined })));
  }
  return changes;
}

/** The documents of a text; nothing where it is not YAML. */
function parsed(text: string): readonly unknown[] | undefined {
  try {
    return loadAll(text);
  } catch {
    return undefined;
  }
}

/** The API server refuses such an object; beside a kustomization that does not list it, it is a patch that is switched off. */
function lacksSelector({ apiVersion, kind, spec }: KubeObject): boolean {
  return apiVersion === "apps/v1" && kind !== "ControllerRevision" && !("selector" in mapOf(spec));
}

/** Pods without any label that no selector asks for: a patch, for whatever tool. */
function lacksLabels({ spec }: KubeObject): boolean {
  return Object.keys(mapOf(mapOf(mapOf(mapOf(spec)["template"])["metadata"])["labels"])).length === 0;
}

type Change = {
  /** The folder of the kustomization to build. */
  readonly root: string;
  /** Where it is written. */
  readonly by: string;
  /** The files whose objects it may be about. Default: any. */
  readonly reach: ReadonlySet<string> | undefined;
} & ({ readonly change: KubeObject } | { readonly target: Fields; readonly documents: readonly unknown[] | undefined });

/** The files that a kustomization takes in, also by others. */
function reachOf(start: Kustomization, byFolder: ReadonlyMap<string, Kustomization>): Set<string> {
  const reached = new Set<string>();
  const visit = (places: readonly string[]): void => {
    for (const place of places) {
      if (reached.has(place)) continue;
      reached.add(place);
      visit(byFolder.get(place)?.resources ?? []);
    }
  };
  visit(start.resources);
  return reached;
}

/** Policies, and what they select by labels. */
function isOfInterest(object: KubeObject): boolean {
  const { apiVersion, kind } = object;
  if (isPolicy(apiVersion, kind) || (apiVersion === "v1" && kind === "Namespace")) return true;
  return templatePathOf(object) !== undefined;
}

function isAbout(change: Change, object: KubeObject): boolean {
  if ("change" in change) {
    const { kind, metadata } = change.change;
    const namespace = metadata?.namespace;
    return (
      kind === object.kind &&
      metadata?.name === object.metadata?.name &&
      (namespace === undefined || object.metadata?.namespace === undefined || namespace === object.metadata.namespace)
    );
  }
  const { kind, name, namespace } = change.target;
  const fits = (pattern: unknown, value: string | undefined): boolean => {
    if (typeof pattern !== "string" || pattern === "") return true;
    try {
      return new RegExp(`^(?:${pattern})$`).test(value ?? "");
    } catch {
      return true;
    }
  };
  return fits(kind, object.kind) && fits(name, object.metadata?.name) && fits(namespace, object.metadata?.namespace);
}

/** The object with what a change may touch unknown; nothing where no verdict depends on what it touches. */
function leftOpen(object: KubeObject, changes: readonly Change[]): KubeObject | undefined {
  if (isPolicy(object.apiVersion, object.kind)) {
    return { ...object, spec: unknownValue, ...("specs" in object ? { specs: unknownValue } : {}) };
  }
  return withTouched(
    object,
    changes.map((each) => touchedBy("change" in each ? [each.change] : each.documents)),
  );
}
