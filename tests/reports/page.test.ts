/** The report as a browser shows it: what it asks the network for, what a keyboard reaches, what axe-core finds. */
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { evaluate, rules, tenantsOf } from "../../sdk/findings";
import { Dialect, plan } from "../../sdk/plan";
import { compile, buildSnapshot } from "../../sdk/reachability";
import { buildReport, htmlReport, loadDraw } from "../../sdk/reports/report";
import { benchObjects } from "../bench/generator";
import { worldOf } from "../plan/world";
import { examples } from "../support/examples";
import { chromium, Page } from "./browser";

const axe = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");

interface Violation {
  readonly id: string;
  readonly impact: string;
  readonly nodes: readonly { readonly html: string; readonly failureSummary?: string }[];
}

const [shop, tiers] = ["shop-kubernetes", "zero-trust-tiers-cilium"];

describe("report: the page in Chromium", function () {
  this.timeout(900_000);
  let folder: string;
  let page: Page;
  const files = new Map<string, string>();

  before(async function () {
    const program = chromium();
    if (program === undefined) return this.skip();
    folder = mkdtempSync(path.join(tmpdir(), "cluster-security-page-"));
    const draw = await loadDraw();
    const write = (name: string, source: Pick<Parameters<typeof buildReport>[0], "reachability" | "plan">): void => {
      const { reachability } = source;
      const { model } = buildReport({
        title: "Report",
        subject: name,
        time: Date.parse("2026-11-29T12:00:00Z"),
        version: "1.2.3",
        findings: evaluate(reachability, { today: "2026-11-29" }),
        rules,
        problems: [],
        holes: false,
        exemptions: [],
        tenants: tenantsOf(reachability.snapshot, {}),
        observations: [],
        inputs: [{ role: "policies", name, sha256: "0".repeat(64) }],
        ...source,
      });
      const file = path.join(folder, `${name}.html`);
      writeFileSync(file, htmlReport(model, draw));
      files.set(name, file);
    };
    for (const { name, declaration: each, workloads } of await examples()) {
      for (const dialect of [each.dialect ?? Dialect.Cilium, Dialect.Calico, Dialect.Kubernetes]) {
        const declaration = { ...each, dialect };
        if (files.has(`${name}-${dialect}`)) continue;
        write(`${name}-${dialect}`, {
          reachability: worldOf(declaration, { workloads }).reachability,
          plan: plan(declaration),
        });
      }
    }
    const objects = benchObjects({ workloads: 300, policies: 200, seed: 1, dialects: "mixed" });
    write("300", { reachability: compile(buildSnapshot(objects.map((object) => ({ object })))) });
    page = await Page.start(program);
  });
  after(async () => {
    await page?.close();
    if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
  });

  const open = async (name: string, size?: { width: number; height: number }): Promise<void> => {
    await page.open(files.get(name) ?? "", size);
  };

  /** @param unfolded how many of the folded parts are opened first: every one has the same form, and axe-core is slow */
  const serious = async (unfolded = 12): Promise<string[]> => {
    await page.evaluate(
      `[...document.querySelectorAll("details")].slice(0, ${unfolded}).forEach((each) => { each.open = true; })`,
    );
    await page.evaluate(`${axe}; undefined`);
    const violations = await page.evaluate<Violation[]>(
      "axe.run(document, { resultTypes: ['violations'] }).then(({ violations }) => violations)",
    );
    return violations
      .filter(({ impact }) => impact === "serious" || impact === "critical")
      .map(({ id, nodes }) => `${id}: ${nodes.length} × ${nodes[0]?.html.slice(0, 160)} ${nodes[0]?.failureSummary}`);
  };

  it("S1-22: every example and 300 workloads: no request but for the file itself, and no complaint", async () => {
    for (const name of files.keys()) {
      await open(name);
      assert.deepEqual(page.requests, [`file://${files.get(name)}`], name);
      assert.deepEqual(page.complaints, [], name);
    }
  });

  it("its policy stops what the page must not do: a picture of another server, a script that was put into it", async () => {
    const asked: string[] = [];
    const server = createServer((request, response) => {
      asked.push(request.url ?? "");
      response.end();
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const changed = path.join(folder, "changed.html");
    const text = readFileSync(files.get(shop) ?? "", "utf8");
    writeFileSync(
      changed,
      text.replace("<footer>", `<img src="${address}/picture"><script>document.title = "taken"</script><footer>`),
    );
    await page.open(changed);
    assert.notEqual(await page.evaluate("document.title"), "taken");
    assert.deepEqual(asked, []);
    assert.ok(page.complaints.length >= 2, page.complaints.join("\n"));
    await new Promise((resolve) => server.close(resolve));
  });

  it("axe-core finds nothing serious in any, in light and in dark, at 1280 and at 390 pixels", async () => {
    for (const [index, name] of [...files.keys()].entries()) {
      await page.prefer(index % 2 === 0 ? "light" : "dark");
      await open(name);
      assert.deepEqual(await serious(index % 3 === 0 ? 3 : 0), [], name);
    }
    for (const scheme of ["light", "dark"] as const) {
      await page.prefer(scheme);
      await open(tiers, { width: 390, height: 800 });
      assert.deepEqual(await serious(), [], scheme);
      assert.equal(
        await page.evaluate(
          "matchMedia('(prefers-color-scheme: dark)').matches && getComputedStyle(document.body).backgroundColor !== 'rgb(255, 255, 255)'",
        ),
        scheme === "dark",
      );
    }
    await page.prefer("light");
  });

  it("axe-core would find something serious", async () => {
    await open(shop);
    await page.evaluate("document.querySelectorAll('label').forEach((each) => each.remove())");
    assert.notDeepEqual(await serious(0), []);
  });

  it("nothing is wider than a narrow screen but what scrolls by itself", async () => {
    for (const name of files.keys()) {
      await open(name, { width: 390, height: 800 });
      assert.ok((await page.evaluate<number>("document.documentElement.scrollWidth")) <= 390, name);
    }
  });

  const focused = (): Promise<string> =>
    page.evaluate(
      "(({ tagName, textContent, id, dataset }) => [tagName, dataset.from ? dataset.from + ' ' + dataset.to : id || textContent.trim().slice(0, 20)].join(' '))(document.activeElement)",
    );

  it("a keyboard reaches the content, the sections, the namespaces and the matrix", async () => {
    await open("300");
    await page.press("Tab");
    assert.equal(await focused(), "A To the content");
    const met: string[] = [];
    for (let step = 0; step < 400; step++) {
      await page.press("Tab");
      const now = await focused();
      met.push(now);
      if (now.startsWith("INPUT path-find")) break;
    }
    for (const wanted of ["A Posture", "A Matrix", "INPUT find-finding-list", "INPUT path-find"]) {
      assert.ok(met.includes(wanted), `${wanted} in ${met.join(", ")}`);
    }
    assert.ok(
      met.some((each) => each.startsWith("SUMMARY")),
      "details unfold",
    );
    assert.equal(met.filter((each) => each.startsWith("BUTTON")).length, 1, "the matrix is one stop");
  });

  interface Box {
    readonly name: string;
    readonly x: number;
    readonly y: number;
    readonly stroke: string;
  }
  const box = (): Promise<Box | null> =>
    page.evaluate(`(() => {
      const box = document.activeElement.closest(".picture a");
      if (box === null) return null;
      const { x, y, width, height } = box.getBBox();
      const stroke = getComputedStyle(box.querySelector("path")).strokeWidth;
      return { name: box.querySelector("text").textContent, x: x + width / 2, y: y + height / 2, stroke };
    })()`);
  const settle = (): Promise<unknown> => page.evaluate("new Promise((resolve) => setTimeout(resolve, 700))");

  it("a keyboard walks the picture: one stop, and arrow keys go to the next box that way", async () => {
    await open("300");
    await page.evaluate("document.querySelector('#graph .picture').focus()");
    await page.press("Tab");
    let last = await box();
    assert.ok(last, "a box is the stop after the picture's region");
    const walk = [last.name];
    for (const [key, axis, way] of [
      ["ArrowRight", "x", 1],
      ["ArrowDown", "y", 1],
      ["ArrowLeft", "x", -1],
      ["ArrowUp", "y", -1],
    ] as const) {
      for (;;) {
        await page.press(key);
        const now: Box | null = await box();
        assert.ok(now, `${key} stays in the picture`);
        if (now.name === last.name) break;
        assert.ok((now[axis] - last[axis]) * way > 0, `${key}: from ${last.name} to ${now.name}`);
        assert.equal(now.stroke, "4px", "the focus is seen");
        walk.push(now.name);
        last = now;
      }
      await settle();
      assert.ok(
        await page.evaluate(
          "(({ top, bottom }) => top >= 0 && bottom <= innerHeight)(document.activeElement.getBoundingClientRect())",
        ),
        `${last.name} is in view`,
      );
    }
    assert.ok(new Set(walk).size >= 6, walk.join(", "));
    await page.press("Tab");
    assert.equal(await box(), null, "the picture is one stop");
  });

  it("Enter on a box opens its namespace, whose picture is walked the same way", async () => {
    await open("300");
    await page.evaluate("document.querySelector('#graph .picture a').focus()");
    const first = await box();
    await page.press("Enter");
    await settle();
    assert.equal(
      await page.evaluate(
        "document.activeElement.closest('details[open] > summary').querySelector('strong').textContent",
      ),
      first?.name,
    );
    await page.press("Tab");
    assert.match(await page.evaluate("document.activeElement.className"), /^picture$/);
    await page.press("Tab");
    const neighbour = await box();
    assert.ok(neighbour && neighbour.name !== first?.name, "a neighbour");
    await page.press("Enter");
    await settle();
    assert.equal(await page.evaluate("document.activeElement.querySelector('strong').textContent"), neighbour.name);
  });

  it("what is far below is laid out when it comes into view, and on paper all of it", async () => {
    await open("300");
    const isLaidOut = (): Promise<boolean> =>
      page.evaluate("document.querySelector('#inputs td').checkVisibility({ contentVisibilityAuto: true })");
    assert.equal(await isLaidOut(), false);
    for (const link of await page.evaluate<string[]>(
      "[...document.querySelectorAll('nav a')].map((link) => link.getAttribute('href'))",
    )) {
      await page.evaluate(`document.querySelector("nav a[href='${link}']").click()`);
      await settle();
      await settle();
      const [top, isEnd] = await page.evaluate<[number, boolean]>(
        `[document.querySelector("${link}").getBoundingClientRect().top, innerHeight + scrollY >= document.documentElement.scrollHeight - 2]`,
      );
      assert.ok(isEnd || (top >= 0 && top < 80), `${link} comes to the top: ${top}`);
    }
    assert.equal(await isLaidOut(), true);
    await page.call("Emulation.setEmulatedMedia", { media: "print" });
    assert.equal(
      await page.evaluate("getComputedStyle(document.querySelector('#inputs')).contentVisibility"),
      "visible",
    );
    await page.call("Emulation.setEmulatedMedia", { media: "" });
  });

  it("arrow keys move in the matrix, Enter shows the paths, and the search narrows them", async () => {
    await open("300");
    await page.evaluate("document.querySelector('#grid button').focus()");
    const first = await focused();
    await page.press("ArrowRight");
    const second = await focused();
    assert.notEqual(second, first);
    await page.press("ArrowLeft");
    assert.equal(await focused(), first);
    await page.press("Enter");
    const said = await page.evaluate<string>("document.getElementById('path-count').textContent");
    assert.match(said, /^\d+ paths? from kube-system to /);
    const count = Number(said.split(" ")[0]);
    assert.equal(await page.evaluate("document.getElementById('path-table').tBodies[0].rows.length"), count);
    await page.evaluate(
      "(() => { const field = document.getElementById('path-find'); field.value = 'team-12 outside 443'; field.dispatchEvent(new Event('input')); return new Promise((resolve) => setTimeout(resolve, 400)); })()",
    );
    const rows = await page.evaluate<string[]>(
      "[...document.getElementById('path-table').tBodies[0].rows].map((row) => row.textContent)",
    );
    assert.ok(rows.every((row) => row.includes("outside") && row.includes("443")));
  });

  it("a namespace of the picture opens its part, and printing unfolds everything", async () => {
    await open("300");
    await page.evaluate(
      "document.querySelector('.picture a[href]').dispatchEvent(new MouseEvent('click', { bubbles: true }))",
    );
    await page.evaluate("new Promise((resolve) => setTimeout(resolve, 200))");
    assert.equal(await page.evaluate("document.querySelectorAll('details.namespace[open]').length"), 1);
    await page.evaluate("dispatchEvent(new Event('beforeprint'))");
    assert.equal(await page.evaluate("document.querySelectorAll('details:not([open])').length"), 0);
    await page.evaluate("dispatchEvent(new Event('afterprint'))");
    assert.ok((await page.pdf()).subarray(0, 5).toString() === "%PDF-");
  });
});
