import { describeEnd } from "../../reachability";
import type { Flow, Traffic, Verdict } from "../../reachability";
import { connections, describeTraffic } from "../../reports/connections";
import { describePort } from "../ends";
import { printable } from "../output";
import { paintVerdict, type Colours } from "./colours";
import type { Format } from "./formats";
import { DotGraph, mermaidGraph, type Edge } from "./graph";
import { csvField, markdownCell } from "./text";

/** The answer to one question. */
export interface Answer {
  readonly flow: Flow;
  readonly verdict: Verdict;
  readonly traffic: Traffic;
  /** The HTTP requests for which it is allowed: `GET /x only`. Default: no matter. */
  readonly condition?: string;
}

/** A verdict in the format asked for. */
export function printAnswer(answer: Answer, format: Format, colours: Colours): string {
  const { flow, verdict, traffic, condition } = answer;
  const src = describeEnd(flow.source);
  const dst = describeEnd(flow.destination);
  const { allowed, possible } = traffic;
  switch (format) {
    case "json":
      return `${JSON.stringify({
        src,
        dst,
        protocol: flow.protocol,
        port: flow.port,
        verdict,
        condition,
        conn: connections(allowed),
        possible: allowed === possible ? undefined : connections(possible),
      })}\n`;
    case "csv": {
      const row = [src, dst, flow.protocol, String(flow.port ?? ""), verdict];
      return `src,dst,protocol,port,verdict\n${row.map(csvField).join(",")}\n`;
    }
    case "md": {
      const row = [src, dst, describePort(flow), condition === undefined ? verdict : `${verdict} for ${condition}`]
        .map(markdownCell)
        .join(" | ");
      return `| src | dst | port | verdict |\n|-----|-----|------|---------|\n| ${row} |\n`;
    }
    case "dot": {
      const graph = new DotGraph();
      return graph.begin + graph.edge(edgeOf(answer, src, dst)) + graph.end();
    }
    case "mermaid":
      return mermaidGraph([edgeOf(answer, src, dst)]);
    default:
      return `${paintVerdict(verdict, colours)}  ${printable(`${src} -> ${dst}`)}  ${describePort(flow)}${condition === undefined ? "" : ` for ${condition}`}${portsNote(answer)}\n`;
  }
}

/** On which other ports something passes, where that helps: the asked one is closed. */
function portsNote({ verdict, traffic: { allowed, possible } }: Answer): string {
  if (verdict === "allowed" || possible.isEmpty()) return "";
  return `  (what passes: ${describeTraffic(allowed, possible)})`;
}

function edgeOf({ flow, verdict }: Answer, source: string, destination: string): Edge {
  const label = `${describePort(flow)}: ${verdict}`;
  return { source, destination, label, ...(verdict === "allowed" ? {} : { style: "possible" as const }) };
}
