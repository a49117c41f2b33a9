/** From a plan to the files that a GitOps tool applies. */
import type { Plan } from "../plan";
import { argoFiles } from "./argocd";
import { RenderError } from "./errors";
import type { RenderedFile } from "./files";
import { fluxFiles, kustomizationNameOf, lastLayer, type FluxChange } from "./flux";
import { layersOf } from "./layers";
import { kustomizeFiles, plainFiles } from "./manifests";
import { idOf, layerNamed, objectsOf, removalLayer, type RenderedObject } from "./objects";
import type { OrderStep } from "./moments";
import { movedObjects, type RenderRecord, type TreeState } from "./record";
import type { RenderSettings, RenderTarget } from "./settings";
import { allowAllsOf, refuseRemoval, removalSteps } from "./removal";
import { stepsOf } from "./steps";

/** The change that takes two commits, and which of them this is. */
export interface TwoCommits {
  readonly change: "move" | "remove";
  readonly commit: 1 | 2;
}

/** An earlier rendering: what its record states, and the objects in its files. */
export interface EarlierRendering {
  readonly record: RenderRecord;
  readonly objects: readonly RenderedObject["object"][];
}

/** A tree, before it is written. */
export interface Rendering {
  readonly target: RenderTarget;
  readonly state: TreeState;
  /** Every file of the tree; none after a removal. */
  readonly files: readonly RenderedFile[];
  readonly objects: readonly RenderedObject[];
  /** What the tool does when this is committed over the earlier rendering, in order. */
  readonly steps: readonly OrderStep[];
  /** Names of the layers, earliest first, as the tool calls them. */
  readonly layers: readonly string[];
  /** Workloads and namespaces whose open bypass is left out. */
  readonly bypasses: readonly string[];
  /** Objects that the tool does not delete by itself: what is to be deleted by hand, in this order. */
  readonly byHand: readonly string[];
  /** What a removal adds: policies that let everything pass until the others are gone. */
  readonly allowAlls: readonly string[];
  /** Flux: names of layers that have held objects and hold none now. */
  readonly emptied: readonly string[];
}

/**
 * Renders a plan.
 *
 * @param earlier What is rendered already, if anything is.
 * @throws RenderError where it would open or cut something, or nobody could tell what happens.
 */
export function render(
  plan: Plan,
  target: RenderTarget,
  settings: RenderSettings,
  earlier?: EarlierRendering,
  two?: TwoCommits,
): Rendering {
  const { objects, bypasses } = objectsOf(plan);
  if (earlier !== undefined && earlier.record.target !== target) {
    throw new RenderError(
      earlier.record.target === "export"
        ? "the folder holds exported policies: render into another one"
        : `the folder was rendered for ${earlier.record.target}: render into another one, or remove that first`,
    );
  }
  if (two?.change === "remove") return removed({ objects, bypasses, target, settings, earlier, commit: two.commit });
  const moving = target === "flux" && earlier !== undefined ? movesOf(objects, earlier.record, settings, two) : noMoves;
  const placed = objects.map((each) => {
    const layer = moving.get(each.id);
    return layer === undefined ? each : { ...each, layer };
  });
  const gone = earlier === undefined ? [] : goneFrom(earlier, placed);
  const emptied = target === "flux" && earlier !== undefined ? emptiedOf(earlier.record, placed) : [];
  return {
    target,
    state: moving.size > 0 ? "moving" : "applied",
    files: filesFor(target, placed, settings, { moving: new Set(moving.keys()), removing: false, emptied }),
    objects: placed,
    allowAlls: [],
    emptied: emptied.map(({ name }) => name),
    steps: stepsOf(target, placed, gone),
    layers: layerNames(target, placed, settings),
    bypasses,
    byHand: target === "kustomize" || target === "plain" ? gone.map(({ id }) => id).reverse() : [],
  };
}

type Layers = ReadonlyMap<string, RenderedObject["layer"]>;
const noMoves: Layers = new Map();

