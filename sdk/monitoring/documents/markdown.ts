/** Words of people in Markdown. */

/** A text as a cell of a table: on one line, and without what would end the cell. */
export function cell(text: string): string {
  return text.trim().replace(/\s+/g, " ").replaceAll("|", "\\|");
}
