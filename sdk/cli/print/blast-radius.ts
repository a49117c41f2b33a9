import type { BlastRadius, Traffic } from "../../reachability";
import { connections, describeTraffic } from "../../reports/connections";
import type { Format } from "./formats";
import { DotGraph, mermaidGraph, type Edge } from "./graph";
import { printList } from "./list";

/** One thing that is reached, or that reaches. */
export interface Reach extends Traffic {
  readonly hops: number;
  /** A workload's id or a range outside the cluster. */
  readonly end: string;
  /** One hop nearer to where the question began. */
  readonly over: string;
}

/** What is reached by hops, then the world, which only the workload itself was asked about. */
export function reachesOf({ from, reached, world }: BlastRadius): Reach[] {
  return [
    ...reached.map(({ workloadId, ...rest }) => ({ end: workloadId, ...rest })),
    ...world.map(({ rangeId, allowed, possible }) => ({ end: rangeId, hops: 1, over: from, allowed, possible })),
  ];
}

/** How far one gets, in the format asked for. */
export function printBlastRadius(
  reaches: readonly Reach[],
  direction: BlastRadius["direction"],
  format: Format,
): string {
  const edge = ({ end, over, allowed, possible }: Reach): Edge => {
    const [source, destination] = direction === "egress" ? [over, end] : [end, over];
    const style = allowed.isEmpty() ? { style: "possible" as const } : {};
    return { source, destination, label: describeTraffic(allowed, possible), ...style };
  };
  switch (format) {
    case "dot": {
      const graph = new DotGraph();
      return graph.begin + reaches.map((each) => graph.edge(edge(each))).join("") + graph.end();
    }
    case "mermaid":
      return mermaidGraph(reaches.map(edge));
    default:
      return printList({ titles: titles[direction], items: reaches, cells: cellsOf, json: asJson }, format);
  }
}

const titles = {
  egress: ["HOPS", "REACHED", "FROM", "CONNECTIONS"],
  ingress: ["HOPS", "REACHED FROM", "TO", "CONNECTIONS"],
} as const;

function cellsOf({ hops, end, over, allowed, possible }: Reach): string[] {
  return [String(hops), end, over, describeTraffic(allowed, possible)];
}

function asJson({ hops, end, over, allowed, possible }: Reach): unknown {
  const more = allowed === possible ? {} : { possible: connections(possible) };
  return { hops, end, over, conn: connections(allowed), ...more };
}
