import { describeRef, type Exposure, type Traffic } from "../../reachability";
import { connections, describeTraffic } from "../../reports/connections";
import type { Format } from "./formats";
import { DotGraph, mermaidGraph, type Edge } from "./graph";
import { printList } from "./list";

/** One way in or out of a workload that leads beyond the workloads there are. */
interface Row extends Traffic {
  readonly direction: "ingress" | "egress";
  readonly workload: string;
  /** `0.0.0.0-255.255.255.255[External]`, `new@shop`, or the object that opens the way. */
  readonly peer: string;
  readonly kind: "world" | "new pod" | "entrance";
}

/** What workloads are exposed to, in the format asked for. */
export function printExposure(exposures: Iterable<Exposure>, format: Format): string {
  const rows = [...exposures].flatMap(rowsOf);
  switch (format) {
    case "dot": {
      const graph = new DotGraph();
      return graph.begin + rows.map((row) => graph.edge(edgeOf(row))).join("") + graph.end();
    }
    case "mermaid":
      return mermaidGraph(rows.map(edgeOf));
    default:
      return printList({ titles, items: rows, cells: cellsOf, json: asJson }, format);
  }
}

const titles = ["WORKLOAD", "DIRECTION", "KIND", "PEER", "CONNECTIONS"];

function rowsOf({ workloadId, fromWorld, toWorld, fromFreshPods, toFreshPods, entrances }: Exposure): Row[] {
  const traffic = ({ allowed, possible }: Traffic): Traffic => ({ allowed, possible });
  const ways = [
    { direction: "ingress", world: fromWorld, fresh: fromFreshPods },
    { direction: "egress", world: toWorld, fresh: toFreshPods },
  ] as const;
  return [
    ...entrances.map((each): Row => ({
      direction: "ingress",
      workload: workloadId,
      kind: "entrance",
      peer: `${describeRef(each.via)} (${arrivals[each.arrivesFrom]})`,
      ...traffic(each),
    })),
    ...ways.flatMap(({ direction, world, fresh }): Row[] => [
      ...world.map((each): Row => ({
        direction,
        workload: workloadId,
        kind: "world",
        peer: each.rangeId,
        ...traffic(each),
      })),
      ...fresh.map((each): Row => ({
        direction,
        workload: workloadId,
        kind: "new pod",
        peer: `new@${each.namespace}`,
        ...traffic(each),
      })),
    ]),
  ];
}

const arrivals = { world: "from the client", node: "by a node", proxy: "by a proxy" } as const;

function cellsOf({ workload, direction, kind, peer, allowed, possible }: Row): string[] {
  return [workload, direction, kind, peer, describeTraffic(allowed, possible)];
}

function asJson({ workload, direction, kind, peer, allowed, possible }: Row): unknown {
  return {
    workload,
    direction,
    kind,
    peer,
    conn: connections(allowed),
    possible: allowed === possible ? undefined : connections(possible),
  };
}

function edgeOf({ workload, direction, peer, allowed, possible }: Row): Edge {
  const [source, destination] = direction === "ingress" ? [peer, workload] : [workload, peer];
  const style = allowed.isEmpty() ? { style: "possible" as const } : {};
  return { source, destination, label: describeTraffic(allowed, possible), ...style };
}
