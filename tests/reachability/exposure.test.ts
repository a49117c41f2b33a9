import assert from "node:assert/strict";
import { buildSnapshot, compile, exposure, profileFor, readYaml, type Entrance } from "../../sdk/reachability";
import { namesMeet } from "../../sdk/reachability/questions/entrances/gateways";

const pod = (name: string, namespace: string, labels = `app: ${name}`, more = ""): string => `
apiVersion: v1
kind: Pod
metadata: { name: ${name}, namespace: ${namespace}, labels: { ${labels} } }
spec: { containers: [{ name: main, image: main, ports: [{ name: http, containerPort: 8080 }] }]${more} }
---`;

const service = (spec: string, name = "web", annotations = ""): string => `
apiVersion: v1
kind: Service
metadata: { name: ${name}, namespace: shop, annotations: { ${annotations} } }
spec: { selector: { app: web }, ports: [{ name: http, port: 80, targetPort: http, nodePort: 30080 }], ${spec} }
---`;

const allowing = (from: string): string => `
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { name: allow, namespace: shop }
spec: { podSelector: { matchLabels: { app: web } }, ingress: [{ from: [${from}] }] }
---`;

const closed = `
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { name: closed, namespace: shop }
spec: { podSelector: {} }
---`;

const web = pod("web", "shop");

function entrances(text: string, cni = "kubernetes"): readonly Entrance[] {
  const { objects, problems } = readYaml(text, "all.yaml");
  assert.deepEqual(problems, []);
  const reachability = compile(buildSnapshot(objects, { profile: profileFor(cni) }));
  const [found] = exposure(reachability, { workloads: ["shop/web[Pod]"] });
  return found?.entrances ?? [];
}

const short = (found: readonly Entrance[]): string[] =>
  found.map(
    ({ via, arrivesFrom, allowed, possible }) =>
      `${via.kind} ${via.name} ${arrivesFrom}: ${allowed.toString()}${possible === allowed ? "" : ` (perhaps ${possible.toString()})`}`,
  );

const namespace = (name: string, labels: string): string =>
  `\napiVersion: v1\nkind: Namespace\nmetadata: { name: ${name}, labels: { ${labels} } }\n---`;

describe("exposure through Services", () => {
  it("node ports show the pod a node's address, or the client's with externalTrafficPolicy Local", () => {
    const cluster = service("type: NodePort");
    assert.deepEqual(short(entrances(web + cluster)), ["Service web node: TCP 8080"]);
    // from its own node it is reached in any case, from other nodes not
    assert.deepEqual(short(entrances(web + cluster + closed)), ["Service web node: No Connections (perhaps TCP 8080)"]);
    const local = service("type: NodePort, externalTrafficPolicy: Local");
    assert.deepEqual(short(entrances(web + local)), ["Service web world: TCP 8080"]);
    assert.deepEqual(short(entrances(web + local + closed)), []);
    const [way] = entrances(web + cluster);
    assert.deepEqual(way?.because, [
      "node ports on every node: TCP 30080",
      "externalTrafficPolicy Cluster: the pod sees a node's address in place of the client's",
    ]);
  });

  it("a ClusterIP opens nothing; external addresses do", () => {
    assert.deepEqual(short(entrances(web + service("type: ClusterIP"))), []);
    const [way] = entrances(web + service("externalIPs: [198.51.100.7]"));
    assert.equal(way?.because[0], "external addresses 198.51.100.7, TCP 80");
  });

  it("loadBalancerSourceRanges narrow the clients, but not those of the node ports", () => {
    const balancer = (more: string): string =>
      service(`type: LoadBalancer, externalTrafficPolicy: Local, loadBalancerSourceRanges: [203.0.113.0/24]${more}`);
    const from = (cidr: string): string => allowing(`{ ipBlock: { cidr: ${cidr} } }`);
    const without = ", allocateLoadBalancerNodePorts: false";
    assert.deepEqual(short(entrances(web + balancer(without) + from("203.0.113.0/28"))), [
      "Service web world: TCP 8080",
    ]);
    assert.deepEqual(short(entrances(web + balancer(without) + from("198.51.100.0/24"))), []);
    const both = entrances(web + balancer("") + from("198.51.100.0/24"));
    assert.deepEqual(short(both), ["Service web world: TCP 8080"]);
    assert.ok(both[0]?.because.includes("loadBalancerSourceRanges do not apply to node ports"));
    const [internal] = entrances(
      web + service("type: LoadBalancer", "web", "networking.gke.io/load-balancer-type: Internal"),
    );
    assert.match(internal?.because.join("; ") ?? "", /the load balancer is internal/);
  });

  it("Cilium shows the client's address where the pod runs on the node that is asked", () => {
    const worldOnly = `
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: { name: world, namespace: shop }
spec: { endpointSelector: {}, ingress: [{ fromEntities: [world] }] }
---`;
    const cluster = service("type: NodePort");
    assert.deepEqual(short(entrances(web + cluster + worldOnly, "cilium@1.20")), [
      "Service web node: No Connections (perhaps TCP 8080)",
    ]);
  });

  it("endpoints of a Service without a selector, and host ports, lead to pods too", () => {
    const bare = `
apiVersion: v1
kind: Service
metadata: { name: bare, namespace: shop }
spec: { type: LoadBalancer, externalTrafficPolicy: Local, ports: [{ port: 8080 }] }
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: { name: bare-1, namespace: shop, labels: { kubernetes.io/service-name: bare } }
addressType: IPv4
endpoints: [{ addresses: [10.1.0.5] }]
---`;
    const withAddress = web.replace("\n---", "\nstatus: { podIP: 10.1.0.5 }\n---");
    assert.deepEqual(short(entrances(withAddress + bare)), ["Service bare world: TCP 8080"]);
    assert.deepEqual(short(entrances(web + bare)), []);
    const onNode = web.replace("containerPort: 8080", "containerPort: 8080, hostPort: 80");
    assert.deepEqual(short(entrances(onNode)), ["Pod web world: TCP 8080"]);
    assert.deepEqual(entrances(onNode)[0]?.because, ["host ports on the node it runs on: TCP 80"]);
  });
});

