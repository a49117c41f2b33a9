import { dotString, mermaidString } from "./text";

/** A path in a drawing. */
export interface Edge {
  readonly source: string;
  readonly destination: string;
  readonly label: string;
  /** `possible`: drawn dashed. The others are for diffs. */
  readonly style?: "possible" | "opened" | "closed" | "changed";
}

const dotStyles: Readonly<Record<NonNullable<Edge["style"]>, string>> = {
  possible: " style=dashed",
  opened: ' color="#b35900" fontcolor="#b35900" penwidth=2',
  closed: ' color="#1a7f37" fontcolor="#1a7f37" style=dotted',
  changed: ' color="#8250df" fontcolor="#8250df"',
};

/** The namespace of `ns/name[Kind]`; nothing for what lies in none. */
function namespaceOf(id: string): string | undefined {
  const slash = id.indexOf("/");
  return slash > 0 && id.endsWith("]") && !id.endsWith("[External]") ? id.slice(0, slash) : undefined;
}

/** The parts of a drawing, in the order they are printed: first edges as they come, then nodes by namespace. */
export class DotGraph {
  readonly #nodes = new Set<string>();
  readonly begin = "digraph {\n  rankdir=LR\n  node [shape=box]\n";

  edge({ source, destination, label, style }: Edge): string {
    this.#nodes.add(source).add(destination);
    const look = style === undefined ? "" : dotStyles[style];
    return `  ${dotString(source)} -> ${dotString(destination)} [label=${dotString(label)}${look}]\n`;
  }

  end(): string {
    let text = "";
    for (const [namespace, nodes] of byNamespace(this.#nodes)) {
      if (namespace === undefined) {
        for (const node of nodes) text += `  ${dotString(node)} [shape=ellipse]\n`;
        continue;
      }
      text += `  subgraph ${dotString(`cluster_${namespace}`)} {\n    label=${dotString(namespace)}\n`;
      for (const node of nodes) {
        text += `    ${dotString(node)} [label=${dotString(node.slice(namespace.length + 1))}]\n`;
      }
      text += "  }\n";
    }
    return `${text}}\n`;
  }
}

/** Mermaid draws no more edges than this unless its configuration (`maxEdges`) says so. */
export const mermaidMaxEdges = 500;

const mermaidArrows: Readonly<Record<NonNullable<Edge["style"]> | "allowed", string>> = {
  allowed: "-->",
  possible: "-.->",
  opened: "==>",
  closed: "-.->",
  changed: "-->",
};

/** A Mermaid flowchart. Nodes have to come before edges, so edges are kept. */
export function mermaidGraph(edges: readonly Edge[]): string {
  const names = new Map<string, string>();
  for (const { source, destination } of edges) {
    for (const id of [source, destination]) if (!names.has(id)) names.set(id, `n${names.size}`);
  }
  let text = "flowchart LR\n";
  let group = 0;
  for (const [namespace, nodes] of byNamespace(names.keys())) {
    const indent = namespace === undefined ? "  " : "    ";
    if (namespace !== undefined) text += `  subgraph g${group++}[${mermaidString(namespace)}]\n`;
    for (const node of nodes) {
      const name = names.get(node) ?? "";
      const label = namespace === undefined ? node : node.slice(namespace.length + 1);
      text += `${indent}${name}${namespace === undefined ? `([${mermaidString(label)}])` : `[${mermaidString(label)}]`}\n`;
    }
    if (namespace !== undefined) text += "  end\n";
  }
  for (const { source, destination, label, style } of edges) {
    const arrow = mermaidArrows[style ?? "allowed"];
    text += `  ${names.get(source) ?? ""} ${arrow}|${mermaidString(label)}| ${names.get(destination) ?? ""}\n`;
  }
  return text;
}

function byNamespace(ids: Iterable<string>): [string | undefined, string[]][] {
  const groups = new Map<string | undefined, string[]>();
  for (const id of ids) {
    const namespace = namespaceOf(id);
    const group = groups.get(namespace);
    if (group === undefined) groups.set(namespace, [id]);
    else group.push(id);
  }
  return [...groups].sort(([a], [b]) => (a ?? "").localeCompare(b ?? ""));
}
