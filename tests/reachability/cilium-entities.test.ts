import assert from "node:assert/strict";
import { buildSnapshot, compile, readYaml } from "../../sdk/reachability";

const snapshotWith = (entity: string) =>
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
spec: { endpointSelector: {}, egress: [ { toEntities: [ ${entity} ] } ] }
`,
      "policies.yaml",
    ).objects,
  );

const verdict = (entity: string): string =>
  compile(snapshotWith(entity)).verdict({
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

  it("cluster-mesh: what it matches is not known, and never denied or allowed for certain where it decides", () => {
    assert.match(JSON.stringify(snapshotWith("cluster-mesh").problems), /cluster-mesh/);
    assert.equal(verdict("cluster-mesh"), "unknown");
  });
});
