/** Edits of YAML or JSON text that leave every other character as it is: comments, order, quotes and line ends. */
import { isMap, isPair, isScalar, isSeq, stringify, type Pair, type Scalar, type YAMLMap, type YAMLSeq } from "yaml";
import type { TextEdit } from "./types";

/** A node with its place in the text. */
interface Placed {
  readonly range?: readonly [number, number, number] | null;
}

/** The pair of a key. */
export function pairOf(map: YAMLMap, key: string): Pair<Scalar<string>> | undefined {
  return map.items.find(
    (pair): pair is Pair<Scalar<string>> => isPair(pair) && isScalar(pair.key) && pair.key.value === key,
  );
}

/** Where a pair begins in the text. */
export function startOf(pair: Pair<Scalar<string>>): number {
  return pair.key.range?.[0] ?? 0;
}

/** Writes a key anew, in the quotes that it has. */
export function renamed(text: string, pair: Pair<Scalar<string>>, key: string): TextEdit[] {
  return rewritten(text, pair.key, key);
}

/** Writes the text of a scalar anew, in the quotes that it has. */
export function rewritten(text: string, node: Placed, value: string): TextEdit[] {
  const quote = text[node.range?.[0] ?? 0] ?? "";
  return replaced(node, quote === '"' || quote === "'" ? `${quote}${value}${quote}` : plain(value));
}

/** Writes a node anew, as it is given. */
export function replaced(node: Placed, text: string): TextEdit[] {
  return node.range ? [{ from: node.range[0], to: node.range[1], text }] : [];
}

/** Adds a pair after another one of a map, in the style of the map. */
export function addedAfter(
  text: string,
  map: YAMLMap,
  pair: Pair<Scalar<string>>,
  key: string,
  value: unknown,
): TextEdit[] {
  const end = endOf(pair.value) ?? pair.key.range?.[1];
  const begin = pair.key.range?.[0];
  if (end === undefined || begin === undefined) return [];
  if (map.flow === true) {
    const quoted = text[begin] === '"';
    const written = `${quoted ? JSON.stringify(key) : plain(key)}: ${flow(value, quoted)}`;
    return [{ from: end, to: end, text: `,${gapBefore(text, begin)}${written}` }];
  }
  const indent = indentAt(text, begin);
  return [
    insertedLines(
      text,
      end,
      block({ [key]: value }).map((line) => `${indent}${line}`),
    ),
  ];
}

/** Adds a pair before the first one of a map in block style: text of one line. */
export function addedLineBefore(text: string, offset: number, line: string): TextEdit[] {
  const start = text.lastIndexOf("\n", offset - 1) + 1;
  return [{ from: start, to: start, text: `${line}${newlineOf(text)}` }];
}

/** Adds items at the end of a list, in its own style. */
export function appended(text: string, list: YAMLSeq, items: readonly unknown[]): TextEdit[] {
  if (!list.range) return [];
  const last = list.items.at(-1);
  if (list.flow === true) {
    const quoted = isJsonAt(text, list.range[0]);
    const written = items.map((item) => flow(item, quoted));
    if (last === undefined) return [{ from: list.range[0] + 1, to: list.range[0] + 1, text: written.join(", ") }];
    const end = endOf(last);
    const begin = (last as Placed).range?.[0];
    if (end === undefined || begin === undefined) return [];
    return [{ from: end, to: end, text: written.map((item) => `,${gapBefore(text, begin)}${item}`).join("") }];
  }
  const end = endOf(last);
  if (end === undefined) return [];
  const indent = indentAt(text, list.range[0]);
  const inBlock = isMap(last) && last.flow !== true;
  const lines = items.flatMap((item) =>
    inBlock || typeof item !== "object" ? block([item]) : [`- ${flow(item, false)}`],
  );
  return [
    insertedLines(
      text,
      end,
      lines.map((line) => `${indent}${line}`),
    ),
  ];
}

