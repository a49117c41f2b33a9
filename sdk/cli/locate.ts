import { readFileSync } from "node:fs";
import { LineCounter, parseDocument } from "yaml";
import type { Source } from "../reachability";

/**
 * The source of one field of an object: the same file, and the line the field begins on. Parses one document again, and
 * only this one. Where the field cannot be found (standard input, a Pulumi state) the object's own source has to do.
 */
export function locate(source: Source | undefined, path: string): Source | undefined {
  if (source?.file === undefined || source.line === undefined) return source;
  const text = documentAt(source.file, source.line);
  if (text === undefined) return source;
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, keepSourceTokens: false, logLevel: "silent" });
  const node: unknown = document.getIn(segmentsOf(path), true);
  const range = (node as { range?: readonly number[] } | undefined)?.range;
  const start = range?.[0];
  return start === undefined ? source : { ...source, line: source.line + lines.linePos(start).line - 1 };
}

const texts = new Map<string, string | undefined>();

function textOf(file: string): string | undefined {
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
  const rest = text.slice(start);
  const end = /\n(---|\.\.\.)(\s|$)/.exec(rest)?.index;
  return end === undefined ? rest : rest.slice(0, end + 1);
}

/** `spec.ingress[0].from` → ["spec", "ingress", 0, "from"]. */
function segmentsOf(path: string): (string | number)[] {
  return [...path.matchAll(/\[(\d+)\]|([^.[\]]+)/g)].map((match) =>
    match[1] === undefined ? (match[2] ?? "") : Number(match[1]),
  );
}
