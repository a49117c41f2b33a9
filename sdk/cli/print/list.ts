import type { ListFormat } from "./formats";
import { columns, csvField, markdownCell } from "./text";

/** An answer that is a list: a row of cells for people, an object for programs. */
export interface List<T> {
  /** Titles of the columns, in capitals as tables have them. */
  readonly titles: readonly string[];
  readonly items: readonly T[];
  readonly cells: (item: T) => readonly string[];
  readonly json: (item: T) => unknown;
}

/** A list in the format asked for. An empty table is no text at all. */
export function printList<T>({ titles, items, cells, json }: List<T>, format: ListFormat): string {
  const rows = items.map(cells);
  const head = titles.map((title) => title.toLowerCase());
  switch (format) {
    case "json":
      return jsonLines(items.map(json));
    case "csv":
      return [head, ...rows].map((row) => `${row.map(csvField).join(",")}\n`).join("");
    case "md": {
      const line = (row: readonly string[]): string => `| ${row.map(markdownCell).join(" | ")} |\n`;
      return line(head) + line(head.map(() => "---")) + rows.map(line).join("");
    }
    case "table":
      return rows.length === 0 ? "" : columns([titles, ...rows]);
  }
}

/** A JSON array with one item a line. */
function jsonLines(items: readonly unknown[]): string {
  if (items.length === 0) return "[]\n";
  return `[\n${items.map((item) => JSON.stringify(item)).join(",\n")}\n]\n`;
}
