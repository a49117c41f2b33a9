import assert from "node:assert/strict";
import type { Finding } from "../../sdk/findings";
import type { Defect } from "./defects";
import { defects, inTexts } from "./defects";
import { assertShowable, violationsOf } from "./support";

function judge({ finding, options }: Defect, text: string): Finding[] {
  return violationsOf(finding, text, options);
}

const says = ({ says: pattern }: Defect, { message, because }: Finding): boolean =>
  pattern.test(message) || because.some((reason) => pattern.test(reason));

describe("findings: the slips of the users' documents", () => {
  it("knows all 48, but for those that stand in no object", () => {
    const ids = Array.from({ length: 48 }, (_, index) => `B${String(index + 1).padStart(2, "0")}`);
    assert.deepEqual([...defects.map(({ id }) => id), ...inTexts].sort(), ids);
  });

  for (const defect of defects) {
    it(`${defect.id}: ${defect.finding} names the slip and not the right form`, () => {
      const before = judge(defect, defect.before);
      assert.ok(
        before.some((finding) => says(defect, finding)),
        `${defect.before}\n${JSON.stringify(before)}`,
      );
      before.forEach(assertShowable);
      assert.deepEqual(
        judge(defect, defect.after)
          .filter((finding) => says(defect, finding))
          .map(({ message, because }) => [message, because]),
        [],
        defect.after,
      );
    });
  }
});
