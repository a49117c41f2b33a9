/** What each tool does to a cluster when a rendering is committed over an earlier one. */
import { compareAsArgo, compareAsFlux, inOrder, layersOf } from "./layers";
import type { RenderedObject } from "./objects";
import type { OrderStep } from "./moments";
import type { RenderTarget } from "./settings";

/** @param gone Objects of the earlier rendering that this one no longer has. */
export function stepsOf(
  target: RenderTarget,
  objects: readonly RenderedObject[],
  gone: readonly RenderedObject[] = [],
): readonly OrderStep[] {
  switch (target) {
    case "flux":
      // each Kustomization applies its objects and then deletes those that it no longer has, in reverse
      return layersOf([...objects, ...gone]).flatMap(({ name }) => {
        const own = (all: readonly RenderedObject[]): readonly RenderedObject[] =>
          inOrder(
            all.filter(({ layer }) => layer.name === name),
            compareAsFlux,
          );
        return [...own(objects).map(applied), ...own(gone.filter(isPruned)).map(deleted).reverse()];
      });
    case "argocd":
      // what is no longer declared is deleted in one wave after all others (PruneLast), whatever its own wave is, and at once
      return [
        ...inOrder(objects, compareAsArgo).map(applied),
        ...inOrder(gone.filter(isPruned), compareAsArgo)
          .map((each): OrderStep => ({ ...deleted(each), atOnce: true }))
          .reverse(),
      ];
    case "kustomize":
    case "plain":
      return [...inOrder(objects).map(applied), ...inOrder(gone.filter(isPruned)).map(deleted).reverse()];
  }
}

/** A namespace is never deleted: with it everything in it would go. */
function isPruned({ object }: RenderedObject): boolean {
  return object.kind !== "Namespace";
}

function applied({ object, layer }: RenderedObject): OrderStep {
  return { does: "apply", object, layer: layer.name };
}

function deleted({ object, layer }: RenderedObject): OrderStep {
  return { does: "delete", object, layer: layer.name };
}
