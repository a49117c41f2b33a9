/**
 * What the API server or an enforcer refuses a policy for as a whole, wherever in it that stands: such a policy may not be
 * there, so that nothing it closes is closed for certain.
 */
import assert from "node:assert/strict";
import { load } from "js-yaml";
import { buildSnapshot, compile, profileFor, type KubeObject, type Verdict } from "../../sdk/reachability";

const pods: readonly KubeObject[] = ["web", "client"].map((name) => ({
  apiVersion: "v1",
  kind: "Pod",
  metadata: { name, namespace: "shop", labels: { app: name } },
  spec: { containers: [{ name: "main", image: "main" }] },
}));
const meshNamespace: KubeObject = {
  apiVersion: "v1",
  kind: "Namespace",
  metadata: { name: "shop", labels: { "istio-injection": "enabled" } },
};

const kinds: Readonly<Record<string, readonly [apiVersion: string, namespaced: boolean]>> = {
  NetworkPolicy: ["networking.k8s.io/v1", true],
  "calico NetworkPolicy": ["projectcalico.org/v3", true],
  GlobalNetworkPolicy: ["projectcalico.org/v3", false],
  ClusterNetworkPolicy: ["policy.networking.k8s.io/v1alpha2", false],
  AdminNetworkPolicy: ["policy.networking.k8s.io/v1alpha1", false],
  BaselineAdminNetworkPolicy: ["policy.networking.k8s.io/v1alpha1", false],
  CiliumNetworkPolicy: ["cilium.io/v2", true],
  AuthorizationPolicy: ["security.istio.io/v1", true],
  PeerAuthentication: ["security.istio.io/v1", true],
};

function policyOf(kind: string, spec: string, name: string): KubeObject {
  const [apiVersion = "", namespaced = false] = kinds[kind] ?? [];
  return {
    apiVersion,
    kind: kind.split(" ").at(-1) ?? kind,
    metadata: { name, ...(namespaced ? { namespace: "shop" } : {}) },
    spec: load(spec) as Record<string, unknown>,
  };
}

/** From the client to the web on port 80, by one policy. */
function verdict(kind: string, spec: string, { name = "default", cni = "" } = {}): Verdict {
  const native = kind.startsWith("Cilium") ? "cilium@1.20" : "kubernetes";
  const enforcer = cni !== "" ? cni : /calico|Global/.test(kind) ? "calico@3.32" : native;
  const profile = { ...profileFor(enforcer), clusterNetworkPolicy: true, adminNetworkPolicy: true };
  const objects = [...pods, meshNamespace, policyOf(kind, spec, name)].map((object) => ({ object }));
  const flow = {
    source: { kind: "workload", id: "shop/client[Pod]" },
    destination: { kind: "workload", id: "shop/web[Pod]" },
    protocol: "TCP",
    port: 80,
  } as const;
  return compile(buildSnapshot(objects, { profile })).verdict(flow);
}

const networks = (count: number): string => Array.from({ length: count }, (_, i) => `10.${i}.0.0/16`).join(", ");
const repeated = (count: number, text: string): string => Array.from({ length: count }, () => text).join(", ");
const cluster = (rest: string): string => `{ tier: Admin, priority: 1, subject: { namespaces: {} }, ${rest} }`;
const admin = (rest: string): string => `{ priority: 1, subject: { namespaces: {} }, ${rest} }`;
const baseline = (rest: string): string => `{ subject: { namespaces: {} }, ${rest} }`;
const everybody = "{ namespaces: {} }";
const ciliumPolicy = (rule: string): string => `{ endpointSelector: {}, ingress: [ { ${rule} } ] }`;
const overHttp = (port: string, more: string): string =>
  `fromEndpoints: [ {} ], toPorts: [ { ports: [ ${port} ], rules: { http: [ { method: GET } ] }${more} } ]`;

