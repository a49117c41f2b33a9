/** Making a disagreement small, with a comparison that is a plain function instead of a datapath. */
import assert from "node:assert/strict";
import type { LabObject, LabProbe } from "../../lab/datapath/index";
import type { Agreement } from "../enforcement/agreement";
import { shrink } from "../enforcement/shrink";

const probe: LabProbe = { from: "a/one", to: "a/two", port: 80, protocol: "tcp" };

function policy(name: string, spec: unknown): LabObject {
  return { apiVersion: "cilium.io/v2", kind: "CiliumNetworkPolicy", metadata: { name, namespace: "a" }, spec };
}

/** Disagrees as long as `fault` is somewhere in the policies. */
function disagreeing(fault: string): (policies: readonly LabObject[]) => Promise<Agreement> {
  return (policies) => {
    const found = JSON.stringify(policies).includes(fault);
    const disagreements = found ? [{ probe, measured: "allowed", computed: "denied" as const }] : [];
    const states = policies.map(() => ({ state: "enforced" as const }));
    return Promise.resolve({
      states,
      measured: [],
      compared: 1,
      allowed: 0,
      open: 0,
      slow: 0,
      stale: 0,
      disagreements,
    });
  };
}

describe("enforcement: shrinking a disagreement", () => {
  const policies = [
    policy("other", { egress: [{ toEntities: ["all"] }] }),
    policy("faulty", {
      ingress: [{ fromEntities: ["host"] }],
      egress: [{ toCIDR: ["10.0.0.0/8"] }, { fault: [1, 2] }],
    }),
  ];

  it("leaves out every policy, rule and entry that does not matter", async () => {
    const smallest = await shrink(policies, [probe], disagreeing('"fault"'));
    assert.deepEqual(smallest, [policy("faulty", { egress: [{ fault: [] }] })]);
  });

  it("stops after the attempts that it was given", async () => {
    let calls = 0;
    const counted = disagreeing('"fault"');
    await shrink(policies, [probe], (some) => ((calls += 1), counted(some)), 3);
    assert.equal(calls, 3);
  });

  it("keeps a set of which nothing can be left out", async () => {
    const needed = [policy("p", { fault: 1 })];
    assert.equal(await shrink(needed, [probe], disagreeing('"fault":1')), needed);
  });
});
