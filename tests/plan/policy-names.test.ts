import assert from "node:assert/strict";
import { declaration as shop } from "../../examples/shop/declaration";
import { DeclarationError, Dialect, plan } from "../../sdk/plan/index";

describe("policyNames", () => {
  for (const dialect of Object.values(Dialect)) {
    it(`gives policies the wanted names (${dialect})`, () => {
      const names = plan({ ...shop, dialect }).documents.map(({ object }) => object.metadata.name);
      for (const wanted of Object.values(shop.policyNames ?? {})) {
        assert.ok(
          names.some((name) => name === wanted || name.endsWith(`.${wanted}`)),
          wanted,
        );
      }
      for (const derived of Object.keys(shop.policyNames ?? {})) {
        assert.ok(!names.some((name) => name === derived || name.endsWith(`.${derived}`)), derived);
      }
    });
  }

  it("refuses a name that no policy has, a name Kubernetes does not take, and one that is taken", () => {
    const refusals: readonly [Record<string, string>, RegExp][] = [
      [{ "allow-nobody-to-django": "x" }, /not the derived name/],
      [{ "allow-nginx-to-django": "Not A Name" }, /not a name that Kubernetes takes/],
      [{ "allow-nginx-to-django": "allow-django-to-redis" }, /two different policies/],
    ];
    for (const [policyNames, message] of refusals) {
      assert.throws(
        () => plan({ ...shop, policyNames }),
        (error) => error instanceof DeclarationError && message.test(error.message),
      );
    }
  });
});
