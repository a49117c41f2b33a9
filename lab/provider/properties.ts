/**
 * Pulumi property values as the engine sends them in protobuf structs: JSON plus secrets and values that are not known
 * yet. Everything here is pure; `unwrap` is the only way to look below a secret, so a reader sees where that happens.
 */

/** A JSON value in which a value that is not known yet may sit anywhere. */
export type Plain = null | boolean | number | string | UnknownValue | Plain[] | PlainMap;
export interface PlainMap {
  [key: string]: Plain;
}

/** A property value: JSON in which unknown values and secrets may sit anywhere. */
export type Property = null | boolean | number | string | UnknownValue | Secret | Property[] | PropertyMap;
export interface PropertyMap {
  [key: string]: Property;
}

/** Stands for a value that is only known after the update (an output of a resource that does not exist yet). */
export class UnknownValue {
  readonly unknown = true;
}
export const unknown = new UnknownValue();

/** A value that must stay encrypted in the state and unseen in messages. */
export class Secret {
  constructor(readonly value: Property) {}
}

// The marks of the wire format (pulumi sdk/go/common/resource/plugin/rpc.go and resource/sig).
const signatureKey = "4dabf18193072939515e22adb298388d";
const secretSignature = "1b47061264138c4ac30d75fd1eb44270";
const outputSignature = "d0e6a833031e9bbcd3f4e8bde6ca49a4";
const resourceSignature = "5cf8f73096256a8f31e491e813e4eb8e";
export const assetSignature = "c44067f5952c0a294b673a41bacd8c17";
const unknownMarks = new Set([
  "04da6b54-80e4-46f7-96ec-b56ff0331ba9",
  "1c4a061d-8072-4f0a-a4cb-0ff528b18fe7",
  "3eeb2bf0-c639-47a8-9e75-3b44932eb421",
  "6a19a0b0-7e62-4c92-b797-7f8e31da9cc2",
  "030794c1-ac77-496b-92df-f27374a8bd58",
  "e48ece36-62e2-4504-bad9-02848725956a",
  "dd056dcd-154b-4c76-9bd3-c8f88648b5ff",
]);
const unknownMark = "04da6b54-80e4-46f7-96ec-b56ff0331ba9";

export function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !isLeaf(value);
}

function isLeaf(value: unknown): boolean {
  return value instanceof UnknownValue || value instanceof Secret;
}

export function isPlainMap(value: Plain | undefined): value is PlainMap {
  return isMap(value);
}

/** Reads a protobuf struct that was turned into JavaScript. Nulls in maps mean "absent" and are dropped. */
export function fromWire(value: unknown): Property {
  if (typeof value === "string") return unknownMarks.has(value) ? unknown : value;
  if (value === null || value === undefined) return null;
  if (typeof value === "number" || typeof value === "boolean") return value;
  if (Array.isArray(value)) return value.map(fromWire);
  const map = value as Record<string, unknown>;
  switch (map[signatureKey]) {
    case secretSignature:
      return new Secret(fromWire(map["value"]));
    case outputSignature: {
      const inner = "value" in map ? fromWire(map["value"]) : unknown;
      return map["secret"] === true ? new Secret(inner) : inner;
    }
    case resourceSignature:
      return fromWire(map["id"] ?? map["urn"] ?? null);
  }
  const result: PropertyMap = {};
  for (const [key, item] of Object.entries(map)) {
    if (item !== null && item !== undefined) result[key] = fromWire(item);
  }
  return result;
}

export function mapFromWire(value: unknown): PropertyMap {
  const read = fromWire(value ?? {});
  return isMap(read) ? (read as PropertyMap) : {};
}

/** Writes a property value in the wire form. */
export function toWire(value: Property): unknown {
  if (value instanceof UnknownValue) return unknownMark;
  if (value instanceof Secret) return { [signatureKey]: secretSignature, value: toWire(value.value) };
  if (Array.isArray(value)) return value.map(toWire);
  if (isMap(value)) return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, toWire(item)]));
  return value;
}

/** The value without its secret marks. What it returns must not reach a message or the state unmarked. */
export function unwrap(value: Property): Plain {
  if (value instanceof Secret) return unwrap(value.value);
  if (Array.isArray(value)) return value.map(unwrap);
  if (isMap(value)) return unwrapMap(value as PropertyMap);
  return value as Plain;
}

