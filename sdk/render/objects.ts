/** What of a plan becomes a file, and in which layer of the rendering it stands. */
import type { Plan, PlannedObject, PolicyDocument, Stage } from "../plan";
import { bypassAnnotations, namespaceObject, stages } from "../plan";
import { groupOf } from "../reachability";
import { RenderError } from "./errors";

/** Steps of a rendering, in order: those of a plan, and the namespaces where the components make them. */
type RenderStage = Stage | "namespaces";

/** The deny of metadata endpoints covers pods of namespaces that do not exist yet, so it comes before them. */
const order: readonly RenderStage[] = stages.flatMap((stage): readonly RenderStage[] =>
  stage === "metadata-deny" ? [stage, "namespaces"] : [stage],
);

/** Objects that a tool may apply in any order among themselves; everything in earlier layers is in place by then. */
export interface Layer {
  /** `dns`, `dns-clusterwide`, `dns-2`: stable, whatever other objects there are. */
  readonly name: string;
  /** Its place among all layers: higher is later. Stable too. */
  readonly rank: number;
  /** It holds what has no namespace (Namespaces aside, which have a layer of their own). */
  readonly isClusterwide: boolean;
}

/** An object to render. */
export interface RenderedObject {
  /** `CiliumNetworkPolicy.cilium.io shop/allow-web`: which object of a cluster it is, whatever its version. */
  readonly id: string;
  readonly object: PlannedObject;
  readonly layer: Layer;
}

/** What is rendered, in the order of the plan, and what is left out on purpose. */
export interface RenderedObjects {
  readonly objects: readonly RenderedObject[];
  /** Workloads and namespaces whose open bypass is not written. */
  readonly bypasses: readonly string[];
}

/** More layers of one stage than a declaration can lead to. */
const layersOfStage = 100;

/**
 * The objects of a plan. A bypass that is open is left out: GitOps would bring it back after its end.
 *
 * @throws RenderError where an object is a Secret: no file in a repository holds one.
 */
export function objectsOf({ documents, namespaces, bypasses }: Plan): RenderedObjects {
  const written = documents.filter(
    ({ object }) => object.metadata.annotations?.[bypassAnnotations.until] === undefined,
  );
  const homes = namespaces.flatMap((namespace) => namespaceObject(namespace) ?? []);
  const depths = depthsOf(written);
  const placed = written.map((document) => placedAt(document, depths.get(document.logicalName) ?? 0));
  const isEarly = ({ layer }: RenderedObject): boolean => layer.rank < rankOf("namespaces");
  return {
    objects: [
      ...placed.filter(isEarly),
      ...homes.map((object): RenderedObject => ({
        id: idOf(object),
        object,
        layer: layerOf("namespaces", 0, false),
      })),
      ...placed.filter((each) => !isEarly(each)),
    ].map(withoutSecrets),
    bypasses: bypasses.filter(({ state }) => state === "open").map(({ of }) => of),
  };
}

/** How an object of a cluster is told from others. */
export function idOf({ apiVersion, kind, metadata }: Pick<PlannedObject, "apiVersion" | "kind" | "metadata">): string {
  const group = groupOf(apiVersion);
  const name = metadata.namespace === undefined ? metadata.name : `${metadata.namespace}/${metadata.name}`;
  return `${group === "" ? kind : `${kind}.${group}`} ${name}`;
}

/**
 * The layer of what lets everything pass while the rest is taken down. Where a removal is called off, it goes when the flows
 * are back, and before the default deny.
 */
export const removalLayer: Layer = { name: "allow-all", rank: rankOf("default-deny") - 1, isClusterwide: false };

/** The layer of a name, which an earlier rendering gave; nothing where no layer is called so. */
export function layerNamed(name: string): Layer | undefined {
  if (name === removalLayer.name) return removalLayer;
  const [, stage, depth, clusterwide] = /^(.*?)(?:-(\d+))?(-clusterwide)?$/.exec(name) ?? [];
  const known = order.find((one) => one === stage);
  return known && layerOf(known, depth === undefined ? 0 : Number(depth) - 1, clusterwide !== undefined);
}

function placedAt({ stage, object }: PolicyDocument, depth: number): RenderedObject {
  return { id: idOf(object), object, layer: layerOf(stage, depth, object.metadata.namespace === undefined) };
}

function layerOf(stage: RenderStage, depth: number, isClusterwide: boolean): Layer {
  const step = depth === 0 ? "" : `-${depth + 1}`;
  return {
    name: `${stage}${step}${isClusterwide ? "-clusterwide" : ""}`,
    // what is clusterwide comes last, so that the default deny of everything is the last object of all
    rank: rankOf(stage) + depth * 2 + (isClusterwide ? 1 : 0),
    isClusterwide,
  };
}

function rankOf(stage: RenderStage): number {
  return order.indexOf(stage) * layersOfStage;
}

/** The step of each document in its stage: later than all that it comes after, and not earlier for having nothing before it. */
function depthsOf(documents: readonly PolicyDocument[]): ReadonlyMap<string, number> {
  const byName = new Map(documents.map((document) => [document.logicalName, document]));
  const depths = new Map<string, number>();
  // a document comes later in the plan than what it comes after
  for (const { logicalName, stage, after, step = after === undefined ? 0 : 1 } of documents) {
    const earlier = (after ?? []).filter((name) => byName.get(name)?.stage === stage);
    depths.set(logicalName, Math.max(step, ...earlier.map((name) => (depths.get(name) ?? 0) + 1)));
  }
  return depths;
}

function withoutSecrets(each: RenderedObject): RenderedObject {
  if (each.object.kind === "Secret")
    throw new RenderError(`${each.id} is a Secret, and no Secret is written to a file`);
  return each;
}
