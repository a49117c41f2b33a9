import assert from "node:assert/strict";
import fc from "fast-check";
import { Dialect, imaginedCluster, plan } from "../../sdk/plan/index";
import { proveOrder, safeOrder } from "../../sdk/render";
import { commonDeclaration } from "../plan/random-declarations";
import { examples } from "../support/examples";

const shuffled = <T>(items: readonly T[]): fc.Arbitrary<T[]> =>
  fc.shuffledSubarray([...items], { minLength: items.length });

describe("policies of a backup, in whatever order they were read", () => {
  it("S4-16 opens and cuts nothing on the way, for Cilium's policies of every example and of random declarations", function () {
    this.timeout(120_000);
    const existing = commonDeclaration.map((base) => ({
      ...base,
      dialect: Dialect.Cilium,
      namespaces: (base.namespaces ?? []).map((one) => ({ ...one, existing: true })),
    }));
    fc.assert(
      fc.property(
        existing.chain((declaration) => {
          const planned = plan(declaration);
          return shuffled(planned.documents).map((documents) => ({ declaration, planned, documents }));
        }),
        fc.boolean(),
        ({ declaration, planned, documents }, isDeleted) => {
          const cluster = imaginedCluster(declaration);
          const objects = documents.map(({ object }) => object);
          const steps = safeOrder(
            objects.map((object) => ({ does: isDeleted ? "delete" : "apply", object })),
            cluster.objects,
            cluster.profile,
          );
          const { found } = proveOrder(
            cluster,
            { flows: planned.flows, namespaces: [] },
            isDeleted ? objects : [],
            steps,
          );
          assert.deepEqual(found, []);
        },
      ),
      { numRuns: 30 },
    );
  });

  it("S4-16 ends with what only isolates, and deletes that first", async () => {
    for (const { name, declaration } of await examples()) {
      const cluster = imaginedCluster(declaration);
      const objects = plan(declaration).documents.map(({ object }) => object);
      const order = (does: "apply" | "delete"): string[] =>
        safeOrder(
          [...objects].reverse().map((object) => ({ does, object })),
          cluster.objects,
          cluster.profile,
        ).map(({ object }) => object.metadata.name);
      assert.match(order("apply").at(-1) ?? "", /^(default-)?deny-/, `${name}: ${order("apply").slice(-6).join(", ")}`);
      assert.match(order("delete")[0] ?? "", /^(default-)?deny-/, name);
    }
  });
});
