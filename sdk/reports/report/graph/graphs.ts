import { outside } from "../../summary";
import type { ReportModel, ReportNamespace, ReportPath } from "../model";
import { homeOf } from "../paths";
import type { Graph, GraphEdge, GraphNode } from "./picture";

/** The anchor of a namespace's part of the page, by its place in the report. */
export function namespaceAnchor(index: number): string {
  return `ns-${index}`;
}

/** The first level: namespaces, and what passes between them. */
export function namespaceGraph({ namespaces, paths }: ReportModel): Graph {
  const nodes: GraphNode[] = namespaces.map((namespace, index) => ({
    ...namespaceNode(namespace),
    href: `#${namespaceAnchor(index)}`,
  }));
  const between = paths.filter(({ from, to }) => groupOf(from) !== groupOf(to));
  const edges = edgesOf(between, groupOf, groupOf);
  const used = new Set(edges.flatMap(({ from, to }) => [from, to]));
  return { nodes: [...nodes, ...(used.has(outside) ? [outsideNode] : [])], edges };
}

/** The second level: the workloads of one namespace, and its neighbours as one box each. */
export function neighbourGraph({ namespaces, paths, workloads }: ReportModel, name: string): Graph {
  const nearEnd = (end: string): string => (homeOf(end) === name ? end : groupOf(end));
  const about = paths.filter(({ from, to }) => homeOf(from) === name || homeOf(to) === name);
  const edges = edgesOf(about, nearEnd, nearEnd);
  const used = new Set(edges.flatMap(({ from, to }) => [from, to]));
  const all = workloads.filter((id) => homeOf(id) === name);
  const own = [...all.filter((id) => used.has(id)).map(workloadNode), ...alone(all.filter((id) => !used.has(id)))];
  const neighbours = namespaces
    .map((namespace, index) => ({ ...namespaceNode(namespace), href: `#${namespaceAnchor(index)}` }))
    .filter(({ id }) => id !== name && used.has(id));
  return { nodes: [...own, ...neighbours, ...(used.has(outside) ? [outsideNode] : [])], edges };
}

const outsideNode: GraphNode = { id: outside, label: ["outside", "the cluster"], kind: "outside", title: outside };

function groupOf(end: string): string {
  return homeOf(end) ?? outside;
}

function namespaceNode({ name, workloads, defaultDeny }: ReportNamespace): GraphNode {
  const state = { closed: "", open: ", open", unknown: ", undecided", exempt: ", exempt" }[defaultDeny];
  const text = `${workloads} workload${workloads === 1 ? "" : "s"}${state}`;
  return {
    id: name,
    label: [name, text],
    kind: "namespace",
    open: defaultDeny === "open",
    title: `namespace ${name}: ${text}`,
  };
}

function workloadNode(id: string): GraphNode {
  const [, name = id, kind = ""] = /^[^/]*\/(.*)\[(.*)\]$/.exec(id) ?? [];
  return { id, label: [name, kind], kind: "workload", title: id };
}

/** Workloads that nothing leads to or from: a box each where they are few, else one for all. */
function alone(ids: readonly string[]): GraphNode[] {
  if (ids.length <= 3) return ids.map(workloadNode);
  const label = [`${ids.length} workloads`, "without connections"];
  return [{ id: "without connections", label, kind: "workload", title: `without connections: ${ids.join(", ")}` }];
}

function edgesOf(
  paths: readonly ReportPath[],
  sourceOf: (end: string) => string,
  destinationOf: (end: string) => string,
): GraphEdge[] {
  const groups = new Map<
    string,
    { from: string; to: string; traffic: Set<string>; count: number; possible: boolean }
  >();
  for (const { from, to, traffic, possible } of paths) {
    const [source, destination] = [sourceOf(from), destinationOf(to)];
    const key = JSON.stringify([source, destination]);
    const group = groups.get(key) ?? { from: source, to: destination, traffic: new Set(), count: 0, possible: true };
    group.traffic.add(traffic);
    group.count++;
    group.possible &&= possible === true;
    groups.set(key, group);
  }
  return [...groups.values()].map(({ from, to, traffic, count, possible }) => {
    const all = [...traffic].sort();
    return {
      from,
      to,
      traffic: all,
      title: `${from} to ${to}: ${all.join("; ")} (${count} path${count === 1 ? "" : "s"})`,
      ...(possible ? { possible } : {}),
    };
  });
}