describe("exposure through Ingresses", () => {
  const controller = pod("nginx", "edge", "app.kubernetes.io/name: ingress-nginx");
  const ingressClass = (name: string, value: string): string => `
apiVersion: networking.k8s.io/v1
kind: IngressClass
metadata: { name: ${name} }
spec: { controller: ${value} }
---`;
  const ingress = (className: string): string => `
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: { name: shop, namespace: shop }
spec:
  ingressClassName: ${className}
  rules: [{ host: shop.example.com, http: { paths: [{ path: /, pathType: Prefix, backend: { service: { name: web, port: { name: http } } } }] } }]
---`;
  const base = web + service("type: ClusterIP") + ingress("public");
  const nginx = ingressClass("public", "k8s.io/ingress-nginx");
  const fromEdge = allowing("{ namespaceSelector: { matchLabels: { kubernetes.io/metadata.name: edge } } }");

  it("are judged by what the controller's pods reach", () => {
    const open = entrances(base + nginx + controller + fromEdge);
    assert.deepEqual(short(open), ["Ingress shop proxy: TCP 8080"]);
    assert.equal(open[0]?.service?.name, "web");
    assert.deepEqual(open[0]?.because, ["host shop.example.com", "carried by edge/nginx[Pod] (k8s.io/ingress-nginx)"]);
    assert.deepEqual(short(entrances(base + nginx + controller + closed)), []);
    // what others reach does not matter where the controller is known
    const other = pod("other", "other");
    const fromOther = allowing("{ namespaceSelector: { matchLabels: { kubernetes.io/metadata.name: other } } }");
    assert.deepEqual(short(entrances(base + nginx + controller + other + fromOther)), []);
  });

  it("leave open who carries them where neither class nor pods are known", () => {
    for (const known of ["", nginx]) {
      const vague = entrances(base + known + pod("other", "other") + fromEdge + pod("x", "edge"));
      assert.deepEqual(short(vague), ["Ingress shop proxy: No Connections (perhaps TCP 8080)"]);
      assert.match(vague[0]?.because.join() ?? "", /who carries it is not known/);
    }
    assert.deepEqual(short(entrances(base)), ["Ingress shop proxy: TCP 8080"]);
  });

  it("of Cilium arrive from its identity `ingress`, those of a cloud from outside", () => {
    const policy = (entity: string): string => `
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: { name: web, namespace: shop }
spec: { endpointSelector: {}, ingress: [{ fromEntities: [${entity}] }] }
---`;
    const cilium = base + ingressClass("public", "cilium.io/ingress-controller");
    assert.deepEqual(short(entrances(cilium + policy("ingress"), "cilium")), ["Ingress shop proxy: TCP 8080"]);
    assert.deepEqual(short(entrances(cilium + policy("cluster"), "cilium")), ["Ingress shop proxy: TCP 8080"]);
    assert.deepEqual(short(entrances(cilium + policy("world"), "cilium")), []);
    // a clusterwide default deny is about the proxy as well
    const everywhere = `
apiVersion: cilium.io/v2
kind: CiliumClusterwideNetworkPolicy
metadata: { name: egress }
spec: { endpointSelector: {}, egress: [{ toEntities: [kube-apiserver] }] }
---`;
    assert.deepEqual(short(entrances(cilium + policy("ingress") + everywhere, "cilium")), []);
    const alb = base + ingressClass("public", "ingress.k8s.aws/alb");
    assert.deepEqual(short(entrances(alb)), ["Ingress shop world: TCP 8080"]);
    const oneRange = allowing("{ ipBlock: { cidr: 10.0.0.0/8 } }");
    assert.deepEqual(short(entrances(alb + oneRange)), ["Ingress shop world: No Connections (perhaps TCP 8080)"]);
  });
});

