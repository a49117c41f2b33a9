import { isUnknown, unknownValue } from "../sdk/reachability/model/unknown";

/**
 * Property maps as policies get them are proxies that throw when a value is not known yet. The engine of this package
 * wants plain data with {@link unknownValue} in those places. The conversion never throws: what cannot be read is
 * unknown, and an unknown never counts as safe.
 */

/** Deeper than any Kubernetes object; what lies below is taken as unknown instead of overflowing the stack. */
const maxDepth = 64;

/**
 * Plain data without throwing proxies, getters or class instances. Unknown values are {@link unknownValue} or stay the
 * marks by which the Pulumi engine writes them; `isUnknown` knows both.
 */
export function toPlain(value: unknown): unknown {
  const data = behindProxy(value);
  return data === undefined ? copy(value, 0) : data;
}

/**
 * The data behind the proxy of `@pulumi/policy`, which came from protobuf and is plain JSON. The SDK uses this way itself
 * when it serialises properties (proxy.ts: getSpecialProxyTarget). Where a version has no such way, everything is copied
 * property by property, with the same result at ten times the cost.
 */
function behindProxy(value: unknown): object | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  if (readProperty(value, "__isSpecialProxy") !== true) return undefined;
  const target = readProperty(value, "__getSpecialProxyTarget");
  return typeof target === "object" && target !== null && target !== unknownValue ? target : undefined;
}

/**
 * {@link toPlain} of the properties that a remediation gets. Those are two proxies deep, and the inner one does not
 * survive `map` and its siblings. Secrets are marked in them by instances of a class, and become unknown.
 */
export function toPlainWithoutSecrets(value: unknown): unknown {
  let inner = value;
  for (let target = behindProxy(inner); target !== undefined; target = behindProxy(inner)) inner = target;
  return copy(inner, 0);
}

/** {@link toPlain} for what has to be an object; anything else (null, a list, a single value) becomes `undefined`. */
export function toPlainObject(value: unknown): Record<string, unknown> | undefined {
  const plain = toPlain(value);
  if (typeof plain !== "object" || plain === null || Array.isArray(plain) || isUnknown(plain)) return undefined;
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
