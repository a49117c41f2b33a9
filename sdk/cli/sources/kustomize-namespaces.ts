/** Where objects lie after kustomize, and their labels: the `namespace:` of a kustomization replaces that of all it takes in. */
import * as path from "node:path";
import { hasTemplate } from "../../cluster/owners";
import { unknownValue } from "../../reachability";
import type { KubeObject, SourcedObject } from "../../reachability";
import type { Kustomization } from "./kustomize";
import { withLabels, type AddedLabels } from "./kustomize-labels";

/** A namespace by its name; `own`: what the object names, or none; `unknown`: it is filled in later. */
type Place = { readonly name: string } | "own" | "unknown";

/** What the kustomizations that take a file in do to its objects. */
interface Setting {
  readonly place: Place;
  /** For objects that name no namespace then. */
  readonly fallback: string | undefined;
  /** The innermost first. */
  readonly labels: readonly AddedLabels[];
}

/**
 * Objects with the namespaces and labels that kustomizations give them. What several kustomizations take in lies in each of their
 * namespaces. A Namespace object gets the name as well (kustomize's namespace transformer), but only where a workload
 * that was read lies in it. What only components hold that nothing takes in lies in
 * no namespace that is known.
 */
export function withNamespaces(
  objects: readonly SourcedObject[],
  kustomizations: readonly Kustomization[],
  isNamespaced: (object: KubeObject) => boolean,
): readonly SourcedObject[] {
  const places = settingsOf(kustomizations);
  if (places.size === 0) return objects;
  const isNamespace = ({ object }: SourcedObject): boolean => object.apiVersion === "v1" && object.kind === "Namespace";
  const inhabited = new Set<string>();
  const moved = objects.map((each): readonly SourcedObject[] => {
    const found = places.get(path.normalize(each.source?.file ?? ""));
    if (found === undefined || isNamespace(each)) return [each];
    const all = isNamespaced(each.object)
      ? [...found.values()].map(({ place, fallback, labels }) => withLabels(inPlace(each, place, fallback), labels))
      : [...found.values()].map(({ labels }) => withLabels(each, labels));
    if (each.object.kind === "Pod" || hasTemplate(each))
      for (const { object } of all) inhabited.add(String(object.metadata?.namespace ?? ""));
    return all;
  });
  return moved.flatMap(([first, ...rest]) => {
    if (first === undefined || !isNamespace(first)) return first === undefined ? [] : [first, ...rest];
    const found = places.get(path.normalize(first.source?.file ?? ""));
    if (found === undefined) return first;
    return [...found.values()].flatMap(({ place, labels }) =>
      named(first, place, inhabited).map((each) => withLabels(each, labels)),
    );
  });
}

/** A Namespace object under the name that a kustomization gives it. */
function named(each: SourcedObject, place: Place, inhabited: ReadonlySet<string>): readonly SourcedObject[] {
  if (place === "own") return [each];
  if (place === "unknown") return [withMetadata(each, { name: unknownValue })];
  const isSame = each.object.metadata?.name === place.name;
  if (isSame || inhabited.has(place.name)) return [withMetadata(each, { name: place.name })];
  return [];
}

function inPlace(each: SourcedObject, place: Place, fallback: string | undefined): SourcedObject {
  if (place === "own") {
    const isOpen = fallback !== undefined && !each.object.metadata?.namespace;
    return isOpen ? withMetadata(each, { namespace: fallback }) : each;
  }
  if (place === "unknown") {
    return each.object.metadata?.namespace === undefined ? withMetadata(each, { namespace: unknownValue }) : each;
  }
  return withMetadata(each, { namespace: place.name });
}

function withMetadata(each: SourcedObject, fields: Readonly<Record<string, unknown>>): SourcedObject {
  return { ...each, object: { ...each.object, metadata: { ...each.object.metadata, ...fields } } };
}

/** For each file that a kustomization takes in, what becomes of its objects, by their text. */
function settingsOf(kustomizations: readonly Kustomization[]): Map<string, Map<string, Setting>> {
  const byFolder = new Map(kustomizations.map((each) => [each.folder, each]));
  const settings = new Map<string, Map<string, Setting>>();
  const taken = new Set(kustomizations.flatMap(({ resources }) => resources));
  const add = (resource: string, setting: Setting): void => {
    const known = settings.get(resource) ?? new Map<string, Setting>();
    settings.set(resource, known.set(JSON.stringify(setting), setting));
  };
  const visit = (each: Kustomization, outer: Partial<Setting>, above: readonly string[]): void => {
    if (above.includes(each.folder)) return;
    const place = outer.place ?? placeOf(each, byFolder);
    const fallback = outer.fallback ?? each.fallbackNamespace;
    const labels = [...addedBy(each, byFolder), ...(outer.labels ?? [])];
    const setting: Setting = { place: place ?? "own", fallback, labels };
    for (const resource of each.resources) {
      const inner = byFolder.get(resource);
      if (inner === undefined) add(resource, setting);
      else {
        // what was rendered has what its own kustomization gives
        add(`kustomize build ${resource}`, setting);
        visit(inner, { ...(place === undefined ? {} : { place }), fallback, labels }, [...above, each.folder]);
      }
    }
  };
  for (const each of kustomizations) {
    if (taken.has(each.folder)) continue;
    const place = each.isComponent ? (placeOf(each, byFolder) ?? "unknown") : undefined;
    visit(each, place === undefined ? {} : { place }, []);
  }
  return settings;
}

/** The labels that a kustomization adds, and those of its components. */
function addedBy(each: Kustomization, byFolder: ReadonlyMap<string, Kustomization>): readonly AddedLabels[] {
  const components = each.resources.flatMap((folder) => {
    const inner = byFolder.get(folder);
    return inner?.isComponent === true ? (inner.labels ?? []) : [];
  });
  return [...components, ...(each.labels ?? [])];
}

/** The namespace that a kustomization gives, or one of its components does. */
function placeOf(each: Kustomization, byFolder: ReadonlyMap<string, Kustomization>): Place | undefined {
  const components = each.resources.flatMap((folder) => {
    const inner = byFolder.get(folder);
    return inner?.isComponent === true ? [inner] : [];
  });
  const name = each.namespace ?? components.find(({ namespace }) => namespace !== undefined)?.namespace;
  if (name === undefined) return undefined;
  return /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/.test(name) ? { name } : "unknown";
}
