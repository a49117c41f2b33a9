import assert from "node:assert/strict";
import { buildSnapshot, compile, profileFor, readYaml, type Reachability, type Verdict } from "../../sdk/reachability";

function judge(text: string): Reachability {
  const { objects, problems } = readYaml(text, "all.yaml");
  assert.deepEqual(problems, []);
  return compile(buildSnapshot(objects, { profile: profileFor("kubernetes") }));
}

const namespace = (name: string, labels = ""): string =>
  `apiVersion: v1\nkind: Namespace\nmetadata: { name: ${name}, labels: { ${labels} } }\n---\n`;
interface PodParts {
  readonly labels?: string;
  readonly annotations?: string;
  readonly spec?: string;
  readonly containers?: string;
  readonly status?: string;
}
const pod = (
  place: string,
  { labels = "", annotations = "", spec = "", containers, status }: PodParts = {},
): string => {
  const [where = "", name = ""] = place.split("/");
  return `apiVersion: v1
kind: Pod
metadata: { name: ${name}, namespace: ${where}, labels: { app: ${name}, ${labels} }, annotations: { ${annotations} } }
spec: { serviceAccountName: ${name}, ${spec} containers: ${containers ?? "[{ name: main, image: main, ports: [{ name: http, containerPort: 8080 }] }]"} }
${status === undefined ? "" : `status: ${status}\n`}---
`;
};
const peerAuthentication = (where: string, spec: string, name = "default"): string =>
  `apiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: { name: ${name}, namespace: ${where} }\nspec: ${spec}\n---\n`;
const authorization = (where: string, spec: string, name = "rules"): string =>
  `apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: { name: ${name}, namespace: ${where} }\nspec: ${spec}\n---\n`;
const service = (place: string, ports: string, rest = ""): string => {
  const [where = "", name = ""] = place.split("/");
  return `apiVersion: v1\nkind: Service\nmetadata: { name: ${name}, namespace: ${where} }\nspec: { selector: { app: ${name} }, ${rest} ports: [${ports}] }\n---\n`;
};
const destinationRule = (place: string, spec: string): string => {
  const [where = "", name = ""] = place.split("/");
  return `apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: { name: ${name}, namespace: ${where} }\nspec: ${spec}\n---\n`;
};

const injected = namespace("store", "istio-injection: enabled");
const outside = namespace("legacy") + pod("legacy/batch");
const strict = peerAuthentication("istio-system", "{ mtls: { mode: STRICT } }");
const nobody = authorization("store", "{}");

function asks(reachability: Reachability, from: string, to: string, port = 8080): Verdict {
  return reachability.verdict({
    source: { kind: "workload", id: `${from}[Pod]` },
    destination: { kind: "workload", id: `${to}[Pod]` },
    protocol: "TCP",
    port,
  });
}

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

function table(text: string, rows: readonly (readonly [string, string, number, Verdict])[]): void {
  const reachability = judge(text);
  for (const [from, to, port, verdict] of rows) {
    assert.equal(asks(reachability, from, to, port), verdict, `${from} to ${to}:${port}`);
  }
  matrixAgrees(reachability);
}

