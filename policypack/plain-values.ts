import { unknownValue } from "../sdk/reachability/unknown";

/**
 * Property maps as policies get them are proxies that throw when a value is not known yet. The engine of this package
 * wants plain data with {@link unknownValue} in those places. The conversion never throws: what cannot be read is
 * unknown, and an unknown never counts as safe.
 */

/** Deeper than any Kubernetes object; what lies below is taken as unknown instead of overflowing the stack. */
const maxDepth = 64;

/** Plain data without proxies, getters or class instances; unknown values are {@link unknownValue}. */
export function toPlain(value: unknown): unknown {
  return copy(value, 0);
}

/** {@link toPlain} for what has to be an object; anything else (null, a list, a single value) becomes `undefined`. */
export function toPlainObject(value: unknown): Record<string, unknown> | undefined {
  const plain = copy(value, 0);
  if (typeof plain !== "object" || plain === null || Array.isArray(plain) || plain === unknownValue) return undefined;
  return plain as Record<string, unknown>;
}

/**
 * Reads one property of something that may be a throwing proxy.
 *
 * The proxies of `@pulumi/policy` throw an `UnknownValueError` (exported since 1.21) for a value that is not known yet.
 * Any other exception on a read means just as little is known, so both end the same way.
 */
export function readProperty(holder: object, key: PropertyKey): unknown {
  try {
    return (holder as Record<PropertyKey, unknown>)[key];
  } catch {
    return unknownValue;
  }
}

function copy(value: unknown, depth: number): unknown {
  switch (typeof value) {
    case "string":
    case "number":
    case "boolean":
    case "undefined":
      return value;
    case "bigint":
    case "symbol":
    case "function":
      return unknownValue;
  }
  if (value === null || value === unknownValue) return value;
  if (depth >= maxDepth) return unknownValue;
  try {
    return Array.isArray(value) ? copyArray(value, depth) : copyObject(value as object, depth);
  } catch {
    return unknownValue;
  }
}

function copyArray(list: readonly unknown[], depth: number): unknown {
  const result: unknown[] = [];
  for (let index = 0; index < list.length; index++) {
    result.push(copy(readProperty(list, index), depth + 1));
  }
  return result;
}

function copyObject(holder: object, depth: number): unknown {
  const prototype: unknown = Object.getPrototypeOf(holder);
  // Assets, archives and other instances are no part of a Kubernetes object.
  if (prototype !== null && prototype !== Object.prototype) return unknownValue;
  // fromEntries defines properties, so a key `__proto__` stays an ordinary key
  return Object.fromEntries(Object.keys(holder).map((key) => [key, copy(readProperty(holder, key), depth + 1)]));
}
