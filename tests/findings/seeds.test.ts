import assert from "node:assert/strict";
import type { Finding } from "../../sdk/findings";
import { findings as seeds } from "./seeds";
import { violationsOf } from "./support";

function assertSaid(found: readonly Finding[], says: RegExp): void {
  assert.ok(
    found.some((finding) => says.test(finding.message) || finding.because.some((reason) => says.test(reason))),
    JSON.stringify(found.map((finding) => [finding.message, finding.because])),
  );
}

describe("findings: the users' own documents, as printed in the seeds", () => {
  it("judges every known defect and contradiction, or says why no rule can see it", () => {
    const judged = seeds.expected.map(({ defect }) => defect);
    const rows = (letter: string, count: number): string[] =>
      Array.from({ length: count }, (_, index) => `${letter}${String(index + 1).padStart(2, "0")}`);
    assert.deepEqual(
      [...new Set([...judged, ...Object.keys(seeds.unseen)])].sort(),
      [...rows("B", 48), ...rows("C", 17)].sort(),
    );
    assert.deepEqual(
      Object.keys(seeds.unseen).filter((defect) => judged.includes(defect)),
      [],
    );
  });

  for (const { seed, id, says, defect } of seeds.expected) {
    it(`${defect} ${seed}: ${id}`, function () {
      const yaml = seeds.yamlOf(seed);
      if (yaml === undefined) return this.skip();
      assertSaid(violationsOf(id, yaml), says);
    });
  }
});