describe("exposure through the Gateway API", () => {
  const gateway = (listeners: string, className = "istio", where = "edge"): string => `
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: { name: public, namespace: ${where} }
spec: { gatewayClassName: ${className}, listeners: [${listeners}] }
---`;
  const route = (options: { kind?: string; hostnames?: string; parent?: string; backend?: string; in?: string }) => `
apiVersion: gateway.networking.k8s.io/v1
kind: ${options.kind ?? "HTTPRoute"}
metadata: { name: web, namespace: ${options.in ?? "shop"} }
spec:
  hostnames: [${options.hostnames ?? ""}]
  parentRefs: [{ name: public, namespace: edge${options.parent ?? ""} }]
  rules: [{ backendRefs: [{ name: web, port: 80${options.backend ?? ""} }] }]
---`;
  const all = "allowedRoutes: { namespaces: { from: All } }";
  const https = `{ name: https, port: 443, protocol: HTTPS, ${all} }`;
  const proxy = pod("proxy", "edge", "gateway.networking.k8s.io/gateway-name: public");
  const base = web + service("type: ClusterIP") + proxy;
  const open = ["HTTPRoute web proxy: TCP 8080"];

  it("are judged by what the Gateway's pods reach, listener by listener", () => {
    const found = entrances(base + gateway(https) + route({}));
    assert.deepEqual(short(found), open);
    assert.deepEqual(found[0]?.because, [
      "Gateway edge/public listener https (HTTPS 443)",
      "carried by edge/proxy[Pod] (istio.io/gateway-controller)",
    ]);
    assert.deepEqual(short(entrances(base + gateway(https) + route({}) + closed)), []);
  });

  it("need a listener that takes the route: by section, port, kind, namespace and names", () => {
    const taken: [string, string][] = [
      [https, route({ parent: ", sectionName: https" })],
      [https, route({ parent: ", port: 443" })],
      [https, route({ kind: "GRPCRoute" })],
      [`{ name: t, port: 443, protocol: TLS, ${all} }`, route({ kind: "TLSRoute" })],
      [`{ name: t, port: 443, protocol: TCP, ${all} }`, route({ kind: "TCPRoute" })],
      [
        `{ name: h, port: 80, protocol: HTTP, hostname: "*.example.com", ${all} }`,
        route({ hostnames: "a.example.com" }),
      ],
      [
        "{ name: h, port: 80, protocol: HTTP, allowedRoutes: { namespaces: { from: Selector, selector: { matchLabels: { exposed: 'yes' } } } } }",
        route({}),
      ],
    ];
    for (const [listener, text] of taken) {
      const found = short(entrances(namespace("shop", "exposed: 'yes'") + base + gateway(listener) + text));
      assert.deepEqual(
        found,
        [open[0]?.replace("HTTPRoute", /kind: (\w+Route)/.exec(text)?.[1] ?? "")],
        listener + text,
      );
    }
    const left: [string, string][] = [
      [https, route({ parent: ", sectionName: http" })],
      [https, route({ parent: ", port: 80" })],
      [https, route({ kind: "TCPRoute" })],
      [`{ name: t, port: 443, protocol: TCP, ${all} }`, route({})],
      ["{ name: h, port: 80, protocol: HTTP }", route({})],
      ["{ name: h, port: 80, protocol: HTTP, allowedRoutes: { namespaces: { from: None } } }", route({})],
      [`{ name: h, port: 80, protocol: HTTP, hostname: "*.example.com", ${all} }`, route({ hostnames: "example.com" })],
      [
        "{ name: h, port: 80, protocol: HTTP, allowedRoutes: { kinds: [{ kind: GRPCRoute }], namespaces: { from: All } } }",
        route({}),
      ],
      [
        "{ name: h, port: 80, protocol: HTTP, allowedRoutes: { namespaces: { from: Selector, selector: { matchLabels: { exposed: 'no' } } } } }",
        route({}),
      ],
      [https, route({ parent: ", kind: Service, group: ''" })],
      [https, route({ backend: ", weight: 0" })],
    ];
    for (const [listener, text] of left) {
      const found = entrances(namespace("shop", "exposed: 'yes'") + base + gateway(listener) + text);
      assert.deepEqual(short(found), [], listener + text);
    }
  });

  it("need a ReferenceGrant for a Service of another namespace", () => {
    const far = base + gateway(https) + route({ in: "routes", backend: ", namespace: shop" });
    const grant = (to: string, from = "routes"): string => `
apiVersion: gateway.networking.k8s.io/v1beta1
kind: ReferenceGrant
metadata: { name: routes, namespace: shop }
spec: { from: [{ group: gateway.networking.k8s.io, kind: HTTPRoute, namespace: ${from} }], to: [${to}] }
---`;
    assert.deepEqual(short(entrances(far)), []);
    assert.deepEqual(short(entrances(far + grant("{ group: '', kind: Service }"))), open);
    assert.deepEqual(short(entrances(far + grant("{ group: '', kind: Service, name: web }"))), open);
    assert.deepEqual(short(entrances(far + grant("{ group: '', kind: Service, name: db }"))), []);
    assert.deepEqual(short(entrances(far + grant("{ group: '', kind: Service }", "elsewhere"))), []);
  });

  it("are possible only where the Gateway, or who carries it, is not known", () => {
    const [missing] = entrances(base + route({}));
    assert.deepEqual(short(missing === undefined ? [] : [missing]), [
      "HTTPRoute web proxy: No Connections (perhaps TCP 8080)",
    ]);
    assert.match(missing?.because[0] ?? "", /Gateway edge\/public is not in the snapshot/);
    const strange = web + service("type: ClusterIP") + gateway(https, "strange") + route({});
    const fromEdge = allowing("{ namespaceSelector: { matchLabels: { kubernetes.io/metadata.name: edge } } }");
    assert.deepEqual(short(entrances(strange + fromEdge + pod("x", "edge"))), [
      "HTTPRoute web proxy: No Connections (perhaps TCP 8080)",
    ]);
    // Istio starts the proxy itself, in the Gateway's namespace
    const started =
      web + service("type: ClusterIP") + gateway(https) + route({}) + namespace("edge", "a: b") + fromEdge;
    assert.deepEqual(short(entrances(started)), open);
    assert.match(entrances(started)[0]?.because[1] ?? "", /started in namespace edge/);
    // a waypoint lets nothing in
    assert.deepEqual(short(entrances(base + gateway(https, "istio-waypoint") + route({}))), []);
  });

  it("send copies of requests to mirrors as well", () => {
    const mirrored = `
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: { name: web, namespace: shop }
spec:
  parentRefs: [{ name: public, namespace: edge }]
  rules: [{ backendRefs: [{ name: other, port: 80 }], filters: [{ type: RequestMirror, requestMirror: { backendRef: { name: web, port: 80 } } }] }]
---`;
    assert.deepEqual(short(entrances(base + gateway(https) + mirrored)), open);
  });

  it("host names meet where some name fits both", () => {
    const meets: [string, string, boolean][] = [
      ["a.example.com", "a.example.com", true],
      ["A.example.com", "a.EXAMPLE.com", true],
      ["a.example.com", "*.example.com", true],
      ["a.b.example.com", "*.example.com", true],
      ["example.com", "*.example.com", false],
      ["*.example.com", "*.b.example.com", true],
      ["*.example.com", "*.example.org", false],
      ["badexample.com", "*.example.com", false],
    ];
    for (const [a, b, expected] of meets) {
      assert.equal(namesMeet(a, b), expected, `${a} and ${b}`);
      assert.equal(namesMeet(b, a), expected, `${b} and ${a}`);
    }
  });
});
