import assert from "node:assert/strict";
import { applyExemptions, isViolation, type Exemption } from "../../sdk/findings";
import { findingsOf } from "./support";

const yaml = `
apiVersion: v1
kind: Namespace
metadata: { name: shop }
---
apiVersion: v1
kind: Namespace
metadata: { name: other }
`;
const id = "namespace-default-deny";
const found = findingsOf(id, yaml);
const good: Exemption = {
  finding: id,
  namespace: "shop",
  owner: "platform",
  reason: "moves out this quarter",
  expires: "2026-12-31",
};
const apply = (change: Partial<Record<keyof Exemption, unknown>>, today = "2026-11-21") =>
  applyExemptions(found, [{ ...good, ...change } as Exemption], today);
const violations = (result: ReturnType<typeof apply>) =>
  result.findings.filter(isViolation).map(({ subject }) => subject.name);

describe("exemptions", () => {
  it("covers what it names and nothing else, and says who accepted it until when and why", () => {
    const result = apply({});
    assert.deepEqual(violations(result), ["other"]);
    const shop = result.findings.find(({ subject }) => subject.name === "shop");
    assert.match(shop?.message ?? "", /accepted by platform until 2026-12-31: moves out this quarter$/);
    assert.deepEqual(result.overdue, []);
  });

  it("holds on its last day and ends after it", () => {
    assert.deepEqual(violations(apply({}, "2026-12-31")), ["other"]);
    const late = apply({}, "2027-01-01");
    assert.deepEqual(violations(late), ["other", "shop"]);
    assert.match(late.overdue[0]?.because[0] ?? "", /ended on 2026-12-31/);
  });

  for (const change of [
    { owner: "" },
    { reason: undefined },
    { expires: "soon" },
    { expires: "2026-02-30" },
    { namespace: undefined },
  ]) {
    it(`counts for nothing, and is a violation, with ${JSON.stringify(change)}${"reason" in change ? " (no reason)" : ""}`, () => {
      const result = apply(change);
      assert.deepEqual(violations(result), ["other", "shop"]);
      assert.equal(result.overdue.filter(isViolation).length, 1);
    });
  }

  it("does not cover another finding, kind or name", () => {
    for (const change of [{ finding: "dns-cut" }, { kind: "Deployment" }, { name: "x" }]) {
      assert.deepEqual(violations(apply(change)), ["other", "shop"]);
    }
  });
});
