/** Objects that a command makes, to be applied as they are. */
import { dump } from "js-yaml";
import type { KubeObject } from "../../reachability";

/** The values of `--format` of commands that make objects. */
export type ObjectFormat = "yaml" | "json";

/** The objects as YAML documents, or as one List in JSON. */
export function printObjects(objects: readonly KubeObject[], format: ObjectFormat): string {
  return format === "json"
    ? `${JSON.stringify({ apiVersion: "v1", kind: "List", items: objects }, null, 2)}\n`
    : objects.map((object) => dump(object, { noRefs: true })).join("---\n");
}

/** Whether a text may name an object; the API server has the last word. */
export function mayBeName(text: string): boolean {
  return /^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$/.test(text);
}
