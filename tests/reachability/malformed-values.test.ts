/**
 * Values that the API server or the enforcer refuses, and that a lenient reader would take for something harmless: a port
 * that nobody listens on, a label that nobody has, a deny of nothing.
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import { load } from "js-yaml";
import type { KubeObject } from "../../sdk/reachability";
import { buildSnapshot, profileFor, unknownValue } from "../../sdk/reachability";

const cnis = { kubernetes: "kubernetes", cilium: "cilium@1.20", calico: "calico@3.32", "calico 3.30": "calico@3.30" };
type Enforcer = keyof typeof cnis;

function problemsOf(enforcer: Enforcer, ...objects: readonly KubeObject[]) {
  const { problems } = buildSnapshot(
    objects.map((object) => ({ object })),
    { profile: profileFor(cnis[enforcer]) },
  );
  // what is refused as a whole is said too, with a code of its own
  return problems.filter(({ affectsVerdicts, code }) => affectsVerdicts || code === "not-enforced");
}

function objectOf(head: string, spec: string): KubeObject {
  const [apiVersion = "", kind = "", name = "", namespace] = head.split(" ");
  const metadata = { name, ...(namespace === undefined ? {} : { namespace }) };
  return { apiVersion, kind, metadata, spec: load(spec) } as KubeObject;
}

const networkPolicy = "networking.k8s.io/v1 NetworkPolicy allow shop";
const cilium = "cilium.io/v2 CiliumNetworkPolicy allow shop";
const clusterPolicy = "policy.networking.k8s.io/v1alpha2 ClusterNetworkPolicy allow";
const adminPolicy = "policy.networking.k8s.io/v1alpha1 AdminNetworkPolicy allow";
const calico = "projectcalico.org/v3 NetworkPolicy allow shop";
const authorization = "security.istio.io/v1 AuthorizationPolicy allow shop";
const authentication = "security.istio.io/v1 PeerAuthentication default shop";

const inShop = "subject: { namespaces: { matchLabels: { kubernetes.io/metadata.name: shop } } }";
const fromFoes = "from: [ { namespaces: { matchLabels: { kubernetes.io/metadata.name: foes } } } ]";

/** A template with `#` where a value goes, values that are right, and values that are refused. */
const rows: readonly (readonly [Enforcer, string, string, readonly string[], readonly string[]])[] = [
  [
    "kubernetes",
    networkPolicy,
    "{ podSelector: {}, ingress: [ { ports: [ { port: # } ] } ] }",
    ["80", "http", "web-2"],
    [
      '"web port"',
      '"no!"',
      '"-http"',
      '"http-"',
      '"a--b"',
      '"sixteen-letters-x"',
      '"HTTP"',
      '"80"',
      "7.5",
      "0",
      "true",
    ],
  ],
  [
    "kubernetes",
    networkPolicy,
    "{ podSelector: { matchLabels: { app: # } }, ingress: [ {} ] }",
    ["web", '""', "a.b_c-d"],
    ['"a b"', '"no!"', '"-a"', '"a-"', '"{{ name }}"', `"${"x".repeat(64)}"`],
  ],
  [
    "kubernetes",
    networkPolicy,
    "{ podSelector: { matchExpressions: [ { key: #, operator: Exists } ] }, ingress: [ {} ] }",
    ["app", "example.com/app", "a/b.c"],
    ['""', '"a b"', '"no!"', '"a/b/c"', '"/a"', '"Example.com/a"'],
  ],
  [
    "kubernetes",
    networkPolicy,
    "{ podSelector: {}, ingress: [ { from: [ { namespaceSelector: { matchExpressions: [ { key: a, operator: In, values: [ # ] } ] } } ] } ] }",
    ["b"],
    ['"b c"'],
  ],
  [
    "cilium",
    cilium,
    "{ endpointSelector: { matchLabels: { app: # } }, ingressDeny: [ { fromEntities: [ world ] } ] }",
    ["web", '""'],
    ['"a b"', '"no!"', "null"],
  ],
  [
    "cilium",
    cilium,
    "{ endpointSelector: {}, ingressDeny: [ { fromEndpoints: [ { matchLabels: { app: # } } ] } ] }",
    ["web"],
    ['"no!"'],
  ],
  [
    "cilium",
    cilium,
    "{ endpointSelector: {}, ingressDeny: # }",
    ["[ { fromEntities: [ world ] } ]", "[ {} ]"],
    ["[ null ]", "[ { fromEndpoints: [ null ] } ]", "[]", "{}"],
  ],
  [
    "cilium",
    cilium,
    "{ endpointSelector: {}, egress: [ { toEntities: [ cluster ], toPorts: [ { ports: [ { port: '53' } ], rules: { dns: [ { matchPattern: # } ] } } ] } ] }",
    ['"*"', '"*.example.com"', "a_b.example.com."],
    ['"no!"', '"a b"', '"a..b"'],
  ],
  [
    "cilium",
    cilium,
    "{ endpointSelector: {}, egress: [ { toFQDNs: [ { matchName: # } ] } ] }",
    ["example.com"],
    ['"no!"', '"https://example.com"', '"*.example.com"'],
  ],
  [
    "kubernetes",
    clusterPolicy,
    `{ tier: Admin, priority: 1, ${inShop}, ingress: [ { action: Deny, ${fromFoes}, protocols: # } ] }`,
    ["[ { tcp: { destinationPort: { number: 80 } } } ]", "[ { destinationNamedPort: http } ]"],
    ["[]", '[ { destinationNamedPort: "no!" } ]', "[ { tcp: {} } ]", "[ { tcp: { destinationPort: {} } } ]"],
  ],
  [
    "kubernetes",
    clusterPolicy,
    `{ tier: Admin, priority: 1, ${inShop}, ingress: [ { action: Deny, from: # } ] }`,
    ["[ { namespaces: {} } ]"],
    ["[]", "[ {} ]", '[ { namespaces: { matchLabels: { app: "no!" } } } ]'],
  ],
  [
    "kubernetes",
    clusterPolicy,
    `{ tier: Admin, priority: 1, ${inShop}, egress: [ { action: #, to: [ { networks: [ 192.0.2.0/24 ] } ] } ] }`,
    ["Deny"],
    ["deny", '""', "null"],
  ],
  [
    "kubernetes",
    clusterPolicy,
    `{ tier: Admin, priority: 1, ${inShop}, egress: [ { action: Accept, to: [ { #] } ] } ] }`,
    ["networks: [ 192.0.2.0/24 ", "domainNames: [ '*.example.com' "],
    ["networks: [ ", "domainNames: [ ", 'domainNames: [ "no!" ', "domainNames: [ '*' ", "networks: [ null "],
  ],
  [
    "kubernetes",
    adminPolicy,
    `{ priority: 1, ${inShop}, ingress: [ { action: Deny, ${fromFoes}, ports: [ # ] } ] }`,
    ["{ namedPort: http }", "{ portNumber: { port: 80 } }"],
    [
      '{ namedPort: "no!" }',
      "{ namedPort: '' }",
      "{ portNumber: { port: 7.5 } }",
      "{ namedPort: http, portNumber: { port: 80 } }",
    ],
  ],
  [
    "calico",
    calico,
    "{ selector: all(), types: [ Ingress ], ingress: [ { action: Deny, protocol: # } ] }",
    ["TCP", "6", "UDPLite"],
    ["true", "[ 6 ]", '" 6 "', '"0x6"', '""', "tcp", "0", "256"],
  ],
  [
    "calico",
    calico,
    "{ selector: all(), types: [ Egress ], egress: [ { action: Deny, protocol: TCP, destination: { ports: [ # ] } } ] }",
    ["80", '"80:90"', "http"],
    ["true", '"no!"', '"90:80"', "7.5", "null", "[ 80 ]"],
  ],
  [
    "calico",
    authorization,
    "{ action: DENY, rules: [ { to: [ { operation: { ports: [ # ] } } ] } ] }",
    ['"80"'],
    ["80", '"0x50"', '" 80"', '"8e1"', '"80.0"', "http", "null", '""', "7.5"],
  ],
  [
    "calico",
    authorization,
    "{ action: DENY, rules: # }",
    ["[ {} ]", "[ { from: [ { source: { namespaces: [ foes ] } } ] } ]"],
    ["[ null ]", "[ { from: [ null ] } ]", "[ { from: [ {} ] } ]", "[ { to: [ {} ] } ]"],
  ],
  [
    "calico",
    authentication,
    "{ selector: { matchLabels: { app: api } }, portLevelMtls: { #: { mode: DISABLE } } }",
    ["80"],
    ['"0x50"', '" 80"', '"8e1"', "http"],
  ],
];

