import type { Draw } from "../graph/draw";
import { namespaceAnchor, namespaceGraph, neighbourGraph } from "../graph/graphs";
import { readable } from "../graph/picture";
import type { ReportModel, ReportNamespace, ReportPath } from "../model";
import { homeOf } from "../paths";
import { markup, raw, type Markup } from "./markup";
import { table } from "./tables";
import { count, statusBadge } from "./words";

/** Characters that all pictures of a page may take. */
const pictureBudget = 2_500_000;

/** So many paths of one namespace stand below its picture. */
const shownPaths = 60;

/** Two levels: all namespaces, then each with its neighbours. Every picture has its paths in words beside it. */
export function picturesSection(model: ReportModel, draw: Draw): Markup {
  let left = pictureBudget;
  const picture = (graph: Parameters<Draw>[0], title: string, why: string): Markup => {
    const shown = graph.nodes.length === 0 ? undefined : readable(graph);
    const svg = shown === undefined || left <= 0 ? undefined : draw(shown, title);
    if (svg === undefined) return markup`<p class="empty">${why}</p>`;
    left -= svg.length;
    const merged = shown !== graph;
    return markup`<div class="picture" role="region" aria-label="${title}" tabindex="0">${raw(svg)}</div>
      ${merged && markup`<p class="quiet">A box with several names stands for what has the same connections.</p>`}`;
  };
  return markup`<section id="graph">
    <h2>Who talks to whom</h2>
    <p>
      What the policies let pass. Follow a namespace to its workloads and their neighbours. A dashed arrow passes only
      if something that is not known turns out so; a thick frame is a namespace without a default deny.
      <span class="screen">In a picture, arrow keys move between namespaces and Enter opens one; its paths stand below it in words.</span>
    </p>
    ${picture(
      namespaceGraph(model),
      "Namespaces and what passes between them",
      "These are too many namespaces, or too different ones, for one picture: use the matrix below.",
    )}
    ${model.namespaces.map((namespace, index) => namespacePart(model, namespace, index, picture))}
  </section>`;
}

function namespacePart(
  model: ReportModel,
  { name, workloads, tenant, defaultDeny, violations }: ReportNamespace,
  index: number,
  picture: (graph: Parameters<Draw>[0], title: string, why: string) => Markup,
): Markup {
  const paths = model.paths.filter(({ from, to }) => homeOf(from) === name || homeOf(to) === name);
  return markup`<details class="namespace" id="${namespaceAnchor(index)}">
    <summary>
      <strong>${name}</strong>
      <span class="quiet"
        >${count(workloads, "workload")}${tenant !== undefined && markup`, tenant ${tenant}`},
        ${count(paths.length, "path")}, ${count(violations, "violation")}</span
      >
      ${statusBadge(defaultDeny)}
    </summary>
    ${
      paths.length === 0
        ? markup`<p class="empty">Nothing passes to or from its workloads.</p>`
        : markup`${picture(
            neighbourGraph(model, name),
            `Namespace ${name} and its neighbours`,
            "Too many different connections for one picture: search the paths below.",
          )}${pathTable(name, paths)}`
    }
  </details>`;
}

function pathTable(name: string, paths: readonly ReportPath[]): Markup {
  const shown = paths.slice(0, shownPaths);
  return markup`${table(
    `Paths of namespace ${name}`,
    ["From", "To", "Connections"],
    shown.map(
      ({ from, to, traffic }) =>
        markup`<tr>
          <td>${from}</td>
          <td>${to}</td>
          <td class="traffic">${traffic}</td>
        </tr>`,
    ),
  )}
  ${paths.length > shown.length && markup`<p class="quiet">and ${paths.length - shown.length} more: the <a href="#matrix">matrix</a> searches all.</p>`}`;
}
