import assert from "node:assert/strict";
import { buildSnapshot, compile, profileFor, readYaml, type Reachability, type Verdict } from "../../sdk/reachability";

const cluster = (mode: string): string => `apiVersion: v1
kind: Namespace
metadata: { name: store, labels: { ${mode} } }
---
apiVersion: v1
kind: Namespace
metadata: { name: legacy }
---
apiVersion: v1
kind: Pod
metadata: { name: web, namespace: store, labels: { app: web } }
spec: { serviceAccountName: web, containers: [{ name: main, image: main }] }
status: { podIP: 10.1.0.7 }
---
apiVersion: v1
kind: Pod
metadata: { name: api, namespace: store, labels: { app: api } }
spec: { serviceAccountName: api, containers: [{ name: main, image: main }] }
---
apiVersion: v1
kind: Pod
metadata: { name: batch, namespace: legacy, labels: { app: batch } }
spec: { containers: [{ name: main, image: main }] }
---
`;
const sidecars = cluster("istio-injection: enabled");
const ambient = cluster("istio.io/dataplane-mode: ambient");

function judge(mode: string, kind: string, spec: string, annotations = "", where = "store"): Reachability {
  const object = `apiVersion: security.istio.io/v1\nkind: ${kind}\nmetadata: { name: rules, namespace: ${where}, annotations: { ${annotations} } }\nspec: ${spec}\n`;
  const { objects, problems } = readYaml(mode + object, "all.yaml");
  assert.deepEqual(problems, []);
  return compile(buildSnapshot(objects, { profile: profileFor("kubernetes") }));
}

function ask(reachability: Reachability, from: string): Verdict {
  return reachability.verdict({
    source: { kind: "workload", id: `${from}[Pod]` },
    destination: { kind: "workload", id: "store/web[Pod]" },
    protocol: "TCP",
    port: 8080,
  });
}

