import assert from "node:assert/strict";
import { declaredBy } from "../../lab/examples/index";
import {
  DeclarationError,
  Dialect,
  PolicyMode,
  flow,
  namespace,
  plan,
  planFlows,
  planMesh,
  tcp,
  workload,
} from "../../sdk/plan/index";

const [{ declaration: shop }] = declaredBy("shop");

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

  it("S3-28 may name policies that a dialect writes only once the mode is enforce", () => {
    for (const dialect of Object.values(Dialect)) {
      plan({ ...shop, dialect, mode: PolicyMode.Audit });
      const unknown = { ...shop, dialect, mode: PolicyMode.Audit, policyNames: { "allow-nobody-to-django": "x" } };
      assert.throws(() => plan(unknown), DeclarationError);
    }
  });

  it("are taken by parts of a plan, which give those of their own policies and pass over the others", () => {
    const policyNames = { ...shop.policyNames, "default-deny-mesh": "deny-all-mesh", "default-deny-all": "deny-all" };
    const whole = { ...shop, mesh: {}, policyNames };
    const mesh = planMesh(whole).documents.map(({ object }) => object.metadata.name);
    assert.ok(mesh.includes("deny-all-mesh") && !mesh.includes("default-deny-mesh"));
    assert.ok(!mesh.includes("deny-all"));
    const flows = planFlows(whole).documents.map(({ object }) => object.metadata.name);
    const wanted = Object.values(shop.policyNames ?? {}).filter((name) => flows.includes(name));
    assert.ok(wanted.length > 0);
    for (const part of [plan, planMesh, planFlows]) {
      assert.throws(() => part({ ...whole, policyNames: { "allow-nobody-to-django": "x" } }), DeclarationError);
    }
  });

  it("know a policy by its derived name, by the same with its namespace, and by no other part of its name", () => {
    const declaration = {
      namespaces: [namespace("shop"), namespace("pay")],
      workloads: [workload("shop/web", { ports: [tcp(80)] }), workload("pay/api", { ports: [tcp(80)] })],
      flows: [flow("shop/web").to("pay/api").on(tcp(80)).because("orders").ownedBy("shop")],
    };
    for (const dialect of Object.values(Dialect)) {
      const named = (derived: string): readonly string[] =>
        plan({ ...declaration, dialect, policyNames: { [derived]: "allow-orders" } }).documents.map(
          ({ object }) => object.metadata.name,
        );
      const isOrders = (name: string): boolean => /(^|[.-])allow-orders$/.test(name);
      assert.equal(named("allow-web.shop-to-api").filter(isOrders).length, 1, dialect);
      // the end of the name of a workload in another namespace
      assert.throws(() => named("shop-to-api"), DeclarationError, dialect);
    }
  });

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
