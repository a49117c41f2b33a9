/** A declaration for Flux: a folder of objects, and one Kustomization for each layer over it. */
import { filesOf, marked, yamlOf, type RenderedFile } from "./files";
import { layersOf, stageLabel } from "./layers";
import type { Layer, RenderedObject } from "./objects";
import { removalLayer } from "./objects";
import type { RenderSettings } from "./settings";

/** What happens to a layer that is not simply applied. */
export interface FluxChange {
  /** Objects that change their Kustomization with the next commit: Flux is told to leave them in place until then. */
  readonly moving: ReadonlySet<string>;
  /** The tree is taken down: every Kustomization gives its objects up, the last one first, when what lets everything pass is there. */
  readonly removing: boolean;
  /**
   * Layers that hold nothing any more. Without its Kustomization Flux would delete what a layer held as soon as it has seen the
   * new `ks.yaml`, whether or not earlier layers have been applied by then.
   */
  readonly emptied: readonly Layer[];
}

const applied: FluxChange = { moving: new Set(), removing: false, emptied: [] };

/** The layer that has the plain name and is the end of the chain, so that others may wait for it; written even if empty. */
export const lastLayer = "default-deny-clusterwide";

/** Files of the tree, by their path below {@link RenderSettings.path}. */
export function fluxFiles(
  objects: readonly RenderedObject[],
  settings: RenderSettings,
  change: FluxChange = applied,
): readonly RenderedFile[] {
  const files = filesOf(objects);
  return [
    { file: "app/kustomization.yaml", text: yamlOf(kustomization([...files.values()])) },
    ...objects.map((each) => ({
      file: `app/${files.get(each) ?? ""}`,
      text: yamlOf(marked(each, { labels: { [stageLabel]: each.layer.name }, annotations: kept(each, change) })),
    })),
    { file: "ks.yaml", text: yamlOf(...kustomizations(objects, settings, change)) },
  ];
}

/** The Kustomization that a layer is applied by. */
export function kustomizationNameOf({ name }: Pick<Layer, "name">, settings: RenderSettings): string {
  return name === lastLayer ? settings.name : `${settings.name}-${name}`;
}

function kustomization(resources: readonly string[]): unknown {
  return {
    apiVersion: "kustomize.config.k8s.io/v1beta1",
    kind: "Kustomization",
    resources: [...resources].sort().map((file) => `./${file}`),
  };
}

/** With a namespace everything in it would go, and an object that moves must outlive the Kustomization it leaves. */
function kept({ id, object }: RenderedObject, { moving }: FluxChange): Record<string, string> {
  return object.kind === "Namespace" || moving.has(id) ? { "kustomize.toolkit.fluxcd.io/prune": "disabled" } : {};
}

function kustomizations(
  objects: readonly RenderedObject[],
  settings: RenderSettings,
  { removing, emptied }: FluxChange,
): readonly unknown[] {
  const held = [...layersOf(objects), ...emptied].filter(({ name }) => name !== lastLayer);
  const layers = [...held.sort((a, b) => a.rank - b.rank), { name: lastLayer, rank: Infinity, isClusterwide: true }];
  const opening = objects.filter(({ layer }) => layer.name === removalLayer.name).length;
  const chain = removing ? takingDown(layers) : layers;
  return layers.map((layer) => {
    const own = objects.filter((each) => each.layer.name === layer.name);
    const isLeft = removing && layer.name !== removalLayer.name;
    return {
      apiVersion: "kustomize.toolkit.fluxcd.io/v1",
      kind: "Kustomization",
      metadata: {
        name: kustomizationNameOf(layer, settings),
        namespace: "flux-system",
        labels: { "app.kubernetes.io/part-of": settings.name },
      },
      spec: {
        interval: "30m",
        retryInterval: "1m",
        timeout: "5m",
        prune: true,
        wait: true,
        path: `./${settings.path}/app`,
        sourceRef: { kind: "GitRepository", name: settings.source },
        // it would be written into everything that has a namespace
        ...(layer.isClusterwide ? { targetNamespace: settings.targetNamespace } : {}),
        ...dependencies(chain[chain.indexOf(layer) - 1], settings, { removing: isLeft, opening }),
        patches: [isLeft ? dropped() : dropped(`${stageLabel}!=${layer.name}`)],
        ...healthChecks(own),
      },
    };
  });
}

/** The order in which layers are taken down: the last one first, but what lets everything pass comes before them. */
function takingDown(layers: readonly Layer[]): readonly Layer[] {
  const isOpening = ({ name }: Layer): boolean => name === removalLayer.name;
  return [...layers.filter(isOpening), ...layers.filter((layer) => !isOpening(layer)).reverse()];
}

/**
 * Applying waits for the layer before, taking down for the layer after. There the usual readiness is not enough: a
 * Kustomization that has not yet been changed itself is ready. What lets everything pass waits for what applying waits for:
 * should the removal be called off, its Kustomization must not see the next commit before it has its new specification.
 */
function dependencies(
  before: Layer | undefined,
  settings: RenderSettings,
  { removing, opening }: { readonly removing: boolean; readonly opening: number },
): object {
  if (before === undefined) {
    return settings.dependsOn.length === 0 || removing
      ? {}
      : { dependsOn: settings.dependsOn.map((name) => ({ name })) };
  }
  const name = kustomizationNameOf(before, settings);
  if (!removing) return { dependsOn: [{ name }] };
  return { dependsOn: [{ name, readyExpr: before.name === removalLayer.name ? holds(opening) : hasNothing }] };
}

const isSeen = "dep.status.observedGeneration == dep.metadata.generation";
const hasNothing = `${isSeen} && (!has(dep.status.inventory) || !has(dep.status.inventory.entries) || size(dep.status.inventory.entries) == 0)`;

/** It has applied so many objects. */
function holds(count: number): string {
  return `${isSeen} && has(dep.status.inventory) && has(dep.status.inventory.entries) && size(dep.status.inventory.entries) == ${count}`;
}

/** Takes objects out of what the Kustomization applies: those that the selector names, or all. */
function dropped(labelSelector: string = stageLabel): unknown {
  const patch = yamlOf({ $patch: "delete", apiVersion: "v1", kind: "Any", metadata: { name: "any" } }).slice(4);
  return { target: { labelSelector }, patch };
}

/** Cilium reports whether it can enforce a policy; to Flux the object is ready as soon as it exists. */
function healthChecks(objects: readonly RenderedObject[]): object {
  const kinds = [...new Set(objects.map(({ object }) => object.kind))]
    .filter((kind) => kind.startsWith("Cilium"))
    .sort();
  if (kinds.length === 0) return {};
  const valid = (status: string): string =>
    `status.conditions.exists(condition, condition.type == 'Valid' && condition.status == '${status}')`;
  return {
    healthCheckExprs: kinds.map((kind) => ({
      apiVersion: "cilium.io/v2",
      kind,
      current: valid("True"),
      failed: valid("False"),
    })),
  };
}
