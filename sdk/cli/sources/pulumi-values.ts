import { isUnknown, unknownValue } from "../../reachability";

/** The key by which the Pulumi engine marks values that are more than JSON (pulumi/pulumi, sdk/go/common/resource/sig). */
const signatureKey = "4dabf18193072939515e22adb298388d";
/** The mark of an output value, which may be known, unknown or secret. */
const outputSignature = "d0e6a833031e9bbcd3f4e8bde6ca49a4";
/** How `pulumi preview --json` shows a secret. */
const blinded = "[secret]";
/** Deeper than any Kubernetes object; what lies deeper counts as unknown. */
const deepest = 500;

/**
 * A property value of a Pulumi state or preview as plain data. What is not known yet becomes {@link unknownValue}, and so
 * does every secret, decrypted or not: what is never held can never be printed.
 */
export function plainValue(value: unknown, depth = 0): unknown {
  if (isUnknown(value) || value === blinded || depth > deepest) return unknownValue;
  if (Array.isArray(value)) return value.map((item) => plainValue(item, depth + 1));
  if (typeof value !== "object" || value === null) return value;
  const record = value as Readonly<Record<string, unknown>>;
  const signature = record[signatureKey];
  if (signature === outputSignature) {
    return "value" in record && record["secret"] !== true ? plainValue(record["value"], depth + 1) : unknownValue;
  }
  // Secrets, and assets, archives and references, which no field of a policy or a pod can hold.
  if (signature !== undefined) return unknownValue;
  const plain: Record<string, unknown> = {};
  for (const [key, item] of Object.entries(record)) {
    if (!providerKeys.has(key)) define(plain, key, plainValue(item, depth + 1));
  }
  return plain;
}

/**
 * Outputs with what the inputs say in place of what is hidden. Pulumi's Kubernetes provider marks a whole list as a secret
 * where one value in it is, all containers of a pod for one variable of one of them, while the inputs hide that value alone.
 */
export function revealed(outputs: unknown, inputs: unknown): unknown {
  if (isUnknown(outputs)) return inputs ?? outputs;
  if (Array.isArray(outputs)) {
    const items: readonly unknown[] = Array.isArray(inputs) ? inputs : [];
    return outputs.map((item, index) => revealed(item, items[index]));
  }
  if (typeof outputs !== "object" || outputs === null) return outputs;
  const record = typeof inputs === "object" && inputs !== null ? (inputs as Record<string, unknown>) : {};
  const result: Record<string, unknown> = {};
  for (const [key, item] of Object.entries(outputs)) {
    define(result, key, revealed(item, Object.hasOwn(record, key) ? record[key] : undefined));
  }
  return result;
}

/** Keys that the Kubernetes provider keeps for itself in outputs. */
const providerKeys: ReadonlySet<string> = new Set(["__inputs", "__initialApiVersion", "__fieldManager", "__defaults"]);

/** Sets a key whatever its name, `__proto__` included. */
function define(target: Record<string, unknown>, key: string, value: unknown): void {
  Object.defineProperty(target, key, { value, enumerable: true, configurable: true, writable: true });
}
