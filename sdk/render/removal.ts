/** Taking a rendering down in two commits, without cutting a declared flow. */
import { allowAllsFor } from "../plan";
import { RenderError } from "./errors";
import { idOf, removalLayer, type RenderedObject } from "./objects";
import type { OrderStep } from "./moments";
import type { RenderRecord } from "./record";
import type { RenderTarget } from "./settings";
import { stepsOf } from "./steps";

/**
 * What is added by the first commit and deleted last: where an allow isolates, each allow that goes would cut what the
 * others of the same pods allow. Empty where nothing isolates but the default deny, which goes first.
 */
export function allowAllsOf(target: RenderTarget, objects: readonly RenderedObject[]): readonly RenderedObject[] {
  const inStage = (stage: string): RenderedObject[] => objects.filter(({ layer }) => layer.name.startsWith(stage));
  if (inStage("metadata-deny").length > 0) return [];
  const plain = (all: readonly RenderedObject[]): RenderedObject["object"][] => all.map(({ object }) => object);
  const { everyPod, withMetadata } = allowAllsFor(plain(objects), plain(inStage("default-deny")));
  const placed = (object: RenderedObject["object"], layer: RenderedObject["layer"]): RenderedObject => ({
    id: idOf(object),
    object,
    layer,
  });
  const [late, later] = target === "flux" ? [removalLayer, removalLayer] : firstLayers;
  return [...withMetadata.map((object) => placed(object, later)), ...everyPod.map((object) => placed(object, late))];
}

/** Where everything is deleted in reverse, what goes last stands first. Flux deletes by name within one Kustomization. */
const firstLayers = [
  { ...removalLayer, rank: -1 },
  { ...removalLayer, name: `${removalLayer.name}-metadata`, rank: -2 },
] as const;

/**
 * What taking a rendering down does from the first commit to the end: what lets everything pass comes, everything goes in
 * reverse, and that goes last. Namespaces stay.
 */
export function removalSteps(
  target: RenderTarget,
  objects: readonly RenderedObject[],
  allowAlls: readonly RenderedObject[],
): readonly OrderStep[] {
  const backwards = (all: readonly RenderedObject[]): readonly OrderStep[] =>
    stepsOf(target, all)
      .filter(({ object }) => object.kind !== "Namespace")
      .map((step): OrderStep => ({ ...step, does: "delete" }))
      .reverse();
  return [...stepsOf(target, allowAlls), ...backwards(objects), ...backwards(allowAlls)];
}

/**
 * Whether the folder is ready for a commit of the removal.
 *
 * @throws RenderError where there is nothing to remove, other objects are declared than are there, or the first commit is missing.
 */
export function refuseRemoval(
  objects: readonly RenderedObject[],
  record: RenderRecord | undefined,
  commit: 1 | 2,
): void {
  if (record === undefined) throw new RenderError("there is nothing to remove: the folder holds no rendering");
  if (commit === 2 && record.state !== "removing") {
    throw new RenderError(
      "the first commit of the removal is missing: render with --remove --commit 1, commit, and wait until it has been applied",
    );
  }
  if (commit === 2) return;
  const declared = new Set(objects.map(({ id }) => id));
  const others = [
    ...objects.map(({ id }) => id).filter((id) => !record.objects.has(id)),
    ...[...record.objects].filter(([id, layer]) => !declared.has(id) && !isOfRemoval(layer)).map(([id]) => id),
  ];
  if (others.length === 0) return;
  throw new RenderError(
    `the declaration gives other objects than the folder holds (${others.slice(0, 5).join(", ")}): render and commit it first, then remove`,
  );
}

/** Whether a removal has added what is in a layer of this name. */
function isOfRemoval(layer: string): boolean {
  return layer.startsWith(removalLayer.name);
}