/** Objects that stay in the layer they leave until the next commit. */
function movesOf(
  objects: readonly RenderedObject[],
  record: RenderRecord,
  settings: RenderSettings,
  two: TwoCommits | undefined,
): Layers {
  const moved = movedObjects(objects, record);
  if (moved.length === 0) return noMoves;
  const former = (id: string): RenderedObject["layer"] | undefined => layerNamed(record.objects.get(id) ?? "");
  if (two === undefined) {
    const lines = moved.map(({ id, layer }) => {
      const from = former(id);
      return `  ${id}: from ${from === undefined ? "?" : kustomizationNameOf(from, settings)} to ${kustomizationNameOf(layer, settings)}`;
    });
    throw new RenderError(
      `${moved.length} ${moved.length === 1 ? "object changes its" : "objects change their"} Kustomization, and Flux would delete and create ${moved.length === 1 ? "it" : "them"} again:\n${lines.join("\n")}\nRender with --move --commit 1, commit, wait until Flux has applied it, then render with --move --commit 2`,
    );
  }
  if (two.commit === 1) {
    return new Map(
      moved.flatMap(({ id }) => {
        const layer = former(id);
        return layer === undefined ? [] : [[id, layer] as const];
      }),
    );
  }
  if (record.state !== "moving") {
    throw new RenderError(
      "the first commit of the move is missing: render with --move --commit 1, commit, and wait until Flux has applied it",
    );
  }
  return noMoves;
}

/** Layers of the earlier rendering that hold nothing any more. */
function emptiedOf(
  { objects: earlier, emptied = [] }: RenderRecord,
  objects: readonly RenderedObject[],
): readonly RenderedObject["layer"][] {
  const held = new Set(objects.map(({ layer }) => layer.name));
  return [...new Set([...earlier.values(), ...emptied])]
    .filter((name) => name !== lastLayer && !held.has(name))
    .flatMap((name) => layerNamed(name) ?? [])
    .sort((a, b) => a.rank - b.rank);
}

function goneFrom(earlier: EarlierRendering, objects: readonly RenderedObject[]): readonly RenderedObject[] {
  const kept = new Set(objects.map(({ id }) => id));
  return objectsOfEarlier(earlier).filter(({ id }) => !kept.has(id));
}

/**
 * The objects of an earlier rendering that are in the cluster: after the first commit of a removal Flux has given up all but
 * namespaces and what lets everything pass.
 */
export function standingObjects(earlier: EarlierRendering): readonly RenderedObject[] {
  const { target, state } = earlier.record;
  const objects = objectsOfEarlier(earlier);
  return target === "flux" && state === "removing"
    ? objects.filter(({ object, layer }) => object.kind === "Namespace" || layer.name === removalLayer.name)
    : objects;
}

/** The objects of an earlier rendering with the layers that its record gives them. */
function objectsOfEarlier({ record, objects }: EarlierRendering): readonly RenderedObject[] {
  return objects.flatMap((object) => {
    const id = idOf(object);
    const layer = layerNamed(record.objects.get(id) ?? "");
    return layer === undefined ? [] : [{ id, object, layer }];
  });
}

interface Removal {
  readonly objects: readonly RenderedObject[];
  readonly bypasses: readonly string[];
  readonly target: RenderTarget;
  readonly settings: RenderSettings;
  readonly earlier: EarlierRendering | undefined;
  readonly commit: 1 | 2;
}

/** The first commit keeps every file: tools delete what the removal tells them to, in its order. */
function removed({ objects, bypasses, target, settings, earlier, commit }: Removal): Rendering {
  refuseRemoval(objects, earlier?.record, commit);
  const nothing = { target, state: "removing", bypasses, byHand: [], emptied: [] } as const;
  if (commit === 2) {
    return { ...nothing, files: [], objects: [], allowAlls: [], steps: [], layers: [], bypasses: [] };
  }
  const allowAlls = allowAllsOf(target, objects);
  const all = [...objects, ...allowAlls];
  return {
    ...nothing,
    files: filesFor(target, all, settings, { moving: new Set(), removing: true, emptied: [] }),
    objects: all,
    allowAlls: allowAlls.map(({ id }) => id),
    steps: removalSteps(target, objects, allowAlls),
    layers: [...layerNames(target, allowAlls, settings), ...[...layerNames(target, objects, settings)].reverse()],
  };
}

function filesFor(
  target: RenderTarget,
  objects: readonly RenderedObject[],
  settings: RenderSettings,
  change: FluxChange,
): readonly RenderedFile[] {
  switch (target) {
    case "flux":
      return fluxFiles(objects, settings, change);
    case "argocd":
      return argoFiles(objects, settings);
    case "kustomize":
      return kustomizeFiles(objects);
    case "plain":
      return plainFiles(objects);
  }
}

function layerNames(
  target: RenderTarget,
  objects: readonly RenderedObject[],
  settings: RenderSettings,
): readonly string[] {
  const layers = layersOf(objects);
  if (target === "flux") return layers.map((layer) => kustomizationNameOf(layer, settings));
  return layers.map(({ name, rank }) => (target === "argocd" ? `wave ${rank} (${name})` : name));
}
