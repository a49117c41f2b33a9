import assert from "node:assert/strict";
import { buildSnapshot, compile, profileFor, readYaml, type Explanation, type Flow } from "../../sdk/reachability";

const cluster = `
apiVersion: v1
kind: Namespace
metadata: { name: shop, labels: { team: a } }
---
apiVersion: v1
kind: Pod
metadata: { name: web, namespace: shop, labels: { app: web } }
spec: { containers: [{ name: main, image: main, ports: [{ name: http, containerPort: 8080 }] }] }
---
apiVersion: v1
kind: Pod
metadata: { name: api, namespace: shop, labels: { app: api } }
spec: { containers: [{ name: main, image: main }] }
---
`;

function explain(policies: string, flow: Flow, profile = "cilium@1.20"): Explanation {
  const { objects, problems } = readYaml(cluster + policies, "cluster.yaml");
  assert.deepEqual(problems, []);
  const reachability = compile(buildSnapshot(objects, { profile: profileFor(profile) }));
  const explanation = reachability.explain(flow);
  assert.equal(explanation.verdict, reachability.verdict(flow));
  return explanation;
}

const web = { kind: "workload", id: "shop/web[Pod]" } as const;
const api = { kind: "workload", id: "shop/api[Pod]" } as const;
const toWeb = (port: number): Flow => ({ source: api, destination: web, protocol: "TCP", port });
const metadata = (address: string): Flow => ({
  source: web,
  destination: { kind: "address", address },
  protocol: "TCP",
  port: 80,
});

const allowApiTo80 = `
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { name: web, namespace: shop }
spec:
  podSelector: { matchLabels: { app: web } }
  ingress:
    - from: [{ podSelector: { matchLabels: { app: api } } }]
      ports: [{ port: 80 }]
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { name: other, namespace: shop }
spec: { podSelector: { matchLabels: { app: other } }, ingress: [{}] }
`;

describe("explain", () => {
  it("names the deciding rule with object, path, file and line", () => {
    const { verdict, ingress, egress } = explain(allowApiTo80, toWeb(80));
    assert.equal(verdict, "allowed");
    assert.equal(ingress.deciding?.path, "spec.ingress[0]");
    assert.deepEqual(ingress.deciding?.source, { file: "cluster.yaml", line: 17 });
    assert.match(ingress.reason, /NetworkPolicy shop\/web spec\.ingress\[0\] \(cluster\.yaml:17\) allows it/);
    assert.match(egress.reason, /no policy selects it for egress/);
  });

  it("names the rule of which it is not known whether it is about the flow", () => {
    const { objects } = readYaml(cluster + allowApiTo80.replace("app: api", 'app: "${WHO}"'), "cluster.yaml");
    const { verdict, ingress } = compile(buildSnapshot(objects)).explain(toWeb(80));
    assert.equal(verdict, "unknown");
    assert.match(
      ingress.reason,
      /isolated by NetworkPolicy shop\/web; no rule allows it for certain; whether NetworkPolicy shop\/web spec\.ingress\[0\] \(cluster\.yaml:17\) is about it is not known/,
    );
  });

  it("says which part of a rule did not fit, and proposes the smallest change", () => {
    const byPort = explain(allowApiTo80, toWeb(81));
    assert.equal(byPort.verdict, "denied");
    assert.equal(byPort.ingress.chain[0]?.because, "port");
    assert.match(byPort.ingress.reason, /isolated by NetworkPolicy shop\/web/);
    assert.match(byPort.flip[0]?.text ?? "", /add TCP 81 to the ports of NetworkPolicy shop\/web spec\.ingress\[0\]/);
    const byPeer = explain(allowApiTo80, {
      ...toWeb(80),
      source: { kind: "freshPod", namespace: "other" },
    });
    assert.equal(byPeer.ingress.chain[0]?.because, "peer");
    assert.equal(byPeer.ingress.notSelecting[0]?.rule.policy.name, "other");
    assert.equal(byPeer.ingress.notSelecting[0]?.because, "subject");
  });

  it("shows a deny that shadows an allow", () => {
    const { verdict, ingress } = explain(
      `${allowApiTo80}
---
apiVersion: cilium.io/v2
kind: CiliumClusterwideNetworkPolicy
metadata: { name: deny-api }
spec:
  endpointSelector: {}
  ingressDeny: [{ fromEndpoints: [{ matchLabels: { app: api } }] }]
`,
      toWeb(80),
    );
    assert.equal(verdict, "denied");
    assert.equal(ingress.deciding?.path, "spec.ingressDeny[0]");
    const shadowed = ingress.chain.find((step) => step.outcome === "shadowed");
    assert.equal(shadowed?.rule.policy.name, "web");
    assert.equal(shadowed?.shadowedBy?.policy.name, "deny-api");
  });

  it("follows Pass into a tier that allows", () => {
    const { verdict, ingress } = explain(
      `${allowApiTo80}
---
apiVersion: policy.networking.k8s.io/v1alpha2
kind: ClusterNetworkPolicy
metadata: { name: admin }
spec:
  tier: Admin
  priority: 1
  subject: { namespaces: {} }
  ingress:
    - { action: Pass, from: [{ namespaces: {} }], protocols: [{ tcp: { destinationPort: { number: 80 } } }] }
    - { action: Deny, from: [{ namespaces: {} }] }
`,
      toWeb(80),
      "kubernetes",
    );
    assert.equal(verdict, "allowed");
    assert.deepEqual(
      ingress.chain.map((step) => step.outcome),
      ["passed", "shadowed", "decided"],
    );
  });

  it("decides the forms of address that string checks miss", () => {
    const world = (to: string): string => `
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: { name: world, namespace: shop }
spec: { endpointSelector: {}, egress: [${to}] }
`;
    const cases: [string, string, string][] = [
      ['{ toCIDRSet: [{ cidr: "::/0", except: ["fd00:ec2::254/128"] }] }', "fd00:ec2::254", "denied"],
      ['{ toCIDRSet: [{ cidr: "::/0", except: ["fd00:ec2::254/128"] }] }', "::ffff:169.254.169.254", "allowed"],
      ['{ toCIDRSet: [{ cidr: "::/0", except: ["fd00:ec2::254/128"] }] }', "64:ff9b::a9fe:a9fe", "allowed"],
      ['{ toCIDR: ["0.0.0.0/1", "128.0.0.0/1"] }', "169.254.169.254", "allowed"],
      [
        "{ toCIDRSet: [{ cidr: 0.0.0.0/0, except: [169.254.169.254/32] }] }, { toEntities: [world] }",
        "169.254.169.254",
        "allowed",
      ],
      ['{ toPorts: [{ ports: [{ port: "80" }] }] }', "169.254.169.254", "allowed"],
      ['{ toFQDNs: [{ matchPattern: "*" }] }', "169.254.169.254", "unknown"],
      ["{ toFQDNs: [{ matchName: metadata.google.internal }] }", "169.254.169.254", "unknown"],
      ["{ toFQDNs: [{ matchName: example.com }] }", "169.254.169.254", "denied"],
    ];
    for (const [rule, address, verdict] of cases) {
      const explanation = explain(world(rule), metadata(address));
      assert.equal(explanation.verdict, verdict, `${rule} to ${address}: ${explanation.egress.reason}`);
    }
    const denyOnly = `
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: { name: deny, namespace: shop }
spec: { endpointSelector: {}, egressDeny: [{ toCIDR: [169.254.169.254/32] }] }
`;
    const { verdict, egress } = explain(denyOnly, metadata("198.51.100.1"));
    assert.equal(verdict, "denied");
    assert.match(egress.reason, /isolated by CiliumNetworkPolicy shop\/deny/);
  });
});