/** Documents at the end of a stream of documents. */
export function documentsAdded(text: string, values: readonly object[]): TextEdit[] {
  const newline = newlineOf(text);
  const separated = /(^|\n)---[ \t]*\r?\n\s*$/.test(text);
  const gap = text === "" || text.endsWith("\n") ? "" : newline;
  const lines = values.flatMap((value, index) => [...(separated && index === 0 ? [] : ["---"]), ...block(value)]);
  return [{ from: text.length, to: text.length, text: `${gap}${lines.join(newline)}${newline}` }];
}

/** Where the text of a value ends, without the comment and the line end behind it. */
function endOf(node: unknown): number | undefined {
  if (isPair(node)) return endOf(node.value) ?? (node.key as Placed).range?.[1];
  if ((isMap(node) || isSeq(node)) && node.flow !== true && node.items.length > 0) return endOf(node.items.at(-1));
  return (node as Placed | null)?.range?.[1];
}

function insertedLines(text: string, after: number, lines: readonly string[]): TextEdit {
  const next = text.indexOf("\n", after);
  const lineEnd = next < 0 ? text.length : text[next - 1] === "\r" ? next - 1 : next;
  return { from: lineEnd, to: lineEnd, text: lines.map((line) => `${newlineOf(text)}${line}`).join("") };
}

function newlineOf(text: string): string {
  return text.includes("\r\n") ? "\r\n" : "\n";
}

/** Spaces up to a column: the marks of a list before it (`- `) count as such. */
function indentAt(text: string, offset: number): string {
  return " ".repeat(offset - (text.lastIndexOf("\n", offset - 1) + 1));
}

/** What stands before a piece of flow style: a new line where it has a line of its own, else a space. */
function gapBefore(text: string, offset: number): string {
  const start = text.lastIndexOf("\n", offset - 1) + 1;
  const before = text.slice(start, offset);
  return start > 0 && before.trim() === "" ? `${newlineOf(text)}${before}` : " ";
}

/** Whether flow style around a place is JSON: its nearest key is in quotes. */
function isJsonAt(text: string, offset: number): boolean {
  return /"\s*:\s*$/.test(text.slice(0, offset));
}

/** A value in block style, line by line. */
function block(value: unknown): string[] {
  return stringify(value, { lineWidth: 0 }).trimEnd().split("\n");
}

/** A value in flow style on one line; keys and texts in quotes for JSON. */
function flow(value: unknown, json: boolean): string {
  if (Array.isArray(value)) return `[${value.map((each) => flow(each, json)).join(", ")}]`;
  if (typeof value === "object" && value !== null) {
    const pairs = Object.entries(value).map(
      ([key, each]) => `${json ? JSON.stringify(key) : plain(key)}: ${flow(each, json)}`,
    );
    return pairs.length === 0 ? "{}" : json ? `{${pairs.join(", ")}}` : `{ ${pairs.join(", ")} }`;
  }
  return json || typeof value !== "string" ? JSON.stringify(value) : plain(value);
}

/** Text as YAML reads it without quotes in every style, else with them. */
function plain(text: string): string {
  const isPlain = /^[A-Za-z0-9][A-Za-z0-9._/-]*$/.test(text) && stringify(text).trimEnd() === text;
  return isPlain ? text : JSON.stringify(text);
}

/** A text with edits applied. They do not overlap; of those at one place the first stands first. */
export function applied(text: string, edits: readonly TextEdit[]): string {
  let [result, at] = ["", 0];
  for (const { from, to, text: piece } of [...edits].sort((a, b) => a.from - b.from)) {
    result += text.slice(at, from) + piece;
    at = to;
  }
  return result + text.slice(at);
}

/** Whether two of some edits would write over each other. */
export function overlap(edits: readonly TextEdit[]): boolean {
  const sorted = [...edits].sort((a, b) => a.from - b.from);
  return sorted.some(({ from }, index) => from < (sorted[index - 1]?.to ?? 0));
}

/** The 1-based line of an offset. */
export function lineAt(text: string, offset: number): number {
  return text.slice(0, offset).split("\n").length;
}
