/** Reading YAML and JSON text into objects, fast, with line numbers only where they are needed. */
import { CORE_SCHEMA, load, Type, YAMLException } from "js-yaml";
import type * as YamlWithLines from "yaml";
import type { KubeObject, Source, SourcedObject } from "../model/objects";
import type { Problem } from "../model/problems";

export interface ReadYaml {
  readonly objects: readonly SourcedObject[];
  readonly problems: readonly Problem[];
}

/** YAML as Kubernetes reads it: merge keys, but dates stay text. */
const schema = CORE_SCHEMA.extend({
  implicit: [new Type("tag:yaml.org,2002:merge", { kind: "scalar", resolve: (text: unknown) => text === "<<" })],
});

/** How deep an object may be nested. The API server's own limit for JSON is of the same order; deeper is no policy. */
const deepest = 200;

/**
 * Reads a text of YAML documents, or one JSON document, into objects; lists (`kind: List`, `PodList`, …) are unpacked.
 * Each object's source tells the line its document begins on. Never throws for what the text holds: a document that cannot
 * be read is a problem of code `unreadable`, a map that is no Kubernetes object (`values.yaml`) one of code `not-an-object`.
 */
export function readYaml(text: string, file?: string): ReadYaml {
  const objects: SourcedObject[] = [];
  const problems: Problem[] = [];
  for (const document of splitDocuments(text)) readDocument(document, file, objects, problems);
  return { objects, problems };
}

interface YamlDocument {
  readonly text: string;
  /** Line the document begins on, 1-based. */
  readonly line: number;
}

/** Splits a stream at its `---` lines, so that one broken document does not take the others with it. */
function* splitDocuments(text: string): Iterable<YamlDocument> {
  const body = text.charCodeAt(0) === 0xfeff ? text.slice(1) : text;
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

function readDocument(
  document: YamlDocument,
  file: string | undefined,
  objects: SourcedObject[],
  problems: Problem[],
): void {
  if (!/[^\s]/.test(document.text)) return;
  const first = firstLine(document);
  const source: Source = { ...(file === undefined ? {} : { file }), line: first };
  const problem = (code: Problem["code"], message: string, line: number, affectsVerdicts: boolean): void => {
    problems.push({ code, message, source: { ...source, line }, affectsVerdicts });
  };
  let value: unknown;
  try {
    value = load(document.text, { schema });
  } catch (error) {
    const { message, line } = describeYamlError(error, document);
    return problem("unreadable", message, line, true);
  }
  if (value === undefined || value === null) return;
  if (isDeeper(value, deepest)) {
    return problem("unreadable", `nested deeper than ${deepest} levels`, first, true);
  }
  addObject(value, source, objects, problem);
}

function addObject(
  value: unknown,
  source: Source,
  objects: SourcedObject[],
  problem: (code: Problem["code"], message: string, line: number, affectsVerdicts: boolean) => void,
): void {
  const line = source.line ?? 1;
  if (typeof value !== "object" || value === null) {
    return problem("unreadable", "a document that is not a map", line, true);
  }
  if (Array.isArray(value)) {
    // a JSON array of objects, as some tools print it
    for (const item of value as unknown[]) addObject(item, source, objects, problem);
    return;
  }
  const { apiVersion, kind, items } = value as { apiVersion?: unknown; kind?: unknown; items?: unknown };
  if (apiVersion === undefined && kind === undefined) {
    return problem("not-an-object", "a map without apiVersion and kind: no Kubernetes object", line, false);
  }
  if (typeof apiVersion !== "string" || typeof kind !== "string") {
    return problem("unreadable", "not a Kubernetes object: apiVersion and kind must be strings", line, true);
  }
  if (kind.endsWith("List") && Array.isArray(items)) {
    for (const item of items as unknown[]) addObject(itemOfList(item, apiVersion, kind), source, objects, problem);
    return;
  }
  objects.push({ object: value as KubeObject, source });
}

function itemOfList(item: unknown, apiVersion: string, kind: string): unknown {
  if (kind === "List" || typeof item !== "object" || item === null || Array.isArray(item)) return item;
  return { apiVersion, kind: kind.slice(0, -"List".length), ...item };
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
  const document = [...splitDocuments(text)].reverse().find((each) => each.line <= line);
  if (document === undefined) return undefined;
  // loaded here only: the parser with positions costs 40 ms at start, and most runs want no line
  // eslint-disable-next-line @typescript-eslint/no-require-imports
  const { LineCounter, parseDocument, isMap, isScalar, isSeq } = require("yaml") as typeof YamlWithLines;
  const counter = new LineCounter();
  const parsed = parseDocument(document.text, { lineCounter: counter, strict: false, logLevel: "silent" });
  let node: unknown = parsed.contents;
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
