/** How the figures of `npm run bench:enforcement` are judged. */
import assert from "node:assert/strict";
import type { Cost } from "./enforcement-costs";
import { manyPolicies, overBudget, quantile } from "./enforcement-costs";

describe("bench of enforcement", () => {
  it("what is over the budget is named", () => {
    const cost = (name: string, p50: number, throughput: number): Cost => {
      return { name, policies: 1, connections: 1, p50, p99: p50, throughput };
    };
    const small = { process: 30_000, maps: 200 };
    assert.deepEqual(overBudget([cost("none", 60, 1e9), cost("some", 900, 0.9e9)], small), []);
    assert.deepEqual(overBudget([cost("none", 60, 1e9), cost("some", 1060, 0.5e9)], { process: 4 << 20, maps: 0 }), [
      "some: 1000 µs more for each connection",
      "some: 50 % of the throughput is left",
      "4096 KiB of memory for each policy",
    ]);
    assert.deepEqual(overBudget([], small), ["nothing was measured"]);
  });

  it("a quantile is one of the figures, whatever their order", () => {
    assert.deepEqual(
      [0, 0.5, 0.99, 1].map((share) => quantile([5, 1, 4, 2, 3], share)),
      [1, 3, 4, 5],
    );
    assert.equal(quantile([], 0.5), 0);
  });

  it("of many policies each has a name and an address of its own", () => {
    const policies = manyPolicies(1000, { namespace: "app", labels: { app: "api" }, port: 80 });
    const addresses = JSON.stringify(policies).match(/198\.18\.\d+\.\d+\/32/g);
    assert.equal(new Set(addresses).size, 1000);
    assert.equal(new Set(policies.map(({ metadata }) => metadata.name)).size, 1000);
  });
});
