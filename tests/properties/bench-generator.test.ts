import assert from "node:assert/strict";
import { benchObjects, sizes } from "../bench/generator";

describe("bench: the generator of clusters", () => {
  const count = (kind: RegExp, objects: readonly { kind: string }[]) =>
    objects.filter((object) => kind.test(object.kind)).length;

  it("is the same for the same seed and another for another", () => {
    const options = { workloads: 100, policies: 60, seed: 7, dialects: "mixed" } as const;
    assert.deepEqual(benchObjects(options), benchObjects(options));
    assert.notDeepEqual(benchObjects(options), benchObjects({ ...options, seed: 8 }));
  });

  for (const dialects of ["kubernetes", "mixed"] as const) {
    it(`has exactly as many workloads and policies as asked for (${dialects})`, () => {
      for (const [workloads, policies] of sizes.slice(0, 3)) {
        const objects = benchObjects({ workloads, policies, seed: 1, dialects });
        assert.equal(count(/^Deployment$/, objects), workloads);
        assert.equal(count(/NetworkPolicy$/, objects), policies);
        assert.equal(count(/^Cilium/, objects) > 0, dialects === "mixed");
        const keys = objects.map(
          (object) => `${object.kind} ${object.metadata?.namespace ?? ""}/${object.metadata?.name ?? ""}`,
        );
        assert.equal(new Set(keys).size, keys.length, "no object twice");
      }
    });
  }
});
