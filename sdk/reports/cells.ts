/** A field of CSV (RFC 4180). What a spreadsheet would take for a formula begins with an apostrophe, which makes it text. */
export function csvField(text: string): string {
  const plain = /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(plain) ? `"${plain.replaceAll('"', '""')}"` : plain;
}

/** A cell of a Markdown table: names of objects make no markup, link or column in it. */
export function markdownCell(text: string): string {
  return text
    .replace(/[\\`*~|]/g, (mark) => `\\${mark}`)
    .replaceAll("<", "&lt;")
    .replaceAll("](", "]\\(")
    .replace(/\r\n?|\n/g, " ");
}