export function unwrapMap(value: PropertyMap): PlainMap {
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, unwrap(item)]));
}

export function hasUnknown(value: Property): boolean {
  if (value instanceof UnknownValue) return true;
  if (value instanceof Secret) return hasUnknown(value.value);
  if (Array.isArray(value)) return value.some(hasUnknown);
  if (isMap(value)) return Object.values(value as PropertyMap).some(hasUnknown);
  return false;
}

export function hasSecret(value: Property): boolean {
  if (value instanceof Secret) return true;
  if (Array.isArray(value)) return value.some(hasSecret);
  if (isMap(value)) return Object.values(value as PropertyMap).some(hasSecret);
  return false;
}

/** Marks as secret in `target` whatever is secret at the same place of `from`. */
export function markSecrets(target: Property, from: Property | undefined): Property {
  if (from instanceof Secret) return target instanceof Secret ? target : new Secret(target);
  if (target instanceof Secret) return target;
  if (Array.isArray(target) && Array.isArray(from)) {
    return target.map((item, index) => markSecrets(item, from[index]));
  }
  if (isMap(target) && isMap(from)) {
    const source = from as PropertyMap;
    return Object.fromEntries(
      Object.entries(target as PropertyMap).map(([key, item]) => [key, markSecrets(item, source[key])]),
    );
  }
  return target;
}

/** Changes a map in place of its secret mark, where it has one. Anything that is no map is left alone. */
export function editMap(value: Property | undefined, edit: (map: PropertyMap) => PropertyMap): Property {
  if (value instanceof Secret) return new Secret(editMap(value.value, edit));
  if (value === undefined || value === null) return edit({});
  if (isMap(value)) return edit({ ...(value as PropertyMap) });
  return value;
}

export function equal(left: Plain | undefined, right: Plain | undefined): boolean {
  if (left === right) return true;
  if (left instanceof UnknownValue || right instanceof UnknownValue) {
    return left instanceof UnknownValue && right instanceof UnknownValue;
  }
  if (Array.isArray(left) && Array.isArray(right)) {
    return left.length === right.length && left.every((item, index) => equal(item, right[index]));
  }
  if (isPlainMap(left) && isPlainMap(right)) {
    const keys = Object.keys(left);
    return (
      keys.length === Object.keys(right).length && keys.every((key) => key in right && equal(left[key], right[key]))
    );
  }
  return false;
}

/** Every text that a secret of `value` consists of, also as base64 carries it. */
export function secretTexts(value: Property): string[] {
  const found = new Set<string>();
  const collect = (item: Property): void => {
    if (item instanceof Secret) collect(item.value);
    else if (Array.isArray(item)) item.forEach(collect);
    else if (isMap(item)) Object.values(item as PropertyMap).forEach(collect);
    else if (typeof item === "number") found.add(String(item));
    else if (typeof item === "string" && item !== "") {
      found.add(item);
      found.add(Buffer.from(item, "utf8").toString("base64"));
      const decoded = Buffer.from(item, "base64").toString("utf8");
      if (Buffer.from(decoded, "utf8").toString("base64") === item) found.add(decoded);
    }
  };
  const find = (item: Property): void => {
    if (item instanceof Secret) collect(item.value);
    else if (Array.isArray(item)) item.forEach(find);
    else if (isMap(item)) Object.values(item as PropertyMap).forEach(find);
  };
  find(value);
  return [...found].filter((text) => text !== "").sort((a, b) => b.length - a.length);
}

/**
 * Takes every secret text out of a message (the API server quotes values that it refuses). A text of fewer than four
 * characters is taken out only where it stands in quotes: elsewhere it would hit parts of other words.
 */
export function redact(message: string, secrets: readonly string[]): string {
  let result = message;
  for (const secret of secrets) {
    const escaped = JSON.stringify(secret).slice(1, -1);
    for (const form of new Set([secret, escaped])) {
      if (form.length >= 4) result = result.split(form).join("[secret]");
      else result = result.split(`"${form}"`).join('"[secret]"');
    }
  }
  return result;
}