describe("values that are refused are never read as something harmless", () => {
  for (const [enforcer, head, template, right, wrong] of rows) {
    const [, kind] = head.split(" ");
    const read = (value: string) => problemsOf(enforcer, objectOf(head, template.replaceAll("#", value)));
    it(`${kind ?? ""} on ${enforcer}: ${template}`, () => {
      for (const value of right) assert.deepEqual(read(value), [], `${value} is right`);
      for (const value of wrong) assert.notDeepEqual(read(value), [], `${value} passes`);
    });
  }

  it("no text is a port's name that the API server refuses, whatever characters it has", () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 20 }), (name) => {
        const spec = { podSelector: {}, ingress: [{ ports: [{ port: name }] }] };
        const refused = problemsOf("kubernetes", { ...objectOf(networkPolicy, "{}"), spec }).length > 0;
        // IsValidPortName in k8s.io/apimachinery pkg/util/validation
        const valid = name.length <= 15 && /^[-a-z0-9]+$/.test(name) && /[a-z]/.test(name) && !/--|^-|-$/.test(name);
        assert.equal(refused, !valid, JSON.stringify(name));
      }),
      { numRuns: 500 },
    );
  });

  const denyService = objectOf(
    calico,
    "{ selector: all(), types: [ Egress ], egress: [ { action: Deny, destination: { services: { name: db } } } ] }",
  );
  const service = (spec: unknown): KubeObject => ({
    apiVersion: "v1",
    kind: "Service",
    metadata: { name: "db", namespace: "shop" },
    spec,
  });

  it("a Service that cannot be read may stand for anybody, and its ports for any", () => {
    const good = { selector: { app: "db" }, ports: [{ port: 80 }] };
    assert.deepEqual(problemsOf("calico", denyService, service(good)), []);
    for (const [field, value] of [
      ["selector", unknownValue],
      ["selector", "db"],
      ["selector", ["db"]],
      ["ports", unknownValue],
      ["ports", "80"],
      ["ports", [null]],
      ["ports", [{ port: unknownValue }]],
      ["ports", [{ port: 80.5 }]],
      ["ports", [{ port: 80, targetPort: true }]],
    ] as const) {
      const found = problemsOf("calico", denyService, service({ ...good, [field]: value }));
      assert.notDeepEqual(found, [], `${field} = ${JSON.stringify(value)}`);
    }
    assert.notDeepEqual(problemsOf("calico", denyService, service(unknownValue)), []);
  });

  it("the endpoints of a Service without a selector are all known, or may be anybody", () => {
    const slice = (endpoints: unknown): KubeObject => ({
      apiVersion: "discovery.k8s.io/v1",
      kind: "EndpointSlice",
      metadata: { name: "db-1", namespace: "shop", labels: { "kubernetes.io/service-name": "db" } },
      endpoints,
    });
    const read = (endpoints: unknown) =>
      problemsOf("calico", denyService, service({ ports: [{ port: 80 }] }), slice(endpoints));
    assert.deepEqual(read([{ addresses: ["192.0.2.7"] }]), []);
    assert.deepEqual(read([]), []);
    for (const endpoints of [unknownValue, "x", [null], [{ addresses: [unknownValue] }], [{ addresses: ["here"] }]]) {
      assert.notDeepEqual(read(endpoints), [], JSON.stringify(endpoints));
    }
  });

  it("a tier whose order or default action is not known is not put anywhere", () => {
    const tier = (spec: unknown): KubeObject => ({
      apiVersion: "projectcalico.org/v3",
      kind: "Tier",
      metadata: { name: "security" },
      spec,
    });
    const inTier = objectOf(
      calico,
      "{ tier: security, selector: all(), types: [ Egress ], egress: [ { action: Deny } ] }",
    );
    assert.deepEqual(problemsOf("calico", tier({ order: 5, defaultAction: "Pass" }), inTier), []);
    assert.deepEqual(problemsOf("calico", tier(undefined), inTier), []);
    for (const spec of [
      unknownValue,
      "x",
      { order: unknownValue },
      { order: "5" },
      { defaultAction: "pass" },
      { defaultAction: unknownValue },
      { oder: 5 },
    ]) {
      assert.notDeepEqual(problemsOf("calico", tier(spec), inTier), [], JSON.stringify(spec));
    }
  });

  it("sets of addresses with a field that is not known may hold anything", () => {
    const denySet = objectOf(
      calico,
      "{ selector: all(), types: [ Egress ], egress: [ { action: Deny, destination: { selector: foe == 'yes' } } ] }",
    );
    const set = (spec: unknown, labels: unknown = { foe: "yes" }): KubeObject =>
      ({
        apiVersion: "projectcalico.org/v3",
        kind: "NetworkSet",
        metadata: { name: "foes", namespace: "shop", labels },
        spec,
      }) as KubeObject;
    assert.deepEqual(problemsOf("calico", denySet, set({ nets: ["192.0.2.0/24", "192.0.2.7"] })), []);
    for (const nets of [unknownValue, "192.0.2.0/24", [unknownValue], ["x"], [null]]) {
      assert.notDeepEqual(problemsOf("calico", denySet, set({ nets })), [], JSON.stringify(nets));
    }
    assert.notDeepEqual(problemsOf("calico", denySet, set({ net: ["192.0.2.0/24"] })), []);
    assert.notDeepEqual(problemsOf("calico", denySet, set({ nets: [] }, unknownValue)), []);
  });

  it("whether a mesh policy is only rehearsed has to be known", () => {
    const rehearsed = (value: unknown): KubeObject =>
      ({
        ...objectOf(authorization, "{ rules: [ { from: [ { source: { namespaces: [ front ] } } ] } ] }"),
        metadata: { name: "allow", namespace: "shop", annotations: { "istio.io/dry-run": value } },
      }) as KubeObject;
    assert.deepEqual(problemsOf("calico", rehearsed("false")), []);
    for (const value of [unknownValue, true, "True", 1]) {
      assert.notDeepEqual(problemsOf("calico", rehearsed(value)), [], JSON.stringify(value));
    }
  });
});
