import { outside } from "../../summary";
import type { ReportModel, ReportPath } from "../model";
import { homeOf } from "../paths";
import { dataScript, markup, type Markup } from "./markup";
import { count } from "./words";

/** More columns are no table that anybody reads; the search below it takes any number. */
const mostGroups = 40;

/** Namespaces against namespaces, and a search over every path. */
export function matrixSection(model: ReportModel): Markup {
  const { paths } = model;
  const groups = [...model.namespaces.filter(({ workloads }) => workloads > 0).map(({ name }) => name), outside];
  return markup`<section id="matrix">
    <h2>Matrix</h2>
    ${
      paths.length === 0
        ? markup`<p class="empty">Nothing passes between any two workloads, or to or from the outside.</p>`
        : markup`${groups.length <= mostGroups ? grid(groups, model) : markup`<p class="empty">${count(groups.length, "namespace")} make no table that anybody reads: search the paths.</p>`}
            <h3>Paths</h3>
            <p class="search screen">
              <label for="path-find">Search ${count(paths.length, "path")}</label>
              <input
                type="search"
                id="path-find"
                autocomplete="off"
                spellcheck="false"
                placeholder="namespace, workload or port; several words narrow"
              />
              <output for="path-find" id="path-count"></output>
            </p>
            <div class="scroll" role="region" aria-label="Paths found" tabindex="0">
              <table id="path-table">
                <caption class="hidden">
                  Paths found
                </caption>
                <thead>
                  <tr>
                    <th scope="col">From</th>
                    <th scope="col">To</th>
                    <th scope="col">Connections</th>
                  </tr>
                </thead>
                <tbody>
                  ${paths.slice(0, firstRows).map(row)}
                </tbody>
              </table>
            </div>
            ${paths.length > firstRows && markup`<p class="quiet" id="path-rest">The first ${firstRows} of ${paths.length.toLocaleString("en-GB")}; CSV and JSON list all.</p>`}
            ${dataScript("path-data", compact(paths))}`
    }
  </section>`;
}

/** So many paths are shown before anybody searches. */
const firstRows = 50;

function row({ from, to, traffic }: ReportPath): Markup {
  return markup`<tr>
    <td>${from}</td>
    <td>${to}</td>
    <td class="traffic">${traffic}</td>
  </tr>`;
}

/** Every name once: ends, kinds of traffic, and for each path three numbers. */
function compact(paths: readonly ReportPath[]): { ends: string[]; traffic: string[]; paths: number[] } {
  const index = (names: Map<string, number>, name: string): number => {
    const known = names.get(name) ?? names.size;
    names.set(name, known);
    return known;
  };
  const [ends, traffic] = [new Map<string, number>(), new Map<string, number>()];
  const numbers = paths.flatMap((path) => [index(ends, path.from), index(ends, path.to), index(traffic, path.traffic)]);
  return { ends: [...ends.keys()], traffic: [...traffic.keys()], paths: numbers };
}

interface Cell {
  certain: number;
  possible: number;
  readonly traffic: Set<string>;
}

function grid(groups: readonly string[], { paths, namespaces }: ReportModel): Markup {
  const sizes = new Map(namespaces.map(({ name, workloads }) => [name, workloads]));
  const cells = new Map<string, Cell>();
  for (const { from, to, traffic, possible } of paths) {
    const key = JSON.stringify([homeOf(from) ?? outside, homeOf(to) ?? outside]);
    const cell = cells.get(key) ?? { certain: 0, possible: 0, traffic: new Set() };
    if (possible === true) cell.possible++;
    else cell.certain++;
    cell.traffic.add(traffic);
    cells.set(key, cell);
  }
  const pairs = (from: string, to: string): number => {
    const [a, b] = [sizes.get(from) ?? 1, sizes.get(to) ?? 1];
    return from === to ? a * (a - 1) : a * b;
  };
  return markup`<p>
      Rows open connections to columns.
      <span class="key"
        ><b class="cell all">●</b> every pair <b class="cell some">◐</b> some, with their number
        <b class="cell maybe">?</b> only possibly <b class="cell none">·</b> nothing.</span
      >
      <span class="screen">Arrow keys move, Enter shows the paths.</span>
    </p>
    <div class="scroll" role="region" aria-label="Matrix of namespaces" tabindex="0">
      <table class="matrix" id="grid">
        <caption class="hidden">
          Namespaces that may open connections to others
        </caption>
        <thead>
          <tr>
            <td></td>
            ${groups.map((to) => markup`<th scope="col"><span>${to}</span></th>`)}
          </tr>
        </thead>
        <tbody>
          ${groups.map(
            (from) =>
              markup`<tr>
                <th scope="row">${from}</th>
                ${groups.map((to) => cellOf(from, to, cells.get(JSON.stringify([from, to])), pairs(from, to)))}
              </tr>`,
          )}
        </tbody>
      </table>
    </div>`;
}

function cellOf(from: string, to: string, cell: Cell | undefined, pairs: number): Markup {
  if (cell === undefined) {
    return markup`<td class="cell none"><span aria-hidden="true">·</span><span class="hidden">nothing</span></td>`;
  }
  const { certain, possible, traffic } = cell;
  const isAll = certain > 0 && certain >= pairs;
  const [kind, sign] = certain === 0 ? ["maybe", "?"] : isAll ? ["all", "●"] : ["some", "◐"];
  const number = certain === 0 ? possible : certain;
  const kinds = [...traffic].slice(0, 3).join("; ");
  const said = `${from} to ${to}: ${certain} of ${pairs} pairs${possible > 0 ? `, ${possible} more possibly` : ""}; ${kinds}${traffic.size > 3 ? " and more" : ""}`;
  return markup`<td class="cell ${kind}">
    <button type="button" data-from="${from}" data-to="${to}" aria-label="${said}" title="${said}">
      ${sign}<small>${number}</small>
    </button>
  </td>`;
}
