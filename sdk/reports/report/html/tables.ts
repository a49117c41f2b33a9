/** Tables that scroll by themselves where a page is narrow, and a search for their rows. */
import { markup, type Markup } from "./markup";

/** A table in a region that can be scrolled by keyboard. */
export function table(
  label: string,
  titles: readonly string[],
  rows: readonly Markup[] | Markup,
  options: { readonly id?: string; readonly className?: string } = {},
): Markup {
  const { id = "", className = "" } = options;
  return markup`<div class="scroll" role="region" aria-label="${label}" tabindex="0">
<table${id === "" ? "" : markup` id="${id}"`} class="${className}">
<caption class="hidden">${label}</caption>
<thead><tr>${titles.map((title) => markup`<th scope="col">${title}</th>`)}</tr></thead>
${
  Array.isArray(rows)
    ? markup`<tbody>
        ${rows}
      </tbody>`
    : rows
}
</table></div>`;
}

/** A field that leaves the rows of a table or list that hold its text. */
export function search(target: string, label: string): Markup {
  return markup`<p class="search screen">
    <label for="find-${target}">${label}</label>
    <input type="search" id="find-${target}" data-find="${target}" autocomplete="off" spellcheck="false" />
    <output for="find-${target}" id="found-${target}"></output>
  </p>`;
}
