/** Reading plain data of any shape: what is not of the wanted shape, or not known, is as good as absent. */
import { isUnknown } from "./unknown";

export type Fields = Readonly<Record<string, unknown>>;

/** Whether a value is a map: no list, and not an unknown value. */
export function isMap(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !isUnknown(value);
}

/** A map; empty for whatever is none. */
export function mapOf(value: unknown): Fields {
  return isMap(value) ? value : {};
}

/** A list; empty for whatever is none. */
export function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? (value as unknown[]) : [];
}