describe("Istio: what the webhook refuses is neither enforced nor about everybody", () => {
  const from = (source: string, action = "DENY"): string =>
    `{ action: ${action}, rules: [{ from: [{ source: ${source} }] }] }`;
  const to = (operation: string): string => `{ action: DENY, rules: [{ to: [{ operation: ${operation} }] }] }`;
  const when = (condition: string): string => `{ action: DENY, rules: [{ when: [${condition}] }] }`;
  const refused = [
    "{ action: DENY }",
    "{ action: DENY, rules: [] }",
    "{ action: CUSTOM, provider: { name: ext } }",
    "{ action: CUSTOM, rules: [{}] }",
    "{ action: CUSTOM, provider: {}, rules: [{}] }",
    "{ action: CUSTOM, provider: { name: ext }, rules: [{ from: [{ source: { namespaces: [a] } }] }] }",
    "{ action: CUSTOM, provider: { name: ext }, rules: [{ from: [{ source: { trustDomains: [a] } }] }] }",
    "{ action: CUSTOM, provider: { name: ext }, rules: [{ when: [{ key: source.principal, values: [a] }] }] }",
    "{ action: CUSTOM, provider: { name: ext }, rules: [{ when: [{ key: 'request.auth.claims[iss]', values: [a] }] }] }",
    "{ action: DENY, provider: { name: ext }, rules: [{}] }",
    "{ action: DENY, rules: [null] }",
    "{ action: DENY, rules: [{ from: [null] }] }",
    "{ action: DENY, rules: [{ from: [{}] }] }",
    "{ action: DENY, rules: [{ to: [{}] }] }",
    from("{}"),
    from("{ principals: [] }"),
    from('{ principals: [""] }'),
    from('{ notNamespaces: [""] }'),
    from("{ serviceAccounts: [a], namespaces: [b] }"),
    from("{ serviceAccounts: [a], notPrincipals: [b] }"),
    from('{ serviceAccounts: ["one/*"] }'),
    from('{ serviceAccounts: ["*"] }'),
    from("{ serviceAccounts: [a/b/c] }"),
    from('{ serviceAccounts: ["/b"] }'),
    from('{ notServiceAccounts: ["a/"] }'),
    from("{ trustDomains: [a/b] }"),
    from('{ trustDomains: ["a*b"] }'),
    from('{ notTrustDomains: ["*a*"] }'),
    from("{ ipBlocks: [10.0.0.0/33] }"),
    from("{ notRemoteIpBlocks: [web] }"),
    to("{}"),
    to('{ ports: ["0x50"] }'),
    to('{ ports: ["65536"] }'),
    to('{ notPorts: ["http"] }'),
    to('{ methods: [""] }'),
    to('{ paths: ["/a/{**}/{*}"] }'),
    to('{ paths: ["/a{b}"] }'),
    when("{ key: source.namespace }"),
    when("{ key: source.namespace, values: [] }"),
    when("{ values: [a] }"),
    when("{ key: source.user, values: [a] }"),
    when("{ key: request.method, values: [a] }"),
    when("{ key: request.headers, values: [a] }"),
    when('{ key: source.namespace, values: [""] }'),
    when("{ key: source.ip, values: [web] }"),
    when('{ key: source.serviceAccount, values: ["a/*"] }'),
    "{ selector: { matchLabels: { app: 'w*' } }, action: DENY, rules: [{}] }",
    "{ selector: {}, targetRefs: [{ kind: Service, group: '', name: web }], action: DENY, rules: [{}] }",
    "{ targetRefs: [{ kind: Service, group: '', name: web, namespace: store }], action: DENY, rules: [{}] }",
    "{ targetRefs: [{ kind: Gateway, group: '', name: web }], action: DENY, rules: [{}] }",
    "{ targetRefs: [{ kind: Deployment, group: apps, name: web }], action: DENY, rules: [{}] }",
    "{ targetRef: { kind: Service, group: '', name: '' }, action: DENY, rules: [{}] }",
  ];

  for (const spec of refused) {
    it(spec, () => {
      for (const mode of [sidecars, ambient]) {
        const reachability = judge(mode, "AuthorizationPolicy", spec);
        assert.equal(ask(reachability, "store/api"), "allowed");
        const [problem, ...others] = reachability.snapshot.problems;
        assert.equal(problem?.code, "not-enforced");
        assert.match(problem?.message ?? "", /webhook refuses the policy/);
        assert.deepEqual(others, []);
      }
    });
  }

  it("istio.io/dry-run that is no truth value, beside AUDIT and CUSTOM, and on a PeerAuthentication", () => {
    const deny = "{ action: DENY, rules: [{}] }";
    const refusedOnes: readonly (readonly [kind: string, spec: string, value: string])[] = [
      ["AuthorizationPolicy", deny, "'yes'"],
      ["AuthorizationPolicy", deny, "''"],
      ["AuthorizationPolicy", "{ action: AUDIT, rules: [{}] }", "'true'"],
      ["AuthorizationPolicy", "{ action: CUSTOM, provider: { name: ext }, rules: [{}] }", "'false'"],
      ["PeerAuthentication", "{ mtls: { mode: STRICT } }", "'false'"],
    ];
    for (const [kind, spec, value] of refusedOnes) {
      for (const mode of [sidecars, ambient]) {
        const reachability = judge(mode, kind, spec, `istio.io/dry-run: ${value}`);
        assert.equal(ask(reachability, "legacy/batch"), "allowed", `${spec} ${value}`);
        assert.match(reachability.snapshot.problems[0]?.message ?? "", /webhook refuses the policy/);
      }
    }
    assert.equal(ask(judge(sidecars, "AuthorizationPolicy", deny, "istio.io/dry-run: 'F'"), "store/api"), "denied");
  });

  it("a selector without labels selects every sidecar, and no pod in ambient mode", () => {
    for (const selector of ["{}", "{ matchLabels: }"]) {
      const spec = `{ selector: ${selector}, action: DENY, rules: [{}] }`;
      assert.equal(ask(judge(sidecars, "AuthorizationPolicy", spec), "store/api"), "denied");
      assert.equal(ask(judge(ambient, "AuthorizationPolicy", spec), "store/api"), "allowed");
    }
    const empty = "{ selector: { matchLabels: {} }, action: DENY, rules: [{}] }";
    assert.equal(ask(judge(ambient, "AuthorizationPolicy", empty), "store/api"), "denied");
  });

  it("a PeerAuthentication of the mesh with an empty selector is about sidecars alone", () => {
    const peer = (name: string, spec: string, day: string): string =>
      `apiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: { name: ${name}, namespace: istio-system, creationTimestamp: "${day}T00:00:00Z" }\nspec: ${spec}\n`;
    const spec = "{ selector: {}, mtls: { mode: STRICT } }";
    for (const [mode, wide, own] of [
      [sidecars, "denied", "denied"],
      [ambient, "allowed", "denied"],
    ] as const) {
      const mesh = (text: string): Verdict =>
        ask(judge(mode, "PeerAuthentication", text, "", "istio-system"), "legacy/batch");
      assert.equal(mesh(spec), wide);
      assert.equal(mesh("{ mtls: { mode: STRICT } }"), "denied");
      // nor does an older one of these come before another
      const older = `${peer("older", "{ selector: {}, mtls: { mode: PERMISSIVE } }", "2026-01-01")}---\n`;
      const both = judge(mode + older, "PeerAuthentication", "{ mtls: { mode: STRICT } }", "", "istio-system");
      assert.equal(ask(both, "legacy/batch"), wide === "denied" ? "allowed" : "denied");
      assert.equal(ask(judge(mode, "PeerAuthentication", spec), "legacy/batch"), own);
    }
  });

  it("and what it accepts is read", () => {
    const fine = [
      "{ action: DENY, rules: [{}] }",
      "{ action: DENY, rules: [{ from: [], to: [] }] }",
      from('{ trustDomains: ["*.local"] }'),
      from("{ serviceAccounts: [store/api] }"),
      from("{ serviceAccounts: [api] }"),
      when("{ key: source.trustDomain, values: [cluster.local] }"),
      when("{ key: source.serviceAccount, values: [store/api] }"),
      to('{ ports: ["08080"] }'),
      "{ selector: { matchLabels: {} }, action: DENY, rules: [{}] }",
    ];
    for (const spec of fine) {
      const reachability = judge(sidecars, "AuthorizationPolicy", spec);
      assert.equal(ask(reachability, "store/api"), "denied", spec);
      assert.deepEqual(reachability.snapshot.problems, [], spec);
    }
  });

  it("of a PeerAuthentication: unknown modes and ports; ports without a selector leave the rest in doubt", () => {
    for (const spec of [
      "{ mtls: { mode: strict } }",
      "{ selector: { matchLabels: { app: web } }, portLevelMtls: { 0: { mode: STRICT } } }",
    ]) {
      const reachability = judge(sidecars, "PeerAuthentication", spec);
      assert.equal(ask(reachability, "legacy/batch"), "allowed", spec);
      assert.equal(reachability.snapshot.problems[0]?.code, "not-enforced", spec);
    }
    const doubtful = judge(
      sidecars,
      "PeerAuthentication",
      "{ mtls: { mode: STRICT }, portLevelMtls: { 8080: { mode: DISABLE } } }",
    );
    assert.equal(ask(doubtful, "legacy/batch"), "unknown");
    const whole = judge(sidecars, "PeerAuthentication", "{ selector: { matchLabels: {} }, mtls: { mode: STRICT } }");
    assert.equal(ask(whole, "legacy/batch"), "denied");
  });
});

