import assert from "node:assert/strict";
import { cnp } from "./fixtures/objects";
import { assertShowable, reachabilityOf, violationsOf } from "./support";

const id = "not-understood";

const deny = cnp("deny", "{ endpointSelector: {}, ingress: [ {} ] }");
const authorization = (spec: string): string => `
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: authz, namespace: shop }
spec: ${spec}
`;
const ranges = (range: string): string =>
  authorization(`{ rules: [ { from: [ { source: { ipBlocks: [ "${range}" ] } } ] } ] }`);
const clusterPolicy = `
---
apiVersion: policy.networking.k8s.io/v1alpha2
kind: ClusterNetworkPolicy
metadata: { name: rules }
spec: { tier: Admin, priority: 1, subject: { namespaces: {} }, ingress: [] }
`;

/** Text, documents, enforcer, the reason that is given. */
const cases: [string, string, string, RegExp][] = [
  ["another enforcer's kind", deny, "calico", /^calico does not enforce Cilium's policies$/],
  ["a kind that a setting turns on", clusterPolicy, "cilium", /^Cilium enforces ClusterNetworkPolicy only with/],
  [
    "no rule at all",
    cnp("refused", "{ endpointSelector: {}, ingress: [] }"),
    "cilium",
    /^the agent refuses the policy and enforces nothing of it: one of ingress, .* must have a rule$/,
  ],
  [
    "a value that the API server refuses",
    cnp("refused", "{ endpointSelector: {}, ingress: [ { fromEntities: [ everyone ] } ] }"),
    "cilium",
    /^the API server refuses the policy: spec\.ingress\[0\]\.fromEntities(\[0\])? is not an entity$/,
  ],
  [
    "a selector of another namespace",
    cnp("else", `{ endpointSelector: { matchLabels: { "k8s:io.kubernetes.pod.namespace": other } }, ingress: [ {} ] }`),
    "cilium",
    /^a namespaced policy selects pods of its own namespace/,
  ],
  ["a range that istiod refuses", ranges("300.0.0.1"), "cilium", /^Istio's webhook refuses .*ipBlocks.* a value is no/],
];

describe("finding: not-understood, of what is not enforced", () => {
  for (const [title, yaml, enforcer, reason] of cases) {
    it(`S2-07 gives the reader's reason: ${title}`, () => {
      const found = violationsOf(id, yaml, { enforcer });
      const because = found.flatMap((finding) => finding.because);
      assert.ok(
        because.some((text) => reason.test(text)),
        JSON.stringify(because),
      );
      found.forEach(assertShowable);
      // the same answer as the line of the problem, which may quote the value
      for (const problem of reachabilityOf(yaml, enforcer).snapshot.problems) {
        assert.equal(problem.code, "not-enforced");
        assert.ok(because.includes(problem.reason ?? ""), problem.message);
      }
      for (const value of ["everyone", "300.0.0.1"]) assert.ok(!because.join().includes(value), because.join());
    });
  }

  it("what to change of a policy that another enforcer reads is not what Cilium's agent asks for", () => {
    const [finding] = violationsOf(id, deny, { enforcer: "calico" });
    assert.match(finding?.fix ?? "", /^Use a kind and fields that the cluster's enforcer reads/);
  });
});
