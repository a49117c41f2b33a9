/** One more item of a list in a YAML text. Every other line stays as it is. */
import { Document, isMap, isSeq, parseDocument } from "yaml";

/** @param text A YAML map without errors. */
export function withItem(text: string, key: string, item: object): string {
  const document = parseDocument(text);
  const list: unknown = document.get(key, true);
  if (isSeq(list) && list.flow !== true && list.items.length > 0 && list.range) {
    const [start, end] = list.range;
    const indent = start - (text.lastIndexOf("\n", start - 1) + 1);
    return inserted(text, text.slice(0, end).trimEnd().length, itemText(item, indent));
  }
  if (!document.has(key)) return inserted(text, text.trimEnd().length, `${key}:\n${itemText(item, 2)}`);
  // a list on one line, or an empty one
  if (isSeq(list)) {
    list.flow = list.items.length > 0;
    list.add(document.createNode(item));
  } else document.set(key, [item]);
  return document.toString({ lineWidth: 0 });
}

/** With a text on lines of its own, below the line of an offset. */
function inserted(text: string, after: number, lines: string): string {
  const newline = text.indexOf("\n", after);
  return newline === -1 ? `${text}\n${lines}` : text.slice(0, newline + 1) + lines + text.slice(newline + 1);
}

/** The item with its ends and ports on one line each, as people write them. */
function itemText(item: object, indent: number): string {
  const document = new Document([item]);
  const node: unknown = document.get(0, true);
  for (const short of ["ports", "from", "to"]) {
    const value: unknown = isMap(node) ? node.get(short, true) : undefined;
    if (isSeq(value) || isMap(value)) value.flow = true;
  }
  const lines = document.toString({ lineWidth: 0 }).trimEnd().split("\n");
  const dense = lines.map((line) =>
    /^[ -]*ports: \[/.test(line) ? line.replace("[ {", "[{").replace("} ]", "}]") : line,
  );
  return dense.map((line) => `${" ".repeat(indent)}${line}\n`).join("");
}
