import assert from "node:assert/strict";
import { buildSnapshot, compile, profileFor, readYaml, type Flow, type Reachability } from "../../sdk/reachability";

const pods = `
apiVersion: v1
kind: Pod
metadata: { name: web, namespace: shop, labels: { app: web } }
spec: { containers: [{ name: main, image: main }] }
---
apiVersion: v1
kind: Pod
metadata: { name: api, namespace: shop, labels: { app: api } }
spec: { containers: [{ name: main, image: main }] }
---
`;

const cluster = (
  name: string,
  action: string,
  options: { priority?: number; subject?: string; tier?: string } = {},
) => `
apiVersion: policy.networking.k8s.io/v1alpha2
kind: ClusterNetworkPolicy
metadata: { name: ${name} }
spec:
  tier: ${options.tier ?? "Admin"}
  priority: ${options.priority ?? 5}
  subject: { pods: { namespaceSelector: {}, podSelector: { matchLabels: { app: ${options.subject ?? "web"} } } } }
  ingress: [{ action: ${action}, from: [{ namespaces: {} }], protocols: [{ tcp: { destinationPort: { number: 80 } } }] }]
---`;

function judge(policies: string, cni = "kubernetes"): Reachability {
  const { objects, problems } = readYaml(pods + policies, "all.yaml");
  assert.deepEqual(problems, []);
  const profile = { ...profileFor(cni), clusterNetworkPolicy: true };
  return compile(buildSnapshot(objects, { profile }));
}

const to = (port: number): Flow => ({
  source: { kind: "workload", id: "shop/api[Pod]" },
  destination: { kind: "workload", id: "shop/web[Pod]" },
  protocol: "TCP",
  port,
});

const closed = `
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { name: closed, namespace: shop }
spec: { podSelector: {} }
---`;

describe("policies of one tier and one priority", () => {
  it("leave open what they disagree on, and only that", () => {
    const reachability = judge(cluster("first", "Accept") + cluster("second", "Deny"));
    assert.equal(reachability.verdict(to(80)), "unknown");
    assert.equal(reachability.verdict(to(81)), "allowed");
    const { verdict, ingress } = reachability.explain(to(80));
    assert.equal(verdict, "unknown");
    assert.match(
      ingress.reason,
      /ClusterNetworkPolicy first spec\.ingress\[0\] \(all\.yaml:13\) and ClusterNetworkPolicy second .* have the same priority and disagree/,
    );
    const [problem, ...others] = reachability.snapshot.problems;
    assert.deepEqual(others, []);
    assert.equal(problem?.code, "ambiguous");
    assert.equal(problem?.affectsVerdicts, true);
    assert.match(problem?.message ?? "", /first spec\.ingress\[0\] and .*second spec\.ingress\[0\]/);
    const [entry] = reachability.matrix({ external: false, workloads: ["shop/web[Pod]"], end: "destination" });
    assert.equal(entry?.allowed.contains("TCP", 80), false);
    assert.equal(entry?.possible.contains("TCP", 80), true);
  });

  it("decide what they agree on, also where one passes and the other allows what the next tier allows", () => {
    assert.equal(judge(cluster("first", "Deny") + cluster("second", "Deny")).verdict(to(80)), "denied");
    assert.deepEqual(judge(cluster("first", "Deny") + cluster("second", "Deny")).snapshot.problems, []);
    const open = judge(cluster("first", "Pass") + cluster("second", "Accept"));
    assert.equal(open.verdict(to(80)), "allowed");
    assert.match(open.explain(to(80)).ingress.reason, /either way it is allowed/);
    assert.equal(judge(cluster("first", "Pass") + cluster("second", "Accept") + closed).verdict(to(80)), "unknown");
    assert.equal(judge(cluster("first", "Pass") + cluster("second", "Deny") + closed).verdict(to(80)), "denied");
  });

  it("are no problem where they select different pods, or have different priorities or tiers", () => {
    for (const second of [
      cluster("second", "Deny", { subject: "api" }),
      cluster("second", "Deny", { priority: 6 }),
      cluster("second", "Deny", { tier: "Baseline" }),
    ]) {
      const reachability = judge(cluster("first", "Accept") + second);
      assert.deepEqual(reachability.snapshot.problems, []);
      assert.equal(reachability.verdict(to(80)), "allowed");
    }
  });

  it("a rule of a lower priority before both makes no difference to what is open", () => {
    const before = judge(cluster("zeroth", "Deny", { priority: 1 }) + cluster("a", "Accept") + cluster("b", "Deny"));
    assert.equal(before.verdict(to(80)), "denied");
    assert.equal(before.explain(to(80)).ingress.deciding?.policy.name, "zeroth");
  });

  it("are decided by an enforcer that has an order of its own, and named nevertheless", () => {
    for (const cni of ["cilium@1.20", "calico@3.32"]) {
      const reachability = judge(cluster("first", "Accept") + cluster("second", "Deny"), cni);
      assert.equal(reachability.verdict(to(80)), cni.startsWith("cilium") ? "denied" : "allowed");
      assert.deepEqual(
        reachability.snapshot.problems.map(({ code, affectsVerdicts }) => [code, affectsVerdicts]),
        [["ambiguous", false]],
      );
    }
  });
});

describe("peers that Calico does not support in a ClusterNetworkPolicy", () => {
  const egress = (action: string, peer: string): string => `
apiVersion: policy.networking.k8s.io/v1alpha2
kind: ClusterNetworkPolicy
metadata: { name: names }
spec:
  tier: Admin
  priority: 5
  subject: { namespaces: {} }
  egress: [{ action: ${action}, to: [${peer}] }]
---`;
  it("take the rule with them: an Accept vanishes, Deny and Pass deny everything", () => {
    const flow: Flow = { ...to(80), destination: { kind: "address", address: "198.51.100.1" } };
    const nodes = "{ nodes: { matchLabels: { role: none } } }";
    assert.equal(judge(egress("Deny", nodes), "calico@3.32").verdict(flow), "denied");
    assert.equal(judge(egress("Pass", nodes), "calico@3.32").verdict(flow), "denied");
    const accepted = judge(egress("Accept", '{ domainNames: ["*.example.com"] }'), "calico@3.32");
    assert.equal(accepted.verdict(flow), "allowed");
    assert.match(accepted.snapshot.problems[0]?.message ?? "", /does not support domainNames .* leaves the rule out/);
    assert.equal(judge(egress("Deny", nodes), "kubernetes").verdict(flow), "allowed");
  });
});
