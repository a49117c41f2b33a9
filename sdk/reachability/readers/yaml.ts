/** The syntax of documents: YAML and JSON text into plain values as kubectl reads it, with the lines they begin on. */
import { FAILSAFE_SCHEMA, load, Type, YAMLException } from "js-yaml";
import type * as YamlWithLines from "yaml";

/** One document of a text. */
export type ParsedDocument = { readonly line: number } & (
  | { readonly value: unknown; readonly doubledKey?: DoubledKey }
  /** It cannot be parsed; `text` is what is there. */
  | { readonly error: string; readonly errorLine: number; readonly text: string }
);

/** A key that occurs twice in one map: kubectl takes the last one. */
interface DoubledKey {
  readonly key: string;
  readonly line: number;
}

const booleans: ReadonlyMap<string, boolean> = new Map(
  [
    ["y", "yes", "true", "on"],
    ["n", "no", "false", "off"],
  ].flatMap((words, index) =>
    words.flatMap((word): [string, boolean][] => {
      const capital = word.charAt(0).toUpperCase() + word.slice(1);
      return [word, capital, word.toUpperCase()].map((each) => [each, index === 0]);
    }),
  ),
);
const nothing: ReadonlySet<string> = new Set(["", "~", "null", "Null", "NULL"]);
const integer = /^[-+]?(0[xX][0-9a-fA-F]+|0[bB][01]+|0[oO]?[0-7]+|0|[1-9][0-9]*)$/;
const float = /^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$/;
const special = /^([-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN))$/;

/** Digits may be grouped by underscores. */
function plainNumber(text: string): string {
  return /^[-+.0-9]/.test(text) ? text.replaceAll("_", "") : text;
}

function integerOf(text: string): number {
  const plain = plainNumber(text);
  const digits = plain.replace(/^[-+]/, "");
  const value = /^0[0-7]/.test(digits) ? Number.parseInt(digits, 8) : Number(digits);
  return plain.startsWith("-") ? -value : value;
}

function scalar(tag: string, resolve: (text: string) => boolean, construct: (text: string) => unknown): Type {
  return new Type(`tag:yaml.org,2002:${tag}`, {
    kind: "scalar",
    resolve: (text: unknown) => resolve(typeof text === "string" ? text : ""),
    construct: (text: unknown) => construct(typeof text === "string" ? text : ""),
  });
}

/** Tags of whatever tool (`!reference`, `!!python/name:x`) leave the value as it stands. */
const foreignTags = ["!", "tag:"].flatMap((prefix) =>
  (["scalar", "sequence", "mapping"] as const).map((kind) => new Type(prefix, { kind, multi: true })),
);

/** YAML as kubectl reads it (sigs.k8s.io/yaml on go-yaml v2, resolve.go): 1.1 with merge keys; dates stay text. */
const schema = FAILSAFE_SCHEMA.extend({
  implicit: [
    scalar(
      "null",
      (text) => nothing.has(text),
      () => null,
    ),
    scalar(
      "bool",
      (text) => booleans.has(text),
      (text) => booleans.get(text),
    ),
    scalar("int", (text) => integer.test(plainNumber(text)), integerOf),
    scalar(
      "float",
      (text) => float.test(plainNumber(text)) || special.test(text),
      (text) => (special.test(text) ? text : Number(plainNumber(text))),
    ),
    scalar(
      "merge",
      (text) => text === "<<",
      (text) => text,
    ),
  ],
  explicit: foreignTags,
});

/** How deep an object may be nested. The API server's own limit for JSON is of the same order; deeper is no policy. */
const deepest = 200;

