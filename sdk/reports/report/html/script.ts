/**
 * The script of the page: search, the keys of the matrix, and details that open where a link or the printer needs them.
 * Everything but the search over all paths works without it. It writes text, never markup.
 */
export const script = `
"use strict";
(() => {
  const byId = (id) => document.getElementById(id);
  const words = (text) => text.toLowerCase().split(/\\s+/).filter((word) => word !== "");
  const later = (action) => { let timer; return () => { clearTimeout(timer); timer = setTimeout(action, 120); }; };

  for (const field of document.querySelectorAll("input[data-find]")) {
    const target = byId(field.dataset.find);
    const found = byId("found-" + field.dataset.find);
    field.addEventListener("input", later(() => {
      const wanted = words(field.value);
      let shown = 0;
      for (const row of target.querySelectorAll("[data-row]")) {
        const group = row.closest("details");
        const text = (row.textContent + " " + (group ? group.querySelector("summary").textContent : "")).toLowerCase();
        row.hidden = !wanted.every((word) => text.includes(word));
        if (!row.hidden) shown++;
      }
      for (const group of target.querySelectorAll("details")) group.hidden = !group.querySelector("[data-row]:not([hidden])");
      found.textContent = wanted.length === 0 ? "" : shown + " found";
    }));
  }

  const data = byId("path-data");
  if (data) {
    const { ends, traffic, paths } = JSON.parse(data.textContent);
    const field = byId("path-find"), body = byId("path-table").tBodies[0], found = byId("path-count"), rest = byId("path-rest");
    const home = (end) => { const slash = end.indexOf("/"); return slash < 0 ? end : end.slice(0, slash); };
    const lower = { ends: ends.map((end) => end.toLowerCase()), traffic: traffic.map((text) => text.toLowerCase()) };
    const most = 200;
    const show = (keep) => {
      const rows = document.createDocumentFragment();
      let count = 0;
      for (let at = 0; at < paths.length; at += 3) {
        const [from, to, kind] = [paths[at], paths[at + 1], paths[at + 2]];
        if (!keep(from, to, kind)) continue;
        if (++count > most) continue;
        const row = document.createElement("tr");
        for (const text of [ends[from], ends[to], traffic[kind]]) row.append(Object.assign(document.createElement("td"), { textContent: text }));
        rows.append(row);
      }
      body.replaceChildren(rows);
      if (rest) rest.hidden = true;
      found.textContent = count + (count === 1 ? " path" : " paths") + (count > most ? ", the first " + most + " shown" : "");
    };
    field.addEventListener("input", later(() => {
      const wanted = words(field.value);
      show((from, to, kind) => wanted.every((word) => lower.ends[from].includes(word) || lower.ends[to].includes(word) || lower.traffic[kind].includes(word)));
    }));
    const grid = byId("grid");
    if (grid) {
      const buttons = [...grid.querySelectorAll("button")];
      buttons.forEach((button, index) => { button.tabIndex = index === 0 ? 0 : -1; });
      const place = (button) => [button.closest("tr").rowIndex, button.parentElement.cellIndex];
      const focus = (button) => { for (const each of buttons) each.tabIndex = -1; button.tabIndex = 0; button.focus(); };
      grid.addEventListener("keydown", (event) => {
        const here = event.target.closest("button");
        const step = { ArrowRight: [0, 1], ArrowLeft: [0, -1], ArrowDown: [1, 0], ArrowUp: [-1, 0] }[event.key];
        if (!here || !step) return;
        event.preventDefault();
        let [row, column] = place(here);
        for (;;) {
          row += step[0];
          column += step[1];
          const cell = grid.rows[row] && grid.rows[row].cells[column];
          if (!cell) return;
          const button = cell.querySelector("button");
          if (button) return focus(button);
        }
      });
      grid.addEventListener("click", (event) => {
        const button = event.target.closest("button");
        if (!button) return;
        focus(button);
        field.value = "";
        show((from, to) => home(ends[from]) === button.dataset.from && home(ends[to]) === button.dataset.to);
        found.textContent += " from " + button.dataset.from + " to " + button.dataset.to;
        byId("path-table").scrollIntoView({ block: "nearest" });
      });
    }
  }

  // one stop in each picture: arrow keys go to the next box that way, the nearer and the less aside the sooner
  for (const picture of document.querySelectorAll(".picture")) {
    const boxes = [...picture.querySelectorAll("a")];
    if (boxes.length === 0) continue;
    const stop = (box) => { for (const each of boxes) each.setAttribute("tabindex", each === box ? "0" : "-1"); };
    stop(boxes[0]);
    picture.addEventListener("focusin", (event) => { const box = event.target.closest("a"); if (box) stop(box); });
    picture.addEventListener("keydown", (event) => {
      const here = event.target.closest("a");
      const way = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowDown: [0, 1], ArrowUp: [0, -1] }[event.key];
      if (!here || !way) return;
      event.preventDefault();
      const middle = (box) => { const { x, y, width, height } = box.getBoundingClientRect(); return [x + width / 2, y + height / 2]; };
      const [x, y] = middle(here);
      let next, least = Infinity;
      for (const box of boxes) {
        const [right, down] = middle(box);
        const along = (right - x) * way[0] + (down - y) * way[1];
        const aside = Math.abs((right - x) * way[1]) + Math.abs((down - y) * way[0]);
        if (along > 1 && along + 2 * aside < least) [next, least] = [box, along + 2 * aside];
      }
      if (next) { next.focus({ preventScroll: true }); next.scrollIntoView({ block: "nearest", inline: "nearest", behavior: "instant" }); }
    });
  }

  const unfold = () => {
    const target = location.hash.length > 1 && byId(decodeURIComponent(location.hash.slice(1)));
    if (!target || target.tagName !== "DETAILS") return;
    target.open = true;
    target.scrollIntoView();
    target.querySelector("summary").focus({ preventScroll: true });
  };
  addEventListener("hashchange", unfold);
  unfold();
  // a link to where the page already is changes no hash
  document.addEventListener("click", (event) => { const link = event.target.closest && event.target.closest("a[href^='#ns-']"); if (link) setTimeout(unfold); });

  let folded = [];
  addEventListener("beforeprint", () => { folded = [...document.querySelectorAll("details:not([open])")]; for (const each of folded) each.open = true; });
  addEventListener("afterprint", () => { for (const each of folded) each.open = false; });
})();
`.trim();
