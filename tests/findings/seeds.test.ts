import assert from "node:assert/strict";
import { isViolation, lintDocument } from "../../sdk/findings";
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
  for (const { seed, id, says, defect } of seeds.expected) {
    it(`${defect} ${seed}: ${id}`, function () {
      const yaml = seeds.yamlOf(seed);
      if (yaml === undefined) return this.skip();
      assertSaid(violationsOf(id, yaml), says);
    });
  }

  for (const { seed, id, says, defect } of seeds.inText) {
    it(`${defect} ${seed}: ${id}, in the text`, function () {
      const text = seeds.textOf(seed);
      if (text === undefined) return this.skip();
      assertSaid(lintDocument(text, seed).filter(isViolation), says);
    });
  }
});
