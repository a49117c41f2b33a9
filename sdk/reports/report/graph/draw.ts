/** Lays out graphs with Graphviz, as WebAssembly in this process, and makes the SVG one of the page. */
import { arrowLabel, type Graph, type GraphEdge, type GraphNode } from "./picture";

/** Turns graphs into SVG. */
export type Draw = (graph: Graph, title: string) => string;

/** Loads Graphviz once. */
export async function loadDraw(): Promise<Draw> {
  const { Graphviz } = await import("@hpcc-js/wasm-graphviz");
  const graphviz = await Graphviz.load();
  const layout = (graph: Graph, direction: "LR" | "TB"): string =>
    graphviz.layout(dotOf(graph, direction), "svg", "dot");
  return (graph, title) => {
    const across = layout(graph, "LR");
    const isTried = widthOf(across) > widest && graph.edges.length <= mostTried;
    const down = isTried ? layout(graph, "TB") : across;
    return inline(widthOf(down) < widthOf(across) ? down : across, title, titlesOf(graph));
  };
}

/** In points. From left to right arrows have room for their words; what comes out wider than this is tried from the top down. */
const widest = 850;

/** What has more arrows is wide either way, and takes Graphviz long. */
const mostTried = 60;

function widthOf(svg: string): number {
  return Number(/<svg width="([\d.]+)pt"/.exec(svg)?.[1] ?? 0);
}

/** Longer names are cut in the middle; the whole name is the box's title. */
const longestLabel = 30;

function dotOf({ nodes, edges }: Graph, direction: "LR" | "TB"): string {
  const ids = new Map(nodes.map(({ id }, index) => [id, `n${index}`]));
  return [
    "digraph {",
    `  graph [rankdir=${direction}, nodesep=0.22, ranksep=0.35, bgcolor="transparent", pad=0.1]`,
    '  node [shape=box, style="rounded,filled", fontname="Arial", fontsize=12, margin="0.16,0.09", fillcolor="#ffffff", color="#8a94a6"]',
    '  edge [fontname="Arial", fontsize=10, color="#64748b", arrowsize=0.7]',
    ...nodes.map((node) => nodeOf(node, ids.get(node.id) ?? "")),
    ...edges.map((edge) => edgeOf(edge, ids.get(edge.from) ?? "", ids.get(edge.to) ?? "")),
    "}",
  ].join("\n");
}

function nodeOf({ label, kind, open, href }: GraphNode, id: string): string {
  const classes = [kind, ...(open === true ? ["open"] : [])].join(" ");
  const attributes = [
    `label=${quoted(label.map(shortened).join("\n"))}`,
    `class="${classes}"`,
    // measured a little wider than drawn: fonts differ between machines
    `width=${(Math.max(...label.map((line) => shortened(line).length)) * 0.096 + 0.35).toFixed(2)}`,
    ...(kind === "outside" ? ["shape=ellipse"] : []),
    ...(href === undefined ? [] : [`URL=${quoted(href)}`]),
  ];
  return `  ${id} [${attributes.join(", ")}]`;
}

function edgeOf({ traffic, possible }: GraphEdge, from: string, to: string): string {
  const attributes = [
    `label=${quoted(
      arrowLabel(traffic)
        .flatMap(trafficLines)
        .map((line) => ` ${line} `)
        .join("\n"),
    )}`,
    ...(possible === true ? ['style="dashed"'] : []),
  ];
  return `  ${from} -> ${to} [${attributes.join(", ")}]`;
}

/** Traffic in lines that fit an arrow: what is only possible on a line of its own, and a long list of ports without its end. */
function trafficLines(traffic: string): string[] {
  return traffic.split(/ and (?=possibly )/).map((line) => {
    if (line.length <= longestLabel) return line;
    const list = line.slice(0, longestLabel - 1);
    return `${list.slice(0, Math.max(list.lastIndexOf(",") + 1, list.lastIndexOf(" ") + 1)).trim()}…`;
  });
}

function shortened(text: string): string {
  if (text.length <= longestLabel) return text;
  const half = Math.floor((longestLabel - 1) / 2);
  return `${text.slice(0, half)}…${text.slice(-half)}`;
}

/** A string of DOT. Entities and escapes of Graphviz stay what they are: text. */
function quoted(text: string): string {
  const plain = text
    .replace(/[\u0000-\u0009\u000b-\u001f\u007f]/g, "\ufffd")
    .replaceAll("\\", "\\\\")
    .replaceAll('"', '\\"')
    .replaceAll("&", "&amp;")
    .replaceAll("\n", "\\n");
  return `"${plain}"`;
}

/** What stands for each box and arrow, by the name that Graphviz gives it. */
function titlesOf({ nodes, edges }: Graph): ReadonlyMap<string, string> {
  const ids = new Map(nodes.map(({ id }, index) => [id, `n${index}`]));
  return new Map([
    ...nodes.map(({ id, title }) => [ids.get(id) ?? "", title] as const),
    ...edges.map(({ from, to, title }) => [`${ids.get(from) ?? ""}&#45;&gt;${ids.get(to) ?? ""}`, title] as const),
  ]);
}

/** In points: up to here a picture is fitted into the page; a wider one is drawn as small as its text can still be read, and scrolls. */
const widestFitted = 1400;
const smallest = 0.85;

/** Without what only a file of its own needs, and without ids, which many pictures of one page would share. */
function inline(svg: string, title: string, titles: ReadonlyMap<string, string>): string {
  const [, width = "100", height = "100", viewBox = "0 0 100 100"] =
    /<svg width="([\d.]+)pt" height="([\d.]+)pt"\s+viewBox="([^"]+)"/.exec(svg) ?? [];
  const body = svg
    .slice(svg.indexOf(">", svg.indexOf("<svg")) + 1)
    .replace(/<!--[^]*?-->\s*/g, "")
    .replace(/ (id|font-family|xml:space|xlink:title)="[^"]*"/g, "")
    .replaceAll("xlink:href=", "href=")
    .replace(/<title>([^<]*)<\/title>\n?/g, (_all, name: string) => {
      const text = titles.get(name);
      return text === undefined ? "" : `<title>${escaped(text)}</title>`;
    })
    // each of these would be a node of the page
    .replace(/>\s*\n\s*</g, "><");
  const scale = Number(width) > widestFitted ? smallest : 4 / 3;
  const size = (points: string): number => Math.ceil(Number(points) * scale);
  return `<svg role="group" class="${Number(width) > widestFitted ? "wide" : "whole"}" aria-label="${escaped(title)}" width="${size(width)}" height="${size(height)}" viewBox="${viewBox}">${body.trim()}`;
}

function escaped(text: string): string {
  return text.replace(/[&<>"]/g, (mark) => `&#${mark.charCodeAt(0)};`);
}
