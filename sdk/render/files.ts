/** Objects as files: where each lies, and how it is written. */
import { dump } from "js-yaml";
import type { RenderedObject } from "./objects";
import { RenderError } from "./errors";

/** A file, by its path below the folder. */
export interface RenderedFile {
  readonly file: string;
  readonly text: string;
}

/**
 * The file of each object: `default-deny-all.yaml`, `shop/allow-web-ingress.yaml`, `shop/namespace.yaml`.
 *
 * @throws RenderError where two objects would share one.
 */
export function filesOf(objects: readonly RenderedObject[]): ReadonlyMap<RenderedObject, string> {
  const taken = new Map<string, string>();
  return new Map(
    objects.map((each) => {
      const file = fileOf(each);
      const other = taken.get(file);
      if (other !== undefined)
        throw new RenderError(`${other} and ${each.id} would share the file ${file}: rename one`);
      taken.set(file, each.id);
      return [each, file];
    }),
  );
}

/** Names of files that mean something else. */
const reserved: ReadonlySet<string> = new Set(["kustomization", "namespace"]);

function fileOf({ object: { kind, metadata } }: RenderedObject): string {
  const { name, namespace } = metadata;
  if (kind === "Namespace") return `${name}/namespace.yaml`;
  const plain = reserved.has(name) ? `${name}.${kind.toLowerCase()}` : name;
  return namespace === undefined ? `${plain}.yaml` : `${namespace}/${plain}.yaml`;
}

/** Documents of one file, as people write them: no references, no folded lines. */
export function yamlOf(...documents: readonly unknown[]): string {
  return documents.map((one) => `---\n${dump(one, { noRefs: true, lineWidth: -1 })}`).join("");
}

/** An object with labels or annotations besides its own. */
export function marked(
  { object }: RenderedObject,
  { labels = {}, annotations = {} }: { labels?: Record<string, string>; annotations?: Record<string, string> },
): unknown {
  const own = { ...object.metadata.annotations, ...annotations };
  const metadata = {
    ...object.metadata,
    labels: { ...object.metadata.labels, ...labels },
    ...(Object.keys(own).length === 0 ? {} : { annotations: own }),
  };
  return { ...object, metadata };
}
