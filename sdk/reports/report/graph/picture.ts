/** A graph before it is laid out, and the rule that keeps it readable. */

/** A box. */
export interface GraphNode {
  readonly id: string;
  /** Lines of text; the first one is its name. */
  readonly label: readonly string[];
  /** How it is drawn, by classes of the style sheet. */
  readonly kind: "namespace" | "workload" | "outside";
  /** An open namespace, drawn so; the label has the word. */
  readonly open?: boolean;
  /** An anchor of the page. */
  readonly href?: string;
  /** What it stands for, in full. */
  readonly title: string;
}

/** An arrow. */
export interface GraphEdge {
  readonly from: string;
  readonly to: string;
  /** Its kinds of traffic, sorted. */
  readonly traffic: readonly string[];
  readonly title: string;
  /** Only possible: drawn dashed. */
  readonly possible?: boolean;
}

/** So many kinds of traffic stand at an arrow. */
const shownTraffic = 2;

/** What stands at an arrow: its kinds of traffic, their number where they are many. */
export function arrowLabel(traffic: readonly string[]): readonly string[] {
  return traffic.length <= shownTraffic ? traffic : [`${traffic.length} kinds of traffic`];
}

export interface Graph {
  readonly nodes: readonly GraphNode[];
  readonly edges: readonly GraphEdge[];
}

/** More than this is no picture that anybody reads. */
const limits = { nodes: 40, edges: 110 };

/**
 * The graph where it is small enough; else with boxes that have the same connections put together; undefined where that is
 * too much as well.
 */
export function readable(graph: Graph): Graph | undefined {
  if (fits(graph)) return graph;
  const merged = together(graph);
  return fits(merged) ? merged : undefined;
}

function fits({ nodes, edges }: Graph): boolean {
  return nodes.length <= limits.nodes && edges.length <= limits.edges;
}

/** So many names stand in a box. */
const shownNames = 3;

/** Boxes of one kind whose connections lead to the same kinds of boxes, with the same labels, as one. */
function together({ nodes, edges }: Graph): Graph {
  const classes = classesOf(nodes, edges);
  const members = new Map<string, GraphNode[]>();
  for (const node of nodes) {
    const key = classes.get(node.id) ?? node.id;
    members.set(key, [...(members.get(key) ?? []), node]);
  }
  const kept = new Map<string, GraphEdge>();
  for (const edge of edges) {
    const [from, to] = [classes.get(edge.from) ?? edge.from, classes.get(edge.to) ?? edge.to];
    const key = JSON.stringify([from, to, edge.possible === true]);
    const known = kept.get(key);
    kept.set(key, known === undefined ? { ...edge, from, to } : both(known, edge));
  }
  return { nodes: [...members].map(([id, group]) => merge(id, group)), edges: [...kept.values()] };
}

/** Two arrows between the same boxes as one. */
function both(one: GraphEdge, other: GraphEdge): GraphEdge {
  const traffic = [...new Set([...one.traffic, ...other.traffic])].sort();
  return { ...one, traffic, title: traffic.join("; ") };
}

function merge(id: string, group: readonly GraphNode[]): GraphNode {
  const [first] = group as [GraphNode];
  if (group.length === 1) return { ...first, id };
  const names = group.map(({ label }) => label[0] ?? "");
  const more = names.length > shownNames ? [`and ${names.length - shownNames} more`] : [];
  const { href: _href, ...rest } = first;
  return { ...rest, id, label: [...names.slice(0, shownNames), ...more], title: names.join(", ") };
}

/** Refines classes until connections no longer tell members of one apart (partition refinement). */
function classesOf(nodes: readonly GraphNode[], edges: readonly GraphEdge[]): ReadonlyMap<string, string> {
  let classes = new Map(nodes.map((node) => [node.id, JSON.stringify([node.kind, node.open === true])]));
  for (let round = 0; round < nodes.length; round++) {
    const signs = new Map(nodes.map(({ id }) => [id, new Set<string>()]));
    for (const { from, to, traffic, possible } of edges) {
      const label = arrowLabel(traffic);
      signs.get(from)?.add(JSON.stringify(["to", classes.get(to), label, possible === true]));
      signs.get(to)?.add(JSON.stringify(["from", classes.get(from), label, possible === true]));
    }
    const numbers = new Map<string, string>();
    const next = new Map(
      nodes.map(({ id }) => {
        const sign = JSON.stringify([classes.get(id), [...(signs.get(id) ?? [])].sort()]);
        const number = numbers.get(sign) ?? `c${numbers.size}`;
        numbers.set(sign, number);
        return [id, number];
      }),
    );
    const isDone = new Set(next.values()).size === new Set(classes.values()).size;
    classes = next;
    if (isDone) break;
  }
  return classes;
}
