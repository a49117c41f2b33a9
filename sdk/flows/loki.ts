/**
 * Lines out of one answer of Loki's API (`query_range`), piece by piece: such a document may have hundreds of megabytes, and
 * its entries are `["<nanoseconds>","<line>"]`, with metadata behind them or not.
 */

/** What begins a document of Loki's. */
const beginning = /^\s*\{\s*"status"\s*:\s*"success"\s*,\s*"data"\s*:/;
/** So many characters are needed to tell. */
export const lokiBeginning = 200;

/** A line of Hubble has some kilobytes. */
const longestLine = 16 * 1024 * 1024;

const entryStart = /\[\s*"\d{10,20}"\s*,\s*"/g;
/** Longer than what begins an entry: so much may be the first half of one. */
const longestStart = 64;

/** Whether a text begins as an answer of Loki's API does. */
export function isLokiAnswer(text: string): boolean {
  return beginning.test(text);
}

/** Takes the document in pieces of any length. */
export class LokiLines {
  private rest = "";
  private lastBrace = false;

  /** The lines that are whole now. */
  push(text: string): string[] {
    const all = this.rest + text;
    const lines: string[] = [];
    let from = 0;
    for (;;) {
      entryStart.lastIndex = from;
      const found = entryStart.exec(all);
      if (found === null) {
        // what is passed by is no line, but its end may be the beginning of one
        from = Math.max(from, all.length - longestStart);
        break;
      }
      const begun = entryStart.lastIndex;
      const end = endOfString(all, begun);
      if (end === -1 && all.length - begun > longestLine) {
        // no line is so long: what looked like one was none
        from = begun;
        continue;
      }
      if (end === -1) {
        from = found.index;
        break;
      }
      const line = parsed(all.slice(begun, end));
      if (line !== undefined) lines.push(line);
      from = end + 1;
    }
    this.rest = all.slice(from);
    const last = text.trimEnd();
    if (last !== "") this.lastBrace = last.endsWith("}");
    return lines;
  }

  /** Whether the document has come to its end. */
  get isWhole(): boolean {
    return this.lastBrace;
  }
}

/** Where the string of JSON ends that begins here; -1 where it does not. */
function endOfString(text: string, begun: number): number {
  for (let from = begun; ;) {
    const quote = text.indexOf('"', from);
    if (quote === -1) return -1;
    let escapes = 0;
    while (quote - 1 - escapes >= begun && text[quote - 1 - escapes] === "\\") escapes += 1;
    if (escapes % 2 === 0) return quote;
    from = quote + 1;
  }
}

function parsed(inside: string): string | undefined {
  try {
    return JSON.parse(`"${inside}"`) as string;
  } catch {
    // a control character in it: the line is no JSON, and is counted as such
    return inside;
  }
}
