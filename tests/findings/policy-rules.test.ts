import assert from "node:assert/strict";
import fc from "fast-check";
import { evaluate, isViolation, metadataEndpointsClosed, namespaceDefaultDeny } from "../../sdk/findings";
import { namesItsPeers } from "../../sdk/findings/policy-rules";
import type { KubeObject } from "../../sdk/reachability";
import { buildSnapshot, compile, inferProfile } from "../../sdk/reachability";

type Fields = Record<string, unknown>;

const labels = fc.constantFrom({ app: "api" }, { app: "db" }, {});
const nameLabel = "kubernetes.io/metadata.name";
const ciliumNamespace = "k8s:io.kubernetes.pod.namespace";

const kubernetesPeer: fc.Arbitrary<Fields> = fc.oneof(
  labels.map((matchLabels) => ({ podSelector: { matchLabels } })),
  fc.constant({ namespaceSelector: {} }),
  fc.constant({
    namespaceSelector: { matchLabels: { [nameLabel]: "kube-system" } },
    podSelector: { matchLabels: { app: "dns" } },
  }),
  fc.constantFrom<Fields>(
    { namespaceSelector: { matchExpressions: [{ key: nameLabel, operator: "NotIn", values: ["kube-system"] }] } },
    { namespaceSelector: { matchLabels: { team: "a" } } },
  ),
  fc.constantFrom("0.0.0.0/0", "10.0.0.0/8", "169.254.0.0/16", "::/0").map((cidr) => ({ ipBlock: { cidr } })),
);
const ciliumPeer: fc.Arbitrary<Fields> = fc.oneof(
  labels.map((matchLabels) => ({ toEndpoints: [{ matchLabels }] })),
  fc.constant({ toEndpoints: [{ matchLabels: { [ciliumNamespace]: "kube-system" } }] }),
  fc.constant({ toEndpoints: [{ matchExpressions: [{ key: ciliumNamespace, operator: "NotIn", values: ["x"] }] }] }),
  fc
    .constantFrom("world", "all", "cluster", "host", "remote-node", "kube-apiserver")
    .map((entity) => ({ toEntities: [entity] })),
  fc.constantFrom("0.0.0.0/0", "169.254.169.254/32").map((cidr) => ({ toCIDR: [cidr] })),
  fc.constant({ toPorts: [{ ports: [{ port: "80" }] }] }),
  fc.constantFrom("api.github.com", "*").map((matchPattern) => ({ toFQDNs: [{ matchPattern }] })),
  fc.constant({}),
);

const policy: fc.Arbitrary<KubeObject> = fc.oneof(
  fc.array(fc.record({ to: fc.array(kubernetesPeer, { maxLength: 2 }) }), { maxLength: 2 }).map((egress) => ({
    apiVersion: "networking.k8s.io/v1",
    kind: "NetworkPolicy",
    metadata: { name: "p", namespace: "shop" },
    spec: { podSelector: {}, policyTypes: ["Egress"], egress },
  })),
  fc.array(ciliumPeer, { minLength: 1, maxLength: 2 }).map((egress) => ({
    apiVersion: "cilium.io/v2",
    kind: "CiliumNetworkPolicy",
    metadata: { name: "p", namespace: "shop" },
    spec: { endpointSelector: {}, egress },
  })),
);

const deny: KubeObject = {
  apiVersion: "networking.k8s.io/v1",
  kind: "NetworkPolicy",
  metadata: { name: "deny", namespace: "shop" },
  spec: { podSelector: {}, policyTypes: ["Ingress", "Egress"] },
};

describe("findings: the quick answer for policies that name their peers", () => {
  it("is given only where the full computation finds nothing open", () => {
    let quick = 0;
    fc.assert(
      fc.property(policy, (object) => {
        const objects = [{ object }, { object: deny }];
        const snapshot = buildSnapshot(objects, { profile: inferProfile(objects) });
        if (!snapshot.rules.policies.every(namesItsPeers)) return;
        quick++;
        const found = evaluate(compile(snapshot), { rules: [namespaceDefaultDeny, metadataEndpointsClosed] });
        assert.deepEqual(
          found.filter(isViolation).map((finding) => finding.message),
          [],
        );
      }),
      { numRuns: 600 },
    );
    assert.ok(quick > 60, `the quick answer was given ${quick} times`);
  });
});
