/** Reading what JSON of other programs holds: anything may be missing, or of another type. */
import { isMap, type Fields } from "../../reachability/model/plain";

/** A field by its name in snake_case, which protojson may also write in camelCase. */
export function field(map: Fields, name: string): unknown {
  if (Object.hasOwn(map, name)) return map[name];
  const camel = name.replace(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
  return Object.hasOwn(map, camel) ? map[camel] : undefined;
}

export function textOf(value: unknown): string | undefined {
  return typeof value === "string" && value !== "" ? value : undefined;
}

/** A number; also one that protojson writes as a string (64 bits). */
export function numberOf(value: unknown): number | undefined {
  const number = typeof value === "string" && /^\d+$/.test(value) ? Number(value) : value;
  return typeof number === "number" && Number.isFinite(number) ? number : undefined;
}

/** A port from 0 to 65535. */
export function portOf(value: unknown): number | undefined {
  const port = numberOf(value);
  return port !== undefined && Number.isInteger(port) && port >= 0 && port <= 65_535 ? port : undefined;
}

/** RFC 3339, in milliseconds since 1970. */
export function timeOf(value: unknown): number | undefined {
  const time = typeof value === "string" ? Date.parse(value) : Number.NaN;
  return Number.isNaN(time) ? undefined : time;
}

/** The value of JSON text; undefined where it is none, or no map. */
export function parseMap(text: string): Fields | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return isMap(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

/** `key=value` texts as a map; a text without `=` is a key with an empty value. */
export function labelsOf(texts: readonly unknown[]): Record<string, string> {
  const labels: Record<string, string> = {};
  for (const text of texts) {
    if (typeof text !== "string" || text === "") continue;
    const end = text.indexOf("=");
    if (end === -1) labels[text] = "";
    else labels[text.slice(0, end)] = text.slice(end + 1);
  }
  return labels;
}

/** An address and its port: `10.0.0.1:80`, `[2001:db8::1]:80`. */
export function splitAddress(text: string | undefined): { address: string; port: number } | undefined {
  const found = /^(?:\[([0-9a-fA-F:.]+)\]|([^:]+)):(\d{1,5})$/.exec(text ?? "");
  const port = portOf(found?.[3]);
  const address = found?.[1] ?? found?.[2];
  return address === undefined || port === undefined ? undefined : { address, port };
}
