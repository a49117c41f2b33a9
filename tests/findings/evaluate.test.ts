import assert from "node:assert/strict";
import { evaluate, isViolation } from "../../sdk/findings";
import { pod, netpol } from "./fixtures/objects";
import { reachabilityOf } from "./support";

describe("findings: one cause", () => {
  it("is one finding where an object lies in several files, with all of them as causes", () => {
    const binding = (urn: string): string => `
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: { name: syncer, annotations: { from: ${urn} } }
roleRef: { apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: cluster-admin }
subjects: [ { kind: ServiceAccount, name: syncer, namespace: shop } ]
`;
    const found = evaluate(reachabilityOf(pod("api", "shop") + binding("a") + binding("b"))).filter(
      ({ id }) => id === "cluster-admin-binding",
    );
    assert.equal(found.length, 1);
    assert.equal(found[0]?.causes?.length, 2);
  });

  it("is not told four times for a rule that lets everything pass", () => {
    const open = netpol("allow-all", "{ podSelector: {}, policyTypes: [Egress], egress: [ {} ] }");
    const ids = evaluate(reachabilityOf(pod("api", "shop") + open))
      .filter(isViolation)
      .filter(({ because }) => because.some((reason) => reason.includes("allow-all, spec.egress[0]")))
      .map(({ id }) => id);
    assert.deepEqual(ids.sort(), ["internet-egress", "metadata-endpoints-closed", "namespace-default-deny"]);
  });
});
