/**
 * The text of a file by its byte order mark, or by where the zero bytes of its first character stand (YAML 1.2.2, 5.2);
 * without either it is UTF-8.
 */
export function decode(bytes: Buffer): string {
  const [first = -1, second = -1] = bytes;
  if (first === 0xff && second === 0xfe) return bytes.toString("utf16le", 2);
  if (first === 0xfe && second === 0xff) return bigEndian(bytes.subarray(2));
  if (first > 0 && second === 0) return bytes.toString("utf16le");
  if (first === 0 && second > 0) return bigEndian(bytes);
  return bytes.toString("utf8");
}

function bigEndian(bytes: Buffer): string {
  return Buffer.from(bytes.subarray(0, bytes.length - (bytes.length % 2)))
    .swap16()
    .toString("utf16le");
}
