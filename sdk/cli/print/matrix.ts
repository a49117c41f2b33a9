import type { MatrixEntry } from "../../reachability";
import { connections, describeTraffic } from "../../reports/connections";
import type { Output } from "../output";
import type { Format } from "./formats";
import { DotGraph, mermaidGraph, mermaidMaxEdges, type Edge } from "./graph";
import { foldedRows } from "./external";
import { csvField, markdownCell } from "./text";

export interface MatrixPrinting {
  readonly format: Format;
  readonly output: Output;
  /** Without workloads an empty matrix says nothing. */
  readonly hasWorkloads: boolean;
  /** A line for stderr. */
  readonly note: (text: string) => void;
}

/** Prints the matrix as it comes, a line for each pair; nothing is kept but what a format needs. Returns how many pairs. */
export async function printMatrix(entries: Iterable<MatrixEntry>, printing: MatrixPrinting): Promise<number> {
  const { output, format } = printing;
  if (format === "mermaid") return printMermaid(entries, printing);
  if (format === "table") return printTable(entries, printing);
  const form = formOf(format);
  let count = 0;
  output.write(form.begin);
  for (const entry of entries) {
    output.write(form.line(entry, count++));
    if (output.full) await output.ready();
  }
  output.write(form.end(count));
  await output.end();
  return count;
}

/** The table for people: address ranges that mean the same in one row, at most 120 columns wide where names allow it. */
async function printTable(
  entries: Iterable<MatrixEntry>,
  { output, hasWorkloads, note }: MatrixPrinting,
): Promise<number> {
  const rows = foldedRows(entries)[Symbol.iterator]();
  const first = take(rows, measuredRows);
  const source = first.reduce((width, row) => Math.max(width, row.source.length), "SOURCE".length);
  const destination = first.reduce((width, row) => Math.max(width, row.destination.length), "DESTINATION".length);
  const room = Math.max((output.columns ?? tableWidth) - source - destination - 4, leastRoom);
  let count = 0;
  output.write(`${"SOURCE".padEnd(source)}  ${"DESTINATION".padEnd(destination)}  CONNECTIONS\n`);
  for (const row of chain(first, rows)) {
    count++;
    const [head = "", ...rest] = wrapped(describeTraffic(row.allowed, row.possible), room);
    output.write(`${row.source.padEnd(source)}  ${row.destination.padEnd(destination)}  ${head}\n`);
    for (const line of rest) output.write(`${" ".repeat(source + destination + 4)}${line}\n`);
    if (output.full) await output.ready();
  }
  await output.end();
  if (count === 0 && hasWorkloads) note("nothing is allowed between any two of these");
  return count;
}

/** Columns of the table, where the terminal names none. */
const tableWidth = 120;
/** Columns that are left for connections beside long names. */
const leastRoom = 30;

/** A list with commas in lines of a width. */
function wrapped(text: string, width: number): string[] {
  const lines = [""];
  for (const part of text.split(/(?<=,)/)) {
    const line = lines[lines.length - 1] ?? "";
    if (line !== "" && line.length + part.length > width) lines.push(part);
    else lines[lines.length - 1] = line + part;
  }
  return lines;
}

/** So many rows decide how wide the columns of a table are; the rest is printed as it comes. */
const measuredRows = 2000;

function take<T>(source: Iterator<T>, limit: number): T[] {
  const taken: T[] = [];
  while (taken.length < limit) {
    const next = source.next();
    if (next.done) break;
    taken.push(next.value);
  }
  return taken;
}

function* chain<T>(first: readonly T[], rest: Iterator<T>): Iterable<T> {
  yield* first;
  for (let next = rest.next(); !next.done; next = rest.next()) yield next.value;
}

interface LineForm {
  readonly begin: string;
  line(entry: MatrixEntry, index: number): string;
  end(count: number): string;
}

function formOf(format: Exclude<Format, "table" | "mermaid">): LineForm {
  switch (format) {
    case "json":
      return jsonForm();
    case "csv":
      return {
        begin: "src,dst,conn,possible\n",
        line: ({ sourceId, destinationId, allowed, possible }) =>
          `${csvField(sourceId)},${csvField(destinationId)},${csvField(connections(allowed))},` +
          `${allowed === possible ? "" : csvField(connections(possible))}\n`,
        end: () => "",
      };
    case "md":
      return {
        begin: "| src | dst | conn |\n|-----|-----|------|\n",
        line: ({ sourceId, destinationId, allowed, possible }) =>
          `| ${markdownCell(sourceId)} | ${markdownCell(destinationId)} | ${describeTraffic(allowed, possible)} |\n`,
        end: () => "",
      };
    case "dot": {
      const graph = new DotGraph();
      return { begin: graph.begin, line: (entry) => graph.edge(edgeOf(entry)), end: () => graph.end() };
    }
  }
}

/**
 * The array that np-guard's `netpol-analyzer list -o json` prints, one object a line. Where something is unknown the
 * object has a fourth key, `possible`; `conn` is then what is certain, down to `No Connections`.
 */
function jsonForm(): LineForm {
  // The same few strings come millions of times: each is quoted once.
  const quoted = new Map<string, string>();
  const quote = (text: string): string => {
    let known = quoted.get(text);
    if (known === undefined) {
      known = JSON.stringify(text);
      quoted.set(text, known);
    }
    return known;
  };
  const conn: string[] = [];
  let lastSource: string | undefined;
  let head = "";
  return {
    begin: "[",
    line(entry, index) {
      const { sourceId, allowed, possible } = entry;
      if (sourceId !== lastSource) {
        lastSource = sourceId;
        head = `{"src":${quote(sourceId)},"dst":`;
      }
      const text = (conn[allowed.id] ??= JSON.stringify(connections(allowed)));
      const start = index === 0 ? "\n" : ",\n";
      const rest = allowed === possible ? "}" : `,"possible":${JSON.stringify(connections(possible))}}`;
      return `${start}${head}${quote(entry.destinationId)},"conn":${text}${rest}`;
    },
    end: (count) => (count === 0 ? "]\n" : "\n]\n"),
  };
}

function edgeOf({ sourceId, destinationId, allowed, possible }: MatrixEntry): Edge {
  return {
    source: sourceId,
    destination: destinationId,
    label: describeTraffic(allowed, possible),
    ...(allowed.isEmpty() ? { style: "possible" as const } : {}),
  };
}

async function printMermaid(entries: Iterable<MatrixEntry>, { output, note }: MatrixPrinting): Promise<number> {
  const edges = [...entries].map(edgeOf);
  if (edges.length > mermaidMaxEdges) {
    note(
      `Mermaid draws at most ${mermaidMaxEdges} edges unless configured, and these are ${edges.length}: narrow it with --namespace or --workload`,
    );
  }
  output.write(mermaidGraph(edges));
  await output.end();
  return edges.length;
}