describe("Istio: inbound TCP that is not redirected to the proxy", () => {
  const base = injected + outside + strict + nobody;
  const with_ = (annotations: string, parts: PodParts = {}): string =>
    base + pod("store/web", { ...parts, annotations });

  it("a port that excludeInboundPorts names is open, whatever the mesh's policies say", () => {
    table(with_('traffic.sidecar.istio.io/excludeInboundPorts: "9090, 9091"'), [
      ["legacy/batch", "store/web", 9090, "allowed"],
      ["legacy/batch", "store/web", 9091, "allowed"],
      ["legacy/batch", "store/web", 8080, "denied"],
    ]);
  });

  it("so is one that includeInboundPorts leaves out, all of them where it is empty", () => {
    table(with_('traffic.sidecar.istio.io/includeInboundPorts: "8080"'), [
      ["legacy/batch", "store/web", 9090, "allowed"],
      ["legacy/batch", "store/web", 8080, "denied"],
    ]);
    table(with_('traffic.sidecar.istio.io/includeInboundPorts: ""'), [["legacy/batch", "store/web", 8080, "allowed"]]);
    table(with_('traffic.sidecar.istio.io/includeInboundPorts: "*"'), [["legacy/batch", "store/web", 8080, "denied"]]);
    // with a list the excluded ports are not looked at
    const both =
      'traffic.sidecar.istio.io/includeInboundPorts: "8080", traffic.sidecar.istio.io/excludeInboundPorts: "8080"';
    table(with_(both), [["legacy/batch", "store/web", 8080, "denied"]]);
  });

  it("without interception, or on an interface that is left out, nothing is redirected", () => {
    for (const annotation of [
      "sidecar.istio.io/interceptionMode: NONE",
      "traffic.sidecar.istio.io/excludeInterfaces: eth0",
    ]) {
      table(with_(annotation), [["legacy/batch", "store/web", 8080, "allowed"]]);
    }
    for (const annotation of [
      "sidecar.istio.io/interceptionMode: TPROXY",
      "traffic.sidecar.istio.io/excludeInterfaces: net1",
    ]) {
      table(with_(annotation), [["legacy/batch", "store/web", 8080, "denied"]]);
    }
  });

  it("the proxy's own ports for health and metrics are never redirected", () => {
    table(with_(""), [
      ["legacy/batch", "store/web", 15020, "allowed"],
      ["legacy/batch", "store/web", 15021, "allowed"],
      ["legacy/batch", "store/web", 15090, "allowed"],
      ["legacy/batch", "store/web", 15006, "denied"],
    ]);
  });

  it("a list that the injector does not accept leaves it unknown", () => {
    table(with_('traffic.sidecar.istio.io/excludeInboundPorts: "80-90"'), [
      ["legacy/batch", "store/web", 8080, "unknown"],
    ]);
  });

  it("bypass-inbound-capture lets plaintext past ztunnel; what comes through the tunnel is judged", () => {
    const ambient =
      namespace("store", "istio.io/dataplane-mode: ambient") + outside + strict + nobody + pod("store/api");
    table(ambient + pod("store/web", { annotations: 'ambient.istio.io/bypass-inbound-capture: "true"' }), [
      ["legacy/batch", "store/web", 8080, "allowed"],
      ["store/api", "store/web", 8080, "denied"],
    ]);
    table(ambient + pod("store/web", { annotations: 'ambient.istio.io/bypass-inbound-capture: "no"' }), [
      ["legacy/batch", "store/web", 8080, "denied"],
    ]);
    table(ambient + pod("store/web", { labels: "istio.io/dataplane-mode: none" }), [
      ["legacy/batch", "store/web", 8080, "allowed"],
    ]);
    // annotations of sidecars say nothing to ztunnel
    table(ambient + pod("store/web", { annotations: 'traffic.sidecar.istio.io/excludeInboundPorts: "8080"' }), [
      ["legacy/batch", "store/web", 8080, "denied"],
    ]);
  });
});

