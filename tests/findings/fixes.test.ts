import assert from "node:assert/strict";
import { rules } from "../../sdk/findings";

describe("findings: what they propose", () => {
  it("no fix proposes what loses policies: a replacement, a rename of a resource, an update of a part", () => {
    for (const { id, remediation, description } of rules) {
      assert.doesNotMatch(remediation, /--replace|replaceOnChanges|--target|deleteBeforeReplace|state delete/, id);
      // a rename of the object in the cluster is one only where it is said how
      if (/\brename\b/i.test(remediation)) assert.match(remediation, /metadata\.name/, `${id}: ${description}`);
    }
  });
});