describe("Istio: what istiod hands to ztunnel", () => {
  const rows: readonly (readonly [string, Verdict, Verdict])[] = [
    // conditions beyond layer 4: an ALLOW rule is dropped, a DENY rule does nothing
    ["{ rules: [{ when: [{ key: source.serviceAccount, values: [store/api] }] }] }", "allowed", "denied"],
    ["{ action: DENY, rules: [{ when: [{ key: source.serviceAccount, values: [store/api] }] }] }", "denied", "allowed"],
    ["{ rules: [{ when: [{ key: source.trustDomain, values: [cluster.local] }] }] }", "allowed", "denied"],
    ["{ rules: [{ when: [{ key: connection.sni, values: [a] }] }] }", "unknown", "denied"],
    ["{ action: DENY, rules: [{ when: [{ key: connection.sni, values: [a] }] }] }", "unknown", "allowed"],
    [
      "{ action: DENY, rules: [{ from: [{ source: { namespaces: [store] } }], when: [{ key: connection.sni, values: [a] }] }] }",
      "unknown",
      "allowed",
    ],
    ["{ rules: [{ from: [{ source: { remoteIpBlocks: [10.0.0.0/8] } }] }] }", "unknown", "denied"],
    // trust domains are not handed on
    ["{ rules: [{ from: [{ source: { trustDomains: [cluster.local] } }] }] }", "allowed", "denied"],
    ["{ action: DENY, rules: [{ from: [{ source: { trustDomains: [cluster.local] } }] }] }", "denied", "allowed"],
    ["{ rules: [{ from: [{ source: { trustDomains: [other], namespaces: [store] } }] }] }", "denied", "allowed"],
    [
      "{ rules: [{ from: [{ source: { notTrustDomains: [cluster.local], namespaces: [store] } }] }] }",
      "denied",
      "allowed",
    ],
    // service accounts are
    ["{ rules: [{ from: [{ source: { serviceAccounts: [api] } }] }] }", "allowed", "allowed"],
    // the address that was connected to
    ["{ rules: [{ when: [{ key: destination.ip, values: [10.1.0.0/24] }] }] }", "allowed", "allowed"],
    ["{ rules: [{ when: [{ key: destination.ip, values: [10.2.0.0/24] }] }] }", "denied", "denied"],
    ["{ action: DENY, rules: [{ when: [{ key: destination.ip, notValues: [10.2.0.0/24] }] }] }", "denied", "denied"],
    // HTTP
    ['{ rules: [{ to: [{ operation: { methods: ["GET"] } }] }] }', "allowed", "denied"],
    ['{ action: DENY, rules: [{ to: [{ operation: { methods: ["GET"] } }] }] }', "allowed", "allowed"],
    ['{ action: DENY, rules: [{ to: [{ operation: { methods: ["GET"], ports: ["8080"] } }] }] }', "allowed", "denied"],
    // a wildcard inside is a letter to ztunnel
    ['{ rules: [{ from: [{ source: { namespaces: ["s*re"] } }] }] }', "allowed", "denied"],
    ['{ rules: [{ from: [{ source: { namespaces: ["*ore"] } }] }] }', "allowed", "allowed"],
    ["{ action: CUSTOM, provider: { name: ext }, rules: [{}] }", "unknown", "allowed"],
  ];
  for (const [spec, sidecar, ztunnel] of rows) {
    it(`${spec}: ${sidecar} at a sidecar, ${ztunnel} at a ztunnel`, () => {
      assert.equal(ask(judge(sidecars, "AuthorizationPolicy", spec), "store/api"), sidecar);
      assert.equal(ask(judge(ambient, "AuthorizationPolicy", spec), "store/api"), ztunnel);
    });
  }

  it("a port's DISABLE is no exception from an inherited STRICT, unless another port is PERMISSIVE", () => {
    const strict = `apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: { name: default, namespace: istio-system }
spec: { mtls: { mode: STRICT } }
---
`;
    const ports = (modes: string): string => `{ selector: { matchLabels: { app: web } }, portLevelMtls: { ${modes} } }`;
    const at = (mode: string, modes: string): Verdict =>
      ask(judge(mode + strict, "PeerAuthentication", ports(modes)), "legacy/batch");
    assert.equal(at(sidecars, "8080: { mode: DISABLE }"), "allowed");
    assert.equal(at(ambient, "8080: { mode: DISABLE }"), "denied");
    assert.equal(at(ambient, "8080: { mode: PERMISSIVE }"), "allowed");
    assert.equal(at(ambient, "8080: { mode: DISABLE }, 9090: { mode: PERMISSIVE }"), "allowed");
  });
});