describe("Istio: who gets a sidecar", () => {
  const base = outside + strict;
  const has = (where: string, parts: PodParts, sidecar: boolean, more = ""): void => {
    const text = base + where + more + pod("store/web", parts);
    const expected = sidecar ? "denied" : "allowed";
    assert.equal(asks(judge(text), "legacy/batch", "store/web"), expected, where + JSON.stringify(parts));
  };
  const plain = namespace("store");
  const disabled = namespace("store", "istio-injection: disabled");
  const revision = namespace("store", "istio.io/rev: canary");
  const yes = 'sidecar.istio.io/inject: "true"';
  const no = 'sidecar.istio.io/inject: "false"';

  it("the namespace's labels, the pod's label and its annotation decide, in the injector's order", () => {
    has(injected, {}, true);
    has(injected, { labels: no }, false);
    has(injected, { annotations: no }, false);
    has(injected, { labels: yes, annotations: no }, true);
    has(injected, { labels: 'sidecar.istio.io/inject: "maybe"' }, true);
    has(plain, {}, false);
    has(plain, { labels: yes }, true);
    has(plain, { annotations: yes }, false);
    has(plain, { labels: "istio.io/rev: canary" }, true);
    has(plain, { labels: `istio.io/rev: canary, ${no}` }, false);
    has(disabled, { labels: yes }, false);
    has(disabled, { labels: "istio.io/rev: canary" }, false);
    has(revision, {}, true);
    has(revision, { labels: no }, false);
    has(namespace("store", "istio-injection: disabled, istio.io/rev: canary"), {}, false);
  });

  it("nothing is injected into system namespaces and pods of the host network", () => {
    const system = base + namespace("kube-system", "istio-injection: enabled") + pod("kube-system/web");
    assert.equal(asks(judge(system), "legacy/batch", "kube-system/web"), "allowed");
    has(injected, { spec: "hostNetwork: true," }, false);
  });

  it("the webhooks of the snapshot count where it has some", () => {
    const webhook = (revisionName: string): string => `apiVersion: admissionregistration.k8s.io/v1
kind: MutatingWebhookConfiguration
metadata: { name: istio-sidecar-injector }
webhooks:
  - name: rev.namespace.sidecar-injector.istio.io
    namespaceSelector: { matchExpressions: [{ key: istio.io/rev, operator: In, values: [${revisionName}] }] }
    objectSelector: { matchExpressions: [{ key: sidecar.istio.io/inject, operator: NotIn, values: ["false"] }] }
---
`;
    has(revision, {}, true, webhook("canary"));
    has(revision, {}, false, webhook("stable"));
    has(injected, {}, false, webhook("canary"));
  });

  it("a proxy that is in the pod is there, whatever labels say, and a running pod without one stays without", () => {
    const status = "sidecar.istio.io/status: '{}'";
    const proxy = "{ name: istio-proxy, image: proxyv2, args: [proxy, sidecar] }";
    has(plain, { annotations: status }, true);
    has(plain, { containers: `[{ name: main, image: main }, ${proxy}]` }, true);
    has(
      plain,
      {
        spec: "initContainers: [{ name: istio-proxy, image: proxyv2, restartPolicy: Always, args: [proxy, sidecar] }],",
      },
      true,
    );
    has(injected, { status: "{ phase: Running }" }, false);
    has(injected, { status: "{ phase: Running }", annotations: status }, true);
    // a container to be filled in by the injector is none yet
    has(plain, { containers: "[{ name: main, image: main }, { name: istio-proxy, image: auto }]" }, false);
  });
});

describe("Istio: gateways", () => {
  const gateways: Readonly<Record<string, string>> = {
    "of the gateway API": pod("store/gate", {
      labels: 'sidecar.istio.io/inject: "false", gateway.networking.k8s.io/gateway-name: gate',
      containers: "[{ name: istio-proxy, image: proxyv2, args: [proxy, router] }]",
    }),
    "managed by istiod": pod("store/gate", {
      labels: 'sidecar.istio.io/inject: "false", gateway.istio.io/managed: istio.io-gateway-controller',
    }),
    "of the chart": pod("store/gate", {
      labels: 'sidecar.istio.io/inject: "true"',
      annotations: "inject.istio.io/templates: gateway",
      containers: "[{ name: istio-proxy, image: auto }]",
    }),
    "by its container alone": pod("store/gate", {
      containers: "[{ name: istio-proxy, image: docker.io/istio/proxyv2 }]",
    }),
  };
  const base = namespace("store") + namespace("shop", "istio-injection: enabled") + outside + strict + pod("shop/web");
  for (const [name, gateway] of Object.entries(gateways)) {
    it(`${name} has an identity, takes plaintext under STRICT, and is judged by its policies`, () => {
      table(base + gateway, [
        ["store/gate", "shop/web", 8080, "allowed"],
        ["legacy/batch", "store/gate", 8443, "allowed"],
        ["legacy/batch", "shop/web", 8080, "denied"],
      ]);
      const fromGate = '{ rules: [{ from: [{ source: { principals: ["cluster.local/ns/store/sa/gate"] } }] }] }';
      table(base + gateway + authorization("shop", fromGate), [["store/gate", "shop/web", 8080, "allowed"]]);
      const closed =
        '{ selector: { matchLabels: { app: gate } }, action: DENY, rules: [{ to: [{ operation: { ports: ["8443"] } }] }] }';
      table(base + gateway + authorization("store", closed), [
        ["legacy/batch", "store/gate", 8443, "denied"],
        ["legacy/batch", "store/gate", 8080, "allowed"],
      ]);
    });
  }

  it("a pod that is only told not to be injected has no identity", () => {
    table(base + pod("store/gate", { labels: 'sidecar.istio.io/inject: "false"' }), [
      ["store/gate", "shop/web", 8080, "denied"],
    ]);
  });

  it("whether a client of the mesh comes to a gateway with its identity is its Gateway's matter", () => {
    const named = '{ rules: [{ from: [{ source: { principals: ["cluster.local/ns/shop/sa/web"] } }] }] }';
    table(base + (gateways["managed by istiod"] ?? "") + authorization("store", named), [
      ["shop/web", "store/gate", 8443, "unknown"],
      ["legacy/batch", "store/gate", 8443, "denied"],
    ]);
  });
});

