/** Where objects lie after kustomize: the `namespace:` of a kustomization replaces that of all it takes in. */
import * as path from "node:path";
import { hasTemplate } from "../../cluster/owners";
import { unknownValue } from "../../reachability";
import type { KubeObject, SourcedObject } from "../../reachability";
import type { Kustomization } from "./kustomize";

/** A namespace by its name; `own`: what the object names, or none; `unknown`: it is filled in later. */
type Place = { readonly name: string } | "own" | "unknown";

/**
 * Objects with the namespaces that kustomizations give them. What several kustomizations take in lies in each of their
 * namespaces. A Namespace object gets the name as well (kustomize's namespace transformer), but only where a workload
 * that was read lies in it. What only components hold that nothing takes in lies in
 * no namespace that is known.
 */
export function withNamespaces(
  objects: readonly SourcedObject[],
  kustomizations: readonly Kustomization[],
  isNamespaced: (object: KubeObject) => boolean,
): readonly SourcedObject[] {
  const places = placesOf(kustomizations);
  if (places.size === 0) return objects;
  const isNamespace = ({ object }: SourcedObject): boolean => object.apiVersion === "v1" && object.kind === "Namespace";
  const inhabited = new Set<string>();
  const moved = objects.map((each): readonly SourcedObject[] => {
    const found = places.get(path.normalize(each.source?.file ?? ""));
    if (found === undefined || isNamespace(each) || !isNamespaced(each.object)) return [each];
    const all = [...found.values()].map((place) => inPlace(each, place));
    if (each.object.kind === "Pod" || hasTemplate(each))
      for (const { object } of all) inhabited.add(String(object.metadata?.namespace ?? ""));
    return all;
  });
  return moved.flatMap(([first, ...rest]) => {
    if (first === undefined || !isNamespace(first)) return first === undefined ? [] : [first, ...rest];
    const found = places.get(path.normalize(first.source?.file ?? ""));
    return found === undefined ? first : [...found.values()].flatMap((place) => named(first, place, inhabited));
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

function inPlace(each: SourcedObject, place: Place): SourcedObject {
  if (place === "own") return each;
  if (place === "unknown") {
    return each.object.metadata?.namespace === undefined ? withMetadata(each, { namespace: unknownValue }) : each;
  }
  return withMetadata(each, { namespace: place.name });
}

function withMetadata(each: SourcedObject, fields: Readonly<Record<string, unknown>>): SourcedObject {
  return { ...each, object: { ...each.object, metadata: { ...each.object.metadata, ...fields } } };
}

/** For each file that a kustomization takes in, the places in which its objects come to lie, by their text. */
function placesOf(kustomizations: readonly Kustomization[]): Map<string, Map<string, Place>> {
  const byFolder = new Map(kustomizations.map((each) => [each.folder, each]));
  const places = new Map<string, Map<string, Place>>();
  const taken = new Set(kustomizations.flatMap(({ resources }) => resources));
  const visit = (each: Kustomization, outer: Place | undefined, above: readonly string[]): void => {
    if (above.includes(each.folder)) return;
    const place = outer ?? placeOf(each, byFolder);
    for (const resource of each.resources) {
      const inner = byFolder.get(resource);
      if (inner !== undefined) visit(inner, place, [...above, each.folder]);
      else
        places.set(
          resource,
          (places.get(resource) ?? new Map<string, Place>()).set(keyOf(place ?? "own"), place ?? "own"),
        );
    }
  };
  for (const each of kustomizations) {
    if (taken.has(each.folder)) continue;
    visit(each, each.isComponent ? (placeOf(each, byFolder) ?? "unknown") : undefined, []);
  }
  return places;
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

function keyOf(place: Place): string {
  return typeof place === "string" ? place : `name ${place.name}`;
}
