import assert from "node:assert/strict";
import { buildSnapshot, compile, profileFor, readYaml, type Flow, type Reachability } from "../../sdk/reachability";

const namespace = (name: string, labels: string): string =>
  `apiVersion: v1\nkind: Namespace\nmetadata: { name: ${name}, labels: { ${labels} } }\n---\n`;
const pod = (name: string, where: string, labels = `app: ${name}`): string => `apiVersion: v1
kind: Pod
metadata: { name: ${name}, namespace: ${where}, labels: { ${labels} } }
spec: { serviceAccountName: ${name}, containers: [{ name: main, image: main, ports: [{ containerPort: 8080 }] }] }
---
`;
const networkPolicy = (app: string, rule: string): string => `apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { name: ${app}, namespace: shop }
spec: { podSelector: { matchLabels: { app: ${app} } }, ${rule} }
---
`;
const authorization = (name: string, spec: string, where = "shop"): string => `apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: ${name}, namespace: ${where} }
spec: ${spec}
---
`;

const ambient = namespace("shop", "istio.io/dataplane-mode: ambient");
const plain = namespace("old", "team: a");
const pods = pod("web", "shop") + pod("api", "shop") + pod("out", "old");
const base = ambient + plain + pods;

function judge(text: string, cni = "kubernetes"): Reachability {
  const { objects, problems } = readYaml(base + text, "all.yaml");
  assert.deepEqual(problems, []);
  return compile(buildSnapshot(objects, { profile: profileFor(cni) }));
}

const web = { kind: "workload", id: "shop/web[Pod]" } as const;
const api = { kind: "workload", id: "shop/api[Pod]" } as const;
const out = { kind: "workload", id: "old/out[Pod]" } as const;
const tcp = (source: Flow["source"], port = 8080, destination: Flow["destination"] = web): Flow => ({
  source,
  destination,
  protocol: "TCP",
  port,
});

/** The matrix says what traffic() says, for every pair. */
function matrixAgrees(reachability: Reachability): void {
  const found = new Map(
    [...reachability.matrix({ external: false })].map((entry) => [`${entry.sourceId} ${entry.destinationId}`, entry]),
  );
  for (const from of reachability.snapshot.workloads) {
    for (const to of reachability.snapshot.workloads) {
      if (from === to) continue;
      const traffic = reachability.traffic({ kind: "workload", id: from.id }, { kind: "workload", id: to.id });
      const entry = found.get(`${from.id} ${to.id}`);
      assert.equal(entry?.allowed.toString() ?? "No Connections", traffic.allowed.toString(), `${from.id} ${to.id}`);
      assert.equal(entry?.possible.toString() ?? "No Connections", traffic.possible.toString(), `${from.id} ${to.id}`);
    }
  }
}

