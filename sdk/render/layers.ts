/** The layers of a rendering, and the order in which tools apply what is in one. */
import type { Layer, RenderedObject } from "./objects";
import { groupOf } from "../reachability";

/** Where stage labels are written, so that people and Flux can pick the objects of a layer. */
export const stageLabel = "pulumi-cluster-security/stage";

/** The layers that hold something, earliest first. */
export function layersOf(objects: readonly RenderedObject[]): readonly Layer[] {
  const byName = new Map(objects.map(({ layer }) => [layer.name, layer]));
  return [...byName.values()].sort((a, b) => a.rank - b.rank);
}

/** Objects by layer, and within one as a tool sorts them. */
export function inOrder(
  objects: readonly RenderedObject[],
  compare: (a: RenderedObject, b: RenderedObject) => number = () => 0,
): readonly RenderedObject[] {
  return [...objects].sort((a, b) => a.layer.rank - b.layer.rank || compare(a, b));
}

/**
 * How kustomize-controller sorts what it applies (fluxcd/pkg/ssa, `ReconcileOrder`): native kinds in a fixed order, everything
 * else by group and kind, then by namespace and name. Of native kinds only those that are rendered.
 */
export function compareAsFlux(a: RenderedObject, b: RenderedObject): number {
  return compareBy(a, b, fluxKinds, ({ object }) => [groupOf(object.apiVersion), object.kind]);
}

/**
 * How Argo CD sorts what it applies within a wave (gitops-engine, `syncOrder`): native kinds in a fixed order, then by kind
 * and name. Objects of one kind are applied at the same time; by name is one of their orders.
 */
export function compareAsArgo(a: RenderedObject, b: RenderedObject): number {
  return compareBy(a, b, argoKinds, ({ object }) => [object.kind]);
}

const fluxKinds = ["Namespace", "ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding"];
const argoKinds = ["Namespace", "NetworkPolicy", "ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding"];

function compareBy(
  a: RenderedObject,
  b: RenderedObject,
  first: readonly string[],
  kindOf: (each: RenderedObject) => readonly string[],
): number {
  const rank = ({ object: { kind } }: RenderedObject): number =>
    first.includes(kind) ? first.indexOf(kind) : Infinity;
  const [rankA, rankB] = [rank(a), rank(b)];
  if (rankA !== rankB) return rankA - rankB;
  const keys = (each: RenderedObject): readonly string[] => {
    const { namespace = "", name } = each.object.metadata;
    return [...kindOf(each), namespace, name];
  };
  const [keysA, keysB] = [keys(a), keys(b)];
  for (const [index, one] of keysA.entries()) {
    const other = keysB[index] ?? "";
    if (one !== other) return one < other ? -1 : 1;
  }
  return 0;
}
