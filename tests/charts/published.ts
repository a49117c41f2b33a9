/** What the charts publish; tests that need it are skipped where it is absent (`npm run fixtures`). */
import { readFileSync } from "node:fs";
import path from "node:path";
import { load } from "js-yaml";
import { fixture } from "../support/fixtures";

export type Values = Readonly<Record<string, unknown>>;

/** The chart's values.yaml; undefined where the charts are absent. Istio keeps its own below a key of their own. */
export function publishedValues(chart: string): Values | undefined {
  const folder = fixture(`charts/${chart}`);
  if (folder === undefined) return undefined;
  const file = path.join(folder, "values.yaml");
  const values = load(readFileSync(file, "utf8")) as Values;
  return isMap(values["_internal_defaults_do_not_set"]) ? values["_internal_defaults_do_not_set"] : values;
}

export function isMap(value: unknown): value is Values {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The published default of a key; `open` where the chart has a map there that anything may be written into. */
export function publishedAt(values: Values, dotted: string): { value: unknown } | "open" | undefined {
  let current: unknown = values;
  for (const key of dotted.split(".")) {
    if (isMap(current) && Object.keys(current).length === 0) return "open";
    if (!isMap(current) || !Object.hasOwn(current, key)) return undefined;
    current = current[key];
  }
  return { value: current };
}

/** Dotted keys of maps and leaves alike; not those that have dots themselves, such as labels. */
export function allKeys(values: Values, prefix = ""): string[] {
  return Object.entries(values)
    .filter(([key]) => !key.includes("."))
    .flatMap(([key, value]) => [`${prefix}${key}`, ...(isMap(value) ? allKeys(value, `${prefix}${key}.`) : [])]);
}

/** Whether a key or one of the maps around it is listed. */
export function isListed(key: string, listed: ReadonlySet<string>): boolean {
  const parts = key.split(".");
  return parts.some((_, index) => listed.has(parts.slice(0, index + 1).join(".")));
}
