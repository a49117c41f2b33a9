import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import fc from "fast-check";
import type { PlannedFlow, PlannedPeer } from "../../sdk/plan/index";
import { describePlannedPeer, Protocol, plan } from "../../sdk/plan/index";
import { flowDiagram } from "../../sdk/reports/flow-diagram";
import { examples } from "../support/examples";

/** Reads a diagram back: "from → to: ports", sorted. Knows Mermaid's grammar as far as a flowchart goes. */
function arrowsOf(diagram: string): string[] {
  const names = new Map<string, string>();
  const arrows: string[] = [];
  for (const line of diagram.trim().split("\n").slice(1)) {
    const box = /^\s+(n\d+)\["([^"]*)"\]$/.exec(line);
    const arrow = /^\s+(n\d+) -->\|"([^"]*)"\| (n\d+)$/.exec(line);
    if (box) names.set(box[1] ?? "", unescape(box[2] ?? ""));
    else if (arrow) {
      const [, from = "", ports = "", to = ""] = arrow;
      arrows.push(`${names.get(from) ?? "?"} → ${names.get(to) ?? "?"}: ${unescape(ports)}`);
    } else assert.match(line, /^ {2}(subgraph s\d+\["[^"]*"\]|end)$/);
  }
  return arrows.sort();
}

function unescape(text: string): string {
  return text.replace(/#(\d+);/g, (_, code: string) => String.fromCodePoint(Number(code)));
}

/** The same from the flows themselves. */
function arrowsDeclared(flows: readonly Omit<PlannedFlow, "id">[]): string[] {
  const found: Record<string, string[]> = {};
  for (const { from: source, to: destination, ports } of flows) {
    const [from, to] = [describePlannedPeer(source), describePlannedPeer(destination)];
    for (const port of ports) {
      const text = port.from === port.to ? `${port.from}` : `${port.from}-${port.to}`;
      const list = (found[`${from} → ${to}`] ??= []);
      if (!list.includes(`${port.protocol} ${text}`)) list.push(`${port.protocol} ${text}`);
    }
  }
  const order = new Intl.Collator("en", { numeric: true });
  return Object.entries(found)
    .map(([pair, ports]) => `${pair}: ${ports.sort((a, b) => order.compare(a, b)).join(", ")}`)
    .sort();
}

const begin = "<!-- flows: written by tests/reports/flow-diagram.test.ts with UPDATE_SNAPSHOTS=1 -->\n```mermaid\n";
const end = "```\n<!-- end of flows -->";

describe("flowDiagram", () => {
  it("S1-29 is equal to the declaration when it is read back, for every example", async () => {
    for (const { name, declaration } of await examples()) {
      const { flows } = plan(declaration);
      assert.ok(flows.length > 1, name);
      assert.deepEqual(arrowsOf(flowDiagram(flows)), arrowsDeclared(flows), name);
    }
  });

  it("S1-29 stands in each example's README as it would be drawn now", async () => {
    for (const { name, declaration } of await examples()) {
      const file = path.join(__dirname, "..", "..", "examples", name, "README.md");
      const text = readFileSync(file, "utf8");
      const from = text.indexOf(begin);
      assert.notEqual(from, -1, `${name}: no diagram`);
      const to = text.indexOf(end, from);
      const drawn = flowDiagram(plan(declaration).flows);
      if (process.env["UPDATE_SNAPSHOTS"] === "1") {
        writeFileSync(file, text.slice(0, from + begin.length) + drawn + text.slice(to));
      } else assert.equal(text.slice(from + begin.length, to), drawn, name);
    }
  });

  it("shows the chain of S1-29: ingress, frontend, backend, its stores, and the scraper", async () => {
    const example = (await examples()).find(({ name }) => name === "web-app");
    const arrows = arrowsOf(flowDiagram(plan(example?.declaration ?? assert.fail()).flows)).join("\n");
    for (const pair of [
      "ingress-nginx/ingress-nginx → app/frontend",
      "app/frontend → app/backend-api",
      "app/backend-api → app/postgres",
      "app/backend-api → app/redis",
      "app/backend-api → app/rabbitmq",
      "monitoring/prometheus → app/backend-api",
    ]) {
      assert.ok(arrows.includes(pair), pair);
    }
  });

  it("survives any name: what is drawn is what was declared", () => {
    const port = fc.record({
      protocol: fc.constantFrom(...Object.values(Protocol)),
      from: fc.integer({ min: 1, max: 9 }),
    });
    const name = fc.oneof(fc.string({ unit: "grapheme", minLength: 1 }), fc.constantFrom("a", "b", "24"));
    const peer: fc.Arbitrary<PlannedPeer> = fc.oneof(
      name.map((fqdn) => ({ kind: "fqdn" as const, name: fqdn })),
      fc.tuple(name, name).map(([namespace, own]) => ({ kind: "workload" as const, namespace, name: own })),
      name.map((namespace) => ({ kind: "namespace" as const, namespace })),
      fc.constantFrom("::/0", "198.51.100.0/24").map((cidr) => ({ kind: "cidr" as const, cidr, except: [] })),
    );
    const flow = fc.record({ from: peer, to: peer, ports: fc.array(port, { minLength: 1, maxLength: 3 }) });
    fc.assert(
      fc.property(fc.array(flow, { maxLength: 6 }), (drafts) => {
        const flows = drafts.map(({ ports, ...rest }) => ({
          ...rest,
          ports: ports.map((one) => ({ ...one, to: one.from })),
          reason: "x",
          owner: "y",
        }));
        assert.deepEqual(arrowsOf(flowDiagram(flows)), arrowsDeclared(flows));
      }),
    );
  });
});
