import { strict as assert } from "node:assert";
import { isMisspelling } from "../../sdk/findings/spelling";
import { findingsOf } from "./support";

const pod = (name: string): string => `apiVersion: v1
kind: Pod
metadata: { name: ${name}, namespace: shop, labels: { app: ${name}, app.kubernetes.io/name: ${name}-it } }
spec: { containers: [] }
`;
const namespace = `apiVersion: v1\nkind: Namespace\nmetadata: { name: shop, labels: { team: web, istio-injection: enabled } }\n`;
const of = (apiVersion: string, kind: string, spec: string): string =>
  `apiVersion: ${apiVersion}\nkind: ${kind}\nmetadata: { name: default.a, namespace: shop }\nspec: ${spec}\n`;
const np = (spec: string): string => of("networking.k8s.io/v1", "NetworkPolicy", spec);
const cilium = (spec: string): string => of("cilium.io/v2", "CiliumNetworkPolicy", spec);
const calico = (spec: string): string => of("projectcalico.org/v3", "NetworkPolicy", spec);
const cluster = (spec: string): string =>
  `apiVersion: policy.networking.k8s.io/v1alpha2\nkind: ClusterNetworkPolicy\nmetadata: { name: a }\nspec: ${spec}\n`;
const istio = (spec: string): string => of("security.istio.io/v1", "AuthorizationPolicy", spec);

/** Policies with a misspelt key, the enforcer, and the key that is meant. */
const misspelt: readonly (readonly [string, string, string, string])[] = [
  ["NetworkPolicy, subject", "kubernetes", np("{ podSelector: { matchLabels: { appp: api } } }"), "app"],
  [
    "NetworkPolicy, long key",
    "kubernetes",
    np("{ podSelector: { matchLabels: { app.kubernetes.io/nme: api-it } } }"),
    "app.kubernetes.io/name",
  ],
  [
    "NetworkPolicy, peer",
    "kubernetes",
    np(
      "{ podSelector: {}, ingress: [ { from: [ { podSelector: { matchLabels: { ap: web } } }, { podSelector: { matchLabels: { appl: web } } } ] } ] }",
    ),
    "app",
  ],
  [
    "NetworkPolicy, egress peer by expression",
    "kubernetes",
    np(
      "{ podSelector: {}, egress: [ { to: [ { podSelector: { matchExpressions: [ { key: aap, operator: In, values: [ web ] } ] } } ] } ] }",
    ),
    "app",
  ],
  [
    "NetworkPolicy, namespace",
    "kubernetes",
    np("{ podSelector: {}, ingress: [ { from: [ { namespaceSelector: { matchLabels: { taem: web } } } ] } ] }"),
    "team",
  ],
  [
    "Cilium, subject",
    "cilium@1.20",
    cilium("{ endpointSelector: { matchLabels: { appp: api } }, ingress: [ {} ] }"),
    "app",
  ],
  [
    "Cilium, peer",
    "cilium@1.20",
    cilium("{ endpointSelector: {}, ingress: [ { fromEndpoints: [ { matchLabels: { appl: web } } ] } ] }"),
    "app",
  ],
  ["Calico, subject", "calico@3.31", calico("{ selector: appp == 'api', types: [ Ingress ] }"), "app"],
  [
    "Calico, peer",
    "calico@3.31",
    calico(
      "{ selector: all(), types: [ Ingress ], ingress: [ { action: Allow, source: { selector: appl == 'web' } } ] }",
    ),
    "app",
  ],
  [
    "Calico, namespace",
    "calico@3.31",
    calico(
      "{ selector: all(), types: [ Ingress ], ingress: [ { action: Allow, source: { namespaceSelector: taem == 'web' } } ] }",
    ),
    "team",
  ],
  [
    "ClusterNetworkPolicy, subject",
    "kubernetes",
    cluster(
      "{ tier: Admin, priority: 1, subject: { namespaces: { matchLabels: { taem: web } } }, ingress: [ { action: Deny, from: [ { namespaces: {} } ] } ] }",
    ),
    "team",
  ],
  ["Istio, subject", "kubernetes", istio("{ selector: { matchLabels: { appp: api } }, action: ALLOW }"), "app"],
];

function keysFound(policy: string, enforcer: string): string {
  const yaml = [namespace, pod("api"), pod("web"), policy].join("---\n");
  return findingsOf("selector-key-unknown", yaml, { enforcer })
    .map(({ fix }) => fix)
    .join("\n");
}

describe("finding: selector-key-unknown", () => {
  for (const [title, cni, policy, key] of misspelt) {
    it(`names the key that a misspelt one stands for: ${title}`, () => {
      assert.match(keysFound(policy, cni), new RegExp(`Use the key ${key.replaceAll(".", "\\.")},`));
    });
  }

  it("says nothing of a key that pods have, nor of one that resembles none", () => {
    assert.equal(keysFound(np("{ podSelector: { matchLabels: { app: api } } }"), "kubernetes"), "");
    assert.equal(keysFound(np("{ podSelector: { matchLabels: { role: api } } }"), "kubernetes"), "");
    assert.equal(keysFound(np("{ podSelector: { matchLabels: { appp: other } } }"), "kubernetes"), "");
  });

  it("takes one slip for a misspelling, two in long words", () => {
    assert.deepEqual(
      [
        ["app", "appl"],
        ["team", "taem"],
        ["app", "role"],
        ["ab", "a"],
        ["component", "conponnt"],
        ["tier", "time"],
      ].map(([a = "", b = ""]) => isMisspelling(a, b)),
      [true, true, false, false, true, false],
    );
  });
});

describe("Cilium's own labels, as they are right", () => {
  const right = [
    "io.kubernetes.pod.namespace",
    "io.cilium.k8s.policy.serviceaccount",
    "io.cilium.k8s.policy.cluster",
    "io.cilium.k8s.namespace.labels.team",
    "io.cilium.k8s.namespace.labels.kubernetes.io/metadata.name",
  ];
  for (const source of ["", "k8s:", "any:"]) {
    it(`are no finding with ${source === "" ? "no source" : `the source ${source}`}, in matchLabels and in expressions`, () => {
      for (const key of right) {
        const peers = `{ matchLabels: { "${source}${key}": x } }, { matchExpressions: [ { key: "${source}${key}", operator: Exists } ] }`;
        const subject = key.includes("namespace") ? "{}" : `{ matchLabels: { "${source}${key}": x } }`;
        const spec = `{ endpointSelector: ${subject}, ingress: [ { fromEndpoints: [ ${peers} ] } ] }`;
        assert.equal(keysFound(cilium(spec), "cilium@1.20"), "", `${source}${key}`);
      }
    });
  }
});