describe("rules for names (Cilium)", () => {
  const names = (spec: string, name = "names"): string => `
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: { name: ${name}, namespace: shop }
spec: ${spec}
---`;
  const toFqdn = names(
    "{ endpointSelector: { matchLabels: { app: web } }, egress: [{ toFQDNs: [{ matchName: api.example.com }] }] }",
  );
  const dns = (app: string, pattern: string): string =>
    names(
      `{ endpointSelector: { matchLabels: { app: ${app} } }, egress: [{ toEndpoints: [{ matchLabels: { "k8s:k8s-app": kube-dns } }], toPorts: [{ ports: [{ port: "53", protocol: UDP }], rules: { dns: [${pattern}] } }] }] }`,
      `dns-${app}`,
    );
  const connect: Flow = {
    source: web,
    destination: { kind: "fqdn", name: "api.example.com" },
    protocol: "TCP",
    port: 443,
  };

  it("S3-27: work only where a DNS rule lets the pod ask for the name", () => {
    assert.equal(explain(toFqdn + dns("web", '{ matchPattern: "*" }'), connect).verdict, "allowed");
    assert.equal(explain(toFqdn + dns("web", "{ matchName: api.example.com }"), connect).verdict, "allowed");
    const without = explain(toFqdn, connect);
    assert.equal(without.verdict, "denied");
    assert.equal(without.egress.chain[0]?.because, "unlearned");
    assert.match(without.egress.chain[0]?.text ?? "", /no DNS rule lets the pod ask for this name/);
    assert.match(
      without.egress.reason,
      /isolated by CiliumNetworkPolicy shop\/names; CiliumNetworkPolicy shop\/names spec\.egress\[0\] \(cluster\.yaml:17\) names it, but no DNS rule/,
    );
    // a DNS rule for other names
    assert.equal(explain(toFqdn + dns("web", '{ matchPattern: "*.other.com" }'), connect).verdict, "denied");
    // another pod may ask, and teach the agent of its node
    assert.equal(explain(toFqdn + dns("api", '{ matchPattern: "*" }'), connect).verdict, "unknown");
    // a DNS rule decides nothing where the pod is open
    assert.equal(explain("", connect).verdict, "allowed");
  });
});

describe("AuthorizationPolicy", () => {
  it("only rules that stand in it are listed, and only those are proposed for a change", () => {
    const text = `${cluster.replace("team: a", "istio-injection: enabled")}
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: web, namespace: shop }
spec: { selector: { matchLabels: { app: web } }, rules: [{ from: [{ source: { namespaces: [bank] } }] }] }
`;
    const { objects } = readYaml(text, "cluster.yaml");
    const reachability = compile(buildSnapshot(objects, { profile: profileFor("kubernetes") }));
    const { mesh, flip, verdict } = reachability.explain(toWeb(8080));
    assert.equal(verdict, "denied");
    const paths = (mesh?.chain ?? []).map(({ rule }) => rule.path);
    assert.deepEqual(paths, ["spec.rules[0]"]);
    assert.match(
      flip[0]?.text ?? "",
      /add the other end to the peers of AuthorizationPolicy shop\/web spec\.rules\[0\]/,
    );
  });
});
