/** What a rendering leaves behind about itself, so that the next one knows which files are its own, and which objects move. */
import type { RenderedObject } from "./objects";
import type { RenderTarget } from "./settings";
import { renderTargets } from "./settings";

/** The file that holds the record, beside the others. */
export const recordFile = ".cluster-security.json";

/** The state of a tree: in force, between two commits of a move, or between the two of its removal. */
export type TreeState = "applied" | "moving" | "removing";

/** What was rendered. */
export interface RenderRecord {
  /** `export`: policies of a cluster, not of a declaration. */
  readonly target: RenderTarget | "export";
  readonly state: TreeState;
  /** File → hash of what was written. */
  readonly files: ReadonlyMap<string, string>;
  /** Object → the layer it was given. */
  readonly objects: ReadonlyMap<string, string>;
  /** Flux: layers that have held objects and hold none now. Their Kustomizations stay, so that they come in their place. */
  readonly emptied?: readonly string[];
}

/** The record as text; the same rendering gives the same bytes. */
export function writeRecord(record: RenderRecord): string {
  const sorted = (map: ReadonlyMap<string, string>): Record<string, string> =>
    Object.fromEntries([...map].sort(([a], [b]) => (a < b ? -1 : 1)));
  const { target, state, files, objects, emptied = [] } = record;
  const value = {
    writtenBy: "cluster-security",
    for: target,
    state,
    ...(emptied.length === 0 ? {} : { emptied }),
    objects: sorted(objects),
    files: sorted(files),
  };
  return `${JSON.stringify(value, null, 2)}\n`;
}

/** What a record's text states; nothing where it is none. */
export function readRecord(text: string): RenderRecord | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  const { for: named, state: stated, files, objects, emptied: left } = (value ?? {}) as Record<string, unknown>;
  const target = ([...renderTargets, "export"] as const).find((one) => one === named);
  const state = (["applied", "moving", "removing"] as const).find((one) => one === stated);
  const [filesRead, objectsRead] = [textsOf(files), textsOf(objects)];
  if (target === undefined || state === undefined || filesRead === undefined || objectsRead === undefined)
    return undefined;
  const emptied = Array.isArray(left) ? left.filter((one): one is string => typeof one === "string") : [];
  return {
    target,
    state,
    files: filesRead,
    objects: objectsRead,
    ...(emptied.length === 0 ? {} : { emptied }),
  };
}

function textsOf(value: unknown): ReadonlyMap<string, string> | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  const entries = Object.entries(value);
  return entries.every((entry): entry is [string, string] => typeof entry[1] === "string")
    ? new Map(entries)
    : undefined;
}

/** Objects that would be applied by another Kustomization than before: Flux would delete them and make them again. */
export function movedObjects(objects: readonly RenderedObject[], earlier: RenderRecord): readonly RenderedObject[] {
  return objects.filter(({ id, layer }) => (earlier.objects.get(id) ?? layer.name) !== layer.name);
}