describe("Istio ambient: network policies see HBONE", () => {
  it("a policy for the application's port alone cuts the mesh off, one for 15008 lets every port pass", () => {
    const byPort = judge(networkPolicy("web", "ingress: [{ ports: [{ port: 8080 }] }]"));
    assert.equal(byPort.verdict(tcp(api)), "denied");
    assert.equal(byPort.verdict(tcp(out)), "allowed");
    const { ingress, flip } = byPort.explain(tcp(api));
    assert.match(ingress.reason, /isolated by NetworkPolicy shop\/web; no rule allows it; ztunnel carries TCP/);
    assert.match(flip[0]?.text ?? "", /add TCP 15008 to the ports of NetworkPolicy shop\/web spec\.ingress\[0\]/);
    matrixAgrees(byPort);
    const byTunnel = judge(networkPolicy("web", "ingress: [{ ports: [{ port: 15008 }] }]"));
    assert.equal(byTunnel.verdict(tcp(api, 8080)), "allowed");
    assert.equal(byTunnel.verdict(tcp(api, 22)), "allowed");
    assert.equal(byTunnel.verdict(tcp(out, 8080)), "denied");
    assert.equal(byTunnel.verdict({ ...tcp(api), protocol: "UDP", port: 53 }), "denied");
    matrixAgrees(byTunnel);
  });

  it("holds for egress as well, and with the mesh's own policies on the application's port", () => {
    const egress = judge(
      networkPolicy("api", "policyTypes: [Egress], egress: [{ ports: [{ port: 15008 }] }]") +
        authorization("web", "{ action: ALLOW, rules: [{ to: [{ operation: { ports: ['8080'] } }] }] }"),
    );
    assert.equal(egress.verdict(tcp(api, 8080)), "allowed");
    assert.equal(egress.verdict(tcp(api, 8081)), "denied");
    assert.equal(egress.verdict(tcp(api, 8080, out)), "denied");
    matrixAgrees(egress);
  });

  it("the node's probes come from 169.254.7.127, which Cilium takes for the world", () => {
    const closed = networkPolicy("web", "ingress: []");
    const probe = tcp({ kind: "node", where: "local" });
    assert.equal(judge(closed).verdict(probe), "allowed");
    const cilium = judge(closed, "cilium@1.20");
    assert.equal(cilium.verdict(probe), "denied");
    assert.match(cilium.explain(probe).ingress.reason, /comes from 169\.254\.7\.127/);
    // not TCP: the node itself
    assert.equal(cilium.verdict({ ...probe, protocol: "UDP" }), "allowed");
    const allowed = `apiVersion: cilium.io/v2
kind: CiliumClusterwideNetworkPolicy
metadata: { name: probes }
spec: { endpointSelector: {}, enableDefaultDeny: { ingress: false, egress: false }, ingress: [{ fromCIDR: [169.254.7.127/32] }] }
---
`;
    assert.equal(judge(closed + allowed, "cilium@1.20").verdict(probe), "allowed");
  });
});