describe("Istio: clients that come in plaintext", () => {
  const pods = pod("store/web") + pod("store/api");
  const base = injected + outside + pods;
  const fromApi = '{ rules: [{ from: [{ source: { principals: ["cluster.local/ns/store/sa/api"] } }] }] }';

  it("DISABLE at the destination takes the client's identity away, port by port, but not through ztunnel", () => {
    const off = peerAuthentication("store", "{ mtls: { mode: DISABLE } }");
    table(base + off + authorization("store", fromApi), [["store/api", "store/web", 8080, "denied"]]);
    const deny = '{ action: DENY, rules: [{ from: [{ source: { notPrincipals: ["*"] } }] }] }';
    table(base + off + authorization("store", deny), [["store/api", "store/web", 8080, "denied"]]);
    const own = "{ action: DENY, rules: [{ from: [{ source: { namespaces: [store] } }] }] }";
    table(base + off + authorization("store", own), [["store/api", "store/web", 8080, "allowed"]]);
    const port = peerAuthentication(
      "store",
      "{ selector: { matchLabels: { app: web } }, mtls: { mode: STRICT }, portLevelMtls: { 8081: { mode: DISABLE } } }",
    );
    table(base + port + authorization("store", fromApi), [
      ["store/api", "store/web", 8080, "allowed"],
      ["store/api", "store/web", 8081, "denied"],
    ]);
    const ambient = namespace("store", "istio.io/dataplane-mode: ambient") + outside + pods;
    table(ambient + off + authorization("store", fromApi), [["store/api", "store/web", 8080, "allowed"]]);
    table(
      base.replace(pod("store/web"), pod("store/web", { labels: "security.istio.io/tlsMode: disabled" })) + strict,
      [["store/api", "store/web", 8080, "denied"]],
    );
  });

  it("what the client's sidecar does not carry has no identity, by the port that the client dials", () => {
    const client = (annotations: string, more = ""): string =>
      injected + outside + pod("store/web") + pod("store/api", { annotations }) + strict + more;
    const behind = service(
      "store/web",
      "{ port: 80, targetPort: 8080 }, { name: x, port: 8081 }",
      "clusterIP: 10.96.0.10,",
    );
    table(client('traffic.sidecar.istio.io/excludeOutboundPorts: "8080"'), [
      ["store/api", "store/web", 8080, "denied"],
      ["store/api", "store/web", 8081, "allowed"],
    ]);
    table(client('traffic.sidecar.istio.io/excludeOutboundPorts: "80"', behind), [
      ["store/api", "store/web", 8080, "denied"],
      ["store/api", "store/web", 8081, "allowed"],
    ]);
    table(client('traffic.sidecar.istio.io/excludeOutboundPorts: "8080"', behind), [
      ["store/api", "store/web", 8080, "allowed"],
    ]);
    table(client('traffic.sidecar.istio.io/excludeOutboundIPRanges: "10.96.0.0/16"', behind), [
      ["store/api", "store/web", 8080, "denied"],
    ]);
    table(client('traffic.sidecar.istio.io/excludeOutboundIPRanges: "192.0.2.0/24"', behind), [
      ["store/api", "store/web", 8080, "allowed"],
    ]);
    table(client('traffic.sidecar.istio.io/includeOutboundIPRanges: "10.96.0.0/16"', behind), [
      ["store/api", "store/web", 8080, "allowed"],
    ]);
    table(client('traffic.sidecar.istio.io/includeOutboundIPRanges: ""', behind), [
      ["store/api", "store/web", 8080, "denied"],
    ]);
    const ports =
      'traffic.sidecar.istio.io/includeOutboundIPRanges: "", traffic.sidecar.istio.io/includeOutboundPorts: "80"';
    table(client(ports, behind), [
      ["store/api", "store/web", 8080, "allowed"],
      ["store/api", "store/web", 8081, "denied"],
    ]);
    table(client("sidecar.istio.io/interceptionMode: NONE", behind), [["store/api", "store/web", 8080, "denied"]]);
  });

  it("so is what a DestinationRule sends without the mesh's TLS", () => {
    const ways = base + strict + service("store/web", "{ port: 80, targetPort: 8080 }, { name: x, port: 8081 }");
    const rule = (spec: string, place = "store/web"): string => ways + destinationRule(place, spec);
    const off = "trafficPolicy: { tls: { mode: DISABLE } }";
    table(rule(`{ host: web, ${off} }`), [["store/api", "store/web", 8080, "denied"]]);
    table(rule(`{ host: web.store.svc.cluster.local, ${off} }`, "istio-system/web"), [
      ["store/api", "store/web", 8080, "denied"],
    ]);
    table(rule(`{ host: "*.store.svc.cluster.local", trafficPolicy: { tls: { mode: SIMPLE } } }`), [
      ["store/api", "store/web", 8080, "denied"],
    ]);
    table(rule("{ host: web, trafficPolicy: { tls: { mode: ISTIO_MUTUAL } } }"), [
      ["store/api", "store/web", 8080, "allowed"],
    ]);
    table(rule("{ host: web, trafficPolicy: { loadBalancer: { simple: RANDOM } } }"), [
      ["store/api", "store/web", 8080, "allowed"],
    ]);
    table(rule(`{ host: other, ${off} }`), [["store/api", "store/web", 8080, "allowed"]]);
    table(rule(`{ host: web.store, ${off} }`), [["store/api", "store/web", 8080, "allowed"]]);
    table(
      rule("{ host: web, trafficPolicy: { portLevelSettings: [{ port: { number: 80 }, tls: { mode: DISABLE } }] } }"),
      [
        ["store/api", "store/web", 8080, "denied"],
        ["store/api", "store/web", 8081, "allowed"],
      ],
    );
    table(rule(`{ host: web.store.svc.cluster.local, exportTo: ["."], ${off} }`, "legacy/web"), [
      ["store/api", "store/web", 8080, "allowed"],
    ]);
    // the client's own namespace comes first
    const mutual = destinationRule("store/mine", "{ host: web, trafficPolicy: { tls: { mode: ISTIO_MUTUAL } } }");
    table(rule(`{ host: web.store.svc.cluster.local, ${off} }`, "istio-system/web") + mutual, [
      ["store/api", "store/web", 8080, "allowed"],
    ]);
    table(rule("{ host: web, subsets: [{ name: a, trafficPolicy: { tls: { mode: DISABLE } } }] }"), [
      ["store/api", "store/web", 8080, "unknown"],
    ]);
  });
});