/** What is closed by a policy, and the same with a part that is refused. */
const rows: readonly (readonly [title: string, kind: string, closing: string, refused: readonly string[]])[] = [
  [
    "in a section that policyTypes leave out",
    "NetworkPolicy",
    "{ podSelector: {}, policyTypes: [ Ingress ], egress: [ { ports: [ { port: 80 } ] } ] }",
    [
      "{ podSelector: {}, policyTypes: [ Ingress ], egress: [ { ports: [ { port: 0 } ] } ] }",
      "{ podSelector: {}, policyTypes: [ Ingress ], egress: [ { to: [ {} ] } ] }",
      "{ podSelector: {}, policyTypes: [ Ingress ], egress: [ { to: [ { ipBlock: { cidr: 10.0.0.0/33 } } ] } ] }",
      "{ podSelector: {}, policyTypes: [ Ingress, Egress, Ingress ] }",
    ],
  ],
  [
    "in a section that types leave out, or in a rule that only logs",
    "calico NetworkPolicy",
    "{ types: [ Ingress ], ingress: [ { action: Log } ], egress: [ { action: Allow } ] }",
    [
      "{ types: [ Ingress ], egress: [ { action: allow } ] }",
      "{ types: [ Ingress ], egress: [ { action: Allow, destination: { nets: [ 10.0.0.1 ] } } ] }",
      "{ types: [ Ingress ], ingress: [ { action: Log, source: { selector: 'a = b' } } ] }",
      "{ types: [ Ingress ], ingress: [ { action: Log, protocol: TCP, notICMP: { type: 8, code: -1 } } ] }",
      "{ types: [ Ingress ], performanceHints: [ Fast ] }",
    ],
  ],
  [
    "in a section that types leave out",
    "GlobalNetworkPolicy",
    "{ types: [ Ingress ], egress: [ { action: Deny } ], performanceHints: [ AssumeNeededOnEveryNode ] }",
    ["{ types: [ Ingress ], egress: [ { action: Deny, icmp: { type: 8 } } ] }"],
  ],
  [
    "beyond the CRD's limits",
    "ClusterNetworkPolicy",
    cluster(
      `ingress: [ { action: Deny, from: [ ${everybody} ] } ], egress: [ { action: Deny, to: [ { networks: [ ${networks(25)} ] } ] } ]`,
    ),
    [
      cluster(`ingress: [ { action: Deny, from: [ { pods: { podSelector: {} } } ] } ]`),
      cluster(`ingress: [ { action: Deny, from: [ { pods: { namespaceSelector: {} } } ] } ]`),
      cluster(`ingress: [ { action: Deny, from: [ ${repeated(26, everybody)} ] } ]`),
      cluster(`ingress: [ ${repeated(26, `{ action: Deny, from: [ ${everybody} ] }`)} ]`),
      cluster(`ingress: [ { action: Deny, name: ${"x".repeat(101)}, from: [ ${everybody} ] } ]`),
      cluster(
        `ingress: [ { action: Deny, from: [ ${everybody} ] } ], egress: [ { action: Deny, to: [ { networks: [ ${networks(26)} ] } ] } ]`,
      ),
      cluster(
        `ingress: [ { action: Deny, from: [ ${everybody} ] } ], egress: [ { action: Deny, to: [ { networks: [ 10.0.0.0/8, 10.0.0.0/8 ] } ] } ]`,
      ),
      cluster(
        `ingress: [ { action: Deny, from: [ ${everybody} ] } ], egress: [ { action: Deny, to: [ { networks: [ '::ffff:10.0.0.0/104' ] } ] } ]`,
      ),
    ],
  ],
  [
    "beyond the CRD's limits",
    "AdminNetworkPolicy",
    admin(`ingress: [ { action: Deny, from: [ ${repeated(100, everybody)} ] } ]`),
    [
      admin(`ingress: [ { action: Deny, from: [ ${repeated(101, everybody)} ] } ]`),
      admin(`ingress: [ { action: Deny, from: [ { pods: { podSelector: {} } } ] } ]`),
    ],
  ],
  [
    "beyond the CRD's limits",
    "BaselineAdminNetworkPolicy",
    baseline(`ingress: [ { action: Deny, from: [ ${everybody} ] } ]`),
    [baseline(`ingress: [ { action: Deny, from: [ { pods: { namespaceSelector: {} } } ] } ]`)],
  ],
  [
    "what the CRD takes for no address, protocol or peer",
    "CiliumNetworkPolicy",
    ciliumPolicy("fromCIDR: [ 10.0.0.0/8 ], toPorts: [ { ports: [ { port: '80', protocol: ANY } ] } ]"),
    [
      ciliumPolicy("fromCIDR: [ 192.0.2.1 ]"),
      ciliumPolicy("fromCIDRSet: [ { cidr: 10.0.0.0/8, cidrGroupRef: partners } ]"),
      ciliumPolicy("fromCIDRSet: [ {} ]"),
      ciliumPolicy("fromCIDR: [ 10.0.0.0/8 ], toPorts: [ { ports: [ { port: '80', protocol: tcp } ] } ]"),
      ciliumPolicy("fromCIDR: [ 10.0.0.0/8 ], toPorts: [ { ports: [ { port: '0', protocol: ICMP } ] } ]"),
      ciliumPolicy("fromCIDR: [ 10.0.0.0/8 ], toPorts: [ { ports: [ { port: '0', protocol: ICMPV6 } ] } ]"),
      ciliumPolicy("fromCIDR: [ 10.0.0.0/8 ], toPorts: [ { ports: [ { port: '80', protocol: '' } ] } ]"),
    ],
  ],
  [
    "what the agent takes of no layer 7",
    "CiliumNetworkPolicy",
    ciliumPolicy(overHttp("{ port: '8080', protocol: TCP }", "")),
    [
      ciliumPolicy(overHttp("{ port: '0', protocol: TCP }", "")),
      ciliumPolicy(overHttp("{ port: '8080', protocol: UDP }", "")),
      ciliumPolicy(overHttp("{ port: '8080', protocol: TCP }", ", serverNames: [ example.com ]")),
      ciliumPolicy(overHttp("{ port: '8080', protocol: TCP }", ", listener: { envoyConfig: { name: a }, name: b }")),
      ciliumPolicy("toPorts: [ { ports: [ { port: '443', protocol: TCP } ], serverNames: [ '' ] } ]"),
      ciliumPolicy("toPorts: [ { ports: [ { port: '080', protocol: TCP } ] } ]"),
      ciliumPolicy("toPorts: [ { ports: [ { port: '1-2', protocol: TCP } ] } ]"),
      ciliumPolicy("toPorts: [ { ports: [ { protocol: UDP } ] } ]"),
      ciliumPolicy("toPorts: [ { ports: [ { port: '80', protocol: VRRP } ] } ]"),
      ciliumPolicy(overHttp("{ port: '8080', protocol: TCP }", "").replace("GET", "'('")),
      ciliumPolicy(overHttp("{ port: '8080', protocol: TCP }", "").replace("method: GET", "path: '/a(?!b)'")),
    ],
  ],
  [
    "what the CRD or the webhook takes for no port, selector or path",
    "AuthorizationPolicy",
    "{ action: DENY, rules: [ { to: [ { operation: { ports: [ '80' ] } } ] } ] }",
    [
      "{ action: DENY, rules: [ { to: [ { operation: { ports: [ 80 ] } } ] } ] }",
      "{ action: DENY, selector: { matchLabels: { '': web } }, rules: [ {} ] }",
      "{ action: DENY, rules: [ {}, { to: [ { operation: { paths: [ '*/a/{*}' ] } } ] } ] }",
      "{ action: DENY, targetRefs: [ { kind: Service, name: other } ], rules: [ { from: [ { source: {} } ] } ] }",
    ],
  ],
];

