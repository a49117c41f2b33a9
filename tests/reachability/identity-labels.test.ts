import assert from "node:assert/strict";
import { buildSnapshot, compile, inferProfile, profileFor, readYaml, type Flow } from "../../sdk/reachability";
import { labelFilter } from "../../sdk/reachability/readers/identity-labels";

const cluster = `
apiVersion: v1
kind: Pod
metadata:
  name: web
  namespace: shop
  labels: { app: web, pod-template-hash: abc, statefulset.kubernetes.io/pod-name: web-0, app.kubernetes.io/name: web }
spec: { containers: [{ name: main, image: main }] }
---
apiVersion: v1
kind: Pod
metadata: { name: api, namespace: shop, labels: { app: api } }
spec: { containers: [{ name: main, image: main }] }
---`;

const toWeb: Flow = {
  source: { kind: "workload", id: "shop/api[Pod]" },
  destination: { kind: "workload", id: "shop/web[Pod]" },
  protocol: "TCP",
  port: 80,
};

const networkPolicy = (selector: string): string => `
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { name: closed, namespace: shop }
spec: { podSelector: ${selector} }
---`;

describe("identity labels in the pod selectors of a NetworkPolicy", () => {
  const verdictOf = (selector: string, enforcer: string): string => {
    const policy = `
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { name: from-api, namespace: shop }
spec: { podSelector: { matchLabels: { app: web } }, ingress: [{ from: [{ podSelector: ${selector} }] }] }`;
    const { objects } = readYaml(cluster + policy);
    return compile(buildSnapshot(objects, { profile: profileFor(enforcer) })).explain(toWeb).verdict;
  };

  it("are labels of every pod to Cilium and of none to others", () => {
    for (const selector of [
      "{ matchExpressions: [{ key: io.cilium.k8s.policy.cluster, operator: Exists }] }",
      "{ matchLabels: { io.cilium.k8s.policy.cluster: default } }",
      "{ matchLabels: { io.cilium.k8s.policy.serviceaccount: default } }",
      "{ matchLabels: { io.kubernetes.pod.namespace: shop } }",
      "{ matchLabels: { io.cilium.k8s.namespace.labels.kubernetes.io/metadata.name: shop } }",
    ]) {
      const verdicts = ["cilium@1.20", "kubernetes", "calico@3.32"].map((enforcer) => verdictOf(selector, enforcer));
      assert.deepEqual(verdicts, ["allowed", "denied", "denied"], selector);
    }
    assert.equal(verdictOf("{ matchLabels: { io.cilium.k8s.policy.serviceaccount: other } }", "cilium@1.20"), "denied");
  });
});

describe("labels that Cilium leaves out of identities", () => {
  it("follow the agent's own list", () => {
    const keeps = labelFilter([]);
    const left = [
      "pod-template-hash",
      "statefulset.kubernetes.io/pod-name",
      "apps.kubernetes.io/pod-index",
      "beta.kubernetes.io/arch",
      "failure-domain.beta.kubernetes.io/zone",
      "topology.kubernetes.io/zone",
      "kubernetes.io/hostname",
      "io.kubernetes.container.name",
      "k8s.io/cluster",
      "controller-uid",
      "annotation.x",
      // matched by ".*beta.kubernetes.io" over a longer section than by the namespace's labels
      "io.cilium.k8s.namespace.labels.beta.kubernetes.io/x",
    ];
    for (const key of left) assert.equal(keeps(key), false, key);
    const kept = [
      "app",
      "k8s-app",
      "app.kubernetes.io/name",
      "io.kubernetes.pod.namespace",
      "io.cilium.k8s.namespace.labels.kubernetes.io/metadata.name",
      "node-role.kubernetes.io/x",
      "my-pod-template-hash",
    ];
    for (const key of kept) assert.equal(keeps(key), true, key);
  });

  it("are what the option adds: exclusions beside the list, inclusions instead of the rest", () => {
    const without = labelFilter(["!team", "container:!app"]);
    assert.deepEqual([without("team"), without("team-x"), without("app")], [false, false, true]);
    const only = labelFilter(["k8s:app"]);
    assert.deepEqual(
      [only("app"), only("application"), only("role"), only("app.kubernetes.io/name"), only("pod-template-hash")],
      [true, true, false, true, false],
    );
    assert.equal(labelFilter(["pod-template-hash-x", "!team"])("pod-template-hash-x"), true);
  });

  it("select nobody, in every dialect, and say so", () => {
    for (const [selector, cilium, kubernetes] of [
      ["{ matchLabels: { app: web } }", "denied", "denied"],
      ["{ matchLabels: { app.kubernetes.io/name: web } }", "denied", "denied"],
      ["{ matchLabels: { pod-template-hash: abc } }", "allowed", "denied"],
      ["{ matchLabels: { statefulset.kubernetes.io/pod-name: web-0 } }", "allowed", "denied"],
      ["{ matchExpressions: [{ key: pod-template-hash, operator: NotIn, values: [abc] }] }", "denied", "allowed"],
      ["{ matchExpressions: [{ key: pod-template-hash, operator: DoesNotExist }] }", "denied", "allowed"],
      ["{ matchExpressions: [{ key: pod-template-hash, operator: Exists }] }", "allowed", "denied"],
    ] as const) {
      const { objects } = readYaml(cluster + networkPolicy(selector), "all.yaml");
      for (const [cni, verdict] of [["cilium@1.20", cilium] as const, ["kubernetes", kubernetes] as const]) {
        const reachability = compile(buildSnapshot(objects, { profile: profileFor(cni) }));
        assert.equal(reachability.verdict(toWeb), verdict, `${selector} with ${cni}`);
        const named = reachability.snapshot.problems.filter(({ message }) => message.includes("out of identities"));
        assert.equal(named.length, cni === "kubernetes" || cilium === kubernetes ? 0 : 1, `${selector} with ${cni}`);
      }
    }
  });

  it("are read from the agent's configuration and the chart's values", () => {
    const config =
      "apiVersion: v1\nkind: ConfigMap\nmetadata: { name: cilium-config }\ndata: { labels: 'k8s:app !role' }\n";
    const { objects } = readYaml(config);
    assert.deepEqual(inferProfile(objects).identityLabels, ["k8s:app", "!role"]);
    assert.equal(profileFor("kubernetes").identityLabels, undefined);
  });
});
