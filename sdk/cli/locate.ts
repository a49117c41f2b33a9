import { readFileSync } from "node:fs";
import * as path from "node:path";
import { lineOfPath } from "../reachability";
import type { Source } from "../reachability";

/**
 * The source of one field of an object: the same file, and the line the field begins on. Parses one document again, and
 * only this one. Where the field cannot be found (standard input, a Pulumi state) the object's own source has to do.
 */
export function locate(source: Source | undefined, path: string): Source | undefined {
  if (source?.file === undefined || source.line === undefined) return source;
  const text = documentAt(source.file, source.line);
  const line = text === undefined ? undefined : lineOfPath(text, 1, path);
  return line === undefined ? source : { ...source, line: source.line + line - 1 };
}

const texts = new Map<string, string | undefined>();

function textOf(name: string): string | undefined {
  const file = path.resolve(name);
  if (!texts.has(file)) {
    try {
      texts.set(file, readFileSync(file, "utf8"));
    } catch {
      texts.set(file, undefined);
    }
  }
  return texts.get(file);
}

/** The text of the YAML document that begins on a line (1-based). */
function documentAt(file: string, line: number): string | undefined {
  const text = textOf(file);
  if (text === undefined) return undefined;
  let start = 0;
  for (let current = 1; current < line; current++) {
    const end = text.indexOf("\n", start);
    if (end < 0) return undefined;
    start = end + 1;
  }
  const separator = /\n(---|\.\.\.)(?=\s|$)/g;
  // the document may begin with the dashes themselves
  separator.lastIndex = start;
  const end = separator.exec(text)?.index;
  return text.slice(start, end);
}
