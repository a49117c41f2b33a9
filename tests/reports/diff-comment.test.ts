import assert from "node:assert/strict";
import type { PathDifference } from "../../sdk/reachability/index";
import { TrafficSet } from "../../sdk/reachability/index";
import { commentMarker, DiffComment } from "../../sdk/reports/diff-comment";

const none = { allowed: TrafficSet.none(), possible: TrafficSet.none() };
const some = { allowed: TrafficSet.ports("TCP", 5432), possible: TrafficSet.ports("TCP", 5432) };

function difference(change: "opened" | "closed" | "changed", source: string, cause = "db"): PathDifference {
  return {
    change,
    opens: change === "opened",
    closes: change === "closed",
    source: { kind: "workload", id: source },
    destination: { kind: "workload", id: "shop/db[Pod]" },
    sourceId: source,
    destinationId: "shop/db[Pod]",
    before: change === "opened" ? none : some,
    after: change === "closed" ? none : some,
    causes: [
      { apiVersion: "networking.k8s.io/v1", kind: "NetworkPolicy", namespace: "shop", name: cause, change: "added" },
    ],
  } as unknown as PathDifference;
}

function commentOf(differences: readonly PathDifference[]): string {
  const comment = new DiffComment();
  for (const each of differences) comment.add(each);
  return comment.text(false);
}

const rowsOf = (text: string): string[] =>
  text.split("\n").filter((line) => /^\| (\*\*opened|closed|changed)/.test(line));

describe("the comment about a diff", () => {
  it("begins with its marker and lists what opens before what changes and closes", () => {
    const text = commentOf([difference("closed", "a"), difference("changed", "b"), difference("opened", "c")]);
    assert.ok(text.startsWith(commentMarker));
    assert.deepEqual(
      rowsOf(text).map((row) => row.split("|")[2]?.trim()),
      ["`c`", "`b`", "`a`"],
    );
  });

  it("folds what is above 20 rows, and not 20", () => {
    const many = (count: number): PathDifference[] =>
      Array.from({ length: count }, (_, index) => difference("closed", `shop/w${index}[Pod]`));
    assert.doesNotMatch(commentOf(many(20)), /<details>/);
    const text = commentOf([...many(21), difference("opened", "shop/last[Pod]")]);
    const [shown = "", folded = ""] = text.split("<details>");
    assert.equal(rowsOf(shown).length, 20);
    assert.match(rowsOf(shown)[0] ?? "", /shop\/last/);
    assert.match(folded, /<summary>2 more<\/summary>/);
    assert.equal(rowsOf(folded).length, 2);
  });

  it("stays below what a comment may hold, counts everything, and says how much is missing", () => {
    const text = commentOf([
      ...Array.from({ length: 30_000 }, (_, index) => difference("closed", `shop/w${index}[Pod]`)),
      difference("opened", "shop/last[Pod]"),
    ]);
    assert.ok(text.length < 65_536, String(text.length));
    assert.match(text, /1 path opened, 30000 closed/);
    assert.match(rowsOf(text)[0] ?? "", /shop\/last/);
    const left = Number(/(\d+) more paths do not fit/.exec(text)?.[1]);
    assert.equal(left + rowsOf(text).length, 30_001);
  });

  it("keeps names with markup text: no HTML, no link, no mention, no further column", () => {
    const names = ["<img src=x onerror=alert(1)>", "[a](https://example.com)", "a|b", "x`y`` @team", "`", "a\n| b |"];
    for (const name of names) {
      const [row = "", ...more] = rowsOf(commentOf([difference("opened", name)]));
      assert.deepEqual(more, [], name);
      const cells = row.split(/(?<!\\)\|/);
      assert.equal(cells.length, 8, row);
      const cell = cells[2]?.trim() ?? "";
      const fence = /^`+/.exec(cell)?.[0] ?? assert.fail(row);
      const inner = cell.slice(fence.length, -fence.length);
      assert.ok(cell.endsWith(fence) && !inner.split(/[^`]+/).includes(fence), `${cell} is one code span`);
    }
  });
});
