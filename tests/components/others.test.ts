import assert from "node:assert/strict";
import type * as pulumi from "@pulumi/pulumi";
import type { ClusterSecurityArgs } from "../../sdk/index";
import { ClusterSecurity, DenyScope, Dialect, TieredPolicies, flow, namespace, tcp, workload } from "../../sdk/index";
import { register, warningsOf } from "./monitor";

const shop: ClusterSecurityArgs = {
  namespaces: [namespace("shop")],
  workloads: [workload("shop/web"), workload("shop/api", { ports: [tcp(8080)] })],
  flows: [flow("web").to("api").on(tcp(8080)).because("pages").ownedBy("web")],
};
const { flows: _, ...tiers } = shop;

/** Logical names of what the engine is asked to protect. */
async function protectedBy(program: () => unknown): Promise<string[]> {
  const all = await register(program);
  return all.filter(({ protect }) => protect === true).map(({ name }) => name);
}

describe("consent to the removal of the clusterwide default deny", () => {
  it("is asked for by protecting that policy and no other, in both components that write it", async () => {
    assert.deepEqual(await protectedBy(() => new ClusterSecurity("s", shop)), ["s-default-deny-all"]);
    assert.deepEqual(await protectedBy(() => new TieredPolicies("t", tiers)), ["t-default-deny-all"]);
  });

  it("is given with defaultDeny.allowRemoval", async () => {
    const defaultDeny = { allowRemoval: true };
    assert.deepEqual(await protectedBy(() => new ClusterSecurity("s", { ...shop, defaultDeny })), []);
    assert.deepEqual(await protectedBy(() => new TieredPolicies("t", { ...tiers, defaultDeny })), []);
  });

  it("is taken under its former name, with a warning that says the new one; where both say something, the new one counts", async () => {
    const others = { mayLoseProtection: true };
    for (const make of [
      () => new ClusterSecurity("s", { ...shop, others }),
      () => new TieredPolicies("t", { ...tiers, others }),
    ]) {
      const warnings = await warningsOf(() => void make());
      assert.deepEqual(
        warnings.filter((text) => text.includes("others.mayLoseProtection is defaultDeny.allowRemoval")).length,
        1,
        warnings.join("; "),
      );
      assert.deepEqual(await protectedBy(make), []);
    }
    const both = { others, defaultDeny: { allowRemoval: false } };
    assert.deepEqual(await protectedBy(() => new ClusterSecurity("s", { ...shop, ...both })), ["s-default-deny-all"]);
    assert.deepEqual(await warningsOf(() => void new ClusterSecurity("s", shop)), []);
  });

  it("is not asked for where the deny covers declared namespaces only", async () => {
    const denyScope = DenyScope.DeclaredNamespaces;
    assert.deepEqual(await protectedBy(() => new ClusterSecurity("s", { ...shop, denyScope })), []);
    assert.deepEqual(await protectedBy(() => new ClusterSecurity("s", { ...shop, dialect: Dialect.Kubernetes })), []);
  });

  it("leaves a user's own protect on the component alone, consent or not", async () => {
    const defaultDeny = { allowRemoval: true };
    const all = await register(() => new ClusterSecurity("s", { ...shop, defaultDeny }, { protect: true }));
    for (const { name, type, protect } of all) {
      if (type.startsWith("kubernetes:")) assert.equal(protect, true, name);
    }
  });

  it("goes on without names where the named cluster cannot be read", async () => {
    let posture: pulumi.Unwrap<ClusterSecurity["posture"]> | undefined;
    await register(() => {
      const defaultDeny = { context: "nowhere", kubeconfig: "/nonexistent/kubeconfig" };
      new ClusterSecurity("s", { ...shop, defaultDeny }).posture.apply((value) => (posture = value));
    });
    assert.ok(posture !== undefined && !("othersCovered" in posture));
    assert.deepEqual(posture.heldNamespaces, ["shop"]);
  });
});
