import type { PlannedFlow, PlannedPeer } from "../plan/index";
import { describePlannedPeer } from "../plan/index";

/**
 * The declared flows as a Mermaid flowchart: a box for each namespace, an arrow for each pair of peers, its ports as the
 * label. Sorted, so that the same declaration gives the same text. An empty declaration gives a chart without arrows.
 */
export function flowDiagram(flows: readonly Omit<PlannedFlow, "id">[]): string {
  const ports = new Map<string, { readonly from: string; readonly to: string; readonly ports: Set<string> }>();
  const homes = new Map(
    flows.flatMap(({ from, to }) => [from, to].map((peer) => [describePlannedPeer(peer), homeOf(peer)] as const)),
  );
  for (const { from: source, to: destination, ports: ranges } of flows) {
    const [from, to] = [describePlannedPeer(source), describePlannedPeer(destination)];
    const key = JSON.stringify([from, to]);
    const arrow = ports.get(key) ?? { from, to, ports: new Set() };
    for (const { protocol, from: first, to: last } of ranges) {
      arrow.ports.add(first === last ? `${protocol} ${first}` : `${protocol} ${first}-${last}`);
    }
    ports.set(key, arrow);
  }
  const arrows = [...ports.entries()].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, arrow]) => arrow);
  const peers = [...new Set(arrows.flatMap(({ from, to }) => [from, to]))].sort();
  const ids = new Map(peers.map((peer, index) => [peer, `n${index}`]));
  const node = (peer: string): string => `${ids.get(peer) ?? ""}["${escape(peer)}"]`;
  const boxes = [...groupByNamespace(peers, homes)].flatMap(([namespace, members], index) =>
    namespace === undefined
      ? members.map((peer) => `  ${node(peer)}`)
      : [`  subgraph s${index}["${escape(namespace)}"]`, ...members.map((peer) => `    ${node(peer)}`), "  end"],
  );
  const lines = arrows.map((arrow) => {
    const label = [...arrow.ports].sort(byPort).join(", ");
    return `  ${ids.get(arrow.from) ?? ""} -->|"${escape(label)}"| ${ids.get(arrow.to) ?? ""}`;
  });
  return `${["flowchart LR", ...boxes, ...lines].join("\n")}\n`;
}

/** Workloads by their namespace, everything else under `undefined`; in the order of the peers. */
function groupByNamespace(
  peers: readonly string[],
  homes: ReadonlyMap<string, string | undefined>,
): ReadonlyMap<string | undefined, readonly string[]> {
  const groups = new Map<string | undefined, string[]>();
  for (const peer of peers) {
    const namespace = homes.get(peer);
    groups.set(namespace, [...(groups.get(namespace) ?? []), peer]);
  }
  return groups;
}

/** The namespace of workloads, and of a namespace as a whole; ranges, names and entities have none. */
function homeOf(peer: PlannedPeer): string | undefined {
  return peer.kind === "workload" || peer.kind === "namespace" ? peer.namespace : undefined;
}

function byPort(a: string, b: string): number {
  return a.localeCompare(b, "en", { numeric: true });
}

/** Mermaid reads entities inside quotes; a quote or a bracket would end the text. */
function escape(text: string): string {
  return text.replace(/[^\w .,/:*-]/gu, (character) => `#${character.codePointAt(0) ?? 0};`);
}