describe("Istio: trust domains", () => {
  it("cluster.local in a policy stands for the mesh's own, at a sidecar", () => {
    const spec = '{ rules: [{ from: [{ source: { principals: ["cluster.local/ns/store/sa/api"] } }] }] }';
    const at = (mode: string): Verdict => {
      const { snapshot } = judge(mode, "AuthorizationPolicy", spec);
      const profile = { ...snapshot.profile, meshTrustDomain: "corp.example" };
      const objects = [...snapshot.workloads, ...snapshot.policies].map(({ object }) => ({ object }));
      const labels = Object.fromEntries([...snapshot.namespaces].map(([name, each]) => [name, each.labels]));
      const namespaces = Object.entries(labels).map(([name, own]) => ({
        object: { apiVersion: "v1", kind: "Namespace", metadata: { name, labels: own } },
      }));
      return ask(compile(buildSnapshot([...namespaces, ...objects], { profile })), "store/api");
    };
    assert.equal(at(sidecars), "allowed");
    assert.equal(at(ambient), "denied");
  });
});

describe("Istio: rules that leave out all the requests they ask for", () => {
  const to = (operation: string, action = "ALLOW"): string =>
    `{ action: ${action}, rules: [{ to: [{ operation: ${operation} }] }] }`;
  const nothing = [
    "{ methods: [GET], notMethods: [GET] }",
    "{ methods: [GET], notMethods: ['G*'] }",
    "{ methods: ['G*', PUT], notMethods: ['*'] }",
    "{ paths: [/a/b, '/a/c*'], notPaths: ['/a/*'] }",
    "{ hosts: ['*.example.com'], notHosts: ['*example.com'] }",
  ];
  for (const operation of nothing) {
    it(`${operation} allows nothing`, () =>
      assert.equal(ask(judge(sidecars, "AuthorizationPolicy", to(operation)), "store/api"), "denied"));
    it(`${operation} denies no request`, () =>
      assert.equal(ask(judge(sidecars, "AuthorizationPolicy", to(operation, "DENY")), "store/api"), "allowed"));
  }
  const something = [
    "{ methods: [GET, PUT], notMethods: [GET] }",
    "{ methods: ['*T'], notMethods: ['G*'] }",
    "{ paths: ['/a*'], notPaths: ['/a/*'] }",
    "{ methods: [GET], notPaths: ['/a'] }",
  ];
  for (const operation of something) {
    it(`${operation} allows some`, () =>
      assert.equal(ask(judge(sidecars, "AuthorizationPolicy", to(operation)), "store/api"), "allowed"));
  }
  it("a condition that leaves out its own values", () => {
    const when = "{ rules: [{ when: [{ key: 'request.headers[x]', values: [a, b], notValues: [a, 'b*'] }] }] }";
    assert.equal(ask(judge(sidecars, "AuthorizationPolicy", when), "store/api"), "denied");
  });
});
