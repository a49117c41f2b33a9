import { describeRef } from "../../reachability";
import type { Traffic } from "../../reachability";
import type { ChangedObject } from "../changed-objects";
import { connections, describeTraffic } from "../connections";
import type { Output } from "../output";
import { describeSource } from "../problems";
import type { Format } from "./formats";
import { DotGraph, mermaidGraph, mermaidMaxEdges, type Edge } from "./graph";
import { columns, csvField, markdownCell } from "./text";

/** What became of a path. */
export type Change = "opened" | "closed" | "changed";

/** A pair of ends between which something else may pass than before. */
export interface Difference {
  readonly change: Change;
  readonly sourceId: string;
  readonly destinationId: string;
  readonly before: Traffic;
  readonly after: Traffic;
  /** The objects that did it. */
  readonly causes: readonly ChangedObject[];
}

/** Prints the changes of reachability between two snapshots. */
export async function printDiff(
  differences: readonly Difference[],
  format: Format,
  output: Output,
  note: (text: string) => void,
): Promise<void> {
  if (format === "mermaid" && differences.length > mermaidMaxEdges) {
    note(`Mermaid draws at most ${mermaidMaxEdges} edges unless configured, and these are ${differences.length}`);
  }
  for (const piece of piecesOf(differences, format)) {
    output.write(piece);
    if (output.full) await output.ready();
  }
  await output.end();
}

function* piecesOf(differences: readonly Difference[], format: Format): Iterable<string> {
  switch (format) {
    case "json":
      yield "[";
      for (const [index, each] of differences.entries())
        yield `${index === 0 ? "\n" : ",\n"}${JSON.stringify(asJson(each))}`;
      yield differences.length === 0 ? "]\n" : "\n]\n";
      return;
    case "csv":
      yield "change,src,dst,before,after,causes\n";
      for (const each of differences) yield `${rowOf(each).map(csvField).join(",")}\n`;
      return;
    case "md":
      yield "| change | src | dst | before | after | because of |\n|--------|-----|-----|--------|-------|------------|\n";
      for (const each of differences) yield `| ${rowOf(each).map(markdownCell).join(" | ")} |\n`;
      return;
    case "dot": {
      const graph = new DotGraph();
      yield graph.begin;
      for (const each of differences) yield graph.edge(edgeOf(each));
      yield graph.end();
      return;
    }
    case "mermaid":
      yield mermaidGraph(differences.map(edgeOf));
      return;
    default:
      if (differences.length > 0) {
        yield columns([
          ["CHANGE", "SOURCE", "DESTINATION", "BEFORE", "AFTER", "BECAUSE OF"],
          ...differences.map(rowOf),
        ]);
      }
  }
}

function rowOf(difference: Difference): string[] {
  const { change, sourceId, destinationId, before, after, causes } = difference;
  return [
    change,
    sourceId,
    destinationId,
    describeTraffic(before.allowed, before.possible),
    describeTraffic(after.allowed, after.possible),
    causes.map(describeCause).join("; "),
  ];
}

/** `NetworkPolicy shop/allow-web (added, policies.yaml:12)`. */
function describeCause(cause: ChangedObject): string {
  const place = describeSource(cause.source);
  return `${describeRef(cause)} (${cause.change}${place === undefined ? "" : `, ${place}`})`;
}

function asJson(difference: Difference): unknown {
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

function edgeOf(difference: Difference): Edge {
  const { change, sourceId, destinationId, before, after } = difference;
  const was = describeTraffic(before.allowed, before.possible);
  const is = describeTraffic(after.allowed, after.possible);
  const label = change === "opened" ? `+ ${is}` : change === "closed" ? `- ${was}` : `${was} → ${is}`;
  return { source: sourceId, destination: destinationId, label, style: change };
}

/** `3 paths opened, 1 closed, 2 changed`. */
export function summaryOf(differences: readonly Difference[]): string {
  const count = (change: Change): number => differences.filter((each) => each.change === change).length;
  const [opened, closed, changed] = [count("opened"), count("closed"), count("changed")];
  if (opened + closed + changed === 0) return "no path opened, closed or changed";
  return `${opened} ${opened === 1 ? "path" : "paths"} opened, ${closed} closed, ${changed} changed`;
}
