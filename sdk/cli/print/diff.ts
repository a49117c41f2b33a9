import type { PathDifference, Traffic } from "../../reachability";
import { connections, describeTraffic } from "../../reports/connections";
import { describeCauses } from "../../reports/diff";
import { DiffComment } from "../../reports/diff-comment";
import type { Output } from "../output";
import type { DiffFormat } from "./formats";
import { DotGraph, mermaidGraph, mermaidMaxEdges, type Edge } from "./graph";
import { columns, csvField, markdownCell } from "./text";

/**
 * Prints the changes of reachability between two snapshots as they are found.
 *
 * @param incomplete Something was not understood: a comment, which stands alone, says so.
 */
export async function printDiff(
  differences: Iterable<PathDifference>,
  format: DiffFormat,
  output: Output,
  note: (text: string) => void,
  incomplete = false,
): Promise<void> {
  for (const piece of piecesOf(differences, format, note, incomplete)) {
    output.write(piece);
    if (output.full) await output.ready();
  }
  await output.end();
}

function* piecesOf(
  differences: Iterable<PathDifference>,
  format: DiffFormat,
  note: (text: string) => void,
  incomplete: boolean,
): Iterable<string> {
  switch (format) {
    case "json": {
      let start = "[\n";
      for (const each of differences) {
        yield start + JSON.stringify(asJson(each));
        start = ",\n";
      }
      yield start === "[\n" ? "[]\n" : "\n]\n";
      return;
    }
    case "csv":
      yield "change,src,dst,before,after,causes\n";
      for (const each of differences) yield `${rowOf(each).map(csvField).join(",")}\n`;
      return;
    case "md":
      yield "| change | src | dst | before | after | because of |\n|--------|-----|-----|--------|-------|------------|\n";
      for (const each of differences) yield `| ${rowOf(each).map(markdownCell).join(" | ")} |\n`;
      return;
    case "comment": {
      const comment = new DiffComment();
      for (const each of differences) comment.add(each);
      yield comment.text(incomplete);
      return;
    }
    case "dot": {
      const graph = new DotGraph();
      yield graph.begin;
      for (const each of differences) yield graph.edge(edgeOf(each));
      yield graph.end();
      return;
    }
    case "mermaid": {
      const edges = Array.from(differences, edgeOf);
      if (edges.length > mermaidMaxEdges) {
        note(`Mermaid draws at most ${mermaidMaxEdges} edges unless configured, and these are ${edges.length}`);
      }
      yield mermaidGraph(edges);
      return;
    }
    default:
      yield* tableOf(differences);
  }
}

/** So many rows are lined up together: enough for whoever reads, and little to hold of a long answer. */
const rowsTogether = 2000;

function* tableOf(differences: Iterable<PathDifference>): Iterable<string> {
  let rows: string[][] = [["CHANGE", "SOURCE", "DESTINATION", "BEFORE", "AFTER", "BECAUSE OF"]];
  for (const each of differences) {
    rows.push(rowOf(each));
    if (rows.length < rowsTogether) continue;
    yield columns(rows);
    rows = [];
  }
  const [first] = rows;
  if (first !== undefined && (rows.length > 1 || first[0] !== "CHANGE")) yield columns(rows);
}

function rowOf(difference: PathDifference): string[] {
  const { change, sourceId, destinationId, before, after, causes } = difference;
  return [
    change,
    sourceId,
    destinationId,
    describeTraffic(before.allowed, before.possible),
    describeTraffic(after.allowed, after.possible),
    describeCauses(causes),
  ];
}

function asJson(difference: PathDifference): unknown {
  const { change, sourceId, destinationId, before, after, causes } = difference;
  const possible = (traffic: Traffic): string | undefined =>
    traffic.allowed === traffic.possible ? undefined : connections(traffic.possible);
  return {
    change,
    src: sourceId,
    dst: destinationId,
    before: connections(before.allowed),
    possibleBefore: possible(before),
    after: connections(after.allowed),
    possibleAfter: possible(after),
    causes,
  };
}

function edgeOf(difference: PathDifference): Edge {
  const { change, sourceId, destinationId, before, after } = difference;
  const was = describeTraffic(before.allowed, before.possible);
  const is = describeTraffic(after.allowed, after.possible);
  const label = change === "opened" ? `+ ${is}` : change === "closed" ? `- ${was}` : `${was} → ${is}`;
  return { source: sourceId, destination: destinationId, label, style: change };
}
