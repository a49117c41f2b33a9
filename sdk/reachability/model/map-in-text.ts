import { CORE_SCHEMA, load } from "js-yaml";
import { isMap, type Fields } from "./plain";

/** The map that a text holds as YAML: values of a chart, a configuration in a ConfigMap; nothing where it is none. */
export function mapInText(text: unknown): Fields | undefined {
  if (typeof text !== "string") return undefined;
  try {
    const value: unknown = load(text, { schema: CORE_SCHEMA });
    return isMap(value) ? value : undefined;
  } catch {
    return undefined;
  }
}
