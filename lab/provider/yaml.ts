/** YAML manifests as objects, read the way the Kubernetes tools read them (YAML 1.1: `0644` is octal, `on` is true). */
import { parseAllDocuments } from "yaml";
import { isMap, type PlainMap } from "./properties";

export class ManifestError extends Error {}

const timestampTag = "tag:yaml.org,2002:timestamp";

/** The objects of a multi-document YAML or JSON text; empty documents are skipped. */
export function decodeManifests(text: string): PlainMap[] {
  const documents = parseAllDocuments(text, {
    version: "1.1",
    // a date stays the text that it is written as
    customTags: (tags) => tags.filter((tag) => typeof tag === "string" || tag.tag !== timestampTag),
  });
  if (!Array.isArray(documents)) return [];
  return documents.flatMap((document, index) => {
    const problem = document.errors[0];
    if (problem) throw new ManifestError(`document ${index + 1} of the YAML cannot be read: ${problem.message}`);
    const value: unknown = document.toJS();
    if (value === null || value === undefined) return [];
    if (!isMap(value)) throw new ManifestError(`document ${index + 1} of the YAML is no object`);
    const plain = JSON.parse(JSON.stringify(value)) as PlainMap;
    return Object.keys(plain).length > 0 ? [plain] : [];
  });
}

/** The objects with those of `List` kinds in their place. */
export function flattenLists(objects: readonly PlainMap[]): PlainMap[] {
  return objects.flatMap((object) => {
    const items = object["items"];
    if (!String(object["kind"] ?? "").endsWith("List") || !Array.isArray(items)) return [object];
    return flattenLists(items.filter(isMap) as PlainMap[]);
  });
}
