import { createHash } from "node:crypto";

/** The namespace of this package's names: `uuid5(DNS, "pulumi-cluster-security")`. */
const namespace = Buffer.from("e989589326f7565284fd3d09980b672e", "hex");

/** A UUID of version 5 (RFC 9562, section 5.5): the same parts give the same one. */
export function uuidOf(...parts: readonly string[]): string {
  const bytes = createHash("sha1").update(namespace).update(JSON.stringify(parts)).digest().subarray(0, 16);
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x50;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  const hex = bytes.toString("hex");
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-");
}