describe("Istio: what a rule asks of HTTP, by the port's protocol", () => {
  const base = (portName: string, extra = ""): string =>
    injected +
    pod("store/web") +
    pod("store/api") +
    service("store/web", `{ name: ${portName}, port: 80, targetPort: 8080${extra} }`);
  const allowGet = authorization("store", '{ rules: [{ to: [{ operation: { methods: ["GET"] } }] }] }');
  const denyGet = authorization("store", '{ action: DENY, rules: [{ to: [{ operation: { methods: ["GET"] } }] }] }');

  it("an ALLOW rule never matches where the port carries TCP, a DENY rule always", () => {
    for (const [name, extra = ""] of [["tcp-web"], ["mysql"], ["https-web"], ["web", ", appProtocol: tcp"]] as const) {
      table(base(name, extra) + allowGet, [["store/api", "store/web", 8080, "denied"]]);
      table(base(name, extra) + denyGet, [["store/api", "store/web", 8080, "denied"]]);
    }
    for (const [name, extra = ""] of [["http-web"], ["grpc"], ["web"], ["tcp-web", ", appProtocol: http"]] as const) {
      table(base(name, extra) + allowGet, [["store/api", "store/web", 8080, "allowed"]]);
      table(base(name, extra) + denyGet, [["store/api", "store/web", 8080, "allowed"]]);
    }
  });

  it("a condition that every request meets is none to a DENY rule", () => {
    const all = authorization("store", '{ action: DENY, rules: [{ to: [{ operation: { paths: ["*"] } }] }] }');
    table(base("http-web") + all, [["store/api", "store/web", 8080, "denied"]]);
  });

  it("two that a request may meet at once leave it open who wins", () => {
    table(base("http-web") + allowGet + denyGet.replace("name: rules", "name: more"), [
      ["store/api", "store/web", 8080, "unknown"],
    ]);
  });
});

