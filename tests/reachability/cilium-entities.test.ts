import assert from "node:assert/strict";
import { buildSnapshot, compile, readYaml } from "../../sdk/reachability";

const snapshotWith = (entity: string, beside = "") =>
  buildSnapshot(
    readYaml(
      `
apiVersion: v1
kind: Pod
metadata: { name: api, namespace: shop, labels: { app: api } }
spec: { containers: [ { name: api } ] }
---
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: { name: out, namespace: shop }
spec: { endpointSelector: {}, egress: [ { ${beside}toEntities: [ ${entity} ] } ] }
`,
      "policies.yaml",
    ).objects,
  );

const verdict = (entity: string, beside = ""): string =>
  compile(snapshotWith(entity, beside)).verdict({
    source: { kind: "workload", id: "shop/api[Pod]" },
    destination: { kind: "address", address: "203.0.113.7" },
    port: 443,
    protocol: "TCP",
  });

describe("entities of Cilium policies", () => {
  for (const entity of ["world-ipv4", "world-ipv6"]) {
    it(`${entity}: the API server refuses the policy, so it isolates nothing`, () => {
      assert.match(JSON.stringify(snapshotWith(entity).problems), /refuses the policy/);
      assert.equal(verdict(entity), "allowed");
    });
  }

  it("what the API server refuses counts also beside an empty list, which selects nobody", () => {
    const beside = "toEndpoints: [], ";
    assert.match(JSON.stringify(snapshotWith("world-ipv6", beside).problems), /refuses the policy/);
    assert.equal(verdict("world-ipv6", beside), "allowed");
    assert.deepEqual(snapshotWith("world", beside).problems, []);
    assert.equal(verdict("world", beside), "denied");
    assert.deepEqual(snapshotWith("cluster-mesh", beside).problems, [], "nothing depends on what it matches");
    assert.equal(verdict("cluster-mesh", beside), "denied");
  });

  it("cluster-mesh: what it matches is not known, and never denied or allowed for certain where it decides", () => {
    assert.match(JSON.stringify(snapshotWith("cluster-mesh").problems), /cluster-mesh/);
    assert.equal(verdict("cluster-mesh"), "unknown");
  });
});