describe("what is refused closes nothing for certain", () => {
  for (const [title, kind, closing, refused] of rows) {
    it(`${kind}: ${title}`, () => {
      assert.equal(verdict(kind, closing), "denied", closing);
      for (const spec of refused) assert.notEqual(verdict(kind, spec), "denied", spec);
    });
  }

  it("a name that no object can have is said, and the policy judged as if it had another", () => {
    const said = (name: string): number =>
      buildSnapshot(
        [...pods, policyOf("NetworkPolicy", "{ podSelector: {} }", name)].map((object) => ({ object })),
        {
          profile: profileFor("kubernetes"),
        },
      ).problems.filter(({ path }) => path === "metadata.name").length;
    for (const name of ["a", "a.b.c", "1", "{{ .Release.Name }}-deny", "${APP}-deny", "$(name)"]) {
      assert.equal(said(name), 0, name);
    }
    for (const name of ["Deny_All", "deny-", "a..b", "DenyAll"]) {
      assert.equal(said(name), 1, name);
      assert.equal(verdict("NetworkPolicy", "{ podSelector: {} }", { name }), "denied", name);
    }
  });

  it("Cilium: a port with a nought before it is octal", () => {
    const policy = (port: string) =>
      ciliumPolicy(`fromEndpoints: [ {} ], toPorts: [ { ports: [ { port: '${port}' } ] } ]`);
    assert.equal(verdict("CiliumNetworkPolicy", policy("0120")), "allowed");
    assert.equal(verdict("CiliumNetworkPolicy", policy("0121")), "denied");
  });

  it("Calico: an empty tier is the default one", () => {
    assert.equal(verdict("calico NetworkPolicy", "{ tier: '' }"), "denied");
  });

  it("PeerAuthentication: ports that are none", () => {
    const strict = (ports: string): string =>
      `{ selector: { matchLabels: { app: web } }, mtls: { mode: STRICT }${ports} }`;
    const snapshot = (spec: string) =>
      buildSnapshot(
        [...pods, meshNamespace, policyOf("PeerAuthentication", spec, "default")].map((object) => ({ object })),
        { profile: profileFor("kubernetes") },
      ).problems.filter(({ code }) => code === "not-enforced" || code === "invalid-value");
    assert.deepEqual(snapshot(strict("")), []);
    assert.deepEqual(snapshot(strict(", portLevelMtls: { '80': { mode: DISABLE } }")), []);
    for (const ports of ["{}", "{ '080': { mode: DISABLE } }", "{ '0': {} }", "{ '65536': {} }"]) {
      assert.notDeepEqual(snapshot(strict(`, portLevelMtls: ${ports}`)), [], ports);
    }
  });
});
