/** Edits of YAML text that leave every other character as it is: comments, order, quotes and line ends. */
import { isMap, isPair, isScalar, isSeq, type Pair, type Scalar, type YAMLMap, type YAMLSeq } from "yaml";
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

/** Writes a key anew. */
export function renamed(pair: Pair<Scalar<string>>, key: string): TextEdit[] {
  return replaced(pair.key, plain(key));
}

/** Writes a scalar anew. */
export function replaced(node: Placed, text: string): TextEdit[] {
  return node.range ? [{ from: node.range[0], to: node.range[1], text }] : [];
}

/**
 * Adds a line after a pair of a map in block style, or an entry after it in flow style.
 *
 * @param given what stands at the key: text of one line, or a list that is written as the map is
 */
export function addedAfter(
  text: string,
  map: YAMLMap,
  pair: Pair<Scalar<string>>,
  key: string,
  given: string | readonly string[],
): TextEdit[] {
  const value = typeof given === "string" ? given : given.map(scalar);
  const end = endOf(pair.value) ?? pair.key.range?.[1];
  const begin = pair.key.range?.[0];
  if (end === undefined || begin === undefined) return [];
  if (map.flow === true) {
    const written = typeof value === "string" ? value : `[${value.join(", ")}]`;
    return [{ from: end, to: end, text: `, ${key}: ${written}` }];
  }
  const indent = indentAt(text, begin);
  const lines = typeof value === "string" ? [`${key}: ${value}`] : [`${key}:`, ...value.map((item) => `  - ${item}`)];
  return [
    insertedLines(
      text,
      end,
      lines.map((line) => `${indent}${line}`),
    ),
  ];
}

/** Adds items at the end of a list, in its own style. */
export function appended(text: string, list: YAMLSeq, given: readonly string[]): TextEdit[] {
  const items = given.map(scalar);
  const end = endOf(list.items.at(-1));
  if (end === undefined || !list.range) return [];
  if (list.flow === true) return [{ from: end, to: end, text: items.map((item) => `, ${item}`).join("") }];
  const indent = indentAt(text, list.range[0]);
  return [
    insertedLines(
      text,
      end,
      items.map((item) => `${indent}- ${item}`),
    ),
  ];
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
  const newline = text.includes("\r\n") ? "\r\n" : "\n";
  return { from: lineEnd, to: lineEnd, text: lines.map((line) => `${newline}${line}`).join("") };
}

/** Spaces up to a column: the marks of a list before it (`- `) count as such. */
function indentAt(text: string, offset: number): string {
  return " ".repeat(offset - (text.lastIndexOf("\n", offset - 1) + 1));
}

/** Text as a plain scalar where YAML takes it for one in every style: an IPv6 address needs quotes in some. */
function scalar(text: string): string {
  return text.includes("::") ? JSON.stringify(text) : text;
}

/** A key as YAML reads it without quotes, else with them. */
function plain(key: string): string {
  return /^[A-Za-z][A-Za-z0-9._/-]*$/.test(key) ? key : JSON.stringify(key);
}

/** A text with edits applied. They do not overlap. */
export function applied(text: string, edits: readonly TextEdit[]): string {
  return [...edits]
    .sort((a, b) => b.from - a.from)
    .reduce((sum, { from, to, text: piece }) => sum.slice(0, from) + piece + sum.slice(to), text);
}

/** The 1-based line of an offset. */
export function lineAt(text: string, offset: number): number {
  return text.slice(0, offset).split("\n").length;
}