describe("Istio: addresses in rules, and what explanations say", () => {
  it("a pod whose address is not known may be in a range, and is in one that covers all", () => {
    const base = injected + pod("store/web") + pod("store/api");
    const from = (...blocks: readonly string[]): string =>
      base + authorization("store", `{ rules: [{ from: [{ source: { ipBlocks: ${JSON.stringify(blocks)} } }] }] }`);
    table(from("0.0.0.0/0", "::/0"), [["store/api", "store/web", 8080, "allowed"]]);
    // nothing that was read says that the cluster uses IPv4
    table(from("0.0.0.0/0"), [["store/api", "store/web", 8080, "unknown"]]);
    table(from("10.0.0.0/8"), [["store/api", "store/web", 8080, "unknown"]]);
    table(from("224.0.0.0/4"), [["store/api", "store/web", 8080, "denied"]]);
  });

  it("say that a port is not redirected, or that the client comes in plaintext", () => {
    const told = (text: string, from: string): string =>
      judge(text).explain({
        source: { kind: "workload", id: `${from}[Pod]` },
        destination: { kind: "workload", id: "store/web[Pod]" },
        protocol: "TCP",
        port: 8080,
      }).mesh?.reason ?? "";
    const open = pod("store/web", { annotations: 'traffic.sidecar.istio.io/excludeInboundPorts: "8080"' });
    assert.match(
      told(injected + outside + strict + nobody + open, "legacy/batch"),
      /not redirected to the pod's proxy/,
    );
    const client = pod("store/api", { annotations: 'traffic.sidecar.istio.io/excludeOutboundPorts: "8080"' });
    assert.match(told(injected + strict + pod("store/web") + client, "store/api"), /without its identity/);
  });
});

describe("Istio: the mesh's configuration in the snapshot", () => {
  const base = injected + outside + pod("store/web") + pod("store/api");
  const config = `apiVersion: v1
kind: ConfigMap
metadata: { name: istio, namespace: mesh }
data:
  mesh: |-
    defaultConfig:
      discoveryAddress: istiod.mesh.svc:15012
    rootNamespace: mesh
    trustDomain: corp.example
    trustDomainAliases:
    - old.example
---
`;
  const release = `apiVersion: helm.toolkit.fluxcd.io/v2
kind: HelmRelease
metadata: { name: istiod, namespace: mesh }
spec:
  chart: { spec: { chart: istiod } }
  values: { meshConfig: { rootNamespace: mesh, trustDomain: corp.example, trustDomainAliases: [old.example] } }
---
`;
  const from = (domain: string): string =>
    authorization("store", `{ rules: [{ from: [{ source: { principals: ["${domain}/ns/store/sa/api"] } }] }] }`);
  for (const [name, text] of [
    ["istiod's ConfigMap", config],
    ["the values of its release", release],
  ] as const) {
    it(`${name} names the root namespace and the trust domain with its aliases`, () => {
      table(base + text + peerAuthentication("mesh", "{ mtls: { mode: STRICT } }"), [
        ["legacy/batch", "store/web", 8080, "denied"],
      ]);
      table(base + text + strict, [["legacy/batch", "store/web", 8080, "allowed"]]);
      for (const domain of ["corp.example", "old.example", "cluster.local"]) {
        table(base + text + from(domain), [["store/api", "store/web", 8080, "allowed"]]);
      }
      table(base + text + from("other.example"), [["store/api", "store/web", 8080, "denied"]]);
    });
  }
});