/** The documents of a text: YAML documents, one JSON document, or several of them one after the other. Never throws. */
export function* parseDocuments(text: string): Iterable<ParsedDocument> {
  const body = withoutMarks(text);
  const json = /^\s*[[{]/.test(body) ? parseJsonStream(body) : undefined;
  if (json !== undefined) {
    yield* json;
    return;
  }
  for (const document of splitDocuments(body)) {
    if (/\S/.test(document.text)) yield parseDocument(document);
  }
}

/** A byte order mark may precede each document. */
function withoutMarks(text: string): string {
  return text.includes("\ufeff") ? text.replace(/^\ufeff+/gm, "") : text;
}

/** JSON values one after the other, as `kubectl get -o json` prints them in a loop; nothing where the text is not that. */
function parseJsonStream(text: string): ParsedDocument[] | undefined {
  const documents: ParsedDocument[] = [];
  let line = 1;
  let counted = 0;
  for (let start = nextValue(text, 0); start < text.length;) {
    const end = endOfValue(text, start);
    if (end === undefined) return undefined;
    for (let at = text.indexOf("\n", counted); at >= 0 && at < start; at = text.indexOf("\n", at + 1)) line++;
    counted = start;
    try {
      const value: unknown = JSON.parse(text.slice(start, end));
      documents.push(isDeeper(value, deepest) ? tooDeep(line, text.slice(start, end)) : { line, value });
    } catch {
      return undefined;
    }
    start = nextValue(text, end);
  }
  return documents;
}

function nextValue(text: string, from: number): number {
  let at = from;
  while (at < text.length && /\s/.test(text.charAt(at))) at++;
  return at;
}

/** Where a JSON map or list ends that begins at an offset. */
function endOfValue(text: string, start: number): number | undefined {
  if (!/[[{]/.test(text.charAt(start))) return undefined;
  const token = /"(?:[^"\\]|\\.)*"|[[\]{}]/gs;
  token.lastIndex = start;
  let depth = 0;
  for (let match = token.exec(text); match !== null; match = token.exec(text)) {
    if (match[0] === "{" || match[0] === "[") depth++;
    else if (match[0] === "}" || match[0] === "]") depth--;
    if (depth === 0) return token.lastIndex;
  }
  return undefined;
}

interface YamlDocument {
  readonly text: string;
  /** Line the document begins on, 1-based. */
  readonly line: number;
}

/** Splits a stream at its `---` lines, so that one broken document does not take the others with it. */
function* splitDocuments(body: string): Iterable<YamlDocument> {
  const separator = /^---(?=[ \t\r\n]|$)|^\.\.\.[ \t]*\r?$/gm;
  let start = 0;
  let line = 1;
  const count = (from: number, to: number): number => {
    let lines = 0;
    for (let at = body.indexOf("\n", from); at >= 0 && at < to; at = body.indexOf("\n", at + 1)) lines++;
    return lines;
  };
  for (let match = separator.exec(body); match !== null; match = separator.exec(body)) {
    yield { text: body.slice(start, match.index), line };
    line += count(start, match.index);
    start = match.index;
    if (match[0].startsWith("---")) {
      // what follows the dashes belongs to the document
      start += 3;
    } else {
      start += match[0].length;
    }
  }
  yield { text: body.slice(start), line };
}

function parseDocument(document: YamlDocument): ParsedDocument {
  const line = firstLine(document);
  try {
    return parsed(load(document.text, { schema }), line, document.text);
  } catch (error) {
    if (error instanceof YAMLException && error.reason === "duplicated mapping key")
      return withDoubledKey(document, error);
    const spaced = withAliasAsKey(document, error);
    return spaced === undefined ? broken(error, document, line) : parseDocument(spaced);
  }
}

/**
 * A document with a space between an alias and the colon after it, where the parser took both for one name: to the parser of
 * kubectl a name ends before the colon (yaml_parser_scan_anchor of go-yaml). Nothing where that is not what is wrong.
 */
function withAliasAsKey(document: YamlDocument, error: unknown): YamlDocument | undefined {
  if (!(error instanceof YAMLException)) return undefined;
  const name = /^unidentified alias "([\w-]+):"$/.exec(error.reason)?.[1];
  const { line } = (error.mark ?? {}) as { line?: number };
  if (name === undefined || line === undefined) return undefined;
  const lines = document.text.split("\n");
  const spaced = lines[line]?.replace(`*${name}:`, `*${name} :`);
  if (spaced === undefined || spaced === lines[line]) return undefined;
  lines[line] = spaced;
  return { ...document, text: lines.join("\n") };
}

function parsed(value: unknown, line: number, text: string, doubledKey?: DoubledKey): ParsedDocument {
  if (isDeeper(value, deepest)) return tooDeep(line, text);
  return { line, value, ...(doubledKey === undefined ? {} : { doubledKey }) };
}

function tooDeep(line: number, text: string): ParsedDocument {
  return { line, error: `nested deeper than ${deepest} levels`, errorLine: line, text };
}

function withDoubledKey(document: YamlDocument, error: YAMLException): ParsedDocument {
  const mark = error.mark as { line?: number } | undefined;
  const offset = mark?.line ?? 0;
  const key = /^[\s{,-]*["']?([^"':]+)["']?\s*:/.exec(document.text.split("\n")[offset] ?? "")?.[1] ?? "";
  const line = firstLine(document);
  try {
    return parsed(load(document.text, { schema, json: true }), line, document.text, {
      key,
      line: document.line + offset,
    });
  } catch (second) {
    const spaced = withAliasAsKey(document, second);
    return spaced === undefined ? broken(second, document, line) : parseDocument(spaced);
  }
}

function broken(error: unknown, document: YamlDocument, line: number): ParsedDocument {
  const described = describeYamlError(error, document);
  return { line, error: described.message, errorLine: described.line, text: document.text };
}

function firstLine(document: YamlDocument): number {
  const lead = /^(?:[ \t]*(?:#[^\n]*)?\r?\n)*/.exec(document.text)?.[0] ?? "";
  return document.line + (lead.match(/\n/g)?.length ?? 0);
}

/** Whether a value is nested deeper than a limit; one that contains itself (by alias) is, too. Looks at each part once. */
function isDeeper(value: unknown, limit: number): boolean {
  const depths = new Map<object, number>();
  const depthOf = (part: unknown, room: number): number => {
    if (typeof part !== "object" || part === null) return 0;
    if (room === 0) return Infinity;
    const known = depths.get(part);
    if (known !== undefined) return known;
    // until its depth is known a part counts as endless, which it is where it is met again inside itself
    depths.set(part, Infinity);
    let depth = 0;
    for (const key in part) depth = Math.max(depth, depthOf((part as Record<string, unknown>)[key], room - 1));
    depths.set(part, depth + 1);
    return depth + 1;
  };
  return depthOf(value, limit + 1) > limit;
}

function describeYamlError(error: unknown, document: YamlDocument): { message: string; line: number } {
  if (error instanceof YAMLException) {
    const mark = error.mark as { line?: number; column?: number } | undefined;
    return { message: `not valid YAML: ${error.reason}`, line: document.line + (mark?.line ?? 0) };
  }
  if (error instanceof RangeError) return { message: "nested too deep to be read", line: document.line };
  throw error;
}

/**
 * The line of a field in a text, 1-based; nothing where the field is not there. Parses the one document again, with
 * positions: meant for the few objects that are explained or in error.
 *
 * @param text the whole file
 * @param line the line the object's document begins on, as its source says
 * @param path the field's path: `spec.ingress[0].from`
 */
export function lineOfPath(text: string, line: number, path: string): number | undefined {
  const document = [...splitDocuments(withoutMarks(text))].reverse().find((each) => each.line <= line);
  if (document === undefined) return undefined;
  // loaded here only: the parser with positions costs 40 ms at start, and most runs want no line
  // eslint-disable-next-line @typescript-eslint/no-require-imports
  const { LineCounter, parseDocument: parse, isMap, isScalar, isSeq } = require("yaml") as typeof YamlWithLines;
  const counter = new LineCounter();
  const positions = parse(document.text, {
    lineCounter: counter,
    strict: false,
    uniqueKeys: false,
    logLevel: "silent",
  });
  let node: unknown = positions.contents;
  let found: number | undefined;
  const remember = (place: unknown): void => {
    const offset = (place as YamlWithLines.Node | null | undefined)?.range?.[0];
    if (offset !== undefined) found = document.line + counter.linePos(offset).line - 1;
  };
  for (const step of stepsOf(path)) {
    if (isMap(node)) {
      const pair = node.items.find((item) => isScalar(item.key) && String(item.key.value) === step);
      if (pair === undefined) break;
      remember(pair.key);
      node = pair.value;
    } else if (isSeq(node) && /^\d+$/.test(step)) {
      node = node.items[Number(step)];
      remember(node);
    } else {
      break;
    }
  }
  return found;
}

/** `spec.ingress[0].matchLabels[app.kubernetes.io/name]` step by step. */
function stepsOf(path: string): string[] {
  return [...path.matchAll(/\[([^\]]*)\]|([^.[\]]+)/g)].map((match) => match[1] ?? match[2] ?? "");
}
