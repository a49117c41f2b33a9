import assert from "node:assert/strict";
import type { Condition } from "../../sdk/reachability/model/selectors/conditions";
import { podsFitting } from "../../sdk/reachability/questions/fitting-pods";
import { all, inNamespace, test } from "../../sdk/reachability/model/selectors/conditions";

describe("a pod that a selector fits", () => {
  it("has what the selector asks for and nothing else", () => {
    const where = all(
      inNamespace("shop"),
      test("label", "app", "in", "web"),
      test("label", "tier", "exists"),
      test("label", "legacy", "doesNotExist"),
      test("namespaceLabel", "team", "in", "payments"),
      test("serviceAccount", "", "in", "web"),
    );
    assert.deepEqual(podsFitting(where), [
      {
        namespace: "shop",
        labels: { app: "web", tier: "any" },
        namespaceLabels: { team: "payments" },
        serviceAccount: "web",
      },
    ]);
  });

  it("is one for each value, and for each alternative", () => {
    const where: Condition = {
      op: "or",
      of: [
        test("label", "app", "in", "web", "api"),
        test("namespaceLabel", "kubernetes.io/metadata.name", "in", "ops"),
      ],
    };
    assert.deepEqual(
      podsFitting(where).map(({ namespace, labels }) => ({ namespace, labels })),
      [
        { namespace: undefined, labels: { app: "web" } },
        { namespace: undefined, labels: { app: "api" } },
        { namespace: "ops", labels: {} },
      ],
    );
  });

  it("asks for nothing where a selector only says what a pod must not have, and is never without an answer", () => {
    const nothing = [{ namespaceLabels: {}, labels: {} }];
    assert.deepEqual(podsFitting({ op: "not", of: test("label", "app", "in", "web") }), nothing);
    assert.deepEqual(podsFitting({ op: "or", of: [] }), nothing);
    assert.deepEqual(podsFitting(test("label", "app", "notIn", "web")), nothing);
  });

  it("is one of at most 256, however many values are named", () => {
    const many = (key: string): Condition => test("label", key, "in", ...Array.from({ length: 40 }, (_, n) => `v${n}`));
    assert.equal(podsFitting(all(many("a"), many("b"), many("c"))).length, 256);
  });
});
