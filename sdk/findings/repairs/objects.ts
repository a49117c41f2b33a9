/** The Kubernetes objects of a file as YAML nodes. */
import { isAlias, isMap, isSeq, parseAllDocuments, visit, type Document, type YAMLMap } from "yaml";
import type { YamlObject } from "./types";

/** What texts hold, each of them read once: reading with places is slow, and a repair changes few files. */
export class ParsedTexts {
  readonly #known = new Map<string, { readonly text: string; readonly objects: YamlObject[]; shared?: Ranges }>();

  /** Objects of documents that are valid and no templates, items of Lists among them. */
  objectsIn(file: string, text: string): readonly YamlObject[] {
    return this.#of(file, text).objects;
  }

  /** Offsets of what stands in a text once and is used elsewhere, too: an edit there would change other objects. */
  sharedIn(file: string, text: string): Ranges {
    return (this.#of(file, text).shared ??= sharedIn(text));
  }

  #of(file: string, text: string): { readonly objects: YamlObject[]; shared?: Ranges } {
    const known = this.#known.get(file);
    if (known?.text === text) return known;
    const parsed = { text, objects: objectsIn(file, text) };
    this.#known.set(file, parsed);
    return parsed;
  }
}

type Ranges = readonly (readonly [number, number])[];

function objectsIn(file: string, text: string): YamlObject[] {
  const documents = parseAllDocuments(text, { keepSourceTokens: false, merge: true });
  return [...documents].flatMap((document, index): YamlObject[] => {
    if (!("contents" in document) || document.errors.length > 0) return [];
    const root: unknown = document.contents;
    const previous = documents[index - 1];
    const begin = previous !== undefined && "range" in previous ? previous.range[2] : 0;
    if (!isMap(root) || text.slice(begin, document.range[2]).includes("{{")) return [];
    const items: unknown = root.get("items", true);
    const kind: unknown = root.get("kind");
    const roots = typeof kind === "string" && kind.endsWith("List") && isSeq(items) ? items.items : [root];
    return roots.flatMap((each) => (isMap(each) ? objectOf(file, text, document, root, each) : []));
  });
}

function objectOf(file: string, text: string, document: Document.Parsed, whole: YAMLMap, root: YAMLMap): YamlObject[] {
  const object = root.toJS(document) as Readonly<Record<string, unknown>>;
  const { kind, apiVersion } = object;
  if (typeof kind !== "string" || typeof apiVersion !== "string") return [];
  const within = [whole.range?.[0] ?? 0, whole.range?.[1] ?? text.length] as const;
  return [{ file, text, root, within, object, kind, apiVersion }];
}

function sharedIn(text: string): Ranges {
  if (!text.includes("&")) return [];
  const used = new Set<string>();
  const named: { readonly name: string; readonly range: readonly [number, number] }[] = [];
  for (const document of parseAllDocuments(text)) {
    visit(document, (_key, node) => {
      if (isAlias(node)) used.add(node.source);
      const { anchor, range } = (node ?? {}) as {
        anchor?: string;
        range?: readonly [number, number, number] | null;
      };
      if (anchor !== undefined && range) named.push({ name: anchor, range: [range[0], range[1]] });
    });
  }
  return named.filter(({ name }) => used.has(name)).map(({ range }) => range);
}
