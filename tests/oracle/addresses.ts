/** CIDR arithmetic on plain bigints. An IPv4-mapped IPv6 address stays an IPv6 address, as its text says. */

export interface Address {
  readonly family: 4 | 6;
  readonly bits: bigint;
}

/** Reads dotted IPv4 or any RFC 4291 text form of IPv6 (`::`, embedded IPv4). Throws on anything else. */
export function parseAddress(text: string): Address {
  if (!text.includes(":")) return { family: 4, bits: parseIPv4(text) };
  let body = text;
  const lastColon = body.lastIndexOf(":");
  const tail = body.slice(lastColon + 1);
  if (tail.includes(".")) {
    const v4 = parseIPv4(tail);
    body = `${body.slice(0, lastColon + 1)}${(v4 >> 16n).toString(16)}:${(v4 & 0xffffn).toString(16)}`;
  }
  const halves = body.split("::");
  if (halves.length > 2) throw new Error(`not an address: ${text}`);
  const groups = (half: string): string[] => (half === "" ? [] : half.split(":"));
  const head = groups(halves[0] ?? "");
  const rest = halves.length === 2 ? groups(halves[1] ?? "") : [];
  const missing = 8 - head.length - rest.length;
  if (missing < 0 || (halves.length === 1 && missing !== 0)) throw new Error(`not an address: ${text}`);
  const all = [...head, ...Array<string>(missing).fill("0"), ...rest];
  let bits = 0n;
  for (const group of all) {
    if (!/^[0-9a-fA-F]{1,4}$/.test(group)) throw new Error(`not an address: ${text}`);
    bits = (bits << 16n) | BigInt(`0x${group}`);
  }
  return { family: 6, bits };
}

function parseIPv4(text: string): bigint {
  const parts = text.split(".");
  if (parts.length !== 4) throw new Error(`not an address: ${text}`);
  let bits = 0n;
  for (const part of parts) {
    if (!/^\d{1,3}$/.test(part) || Number(part) > 255) throw new Error(`not an address: ${text}`);
    bits = (bits << 8n) | BigInt(part);
  }
  return bits;
}

/** Whether `address` lies in `cidr`. A bare address counts as its own /32 or /128. */
export function cidrContains(cidr: string, address: string): boolean {
  const [network, length] = cidr.split("/");
  const base = parseAddress(network ?? "");
  const point = parseAddress(address);
  if (base.family !== point.family) return false;
  const width = base.family === 4 ? 32 : 128;
  const prefix = length === undefined ? width : Number(length);
  if (!Number.isInteger(prefix) || prefix < 0 || prefix > width) throw new Error(`not a CIDR: ${cidr}`);
  const shift = BigInt(width - prefix);
  return base.bits >> shift === point.bits >> shift;
}

/** The CIDR minus every exception: an address in an exception is not matched by this block. */
export function blockContains(cidr: string, except: readonly string[], address: string): boolean {
  return cidrContains(cidr, address) && !except.some((hole) => cidrContains(hole, address));
}