describe("Istio ambient: waypoints", () => {
  const service = (labels = "istio.io/use-waypoint: way"): string => `apiVersion: v1
kind: Service
metadata: { name: web, namespace: shop, labels: { ${labels} } }
spec: { selector: { app: web }, ports: [{ port: 80, targetPort: 8080 }] }
---
`;
  const gateway = (className = "istio-waypoint"): string => `apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: { name: way, namespace: shop }
spec: { gatewayClassName: ${className}, listeners: [{ name: mesh, port: 15008, protocol: HBONE }] }
---
`;
  const groups: Readonly<Record<string, string>> = {
    Gateway: "gateway.networking.k8s.io",
    GatewayClass: "gateway.networking.k8s.io",
    ServiceEntry: "networking.istio.io",
  };
  const target = (kind: string, name: string, rest: string): string =>
    `{ targetRefs: [{ group: ${groups[kind] ?? '""'}, kind: ${kind}, name: ${name} }], ${rest} }`;
  const fromApi = 'rules: [{ from: [{ source: { principals: ["cluster.local/ns/shop/sa/api"] } }] }]';
  const fromOthers = 'rules: [{ from: [{ source: { principals: ["cluster.local/ns/shop/sa/other"] } }] }]';

  it("what a waypoint lets pass is allowed, what it denies is denied only to those who use it", () => {
    const base = service() + gateway();
    const allow = judge(base + authorization("w", target("Service", "web", `action: ALLOW, ${fromApi}`)));
    assert.equal(allow.verdict(tcp(api)), "allowed");
    matrixAgrees(allow);
    for (const ref of [target("Service", "web", fromOthers), target("Gateway", "way", fromOthers)]) {
      const denied = judge(base + authorization("w", ref));
      assert.equal(denied.verdict(tcp(api)), "unknown", ref);
      // who is not in the mesh does not come by the waypoint
      assert.equal(denied.verdict(tcp(out)), "allowed", ref);
      const problem = denied.snapshot.problems.find(({ affectsVerdicts }) => affectsVerdicts);
      assert.match(
        problem?.message ?? "",
        /spec\.targetRefs\[0\]: connections to a pod's own address pass its waypoint by/,
      );
      const { mesh } = denied.explain(tcp(api));
      assert.equal(mesh?.verdict, "unknown");
      assert.match(
        mesh?.reason ?? "",
        /through the waypoint: AuthorizationPolicy shop\/w allow only what a rule names/,
      );
      matrixAgrees(denied);
    }
  });

  it("a GatewayClass in the root namespace is about every waypoint", () => {
    const classwide = authorization("w", target("GatewayClass", "istio-waypoint", fromOthers), "istio-system");
    assert.equal(judge(service() + gateway() + classwide).verdict(tcp(api)), "unknown");
    assert.equal(judge(gateway() + classwide).verdict(tcp(api)), "allowed");
  });

  it("a policy for a Service that no waypoint serves is not enforced, and says so", () => {
    for (const labels of ["a: b", "istio.io/use-waypoint: none"]) {
      const reachability = judge(
        service(labels) + gateway() + authorization("w", target("Service", "web", fromOthers)),
      );
      assert.equal(reachability.verdict(tcp(api)), "allowed");
      const [problem] = reachability.snapshot.problems;
      assert.equal(problem?.code, "not-enforced");
      assert.match(problem?.message ?? "", /no waypoint serves Service shop\/web/);
    }
    const missing = judge(authorization("w", target("Service", "gone", fromOthers)));
    assert.equal(missing.verdict(tcp(api)), "unknown");
  });

  it("a waypoint of another namespace serves those that its listener admits, its own alone where it says nothing", () => {
    const shared = (routes: string, labels = "", className = "istio-waypoint"): string =>
      `${namespace("infra", "a: b")}apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: { name: way, namespace: infra, labels: { ${labels} } }
spec: { gatewayClassName: ${className}, listeners: [{ name: mesh, port: 15008, protocol: HBONE, ${routes} }] }
---
`;
    const used = service("istio.io/use-waypoint: way, istio.io/use-waypoint-namespace: infra");
    const rule = authorization("w", target("Service", "web", fromOthers));
    const verdict = (text: string): string => judge(used + rule + text).verdict(tcp(api));
    assert.equal(verdict(shared("")), "allowed");
    assert.equal(verdict(shared("allowedRoutes: { namespaces: { from: Same } }")), "allowed");
    assert.equal(verdict(shared("allowedRoutes: { namespaces: { from: All } }")), "unknown");
    const chosen = (labels: string): string =>
      `allowedRoutes: { namespaces: { from: Selector, selector: { matchLabels: { ${labels} } } } }`;
    assert.equal(verdict(shared(chosen("istio.io/dataplane-mode: ambient"))), "unknown");
    assert.equal(verdict(shared(chosen("team: a"))), "allowed");
    // for workloads alone, and for nothing
    const open = "allowedRoutes: { namespaces: { from: All } }";
    assert.equal(verdict(shared(open, "istio.io/waypoint-for: workload")), "allowed");
    assert.equal(verdict(shared(open, "istio.io/waypoint-for: none")), "allowed");
    assert.equal(verdict(shared(open, "istio.io/waypoint-for: all")), "unknown");
    assert.equal(verdict(shared(open, "", "istio-agentgateway-waypoint")), "unknown");
  });

  it("a pod's own label names its waypoint before its namespace's, and none takes it out", () => {
    const labelled = namespace("shop", "istio.io/dataplane-mode: ambient, istio.io/use-waypoint: way");
    const forPods = gateway().replace(
      "namespace: shop }",
      "namespace: shop, labels: { istio.io/waypoint-for: workload } }",
    );
    const rule = authorization("w", target("Gateway", "way", fromOthers));
    const verdict = (own: string): string => {
      const text = labelled + plain + pod("web", "shop", `app: web${own}`) + pod("api", "shop") + forPods + rule;
      const { objects } = readYaml(text, "all.yaml");
      return compile(buildSnapshot(objects, { profile: profileFor("kubernetes") })).verdict(tcp(api));
    };
    assert.equal(verdict(""), "unknown");
    assert.equal(verdict(", istio.io/use-waypoint: none"), "allowed");
    assert.equal(verdict(", istio.io/use-waypoint: way"), "unknown");
    assert.equal(verdict(", istio.io/use-waypoint: gone"), "allowed");
    // an empty name is a name that no waypoint has
    assert.equal(verdict(', istio.io/use-waypoint: ""'), "allowed");
  });

  it("a gateway comes by the waypoint of those that say so", () => {
    const entrance = pod(
      "entrance",
      "old",
      'gateway.networking.k8s.io/gateway-name: door, sidecar.istio.io/inject: "false"',
    );
    const source = { kind: "workload", id: "old/entrance[Pod]" } as const;
    const closed =
      authorization("w", target("Service", "web", fromOthers)) +
      // directly only the waypoint may come
      authorization(
        "z",
        '{ selector: { matchLabels: { app: web } }, rules: [{ from: [{ source: { principals: ["cluster.local/ns/shop/sa/way"] } }] }] }',
      );
    const verdict = (labels: string, more = ""): string =>
      judge(service(labels) + gateway() + entrance + closed + more).verdict(tcp(source));
    assert.equal(verdict("istio.io/use-waypoint: way"), "denied");
    const open = closed.replace("sa/other", "sa/entrance").replace("ns/shop/sa/entrance", "ns/old/sa/entrance");
    const by = (labels: string): string => judge(service(labels) + gateway() + entrance + open).verdict(tcp(source));
    assert.equal(by("istio.io/use-waypoint: way"), "denied");
    assert.equal(by('istio.io/use-waypoint: way, istio.io/ingress-use-waypoint: "true"'), "unknown");
    assert.equal(by('istio.io/use-waypoint: way, istio.io/ingress-use-waypoint: "false"'), "denied");
  });

  it("a Gateway that is no waypoint is judged at its own pods", () => {
    const proxy = pod("proxy", "shop", "gateway.networking.k8s.io/gateway-name: way, istio.io/dataplane-mode: none");
    const reachability = judge(
      proxy + gateway("istio") + authorization("w", target("Gateway", "way", `action: DENY, rules: [{}]`)),
    );
    const toProxy = { kind: "workload", id: "shop/proxy[Pod]" } as const;
    assert.equal(reachability.verdict(tcp(out, 80, toProxy)), "denied");
    assert.equal(reachability.verdict(tcp(api)), "allowed");
    assert.deepEqual(reachability.snapshot.problems, []);
  });

  it("a policy for a ServiceEntry leaves open what passes to its names, and to no others", () => {
    const entry = `apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: ext, namespace: shop }
spec: { hosts: [api.example.com, "*.example.org"] }
---
`;
    const reachability = judge(entry + authorization("w", target("ServiceEntry", "ext", fromApi)));
    const to = (name: string): string => reachability.verdict(tcp(api, 443, { kind: "fqdn", name }));
    assert.deepEqual(["api.example.com", "a.example.org", "www.example.com"].map(to), [
      "unknown",
      "unknown",
      "allowed",
    ]);
    assert.equal(reachability.verdict(tcp(out, 443, { kind: "fqdn", name: "api.example.com" })), "allowed");
  });

  it("network policies count on both parts of the way by a waypoint", () => {
    const proxy = pod("proxy", "shop", "gateway.networking.k8s.io/gateway-name: way");
    const open = service() + gateway() + proxy;
    assert.equal(judge(open).verdict(tcp(api)), "allowed");
    const onlyFromProxy = networkPolicy(
      "web",
      "ingress: [{ from: [{ podSelector: { matchLabels: { gateway.networking.k8s.io/gateway-name: way } } }], ports: [{ port: 15008 }] }]",
    );
    const reachability = judge(open + onlyFromProxy);
    // directly it is denied, through the waypoint it passes
    assert.equal(reachability.verdict(tcp(api)), "unknown");
    assert.equal(reachability.verdict(tcp(out)), "denied");
    matrixAgrees(reachability);
  });
});
